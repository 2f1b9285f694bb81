-- A policy key without a value. Resolve: add the row to seeds/policy/policy.csv; the models have no defaults of their own.
select policy_version
from {{ ref('int_policy') }}
where
  policy_version is null
  {%- for key in ['population_grades', 'snapshot_month', 'snapshot_day', 'ap_passing_score', 'ib_passing_score', 'n_reliability',
                  'index80_percent', 'grade_numeric_c', 'grade_numeric_highest', 'confidence_z', 'ppg2017_z', 'ppg2017_smallest_margin',
                  'ppg2017_rate', 'ppg2022_z', 'ppg2022_smallest_margin', 'ppg2022_rate_at_0_or_1', 'closure_tolerance', 'leveled_down_share'] %}
  or {{ key }} is null
  {%- endfor %}
