select school_year, survey_id, respondent_type, student_id, item_id, nullif(trim(response), '') as response
from {{ source('raw', 'survey_responses') }}
