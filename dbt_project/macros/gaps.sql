{# Why two years' rows of `int_gap_level` can't be compared, or null. #}
{% macro what_changed(one, other) -%}
  case
    when {{ one }}.uses_race and {{ one }}.race_standard is distinct from {{ other }}.race_standard then 'race_standard_changed'
    when {{ one }}.uses_income and {{ one }}.econ_basis is distinct from {{ other }}.econ_basis then 'income_basis_changed'
  end
{%- endmacro %}

{# One readable row per school_year x school x metric x dimension x subgroup, against the designated reference. #}
{% macro phase_mart(phase) -%}
select
  places.partner_id,
  gaps.school_year,
  concat(gaps.school_year - 1, '-', right(cast(gaps.school_year as string), 2)) as school_year_label,
  gaps.school_id,
  places.school_name,
  places.program,
  places.phase,
  gaps.metric_id,
  metrics.label as metric_label,
  gaps.dimension,
  subgroups.dimension_label,
  gaps.subgroup,
  subgroups.subgroup_label,
  gaps.n,
  gaps.successes,
  gaps.rate,
  gaps.reference_subgroup,
  gaps.reference_n,
  gaps.reference_successes,
  gaps.reference_rate,
  gaps.gap,
  gaps.gap_low,
  gaps.gap_high,
  gaps.students_needed,
  closure.prior_gap,
  closure.gap_change,
  closure.gap_change_low,
  closure.gap_change_high,
  closure.status,
  closure.leveled_down,
  closure.comparable_to_prior_year,
  closure.comparability_reason,
  gaps.reliable,
  gaps.reason,
  gaps.metric_version,
  gaps.policy_version
from {{ ref('gap_metrics') }} as gaps
inner join {{ ref('metrics') }} as metrics on metrics.metric_id = gaps.metric_id and metrics.phase = '{{ phase }}'
inner join {{ ref('int_subgroup') }} as subgroups
  on subgroups.dimension = gaps.dimension and subgroups.subgroup = gaps.subgroup
inner join {{ ref('int_school_year') }} as places
  on places.school_year = gaps.school_year and places.school_id = gaps.school_id
inner join {{ ref('gap_closure') }} as closure
  on
    closure.school_year = gaps.school_year
    and closure.school_id = gaps.school_id
    and closure.metric_id = gaps.metric_id
    and closure.dimension = gaps.dimension
    and closure.subgroup = gaps.subgroup
    and closure.reference = gaps.reference
where gaps.grade_level = '_all' and gaps.reference = 'designated'
{%- endmacro %}
