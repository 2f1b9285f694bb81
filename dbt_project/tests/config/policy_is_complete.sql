-- A policy key without a value. Resolve: add the row to seeds/policy/policy.csv; the models have no defaults of their own.
select policy_version
from {{ ref('int_policy') }}
where
  policy_version is null
  or semester_grades not in ('last', 'best')
  {%- for key in policy_keys() %}
  or {{ key }} is null
  {%- endfor %}
