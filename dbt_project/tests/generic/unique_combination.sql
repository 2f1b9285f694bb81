{# The columns are a key: no two rows agree in all of them, and none of them is null (but those in `nullable`). #}
{% test unique_combination(model, columns, nullable=[]) %}
select {{ columns | join(', ') }}
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1
{%- for column in columns if column not in nullable %} or {{ column }} is null{% endfor %}
{% endtest %}
