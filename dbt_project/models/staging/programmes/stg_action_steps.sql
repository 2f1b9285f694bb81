select plan_id, step_id, focus_area, owner_role, due_date, status, recommendation, decided_by, decided_on
from {{ source('raw', 'action_steps') }}
