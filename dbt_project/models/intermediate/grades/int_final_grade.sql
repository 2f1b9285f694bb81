-- One row per school year and distinct grade as delivered: some dozens, read once.
with

delivered as (
  select school_year, final_grade, count(*) as seats
  from {{ ref('stg_course_enrollments') }}
  where final_grade is not null
  group by school_year, final_grade
),

points as (
  select delivered.*, {{ number_in('final_grade') }} as points
  from delivered
),

read_as as (
  select
    points.school_year,
    points.final_grade,
    points.seats,
    points.points,
    coalesce(
      marks.meaning,
      case when points.points between 0 and policy.grade_numeric_highest then 'numeric' else 'unreadable' end
    ) as meaning,
    marks.c_or_better,
    policy.grade_numeric_c
  from points
  left join {{ ref('grade_marks') }} as marks on marks.final_grade = points.final_grade
  cross join {{ ref('int_policy') }} as policy
)

select
  school_year,
  final_grade,
  seats,
  meaning,
  meaning in ('letter', 'numeric') as is_graded,
  coalesce(case when meaning = 'letter' then c_or_better = 'yes' when meaning = 'numeric' then points >= grade_numeric_c end, false)
    as c_or_better
from read_as
