with

enrolled as (
  select distinct school_year, student_id, program
  from {{ ref('int_ap_ib_enrollment') }}
),

examined as (
  select distinct school_year, student_id, program
  from {{ ref('stg_exam_results') }}
),

takers as (
  select
    enrolled.school_year,
    enrolled.student_id,
    max(case when examined.student_id is not null then 1 else 0 end) as successes
  from enrolled
  left join examined
    on
      examined.school_year = enrolled.school_year
      and examined.student_id = enrolled.student_id
      and examined.program = enrolled.program
  group by enrolled.school_year, enrolled.student_id
)

select students.school_year, students.student_id, students.school_id, students.grade_level, 1 as n, takers.successes
from takers
inner join {{ ref('int_student_year') }} as students
  on students.school_year = takers.school_year and students.student_id = takers.student_id
