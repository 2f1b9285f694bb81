-- What a year's files hold at all. A metric that needs what is not there is not measured; it is never zero.
with

school_years as (
  select distinct school_year
  from {{ ref('int_student_year') }}
),

tokens as (
  select school_year, 'ap_ib_courses' as token
  from {{ ref('int_course') }}
  where exam_program is not null

  union

  select enrollments.school_year, 'final_grades' as token
  from {{ ref('stg_course_enrollments') }} as enrollments
  inner join {{ ref('int_final_grade') }} as grades on grades.final_grade = enrollments.final_grade
  where grades.is_graded

  union

  select school_year, 'exam_results' as token
  from {{ ref('stg_exam_results') }}
  where program in ('ap', 'ib')
),

known_tokens as (
  select 'ap_ib_courses' as token
  union all
  select 'final_grades' as token
  union all
  select 'exam_results' as token
)

select school_years.school_year, known_tokens.token, tokens.token is not null as on_file
from school_years
cross join known_tokens
left join tokens on tokens.school_year = school_years.school_year and tokens.token = known_tokens.token
