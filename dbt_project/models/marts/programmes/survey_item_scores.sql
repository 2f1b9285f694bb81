{{ config(tags=['with_survey_responses']) }}
-- Answers question by question: what an instrument without scale scores of its own is reported by, and what a team reads first.
select
  partner.partner_id,
  answers.school_year,
  answers.survey_id,
  answers.respondent_type,
  answers.construct,
  answers.item_id,
  max(answers.item_text) as item_text,
  count(*) as respondents,
  cast({{ sum_whole('answers.is_favorable') }} as double) as favorable_respondents,
  {{ divide(sum_whole('answers.is_favorable'), 'count(*)') }} as favorable_by_respondents
from {{ ref('int_item_answer') }} as answers
cross join {{ ref('stg_partner') }} as partner
group by 1, 2, 3, 4, 5, 6
