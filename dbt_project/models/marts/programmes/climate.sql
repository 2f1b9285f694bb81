{{ config(tags=['with_discipline']) }}
-- The alternate risk ratio compares with everyone else of the state, where the district's own comparison group is too small.
with

state_totals as (
  select school_year, metric_id, dimension, sum(n) as n, sum(successes) as successes
  from {{ ref('stg_state_counts') }}
  where subgroup <> 'unknown'
  group by school_year, metric_id, dimension
),

state_rest as (
  select counts.school_year, counts.metric_id, counts.dimension, counts.subgroup,
    {{ divide('totals.successes - counts.successes', 'totals.n - counts.n') }} as rate
  from {{ ref('stg_state_counts') }} as counts
  inner join state_totals as totals
    on totals.school_year = counts.school_year and totals.metric_id = counts.metric_id and totals.dimension = counts.dimension
)

select
  gaps.partner_id,
  gaps.school_year,
  gaps.school_id,
  gaps.metric_id,
  gaps.dimension,
  gaps.subgroup,
  gaps.n,
  gaps.successes,
  gaps.rate,
  gaps.reference_n,
  gaps.reference_successes,
  gaps.reference_rate,
  gaps.gap,
  gaps.gap_low,
  gaps.gap_high,
  gaps.risk_ratio,
  gaps.risk_ratio_reason,
  case when gaps.risk_ratio_reason like 'comparison%' then {{ divide('gaps.rate', 'state_rest.rate') }} end as alternate_risk_ratio,
  case
    when gaps.risk_ratio_reason is null then 'not_needed'
    when gaps.risk_ratio_reason not like 'comparison%' then gaps.risk_ratio_reason
    when state_rest.rate is null then 'state_counts_not_provided'
  end as alternate_risk_ratio_reason,
  state_rest.rate as state_rate,
  gaps.reason
from {{ ref('gap_metrics') }} as gaps
inner join {{ ref('metrics') }} as metrics on metrics.metric_id = gaps.metric_id and metrics.phase = 'climate'
left join state_rest
  on
    state_rest.school_year = gaps.school_year
    and state_rest.metric_id = gaps.metric_id
    and state_rest.dimension = gaps.dimension
    and state_rest.subgroup = gaps.subgroup
where gaps.reference = 'rest' and gaps.grade_level = '_all' and gaps.dimension in ({{ one_way_dimensions() }})
