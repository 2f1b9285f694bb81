select
  school_year, school_id, section_id, student_id, coalesce({{ adapter.quote('window') }}, 'year') as collection_window, instrument, rating,
  rating_max
from {{ source('raw', 'experience_samples') }}
