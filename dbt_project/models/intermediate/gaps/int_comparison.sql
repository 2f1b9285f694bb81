-- Every comparison that is made at a place, with a number: millions of rows hold that in the place of four texts, which take longer
-- to write than all their numbers.
with

metrics as (
  select
    metric_id,
    case when direction = 'lower_is_better' then -1 else 1 end as direction,
    coalesce(requires like '%courses%', false) as uses_courses
  from {{ ref('metrics') }}
),

kinds as (
  {% for reference in reference_kinds() -%}
  select '{{ reference }}' as reference
  {% if not loop.last %}union all
  {% endif -%}
  {% endfor %}
)

select
  cast(row_number() over (order by metrics.metric_id, subgroups.dimension, subgroups.subgroup, kinds.reference) as int) as comparison,
  metrics.metric_id,
  subgroups.dimension,
  subgroups.subgroup,
  kinds.reference,
  metrics.direction,
  subgroups.uses_race,
  subgroups.uses_income,
  subgroups.uses_el,
  metrics.uses_courses
from metrics
cross join {{ ref('int_subgroup') }} as subgroups
cross join kinds
