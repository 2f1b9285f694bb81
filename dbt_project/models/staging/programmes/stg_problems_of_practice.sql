select problem_id, statement, focus_area, construct, metric_id, dimension, subgroup
from {{ source('raw', 'problems_of_practice') }}
