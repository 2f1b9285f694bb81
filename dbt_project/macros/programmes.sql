{# The school year (CEDS: its ending year) that a day lies in; years turn on 1 July. #}
{% macro school_year_of(day) %}(extract(year from {{ day }}) + case when extract(month from {{ day }}) >= 7 then 1 else 0 end){% endmacro %}

{# Upper quantile of Student's t from the normal one, for 4 degrees of freedom or more (Abramowitz & Stegun 26.7.5). #}
{% macro t_quantile(z, df) -%}
({{ z }} + (power({{ z }}, 3) + {{ z }}) / (4.0 * {{ df }})
  + (5.0 * power({{ z }}, 5) + 16.0 * power({{ z }}, 3) + 3.0 * {{ z }}) / (96.0 * power({{ df }}, 2))
  + (3.0 * power({{ z }}, 7) + 19.0 * power({{ z }}, 5) + 17.0 * power({{ z }}, 3) - 15.0 * {{ z }}) / (384.0 * power({{ df }}, 3)))
{%- endmacro %}

{# Programme tables compare groups one way; crossings hold too few people in most of them. #}
{% macro one_way_dimensions() %}'all_students', 'race_ethnicity', 'student_of_color', 'economically_disadvantaged', 'english_learner', 'disability_idea', 'sex'{% endmacro %}

{# The newest day that the data knows of: no clock, so that the same files give the same answer. #}
{% macro newest_day() %}(select coalesce(max(as_of), max({{ date_of('school_year', 6, 30) }})) from {{ source('raw', 'deliveries') }}){% endmacro %}
