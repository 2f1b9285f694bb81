select school_year, survey_id, respondent_type, school_id, invited
from {{ source('raw', 'survey_invitations') }}
