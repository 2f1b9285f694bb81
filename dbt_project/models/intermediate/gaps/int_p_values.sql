-- Benjamini and Hochberg's adjustment. A family is one year x metric x reference, all grades together; equal counts are
-- adjusted alike, so they stand once: a window over all comparisons would have to sort every one of them.
{{ config(materialized='table') }}

with

counted as (
  select
    school_year, metric_id, reference, n, successes, reference_n, reference_successes, p_value,
    count(*) as comparisons
  from ({{ comparisons(ref('int_references')) }}) as compared
  where grade_level = '_all' and p_value is not null
  group by school_year, metric_id, reference, n, successes, reference_n, reference_successes, p_value
),

scaled as (
  select
    *,
    p_value * sum(comparisons) over (partition by school_year, metric_id, reference)
    / sum(comparisons) over (partition by school_year, metric_id, reference order by p_value) as p_value_scaled
  from counted
)

select
  school_year,
  metric_id,
  reference,
  n,
  successes,
  reference_n,
  reference_successes,
  least(1.0, min(p_value_scaled) over (partition by school_year, metric_id, reference order by p_value desc)) as p_value_adjusted
from scaled
