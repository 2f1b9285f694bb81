-- What a year's files hold at all. A metric that needs what is not there is not measured; it is never zero.
{{ config(materialized='table') }}

with

school_years as (
  select distinct school_year
  from {{ ref('int_student_year') }}
),

ap_ib_years as (
  select distinct school_year
  from {{ ref('int_course') }}
  where exam_program is not null
),

exam_years as (
  select distinct school_year
  from {{ ref('stg_exam_results') }}
  where program in ('ap', 'ib')
),

tokens as (
  select school_year, 'ap_ib_courses' as token from ap_ib_years
  union all
  select school_year, 'advanced_courses' as token from {{ ref('int_course') }} where is_advanced
  union all
  select school_year, 'ap_stem_courses' as token from {{ ref('int_course') }} where exam_program = 'ap' and is_stem is not null
  union all
  select now.school_year, 'earlier_years' as token from ap_ib_years as now inner join ap_ib_years as earlier on earlier.school_year < now.school_year
  union all
  select school_year, 'final_grades' as token from {{ ref('int_final_grade') }} where is_graded
  union all
  select school_year, 'exam_results' as token from exam_years
  union all
  select now.school_year, 'exam_history' as token from exam_years as now inner join exam_years as prior on prior.school_year = now.school_year - 1
  union all
  select years.school_year, 'readiness_scores' as token
  from school_years as years
  cross join {{ ref('int_policy') }} as policy
  inner join {{ ref('stg_readiness_scores') }} as scores
    on scores.school_year between years.school_year - policy.readiness_years and years.school_year
  union all
  select school_year, 'attendance' as token from {{ ref('stg_attendance') }}
  union all
  select school_year, 'discipline' as token from {{ ref('stg_discipline') }}
  union all
  select school_year, concat('survey_', construct) as token from {{ ref('int_survey_answer') }}
),

on_file as (
  select distinct school_year, token
  from tokens
),

known_tokens as (
  select distinct {{ split_rows('requires') }} as token
  from {{ ref('metrics') }}
  where unit <> 'exposure'
)

select school_years.school_year, known_tokens.token, on_file.token is not null as on_file
from school_years
cross join known_tokens
left join on_file on on_file.school_year = school_years.school_year and on_file.token = known_tokens.token
