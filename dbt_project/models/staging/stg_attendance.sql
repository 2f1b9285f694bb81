select school_year, student_id, school_id, days_enrolled, days_absent
from {{ source('raw', 'attendance') }}
