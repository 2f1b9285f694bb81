with

students as (
  select * from {{ ref('stg_students') }}
),

policy as (
  select * from {{ ref('int_policy') }}
),

enrolled_on_snapshot_date as (
  select
    enrollments.school_year,
    enrollments.student_id,
    enrollments.school_id,
    {{ date_of('enrollments.school_year - 1', 'policy.snapshot_month', 'policy.snapshot_day') }} as snapshot_date,
    row_number() over (
      partition by enrollments.school_year, enrollments.student_id
      order by case when enrollments.is_primary = 'yes' then 0 else 1 end, enrollments.entry_date, enrollments.school_id
    ) as choice
  from {{ ref('stg_school_enrollments') }} as enrollments
  cross join policy
  where
    enrollments.entry_date <= {{ date_of('enrollments.school_year - 1', 'policy.snapshot_month', 'policy.snapshot_day') }}
    and (
      enrollments.exit_date is null
      or enrollments.exit_date >= {{ date_of('enrollments.school_year - 1', 'policy.snapshot_month', 'policy.snapshot_day') }}
    )
),

population as (
  select
    students.school_year,
    students.student_id,
    enrolled.school_id,
    students.grade_level,
    enrolled.snapshot_date,
    students.race_standard,
    students.econ_basis,
    'all' as everyone,
    race.race_ethnicity,
    race.includes_american_indian_or_alaska_native,
    race.includes_asian,
    race.includes_black,
    race.includes_hispanic,
    race.includes_middle_eastern_or_north_african,
    race.includes_native_hawaiian_or_pacific_islander,
    race.includes_white,
    race.includes_unknown,
    students.economically_disadvantaged,
    students.english_learner,
    students.disability_idea,
    students.section_504,
    students.sex,
    students.homeless,
    students.foster_care,
    students.first_generation,
    case
      when students.economically_disadvantaged = 'yes' or race.underrepresented_race = 'yes' then 'yes'
      when students.economically_disadvantaged = 'no' and race.underrepresented_race = 'no' then 'no'
      else 'unknown'
    end as underrepresented
  from students
  inner join enrolled_on_snapshot_date as enrolled
    on enrolled.school_year = students.school_year and enrolled.student_id = students.student_id and enrolled.choice = 1
  inner join {{ ref('int_race_roll_up') }} as race
    on race.hispanic_latino = students.hispanic_latino and race.races = students.races
  cross join policy
  where {{ list_holds('policy.population_grades', 'students.grade_level') }}
)

select population.*, concat_ws('|', {{ student_attributes() | join(', ') }}) as cell
from population
