-- One statement for the keys of all tables; `rule` says whose key is broken: two rows agree in it, or one has a null there.
-- Resolve: for an extract, the delivery was merged wrongly; else a join of the model repeats rows.
{% set place = ['school_year', 'school_id'] %}
{% set gap = place + ['metric_id', 'dimension', 'subgroup'] %}
{% set keys = {
  'stg_courses': ['school_year', 'course_id', "coalesce(school_id, '')"],
  'stg_aggregate_counts': gap + ['grade_level'],
  'int_race_roll_up': ['hispanic_latino', 'races'],
  'int_student_year': ['school_year', 'student_id'],
  'int_cell_subgroup': ['cell', 'dimension', 'subgroup'],
  'int_subgroup': ['dimension', 'subgroup'],
  'int_final_grade': ['school_year', 'final_grade'],
  'int_survey_answer': ['school_year', 'student_id', 'construct'],
  'int_coverage': ['school_year', 'token'],
  'int_subgroup_counts': gap + ['grade_level'],
  'int_school_year': place,
  'int_year_versions': ['school_year'],
  'int_comparison': ['metric_id', 'dimension', 'subgroup', 'reference'],
  'int_gap_block': place + ['concerns'],
  'int_gap_parts': ['school_year', 'metric_id', 'dimension', 'subgroup', 'reference'],
  'gap_closure': gap + ['reference'],
  'tools_package': gap,
  'equity_leader_lab': gap,
  'sustainability': place + ['dimension', 'subgroup'],
  'course_funnel': place + ['dimension', 'subgroup', 'step'],
  'data_quality': ['school_year', 'extract', 'measure', 'item']
} %}
{% for model, columns in keys.items() -%}
select '{{ model }}' as rule, count(*) as rows_concerned
from (
  {{ repeated(ref(model), columns) }}
  union all
  select {{ columns | join(', ') }} from {{ ref(model) }} where {{ columns | join(' is null or ') }} is null
) as broken
having count(*) > 0
{% if not loop.last %}union all
{% endif -%}
{% endfor %}
