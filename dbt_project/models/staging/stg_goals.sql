select metric_id, dimension, subgroup, school_id, reference, school_year, gap
from {{ source('raw', 'goals') }}
