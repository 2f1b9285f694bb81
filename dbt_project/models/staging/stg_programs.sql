select school_year, program, phase, school_id
from {{ source('raw', 'programs') }}
