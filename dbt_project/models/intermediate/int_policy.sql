{% set whole = ['snapshot_month', 'snapshot_day', 'ap_passing_score', 'ib_passing_score', 'n_reliability', 'index80_percent'] %}
{% set real = ['grade_numeric_c', 'grade_numeric_highest', 'confidence_z', 'ppg2017_z', 'ppg2017_smallest_margin', 'ppg2017_rate',
               'ppg2022_z', 'ppg2022_smallest_margin', 'ppg2022_rate_at_0_or_1', 'closure_tolerance', 'leveled_down_share'] %}
select
  max(version) as policy_version,
  max(case when key = 'population_grades' then value end) as population_grades
  {%- for key in whole %},
  max(case when key = '{{ key }}' then cast(value as bigint) end) as {{ key }}
  {%- endfor %}
  {%- for key in real %},
  max(case when key = '{{ key }}' then cast(value as double) end) as {{ key }}
  {%- endfor %}
from {{ ref('policy') }}
