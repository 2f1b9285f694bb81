{{ config(tags=['with_cycles_of_inquiry']) }}
-- Cycles about a resource of the opportunity scorecard, by the metric id that it has there. A share of fewer classes than policy
-- asks for says something about single teachers, and is no evidence here either.
with

resources as (
  select metric_id, direction from {{ ref('metrics') }} where unit = 'exposure'
),

rates as (
  select school_year, school_id, metric_id, dimension, subgroup, cast(seats as bigint) as n, met as successes, rate
  from {{ ref('opportunity_scorecard') }}
  cross join (select cast(value as bigint) as minimum_classes from {{ ref('policy') }} where key = 'minimum_classes') as policy
  where collection_window = '_all' and classes >= policy.minimum_classes
),

{{ cycles_with_rates('resources', 'rates') }}
