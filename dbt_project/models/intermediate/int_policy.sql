select
  max(version) as policy_version
  {%- for key, type in policy_keys().items() %},
  max(case when key = '{{ key }}' then cast(value as {{ type }}) end) as {{ key }}
  {%- endfor %}
from {{ ref('policy') }}
