-- Each student with each of her cells: joined to `int_cell_subgroup`, all subgroups that she is in, each once.
{{ config(materialized='ephemeral') }}
{% for cell in ['cell_1', 'cell_2'] -%}
select school_year, student_id, school_id, grade_level, {{ cell }} as cell
from {{ ref('int_student_year') }}
{% if not loop.last %}union all
{% endif -%}
{% endfor %}
