{# Every place where SQL engines differ. Models name what they mean; here stands how an engine says it. #}

{% macro date_of(year, month, day) %}make_date(cast({{ year }} as int), cast({{ month }} as int), cast({{ day }} as int)){% endmacro %}

{# The sum of whole numbers. DuckDB adds doubles, which hold whole numbers to 2^53 exactly, faster than the 128 bits that it would take. #}
{% macro sum_whole(expression) %}{{ adapter.dispatch('sum_whole')(expression) }}{% endmacro %}
{% macro default__sum_whole(expression) %}cast(sum({{ expression }}) as bigint){% endmacro %}
{% macro duckdb__sum_whole(expression) %}cast(sum(cast({{ expression }} as double)) as bigint){% endmacro %}

{% macro count_where(condition) %}count({{ '*' if condition == 'true' else 'case when ' ~ condition ~ ' then 1 end' }}){% endmacro %}

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
{% macro default__text_list(expression) %}nullif(array_join(array_sort(collect_set({{ expression }})), ';'), ''){% endmacro %}
{% macro duckdb__text_list(expression) %}string_agg(distinct {{ expression }}, ';' order by {{ expression }}){% endmacro %}

{# Whether `item` is one of the `;`-separated items of `list`. #}
{% macro list_holds(list, item) %}(concat(';', {{ list }}, ';') like concat('%;', {{ item }}, ';%')){% endmacro %}

{# The `;`-separated items of a text, each in a row of its own. #}
{% macro split_rows(list) %}{{ adapter.dispatch('split_rows')(list) }}{% endmacro %}
{% macro default__split_rows(list) %}explode(split({{ list }}, ';')){% endmacro %}
{% macro duckdb__split_rows(list) %}unnest(string_split({{ list }}, ';')){% endmacro %}

{# Floating-point sums depend on their order; the same values must give the same bits, whatever key their rows have. Nulls need no
   order. -#}
{% macro sum_sorted(value) %}{{ adapter.dispatch('sum_sorted')(value) }}{% endmacro %}
{% macro default__sum_sorted(value) %}sum({{ value }}){% endmacro %}
{% macro duckdb__sum_sorted(value) %}sum({{ value }} order by {{ value }}) filter (where {{ value }} is not null){% endmacro %}

{# The values of a group as one text, in the order of another column. #}
{% macro text_in_order(value, by) %}{{ adapter.dispatch('text_in_order')(value, by) }}{% endmacro %}
{% macro default__text_in_order(value, by) %}listagg({{ value }}, ';') within group (order by {{ by }}){% endmacro %}
{% macro duckdb__text_in_order(value, by) %}string_agg({{ value }}, ';' order by {{ by }}){% endmacro %}

{# The number that a text holds, or null. Spark reads Java's `85D` and `85F` as numbers too, which are no grades. #}
{% macro number_in(text) %}{{ adapter.dispatch('number_in')(text) }}{% endmacro %}
{% macro default__number_in(text) %}case when upper(right(trim({{ text }}), 1)) not in ('D', 'F') then try_cast({{ text }} as double) end{% endmacro %}
{% macro duckdb__number_in(text) %}try_cast({{ text }} as double){% endmacro %}

{# What lies side by side in a row, in rows of its own: `rows` is name → an expression for each of `values`. DuckDB reads its
   table once for all of the union; Spark would work the table out again for each. #}
{% macro columns_to_rows(relation, keys, name, values, rows) %}{{ adapter.dispatch('columns_to_rows')(relation, keys, name, values, rows) }}{% endmacro %}
{% macro default__columns_to_rows(relation, keys, name, values, rows) -%}
select
  {{ keys | join(', ') }},
  stack({{ rows | length }}
    {%- for row, expressions in rows.items() %},
    '{{ row }}', {{ expressions | join(', ') }}
    {%- endfor %}
  ) as ({{ name }}, {{ values | join(', ') }})
from {{ relation }}
{%- endmacro %}
{% macro duckdb__columns_to_rows(relation, keys, name, values, rows) -%}
  {% for row, expressions in rows.items() -%}
select {{ keys | join(', ') }}, '{{ row }}' as {{ name }}
  {%- for expression in expressions %}, {{ expression }} as {{ values[loop.index0] }}{% endfor %}
from {{ relation }}
{% if not loop.last %}union all
{% endif -%}
  {% endfor -%}
{%- endmacro %}

{# Several values as one: `values` is name → expression. Such are compared by the first, then the second, and so on. #}
{% macro row_of(values) %}{{ adapter.dispatch('row_of')(values) }}{% endmacro %}
{% macro default__row_of(values) -%}
struct({% for name, expression in values.items() %}{{ expression }} as {{ name }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}
{% macro duckdb__row_of(values) -%}
struct_pack({% for name, expression in values.items() %}{{ name }} := {{ expression }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{# A number that is the same for rows that agree in the columns, and hardly ever for others. #}
{% macro hash_of(columns) %}{{ adapter.dispatch('hash_of')(columns) }}{% endmacro %}
{% macro default__hash_of(columns) %}xxhash64({{ columns | join(', ') }}){% endmacro %}
{% macro duckdb__hash_of(columns) %}hash({{ columns | join(', ') }}){% endmacro %}

{# All columns of the relation but one. #}
{% macro all_but(column) %}{{ adapter.dispatch('all_but')(column) }}{% endmacro %}
{% macro default__all_but(column) %}* except ({{ column }}){% endmacro %}
{% macro duckdb__all_but(column) %}* exclude ({{ column }}){% endmacro %}

{# Before the first model: the Parquet files that the runner names become tables. In a warehouse of DuckDB they are there. #}
{% macro open_sources() %}{{ adapter.dispatch('open_sources')() }}{% endmacro %}
{% macro duckdb__open_sources() %}{% endmacro %}
{% macro default__open_sources() %}
{%- if execute %}
  {%- for table in fromjson(env_var('EQUITY_SOURCES')) %}
    {%- set relation = api.Relation.create(schema=table.schema, identifier=table.name) %}
    {%- do create_schema(relation.without_identifier()) %}
    {%- do run_query('drop table if exists ' ~ relation) %}
    {%- do run_query(
      'create table ' ~ relation ~ ' (' ~ table.columns ~ ') using parquet'
      ~ (' partitioned by (' ~ table.partitioned_by ~ ')' if table.partitioned_by else '')
      ~ " location '" ~ table.location ~ "'"
    ) %}
    {%- if table.partitioned_by %}{% do run_query('msck repair table ' ~ relation) %}{% endif %}
  {%- endfor %}
{%- endif %}
{% endmacro %}

{# Spark keeps the tables of a build in the build's own folder. #}
{% macro spark__create_schema(relation) -%}
  {%- call statement('create_schema') -%}
    create schema if not exists {{ relation }} location '{{ env_var('EQUITY_SPARK_STORE') }}/{{ relation.schema }}'
  {%- endcall -%}
{%- endmacro %}
