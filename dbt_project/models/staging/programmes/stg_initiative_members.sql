select initiative_id, student_id, section_id, school_id, start_date
from {{ source('raw', 'initiative_members') }}
