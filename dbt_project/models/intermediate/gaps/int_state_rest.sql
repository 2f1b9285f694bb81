-- Everyone of the state but the group, from what the state publishes.
{{ config(materialized='table') }}

with

totals as (
  select school_year, metric_id, dimension, sum(n) as n, sum(successes) as successes
  from {{ ref('stg_state_counts') }}
  where subgroup <> 'unknown'
  group by school_year, metric_id, dimension
)

select
  counts.school_year,
  counts.metric_id,
  counts.dimension,
  counts.subgroup,
  {{ divide('totals.successes - counts.successes', 'totals.n - counts.n') }} as rate
from {{ ref('stg_state_counts') }} as counts
inner join totals on {{ same('totals', 'counts', ['school_year', 'metric_id', 'dimension']) }}
