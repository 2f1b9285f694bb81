{{ config(tags=['with_survey_responses']) }}
-- Who was asked together is compared: the same construct of the same survey, by shares of respondents.
with

scores as (
  select * from {{ ref('needs_assessment') }} where dimension = 'all_students'
)

select
  students.partner_id,
  students.school_year,
  students.survey_id,
  students.school_id,
  students.construct,
  others.respondent_type as compared_with,
  students.respondents as student_respondents,
  students.favorable_respondents as student_favorable,
  students.favorable_by_respondents as student_rate,
  others.respondents as other_respondents,
  others.favorable_respondents as other_favorable,
  others.favorable_by_respondents as other_rate,
  students.favorable_by_respondents - others.favorable_by_respondents as perception_gap,
  {{ cohens_h('students.favorable_by_respondents', 'others.favorable_by_respondents') }} as cohens_h
from scores as students
inner join scores as others
  on
    others.school_year = students.school_year
    and others.survey_id = students.survey_id
    and others.school_id = students.school_id
    and others.construct = students.construct
    and others.respondent_type <> 'student'
where students.respondent_type = 'student'
