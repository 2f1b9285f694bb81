-- Values that can't be: more successes than students, an interval that does not hold its gap, a number not measured.
-- Resolve: for aggregate counts, correct the delivery; else the model is wrong.
select metric_id, dimension, count(*) as rows_concerned
from {{ ref('gap_metrics') }}
where
  successes < 0
  or successes > n
  or gap_low > gap
  or gap_high < gap
  or gap_low < -1
  or gap_high > 1
  or students_needed < 0
  or (reason like 'not_measured%' and (n is not null or successes is not null or rate is not null))
  or (n = 0 and rate is not null)
  or (reliable and gap is null)
group by metric_id, dimension
