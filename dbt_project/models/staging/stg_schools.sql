select school_year, school_id, school_name, nces_school_id, grade_low, grade_high
from {{ source('raw', 'schools') }}
