select school_year, student_id, school_id, entry_date, exit_date, {{ yes_no('is_primary') }} as is_primary
from {{ source('raw', 'school_enrollments') }}
