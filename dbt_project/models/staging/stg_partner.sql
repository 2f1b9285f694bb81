{{ config(materialized='ephemeral') }}
select partner_id, name, state
from {{ source('raw', 'partner') }}
