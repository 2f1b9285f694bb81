{{ config(tags=['with_cycles_of_inquiry']) }}
-- Cycles about a rate of the gap tables.
with

counted as (
  select metric_id, direction from {{ ref('metrics') }} where unit <> 'exposure'
),

rates as (
  select school_year, school_id, metric_id, dimension, subgroup, n, successes, rate
  from {{ ref('gap_metrics') }}
  where grade_level = '_all' and reference = 'overall'
),

{{ cycles_with_rates('counted', 'rates') }}
