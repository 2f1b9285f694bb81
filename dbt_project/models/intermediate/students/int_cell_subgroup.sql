with

cells as (
  select distinct cell, {{ student_attributes() | join(', ') }}
  from {{ ref('int_student_year') }}
),

attributes as (
  {% for attribute in student_attributes() -%}
  select cell, '{{ attribute }}' as attribute, {{ attribute }} as value from cells
  {% if not loop.last %}union all {% endif -%}
  {% endfor %}
),

one_way as (
  select attributes.cell, subgroups.dimension, subgroups.subgroup
  from attributes
  inner join {{ ref('subgroups') }} as subgroups
    on subgroups.attribute = attributes.attribute and subgroups.value = attributes.value
),

crossed as (
  select one.cell, dimensions.dimension, concat(one.subgroup, '*', other.subgroup) as subgroup
  from {{ ref('dimensions') }} as dimensions
  inner join one_way as one on one.dimension = split_part(dimensions.crosses, ';', 1)
  inner join one_way as other
    on other.dimension = split_part(dimensions.crosses, ';', 2) and other.cell = one.cell
)

select cell, dimension, subgroup, false as is_crossed from one_way
union all
select cell, dimension, subgroup, true as is_crossed from crossed
