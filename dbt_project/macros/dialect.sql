{# Every place where SQL engines differ. Models name what they mean; here stands how an engine says it. #}

{% macro date_of(year, month, day) %}make_date(cast({{ year }} as int), cast({{ month }} as int), cast({{ day }} as int)){% endmacro %}

{% macro sum_whole(expression) %}cast(sum({{ expression }}) as bigint){% endmacro %}

{% macro divide(a, b) %}(cast({{ a }} as double) / nullif({{ b }}, 0)){% endmacro %}

{# a / b for whole numbers, what is left over dropped. #}
{% macro whole_part(a, b) %}{{ adapter.dispatch('whole_part')(a, b) }}{% endmacro %}
{% macro default__whole_part(a, b) %}({{ a }} div {{ b }}){% endmacro %}
{% macro duckdb__whole_part(a, b) %}({{ a }} // {{ b }}){% endmacro %}

{# Smallest whole number not below a / b, for whole a >= 0 and b > 0, without leaving the whole numbers. #}
{% macro divide_up(a, b) %}{{ adapter.dispatch('divide_up')(a, b) }}{% endmacro %}
{% macro default__divide_up(a, b) %}((({{ a }}) + ({{ b }}) - 1) div nullif({{ b }}, 0)){% endmacro %}
{% macro duckdb__divide_up(a, b) %}((({{ a }}) + ({{ b }}) - 1) // nullif({{ b }}, 0)){% endmacro %}

{# The distinct values of a group as one text, in order. #}
{% macro text_list(expression) %}{{ adapter.dispatch('text_list')(expression) }}{% endmacro %}
{% macro default__text_list(expression) %}array_join(array_sort(collect_set({{ expression }})), ';'){% endmacro %}
{% macro duckdb__text_list(expression) %}string_agg(distinct {{ expression }}, ';' order by {{ expression }}){% endmacro %}

{# Whether `item` is one of the `;`-separated items of `list`. #}
{% macro list_holds(list, item) %}(concat(';', {{ list }}, ';') like concat('%;', {{ item }}, ';%')){% endmacro %}

{# The `;`-separated items of a text, each in a row of its own. #}
{% macro split_rows(list) %}{{ adapter.dispatch('split_rows')(list) }}{% endmacro %}
{% macro default__split_rows(list) %}explode(split({{ list }}, ';')){% endmacro %}
{% macro duckdb__split_rows(list) %}unnest(string_split({{ list }}, ';')){% endmacro %}

{# Floating-point sums depend on their order; the same values must give the same bits, whatever key their rows have. -#}
{% macro sum_sorted(value) %}{{ adapter.dispatch('sum_sorted')(value) }}{% endmacro %}
{% macro default__sum_sorted(value) %}sum({{ value }}){% endmacro %}
{% macro duckdb__sum_sorted(value) %}sum({{ value }} order by {{ value }}){% endmacro %}
