select initiative_id, name as initiative_name, focus_area, strategy_id, start_date, metric_id
from {{ source('raw', 'initiatives') }}
