-- Students are collapsed to cells (school, grade, attributes) before anything is fanned out over subgroups. While that is
-- done, all metrics of a cell lie side by side in one row: the fan-out is the same for all of them.
{{ config(materialized='table') }}
{%- set counted = metric_ids() + ['_students'] + funnel_steps() | list -%}

with

counted as (
  {% for metric_id in metric_ids() -%}
  select '{{ metric_id }}' as metric_id, school_year, school_id, grade_level, cell,
    {{ sum_whole('n') }} as n, {{ sum_whole('successes') }} as successes
  from {{ ref('int_metric__' ~ metric_id) }}
  group by school_year, school_id, grade_level, cell
  union all
  {% endfor -%}
  {% for step, reached in funnel_steps().items() -%}
  select '{{ step }}' as metric_id, school_year, school_id, grade_level, cell,
    count(*) as n, count(case when {{ reached }} then 1 end) as successes
  from {{ ref('int_student_outcome') }}
  group by school_year, school_id, grade_level, cell
  union all
  {% endfor -%}
  select '_students' as metric_id, school_year, school_id, grade_level, cell, count(*) as n, 0 as successes
  from {{ ref('int_student_year') }}
  group by school_year, school_id, grade_level, cell
),

cells as (
  select
    school_year,
    school_id,
    grade_level,
    cell
    {%- for metric_id in counted %},
    {{ sum_whole("case when metric_id = '" ~ metric_id ~ "' then n end") }} as n_{{ loop.index }},
    {{ sum_whole("case when metric_id = '" ~ metric_id ~ "' then successes end") }} as s_{{ loop.index }}
    {%- endfor %}
  from counted
  group by school_year, school_id, grade_level, cell
),

by_subgroup as (
  select
    cells.school_year,
    cells.school_id,
    cells.grade_level,
    subgroups.dimension,
    subgroups.subgroup,
    subgroups.is_crossed
    {%- for metric_id in counted %},
    {{ sum_whole('cells.n_' ~ loop.index) }} as n_{{ loop.index }},
    {{ sum_whole('cells.s_' ~ loop.index) }} as s_{{ loop.index }}
    {%- endfor %}
  from cells
  inner join {{ ref('int_cell_subgroup') }} as subgroups on subgroups.cell = cells.cell
  group by cells.school_year, cells.school_id, cells.grade_level, subgroups.dimension, subgroups.subgroup, subgroups.is_crossed
),

-- Crossings are for all grades together: a single grade's hold a handful of students.
rolled_up as (
  select
    school_year,
    coalesce(school_id, '_all') as school_id,
    coalesce(grade_level, '_all') as grade_level,
    dimension,
    subgroup
    {%- for metric_id in counted %},
    {{ sum_whole('n_' ~ loop.index) }} as n_{{ loop.index }},
    {{ sum_whole('s_' ~ loop.index) }} as s_{{ loop.index }}
    {%- endfor %}
  from by_subgroup
  group by grouping sets (
    (school_year, dimension, subgroup, is_crossed),
    (school_year, dimension, subgroup, is_crossed, school_id),
    (school_year, dimension, subgroup, is_crossed, grade_level),
    (school_year, dimension, subgroup, is_crossed, school_id, grade_level)
  )
  having not is_crossed or grade_level is null
)

{% for metric_id in counted -%}
select school_year, school_id, grade_level, '{{ metric_id }}' as metric_id, dimension, subgroup,
  coalesce(n_{{ loop.index }}, 0) as n, coalesce(s_{{ loop.index }}, 0) as successes
from rolled_up
{% if not loop.last %}union all
{% endif -%}
{% endfor %}
