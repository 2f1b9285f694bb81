select
  school_year,
  school_id,
  coalesce(grade_level, '_all') as grade_level,
  metric_id,
  dimension,
  subgroup,
  cast(n as bigint) as n,
  cast(successes as bigint) as successes
from {{ source('raw', 'aggregate_counts') }}
where n is not null and successes is not null
