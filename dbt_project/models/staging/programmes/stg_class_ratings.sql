select
  school_year, school_id, section_id, resource, coalesce({{ adapter.quote('window') }}, 'year') as collection_window, instrument, rating,
  rating_max
from {{ source('raw', 'class_ratings') }}
