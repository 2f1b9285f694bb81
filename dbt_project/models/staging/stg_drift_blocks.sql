select school_year, school_id, dimension, reason, accepted_because is not null as is_accepted
from {{ source('raw', 'drift_blocks') }}
