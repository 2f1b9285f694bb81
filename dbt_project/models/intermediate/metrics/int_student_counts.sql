-- Students are collapsed to cells (school, grade, attributes) before anything is fanned out over subgroups.
with

metrics as (
  {% for metric_id in metric_ids() -%}
  select '{{ metric_id }}' as metric_id, school_year, student_id, n, successes
  from {{ ref('int_metric__' ~ metric_id) }}
  union all
  {% endfor -%}
  select '_students' as metric_id, school_year, student_id, 1 as n, 0 as successes
  from {{ ref('int_student_year') }}
),

cells as (
  select
    metrics.metric_id,
    students.school_year,
    students.school_id,
    students.grade_level,
    students.cell,
    {{ sum_whole('metrics.n') }} as n,
    {{ sum_whole('metrics.successes') }} as successes
  from metrics
  inner join {{ ref('int_student_year') }} as students
    on students.school_year = metrics.school_year and students.student_id = metrics.student_id
  group by metrics.metric_id, students.school_year, students.school_id, students.grade_level, students.cell
),

by_subgroup as (
  select
    cells.metric_id,
    cells.school_year,
    cells.school_id,
    cells.grade_level,
    subgroups.dimension,
    subgroups.subgroup,
    {{ sum_whole('cells.n') }} as n,
    {{ sum_whole('cells.successes') }} as successes
  from cells
  inner join {{ ref('int_cell_subgroup') }} as subgroups on subgroups.cell = cells.cell
  group by cells.metric_id, cells.school_year, cells.school_id, cells.grade_level, subgroups.dimension, subgroups.subgroup
)

select
  metric_id,
  school_year,
  coalesce(school_id, '_all') as school_id,
  coalesce(grade_level, '_all') as grade_level,
  dimension,
  subgroup,
  {{ sum_whole('n') }} as n,
  {{ sum_whole('successes') }} as successes
from by_subgroup
group by grouping sets (
  (metric_id, school_year, dimension, subgroup),
  (metric_id, school_year, dimension, subgroup, school_id),
  (metric_id, school_year, dimension, subgroup, grade_level),
  (metric_id, school_year, dimension, subgroup, school_id, grade_level)
)
