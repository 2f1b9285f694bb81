with

graded as (
  select school_year, student_id, max(case when c_or_better then 1 else 0 end) as successes
  from {{ ref('int_ap_ib_enrollment') }}
  where is_graded
  group by school_year, student_id
)

select students.school_year, students.student_id, students.school_id, students.grade_level, 1 as n, graded.successes
from graded
inner join {{ ref('int_student_year') }} as students
  on students.school_year = graded.school_year and students.student_id = graded.student_id
