select plan_id, recommendation_id, stakeholder_group, support, nullif(comment_theme, '_free_text') as comment_theme
from {{ source('raw', 'task_force_feedback') }}
