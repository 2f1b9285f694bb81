select team_id, school_id, policy, adopted_on, {{ school_year_of('adopted_on') }} as adopted_school_year, metric_id, dimension, subgroup
from {{ source('raw', 'leader_lab_policies') }}
