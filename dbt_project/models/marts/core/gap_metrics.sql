{%- set has_risk_ratio = "metrics.risk_ratio = 'yes' and rates.reference = 'rest'" %}
{%- set risk_ratio_reason -%}
case
      when rates.reason is not null then rates.reason
      when rates.n < policy.risk_ratio_n then 'group_n_too_small'
      when rates.successes < policy.risk_ratio_cell then 'group_cell_too_small'
      when rates.reference_n is null then 'reference_not_available'
      when rates.reference_n < policy.risk_ratio_n then 'comparison_n_too_small'
      when rates.reference_successes < policy.risk_ratio_cell then 'comparison_cell_too_small'
    end
{%- endset -%}
with

policy as (
  select * from {{ ref('int_policy') }}
),

compared as (
  {{ comparisons(ref('int_references')) }}
),

rates as (
  select
    compared.*,
    {{ divide('compared.successes', 'compared.n') }} as rate,
    {{ divide('compared.reference_successes', 'compared.reference_n') }} as reference_rate,
    {{ divide('compared.overall_successes', 'compared.overall_n') }} as overall_rate,
    {{ divide('compared.rest_successes', 'compared.rest_n') }} as rest_rate,
    {{ wilson('low', 'compared.n', 'compared.successes', 'policy.confidence_z') }} as rate_low,
    {{ wilson('high', 'compared.n', 'compared.successes', 'policy.confidence_z') }} as rate_high,
    {{ wilson('low', 'compared.reference_n', 'compared.reference_successes', 'policy.confidence_z') }} as reference_low,
    {{ wilson('high', 'compared.reference_n', 'compared.reference_successes', 'policy.confidence_z') }} as reference_high,
    {{ ppg2017_margin('compared.n', 'policy') }} as ppg2017_margin,
    {{ ppg2022_margin('compared.n', 'compared.successes', 'policy') }} as ppg2022_margin,
    coalesce(compared.n >= policy.n_reliability and compared.reference_n >= policy.n_reliability, false) as reliable,
    policy.index80_percent
  from compared
  cross join policy
)

select
  partner.partner_id,
  rates.school_year,
  rates.school_id,
  rates.grade_level,
  rates.metric_id,
  rates.dimension,
  rates.subgroup,
  rates.reference,
  rates.n,
  rates.successes,
  rates.rate,
  rates.reference_subgroup,
  rates.reference_n,
  rates.reference_successes,
  rates.reference_rate,
  rates.rate - rates.reference_rate as gap,
  case when rates.disjoint then
    {{ mover_low('rates.rate', 'rates.rate_low', 'rates.reference_rate', 'rates.reference_high') }} end as gap_low,
  case when rates.disjoint then
    {{ mover_high('rates.rate', 'rates.rate_high', 'rates.reference_rate', 'rates.reference_low') }} end as gap_high,
  {{ divide('rates.rate', 'rates.overall_rate') }} as representation_index,
  {{ divide('rates.rate', 'rates.reference_rate') }} as rate_ratio,
  {{ odds_ratio('rates.n', 'rates.successes', 'rates.reference_n', 'rates.reference_successes') }} as odds_ratio,
  {{ cohens_h('rates.rate', 'rates.reference_rate') }} as cohens_h,
  {{ parity_index_adjusted(divide('rates.rate', 'rates.reference_rate')) }} as parity_index_adjusted,
  rates.p_value,
  adjusted.p_value_adjusted,
  case when {{ has_risk_ratio }} and {{ risk_ratio_reason }} is null then {{ divide('rates.rate', 'rates.reference_rate') }} end as risk_ratio,
  case when {{ has_risk_ratio }} then {{ risk_ratio_reason }} end as risk_ratio_reason,
  -- Everyone else of the state, where the partner's own comparison group is too small.
  case when {{ has_risk_ratio }} and {{ risk_ratio_reason }} like 'comparison%'
    then {{ divide('rates.rate', 'state_rest.rate') }} end as alternate_risk_ratio,
  case when {{ has_risk_ratio }} then
    case
      when {{ risk_ratio_reason }} is null then 'not_needed'
      when {{ risk_ratio_reason }} not like 'comparison%' then {{ risk_ratio_reason }}
      when state_rest.rate is null then 'state_counts_not_provided'
      when state_rest.rate = 0 then 'comparison_cell_too_small'
    end
  end as alternate_risk_ratio_reason,
  case when rates.n > 0 then rates.ppg2017_margin end as ppg2017_margin,
  case when rates.n > 0 then
    rates.direction * rates.rate + rates.ppg2017_margin <= rates.direction * rates.overall_rate end as ppg2017_flag,
  case when rates.n > 0 then rates.ppg2022_margin end as ppg2022_margin,
  case when rates.n > 0 then
    rates.direction * (rates.rate - rates.rest_rate) <= -rates.ppg2022_margin end as ppg2022_flag,
  {{ below_percent_of('rates.n', 'rates.successes', 'rates.highest_n', 'rates.highest_successes', 'rates.index80_percent', 'rates.direction') }}
    as index80_flag,
  {{ students_needed('rates.n', 'rates.successes', 'rates.reference_n', 'rates.reference_successes', 'rates.direction') }}
    as students_needed,
  rates.reliable,
  case
    when rates.reason is not null then rates.reason
    when rates.n = 0 then 'no_students'
    when rates.reference_rate is null then 'reference_not_available'
    when not rates.reliable then 'small'
  end as reason,
  metrics.version as metric_version,
  versions.policy_version,
  versions.race_standard,
  versions.econ_basis,
  versions.snapshot_date,
  versions.extract_as_of
from rates
cross join policy
cross join {{ ref('stg_partner') }} as partner
inner join {{ ref('metrics') }} as metrics on metrics.metric_id = rates.metric_id
inner join {{ ref('int_year_versions') }} as versions on versions.school_year = rates.school_year
left join {{ ref('int_p_values') }} as adjusted
  on
    -- Single grades are looked at after a finding, not tested.
    rates.grade_level = '_all' and rates.p_value is not null
    and {{ same('adjusted', 'rates', ['school_year', 'metric_id', 'reference', 'n', 'successes', 'reference_n', 'reference_successes']) }}
left join {{ ref('int_state_rest') }} as state_rest
  on {{ same('state_rest', 'rates', ['school_year', 'metric_id', 'dimension', 'subgroup']) }}
