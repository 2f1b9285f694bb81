select school_year, student_id, school_id, incident_id, incident_date, lower(trim(action)) as action
from {{ source('raw', 'discipline') }}
