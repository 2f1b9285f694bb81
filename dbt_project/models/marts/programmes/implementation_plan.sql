{{ config(tags=['with_action_steps']) }}
select
  partner.partner_id,
  steps.plan_id,
  steps.step_id,
  steps.focus_area,
  steps.owner_role,
  steps.due_date,
  steps.status,
  steps.recommendation,
  steps.decided_by,
  steps.decided_on,
  coalesce(steps.due_date < {{ newest_day() }} and lower(steps.status) not in ('done', 'dropped'), false) as is_overdue
from {{ ref('stg_action_steps') }} as steps
cross join {{ ref('stg_partner') }} as partner
