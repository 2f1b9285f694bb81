{# The columns are a key: no two rows agree in all of them, and none of them is null (but those in `nullable`). #}
{% test unique_combination(model, columns, nullable=[]) %}
select 'key: {{ columns | join(', ') }}' as rule, count(*) as rows_concerned
from (
  select 1 as one
  from {{ model }}
  group by {{ columns | join(', ') }}
  having count(*) > 1
  {%- for column in columns if column not in nullable %} or {{ column }} is null{% endfor %}
) as broken
having count(*) > 0
{% endtest %}
