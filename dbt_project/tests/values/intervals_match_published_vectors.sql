-- Newcombe 1998, method 10, at the digits printed: a macro no longer computes the published interval.
-- The last row is none of a single student against all of 27: rounding must not carry an end beyond -1.
with

vectors (successes, n, reference_successes, reference_n, low, high, h) as (
  values
  (56, 70, 48, 80, 0.0524, 0.3339, 0.4421),
  (9, 10, 3, 10, 0.1705, 0.8090, 1.3388),
  (10, 10, 0, 20, 0.6791, 1.0, 3.1416),
  (45, 300, 360, 900, -0.2984, -0.1952, -0.5740),
  (90, 450, 360, 900, -0.2472, -0.1495, -0.4421),
  (3, 12, 90, 200, -0.3753, 0.0902, -0.4234),
  (0, 15, 40, 100, -0.4980, -0.1769, -1.3694),
  (1, 8, 360, 900, -0.3826, 0.0723, -0.6467),
  (0, 1, 27, 27, -1.0, -0.1968, -3.1416)
),

rates as (
  select
    vectors.*,
    {{ divide('successes', 'n') }} as rate,
    {{ divide('reference_successes', 'reference_n') }} as reference_rate,
    {{ wilson('low', 'n', 'successes', 'policy.confidence_z') }} as rate_low,
    {{ wilson('high', 'n', 'successes', 'policy.confidence_z') }} as rate_high,
    {{ wilson('low', 'reference_n', 'reference_successes', 'policy.confidence_z') }} as reference_low,
    {{ wilson('high', 'reference_n', 'reference_successes', 'policy.confidence_z') }} as reference_high
  from vectors
  cross join {{ ref('int_policy') }} as policy
)

select *
from rates
where
  abs({{ mover_low('rate', 'rate_low', 'reference_rate', 'reference_high') }} - low) > 0.00005
  or abs({{ mover_high('rate', 'rate_high', 'reference_rate', 'reference_low') }} - high) > 0.00005
  or abs({{ cohens_h('rate', 'reference_rate') }} - h) > 0.00005
  or {{ mover_low('rate', 'rate_low', 'reference_rate', 'reference_high') }} < -1
  or {{ mover_high('rate', 'rate_high', 'reference_rate', 'reference_low') }} > 1
