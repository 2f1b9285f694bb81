select
  school_year,
  student_id,
  school_id,
  course_id,
  section_id,
  upper(trim(term)) as term,
  entry_date,
  upper(trim(final_grade)) as final_grade,
  {{ yes_no('dropped') }} as dropped
from {{ source('raw', 'course_enrollments') }}
