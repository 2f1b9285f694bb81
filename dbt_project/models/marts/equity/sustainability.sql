with

policy as (
  select * from {{ ref('int_policy') }}
),

levels as (
  select
    levels.school_year, levels.school_id, comparisons.metric_id, comparisons.dimension, comparisons.subgroup, levels.rate, levels.gap,
    closure.status,
    closure.status in ('closed', 'maintained_closed', 'reversed') as is_closed
  from {{ ref('int_gap_level') }} as levels
  inner join {{ ref('int_comparison') }} as comparisons on comparisons.comparison = levels.comparison
  inner join {{ ref('gap_closure') }} as closure
    on
      {{ same('closure', 'levels', ['school_year', 'school_id']) }}
      and {{ same('closure', 'comparisons', ['metric_id', 'dimension', 'subgroup', 'reference']) }}
  -- Nobody's gap: those of whom it is not known, and the reference itself.
  inner join {{ ref('int_subgroup') }} as subgroups
    on
      {{ same('subgroups', 'comparisons', ['dimension', 'subgroup']) }}
      and not subgroups.is_unknown
      and subgroups.subgroup <> subgroups.reference_subgroup
  where comparisons.reference = 'designated' and comparisons.metric_id in ('ap_ib_enrollment', 'exam_passed_of_takers')
),

three_years as (
  select
    now.*,
    prior.rate as prior_rate,
    prior.gap as prior_gap,
    prior.status as prior_status,
    prior.is_closed as prior_is_closed,
    earlier.rate as earlier_rate,
    earlier.gap as earlier_gap,
    earlier.status as earlier_status,
    case when now.is_closed then 1 + case when prior.is_closed then 1 + case when earlier.is_closed then 1 else 0 end else 0 end else 0 end
      as years_closed
  from levels as now
  {% for name, back in [('prior', 1), ('earlier', 2)] -%}
  left join levels as {{ name }}
    on
      {{ name }}.school_year = now.school_year - {{ back }}
      and {{ name }}.school_id = now.school_id
      and {{ name }}.metric_id = now.metric_id
      and {{ name }}.dimension = now.dimension
      and {{ name }}.subgroup = now.subgroup
  {% endfor %}
),

access as (
  select
    three_years.*,
    -- Of the gaps of the place that were closed the year before and can be seen now, the share that still is.
    {{ divide('sum(case when prior_is_closed and is_closed then 1 else 0 end) over place',
              "sum(case when prior_is_closed and status <> 'not_measurable' then 1 else 0 end) over place") }} as maintained_share
  from three_years
  where metric_id = 'ap_ib_enrollment'
  window place as (partition by school_year, school_id)
),

with_success as (
  select
    access.*,
    passed.rate as pass_rate,
    passed.prior_rate as prior_pass_rate,
    passed.rate >= passed.prior_rate - policy.pass_rate_tolerance as pass_rate_held,
    access.rate > access.prior_rate as access_grew
  from access
  cross join policy
  left join three_years as passed
    on
      passed.metric_id = 'exam_passed_of_takers'
      and {{ same('passed', 'access', ['school_year', 'school_id', 'dimension', 'subgroup']) }}
),

with_reasons as (
  select
    with_success.*,
    concat_ws(
      ';',
      case when status = 'not_measurable' then 'gap_not_measurable' when not is_closed then 'gap_not_closed' end,
      case when is_closed and years_closed < 2 then 'closed_for_one_year_only' end,
      case when pass_rate_held is null then 'pass_rate_not_measured' when not pass_rate_held then 'pass_rate_fell' end,
      case when with_success.maintained_share < policy.maintained_share then 'other_gaps_came_back' end
    ) as readiness_reasons
  from with_success
  cross join policy
)

select
  places.partner_id,
  facts.school_year,
  facts.school_id,
  places.school_name,
  places.program,
  places.phase,
  facts.dimension,
  subgroups.dimension_label,
  facts.subgroup,
  subgroups.subgroup_label,
  facts.rate as access_rate,
  facts.prior_rate as prior_access_rate,
  facts.earlier_rate as earlier_access_rate,
  facts.gap as access_gap,
  facts.prior_gap as prior_access_gap,
  facts.earlier_gap as earlier_access_gap,
  facts.status,
  facts.prior_status,
  facts.earlier_status,
  facts.years_closed,
  facts.maintained_share,
  facts.pass_rate,
  facts.prior_pass_rate,
  facts.access_grew,
  facts.pass_rate_held,
  facts.access_grew and facts.pass_rate_held as pass_rate_held_while_access_grew,
  facts.readiness_reasons = '' as ready_for_next_phase,
  nullif(facts.readiness_reasons, '') as readiness_reasons
from with_reasons as facts
inner join {{ ref('int_school_year') }} as places
  on places.school_year = facts.school_year and places.school_id = facts.school_id
inner join {{ ref('int_subgroup') }} as subgroups
  on subgroups.dimension = facts.dimension and subgroups.subgroup = facts.subgroup
