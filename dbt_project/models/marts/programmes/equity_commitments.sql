{{ config(tags=['with_commitments']) }}
select
  partner.partner_id,
  commitments.commitment_id,
  commitments.kind,
  commitments.statement,
  commitments.made_on,
  commitments.due_on,
  commitments.owner_role,
  commitments.status,
  coalesce(commitments.due_on < {{ newest_day() }} and commitments.status not in ('kept', 'dropped'), false) as is_overdue
from {{ ref('stg_commitments') }} as commitments
cross join {{ ref('stg_partner') }} as partner
