select course_id, school_id, first_school_year, course_class
from {{ source('raw', 'course_decisions') }}
