{{ config(tags=['with_discipline']) }}
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
  gaps.alternate_risk_ratio,
  gaps.alternate_risk_ratio_reason,
  state_rest.rate as state_rate,
  gaps.reason
from {{ ref('gap_metrics') }} as gaps
inner join {{ ref('metrics') }} as metrics on metrics.metric_id = gaps.metric_id and metrics.phase = 'climate'
left join {{ ref('int_state_rest') }} as state_rest
  on {{ same('state_rest', 'gaps', ['school_year', 'metric_id', 'dimension', 'subgroup']) }}
where gaps.reference = 'rest' and gaps.grade_level = '_all' and gaps.dimension in ({{ one_way_dimensions() }})
