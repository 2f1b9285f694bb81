-- Only AP and IB seats go further: a small part of all course enrollments.
with

enrollments as (
  select
    enrollments.school_year,
    enrollments.student_id,
    case when enrollments.school_id = '_enrolled' then students.school_id else enrollments.school_id end as school_id,
    enrollments.course_id,
    enrollments.final_grade
  from {{ ref('stg_course_enrollments') }} as enrollments
  inner join {{ ref('int_student_year') }} as students
    on students.school_year = enrollments.school_year and students.student_id = enrollments.student_id
  where enrollments.dropped <> 'yes'
),

ap_ib_courses as (
  select school_year, school_id, course_id, exam_program
  from {{ ref('int_course') }}
  where exam_program is not null
),

-- A course without a school is the whole partner's, unless the school lists that course itself.
listed_by_school as (
  select school_year, school_id, course_id
  from {{ ref('int_course') }}
  where school_id is not null
),

seats as (
  select enrollments.*, courses.exam_program as program
  from enrollments
  inner join ap_ib_courses as courses
    on
      courses.school_year = enrollments.school_year
      and courses.course_id = enrollments.course_id
      and courses.school_id = enrollments.school_id

  union all

  select enrollments.*, courses.exam_program as program
  from enrollments
  inner join ap_ib_courses as courses
    on courses.school_year = enrollments.school_year and courses.course_id = enrollments.course_id and courses.school_id is null
  left join listed_by_school as own
    on
      own.school_year = enrollments.school_year
      and own.course_id = enrollments.course_id
      and own.school_id = enrollments.school_id
  where own.course_id is null
)

select seats.school_year, seats.student_id, seats.school_id, seats.course_id, seats.program, grades.is_graded, grades.c_or_better
from seats
left join {{ ref('int_final_grade') }} as grades on grades.final_grade = seats.final_grade
