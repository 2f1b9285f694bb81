{{ config(tags=['with_class_ratings', 'with_experience_samples'], materialized='table') }}
-- The instruments that were used in a school year, each with the version and the bar then in force: the newest row that had begun;
-- null of an instrument and scale without a row, whose ratings can't be judged.
with

used as (
  select distinct school_year, instrument, resource, rating_max from {{ ref('stg_class_ratings') }}
  union
  select distinct school_year, instrument, 'engagement' as resource, rating_max from {{ ref('stg_experience_samples') }}
),

begun as (
  select
    used.school_year,
    used.instrument,
    used.resource,
    used.rating_max,
    instruments.instrument_version,
    instruments.metric_id,
    instruments.threshold,
    instruments.threshold_version,
    instruments.source as threshold_rule,
    row_number() over (
      partition by used.school_year, used.instrument, used.resource, used.rating_max order by instruments.first_school_year desc
    ) as choice
  from used
  left join {{ ref('scorecard_instruments') }} as instruments
    on
      instruments.instrument = used.instrument
      and instruments.resource = used.resource
      and instruments.rating_max = used.rating_max
      and instruments.first_school_year <= used.school_year
)

select school_year, instrument, instrument_version, resource, metric_id, rating_max, threshold, threshold_version, threshold_rule
from begun
where choice = 1
