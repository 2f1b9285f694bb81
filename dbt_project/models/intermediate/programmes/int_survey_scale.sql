{{ config(tags=['with_survey_responses'], materialized='table') }}
-- One respondent's answers to one construct.
with

items as (
  select school_year, survey_id, respondent_type, construct, count(distinct item_id) as items
  from {{ ref('int_item_answer') }}
  group by 1, 2, 3, 4
)

select
  answers.school_year, answers.survey_id, answers.respondent_type, answers.respondent_id, answers.construct,
  max(answers.instrument) as instrument,
  max(answers.student_id) as student_id,
  min(answers.school_id) as school_id,
  max(items.items) as items,
  count(*) as answers,
  {{ sum_whole('answers.is_favorable') }} as favorable_answers,
  avg(answers.points) as mean_points,
  {{ text_in_order('cast(answers.points as string)', 'answers.item_id') }} as points
from {{ ref('int_item_answer') }} as answers
inner join items using (school_year, survey_id, respondent_type, construct)
group by 1, 2, 3, 4, 5
