select
  school_year,
  school_id,
  course_id,
  course_title,
  sced_code,
  lower(trim(course_level)) as course_level,
  lower(trim(subject)) as subject
from {{ source('raw', 'courses') }}
