-- Of several submissions of one respondent the first counts, which is the latest that holds an answer. What is no answer is null.
select
  school_year,
  survey_id,
  respondent_type,
  respondent_id,
  student_id,
  school_id,
  item_id,
  case when response not in ('_skipped', '_not_shown', '_not_applicable', '_free_text') then nullif(trim(response), '') end as response
from {{ source('raw', 'survey_responses') }}
where coalesce(submission, 1) = 1 and coalesce(mark, '') not like '%other_respondent_type%'
