with

enrolled as (
  select distinct school_year, student_id
  from {{ ref('int_ap_ib_enrollment') }}
)

select
  students.school_year,
  students.student_id,
  students.school_id,
  students.grade_level,
  1 as n,
  case when enrolled.student_id is not null then 1 else 0 end as successes
from {{ ref('int_student_year') }} as students
left join enrolled on enrolled.school_year = students.school_year and enrolled.student_id = students.student_id
