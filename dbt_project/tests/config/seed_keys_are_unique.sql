-- Two rows of a seed that mean the same key, or a key left empty. Resolve: keep the row that holds.
{% set keys = {
  'policy': ['key'],
  'metrics': ['metric_id'],
  'readiness_rules': ['rule'],
  'dimensions': ['dimension'],
  'subgroups': ['dimension', 'attribute', 'value'],
  'grade_marks': ['final_grade'],
  'course_classes': ['course_class'],
  'status_actions': ['prior_status', 'status'],
  'sced_ap_ib': ['sced_code'],
  'races': ['race_ethnicity'],
  'course_levels': ['course_level'],
  'terms': ['term'],
  'scorecard_instruments': ['instrument', 'resource', 'rating_max', 'first_school_year'],
  'survey_scoring': ['instrument'],
  't_quantiles': ['degrees_of_freedom'],
  'state_course_codes': ['state', 'code_length', 'position', 'character']
} %}
{% for seed, columns in keys.items() -%}
select '{{ seed }}' as seed, count(*) as rows_concerned
from {{ ref(seed) }}
group by {{ columns | join(', ') }}
having count(*) > 1 or {% for column in columns %}{{ column }} is null{% if not loop.last %} or {% endif %}{% endfor %}
{% if not loop.last %}
union all

{% endif %}
{%- endfor %}
