{# A yes/no element: anything but yes or no is unknown, never no. #}
{% macro yes_no(column) %}case when {{ column }} in ('yes', 'no') then {{ column }} else 'unknown' end{% endmacro %}

{# The attributes by which students are grouped; `subgroups` says which value of which makes which subgroup. #}
{% macro student_attributes() %}
  {{ return([
    'everyone', 'race_ethnicity', 'includes_american_indian_or_alaska_native', 'includes_asian', 'includes_black',
    'includes_hispanic', 'includes_middle_eastern_or_north_african', 'includes_native_hawaiian_or_pacific_islander',
    'includes_white', 'includes_unknown', 'economically_disadvantaged', 'english_learner', 'disability_idea',
    'section_504', 'sex', 'homeless', 'foster_care', 'first_generation', 'underrepresented'
  ]) }}
{% endmacro %}

{# What a student-year holds when all say the same, `mixed` when they differ, null when none says. #}
{% macro one_or_mixed(column) %}case when min({{ column }}) = max({{ column }}) then min({{ column }}) when min({{ column }}) is not null then 'mixed' end{% endmacro %}
