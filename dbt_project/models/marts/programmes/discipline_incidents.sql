{{ config(tags=['with_discipline']) }}
-- Students and incidents kept apart. `disability_at_incident` is the status on the day, where the sender states it; else the
-- status of the school year, as in the dimension `disability_idea`.
with

events as (
  select
    discipline.school_year,
    discipline.school_id,
    discipline.student_id,
    discipline.incident_id,
    discipline.action,
    discipline.days,
    students.cell_1,
    students.cell_2,
    case
      when discipline.disability_status is not null then discipline.disability_status
      when {{ answer_of_student('disability_idea', 'students') }} = 'yes' then 'idea'
      when {{ answer_of_student('section_504', 'students') }} = 'yes' then 'section_504'
      when {{ answer_of_student('disability_idea', 'students') }} = 'no' then 'none'
      else 'unknown'
    end as disability_at_incident
  from {{ ref('stg_discipline') }} as discipline
  inner join {{ ref('int_student_year') }} as students
    on students.school_year = discipline.school_year and students.student_id = discipline.student_id
),

-- Before the rows are multiplied by subgroups: how often, and numbers in the place of texts, which are told apart faster. What has
-- one row counts by itself; only the rest must be told apart.
numbered as (
  select
    *,
    dense_rank() over (partition by school_year order by student_id) as student,
    dense_rank() over (partition by school_year order by incident_id) as incident,
    count(*) over (partition by school_year, student_id, action) as times,
    count(*) over (partition by school_year, student_id, action, disability_at_incident) as times_in_status,
    count(*) over (partition by school_year, incident_id, action) as rows_of_incident
  from events
),

grouped as (
  {% for cell in ['cell_1', 'cell_2'] -%}
  select
    numbered.school_year, numbered.school_id, numbered.action, numbered.student, numbered.incident, numbered.days,
    numbered.rows_of_incident, numbered.times, subgroups.dimension, subgroups.subgroup
  from numbered
  inner join {{ ref('int_cell_subgroup') }} as subgroups on subgroups.cell = numbered.{{ cell }}
  where subgroups.dimension in ({{ one_way_dimensions() }})
  union all
  {% endfor -%}
  select
    school_year, school_id, action, student, incident, days, rows_of_incident, times_in_status as times,
    'disability_at_incident' as dimension, disability_at_incident as subgroup
  from numbered
),

counted as (
  select
    school_year,
    coalesce(school_id, '_all') as school_id,
    action,
    dimension,
    subgroup,
    count(case when times = 1 then 1 end) as students_once,
    count(distinct case when times > 1 then student end) as students_more_than_once,
    count(case when rows_of_incident = 1 then 1 end) + count(distinct case when rows_of_incident > 1 then incident end) as incidents,
    {{ sum_sorted('days') }} as days
  from grouped
  group by grouping sets ((school_year, action, dimension, subgroup), (school_year, action, dimension, subgroup, school_id))
)

select
  partner.partner_id,
  counted.school_year,
  counted.school_id,
  counted.action,
  counted.dimension,
  counted.subgroup,
  enrolled.n as students_enrolled,
  counted.students_once + counted.students_more_than_once as students,
  counted.students_more_than_once,
  counted.incidents,
  counted.days,
  {{ divide('100 * counted.incidents', 'enrolled.n') }} as incidents_per_100_students
from counted
cross join {{ ref('stg_partner') }} as partner
left join {{ ref('int_student_counts') }} as enrolled
  on
    enrolled.school_year = counted.school_year
    and enrolled.school_id = counted.school_id
    and enrolled.dimension = counted.dimension
    and enrolled.subgroup = counted.subgroup
