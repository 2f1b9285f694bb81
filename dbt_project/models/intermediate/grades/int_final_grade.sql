-- One row per distinct grade as delivered: some dozens, read once.
with

delivered as (
  select distinct final_grade, try_cast(final_grade as double) as points
  from {{ ref('stg_course_enrollments') }}
  where final_grade is not null
),

read_as as (
  select
    delivered.final_grade,
    delivered.points,
    coalesce(
      marks.meaning,
      case when delivered.points between 0 and policy.grade_numeric_highest then 'numeric' else 'unreadable' end
    ) as meaning,
    marks.c_or_better,
    policy.grade_numeric_c
  from delivered
  left join {{ ref('grade_marks') }} as marks on marks.final_grade = delivered.final_grade
  cross join {{ ref('int_policy') }} as policy
)

select
  final_grade,
  meaning,
  meaning in ('letter', 'numeric') as is_graded,
  coalesce(case when meaning = 'letter' then c_or_better = 'yes' when meaning = 'numeric' then points >= grade_numeric_c end, false)
    as c_or_better
from read_as
