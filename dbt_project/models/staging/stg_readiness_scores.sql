select school_year, student_id, assessment, section, score
from {{ source('raw', 'readiness_scores') }}
