select strategy_id, strategy_name, focus_area, evidence_tier, evidence_source
from {{ source('raw', 'strategies') }}
