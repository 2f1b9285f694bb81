-- One row per distinct grade as delivered: some dozens, read once.
with

delivered as (
  select distinct final_grade, try_cast(final_grade as double) as points
  from {{ ref('stg_course_enrollments') }}
  where final_grade is not null
)

select
  delivered.final_grade,
  letters.final_grade is not null or coalesce(delivered.points between 0 and policy.grade_numeric_highest, false) as is_graded,
  coalesce(letters.c_or_better = 'yes', delivered.points between policy.grade_numeric_c and policy.grade_numeric_highest, false)
    as c_or_better
from delivered
left join {{ ref('letter_grades') }} as letters on letters.final_grade = delivered.final_grade
cross join {{ ref('int_policy') }} as policy
