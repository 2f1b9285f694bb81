{# A yes/no element: anything but yes or no is unknown, never no. #}
{% macro yes_no(column) %}case when {{ column }} in ('yes', 'no') then {{ column }} else 'unknown' end{% endmacro %}

{# What students are asked, beside their races, and every answer; an unknown one comes first. #}
{% macro student_answers() %}
  {{ return({
    'economically_disadvantaged': ['unknown', 'yes', 'no'], 'sex': ['unknown', 'female', 'male', 'nonbinary'],
    'english_learner': ['unknown', 'current', 'former', 'never'], 'disability_idea': ['unknown', 'yes', 'no'],
    'section_504': ['unknown', 'yes', 'no'], 'homeless': ['unknown', 'yes', 'no'], 'foster_care': ['unknown', 'yes', 'no'],
    'first_generation': ['unknown', 'yes', 'no']
  }) }}
{% endmacro %}

{# The attributes that follow from the races (and `underrepresented` from them and income). #}
{% macro race_attributes() %}
  {{ return([
    'race_ethnicity', 'includes_american_indian_or_alaska_native', 'includes_asian', 'includes_black',
    'includes_hispanic', 'includes_middle_eastern_or_north_african', 'includes_native_hawaiian_or_pacific_islander',
    'includes_white', 'includes_unknown'
  ]) }}
{% endmacro %}

{# The attributes by which students are grouped; `subgroups` says which value of which makes which subgroup. #}
{% macro student_attributes() %}
  {{ return(['everyone', 'underrepresented'] + race_attributes() + student_answers() | list) }}
{% endmacro %}

{# Students are collapsed twice before anything is counted: to who answers alike in all that is crossed with each other (races
   and income among it), and to who answers alike in all the rest. Either has some dozens of cells in a school; together they
   would have nearly as many as students. A crossing in the seed `dimensions` moves its answers to the first part. #}
{% macro cell_parts() %}
  {%- set crossed = ['economically_disadvantaged'] + var('crossed_attributes') -%}
  {%- set parts = [[], []] -%}
  {%- for answer in student_answers() %}{% do parts[0 if answer in crossed else 1].append(answer) %}{% endfor -%}
  {{ return(parts) }}
{% endmacro %}

{# Combinations of the answers of a part. #}
{% macro cell_size(answers) %}
  {%- set size = namespace(value=1) -%}
  {%- for answer in answers %}{% set size.value = size.value * student_answers()[answer] | length %}{% endfor -%}
  {{ return(size.value) }}
{% endmacro %}

{# A cell as a number: the answers are its digits; even in the first part, whose highest digit is the races, odd in the second. #}
{% macro cell(part) -%}
  {%- set answers = cell_parts()[part] -%}
  {{ part }} + 2 * ({{ 'race_answer * ' ~ cell_size(answers) if part == 0 else '0' }}
  {%- for answer in answers %}
    + {{ cell_size(answers[:loop.index0]) }} * case {{ answer }} {% for value in student_answers()[answer][1:] %}when '{{ value }}' then {{ loop.index }} {% endfor %}else 0 end
  {%- endfor %})
{%- endmacro %}

{# The answer that is a digit of a cell of the part. #}
{% macro answer_of_cell(cell, part, answer) -%}
  {%- set answers = cell_parts()[part] -%}
  {%- set values = student_answers()[answer] -%}
  case {{ whole_part(whole_part(cell, 2), cell_size(answers[:answers.index(answer)])) }} % {{ values | length }}
    {%- for value in values[1:] %} when {{ loop.index }} then '{{ value }}'{% endfor %} else '{{ values[0] }}' end
{%- endmacro %}

{# The same of a row of `int_student_year`. #}
{% macro answer_of_student(answer, students) -%}
  {%- set part = 0 if answer in cell_parts()[0] else 1 -%}
  {{ answer_of_cell(students ~ '.cell_' ~ (part + 1), part, answer) }}
{%- endmacro %}

{# What a student-year holds when all say the same, `mixed` when they differ, null when none says. #}
{% macro one_or_mixed(column) %}case when min({{ column }}) = max({{ column }}) then min({{ column }}) when min({{ column }}) is not null then 'mixed' end{% endmacro %}
