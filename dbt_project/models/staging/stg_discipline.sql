select school_year, student_id, school_id, incident_id, incident_date, lower(trim(action)) as action, days, disability_status
from {{ source('raw', 'discipline') }}
