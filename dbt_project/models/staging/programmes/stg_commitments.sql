select commitment_id, kind, statement, made_on, due_on, owner_role, status
from {{ source('raw', 'commitments') }}
