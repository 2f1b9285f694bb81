select school_year, metric_id, dimension, subgroup, n, successes
from {{ source('raw', 'state_counts') }}
