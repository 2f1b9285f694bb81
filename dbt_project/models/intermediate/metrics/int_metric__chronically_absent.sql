with

days as (
  select school_year, student_id, {{ sum_whole('days_enrolled') }} as days_enrolled, {{ sum_whole('days_absent') }} as days_absent
  from {{ ref('stg_attendance') }}
  group by school_year, student_id
)

select
  students.school_year,
  students.student_id,
  students.school_id,
  students.grade_level,
  students.cell,
  1 as n,
  case when 100 * days.days_absent >= policy.chronic_absence_percent * days.days_enrolled then 1 else 0 end as successes
from {{ ref('int_student_year') }} as students
cross join {{ ref('int_policy') }} as policy
inner join days on days.school_year = students.school_year and days.student_id = students.student_id
where days.days_enrolled >= policy.attendance_days_minimum
