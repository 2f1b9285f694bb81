-- Counts from partners that share no student rows. A roll-up is summed only where none was delivered.
{{ config(materialized='table') }}

with

delivered as (
  select counts.*
  from {{ ref('stg_aggregate_counts') }} as counts
  inner join {{ ref('metrics') }} as metrics on metrics.metric_id = counts.metric_id
  inner join {{ ref('int_subgroup') }} as subgroups
    on subgroups.dimension = counts.dimension and subgroups.subgroup = counts.subgroup
),

with_grade_roll_ups as (
  select school_year, school_id, grade_level, metric_id, dimension, subgroup, n, successes
  from delivered

  union all

  select school_year, school_id, '_all' as grade_level, metric_id, dimension, subgroup,
    {{ sum_whole('n') }} as n, {{ sum_whole('successes') }} as successes
  from delivered
  group by school_year, school_id, metric_id, dimension, subgroup
  having count(case when grade_level = '_all' then 1 end) = 0
)

select school_year, school_id, grade_level, metric_id, dimension, subgroup, n, successes
from with_grade_roll_ups

union all

select school_year, '_all' as school_id, grade_level, metric_id, dimension, subgroup,
  {{ sum_whole('n') }} as n, {{ sum_whole('successes') }} as successes
from with_grade_roll_ups
group by school_year, grade_level, metric_id, dimension, subgroup
having count(case when school_id = '_all' then 1 end) = 0
