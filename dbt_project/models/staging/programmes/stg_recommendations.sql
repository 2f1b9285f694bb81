select plan_id, recommendation_id, statement, problem_id, strategy_id, status
from {{ source('raw', 'recommendations') }}
