-- The subgroups that the students of a cell are in. A dimension is told by one of the two cells of a student, never by both.
with

cells as (
  select
    seen.cell_1 as cell,
    'all' as everyone,
    race.{{ race_attributes() | join(', race.') }},
    race.underrepresented_race,
    {%- for answer in cell_parts()[0] %}
    {{ answer_of_cell('seen.cell_1', 0, answer) }} as {{ answer }}{{ ',' if not loop.last }}
    {%- endfor %}
  from (select distinct cell_1 from {{ ref('int_student_year') }}) as seen
  inner join {{ ref('int_race_roll_up') }} as race
    on race.race_answer = {{ whole_part(whole_part('seen.cell_1', 2), cell_size(cell_parts()[0])) }}
),

other_cells as (
  select
    cell_2 as cell
    {%- for answer in cell_parts()[1] %},
    {{ answer_of_cell('cell_2', 1, answer) }} as {{ answer }}
    {%- endfor %}
  from (select distinct cell_2 from {{ ref('int_student_year') }}) as seen
),

attributes as (
  {% for attribute in ['everyone'] + race_attributes() + cell_parts()[0] -%}
  select cell, '{{ attribute }}' as attribute, {{ attribute }} as value from cells
  union all
  {% endfor -%}
  {% for attribute in cell_parts()[1] -%}
  select cell, '{{ attribute }}' as attribute, {{ attribute }} as value from other_cells
  union all
  {% endfor -%}
  select
    cell,
    'underrepresented' as attribute,
    case
      when economically_disadvantaged = 'yes' or underrepresented_race = 'yes' then 'yes'
      when economically_disadvantaged = 'no' and underrepresented_race = 'no' then 'no'
      else 'unknown'
    end as value
  from cells
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
