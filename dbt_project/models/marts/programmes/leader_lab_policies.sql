{{ config(tags=['with_leader_lab_policies']) }}
select
  partner.partner_id,
  policies.team_id,
  policies.school_id,
  policies.policy,
  policies.adopted_on,
  cast(policies.adopted_school_year as int) as adopted_school_year,
  policies.metric_id,
  policies.dimension,
  policies.subgroup,
  before.gap as gap_before,
  now.school_year as latest_school_year,
  now.gap as latest_gap
from {{ ref('stg_leader_lab_policies') }} as policies
cross join {{ ref('stg_partner') }} as partner
left join {{ ref('gap_metrics') }} as before
  on
    before.grade_level = '_all' and before.reference = 'designated'
    and before.school_year = policies.adopted_school_year - 1
    and before.school_id = policies.school_id and before.metric_id = policies.metric_id
    and before.dimension = policies.dimension and before.subgroup = policies.subgroup
left join {{ ref('gap_metrics') }} as now
  on
    now.grade_level = '_all' and now.reference = 'designated'
    and now.school_year = (select max(school_year) from {{ ref('gap_metrics') }} where gap is not null)
    and now.school_id = policies.school_id and now.metric_id = policies.metric_id
    and now.dimension = policies.dimension and now.subgroup = policies.subgroup
