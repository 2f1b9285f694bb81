{{ config(materialized='ephemeral') }}
select school_year, as_of
from {{ source('raw', 'deliveries') }}
