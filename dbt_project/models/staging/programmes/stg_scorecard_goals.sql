select resource, school_id, dimension, subgroup, goal_rate, due_on
from {{ source('raw', 'scorecard_goals') }}
