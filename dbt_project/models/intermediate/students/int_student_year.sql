-- Each student once a school year, at one school, with the two cells that say all that is known of her.
with

policy as (
  select * from {{ ref('int_policy') }}
),

grades as (
  select {{ split_rows('population_grades') }} as grade_level
  from policy
),

-- Primary first, then the earlier entry, then the lower id: read off one text, because hardly anybody has a choice.
enrolled_on_snapshot_date as (
  select
    enrollments.school_year,
    enrollments.student_id,
    substr(min(concat(
      case when enrollments.is_primary = 'yes' then '0' else '1' end,
      cast(enrollments.entry_date as string),
      enrollments.school_id
    )), 12) as school_id
  from {{ ref('stg_school_enrollments') }} as enrollments
  cross join policy
  where
    enrollments.entry_date <= {{ date_of('enrollments.school_year - 1', 'policy.snapshot_month', 'policy.snapshot_day') }}
    and coalesce(
      enrollments.exit_date >= {{ date_of('enrollments.school_year - 1', 'policy.snapshot_month', 'policy.snapshot_day') }}, true
    )
  group by enrollments.school_year, enrollments.student_id
)

select
  students.school_year,
  students.student_id,
  enrolled.school_id,
  students.grade_level,
  students.race_standard,
  students.econ_basis,
  cast({{ cell(0) }} as bigint) as cell_1,
  cast({{ cell(1) }} as bigint) as cell_2
from {{ ref('stg_students') }} as students
inner join enrolled_on_snapshot_date as enrolled
  on enrolled.school_year = students.school_year and enrolled.student_id = students.student_id
inner join {{ ref('int_race_roll_up') }} as race
  on race.hispanic_latino = students.hispanic_latino and race.races = students.races
inner join grades on grades.grade_level = students.grade_level
