-- One pass over the students for all metrics: they are collapsed to the cells of a place (school, grade), twice, before anything
-- is fanned out over subgroups. All metrics of a subgroup lie side by side in one row.
{%- set metrics = {} %}
{%- for metric_id in metric_ids() %}
  {%- set model = graph.nodes['model.equity.int_metric__' ~ metric_id] if execute else {} %}
  {%- do metrics.update({metric_id: model.get('config', {}).get('meta', {})}) %}
{%- endfor %}
{#- What is added up over students, each once, and the metrics that add rows of their own. -#}
{%- set sums = [count_where('true')] %}
{%- set with_rows = [] %}
{%- for metric_id, of in metrics.items() %}
  {%- for expression in [of.get('n'), of.get('successes')] if expression and expression not in sums %}{% do sums.append(expression) %}{% endfor %}
  {%- if 'actions' in of or 'n' not in of %}{% do with_rows.append(metric_id) %}{% endif %}
{%- endfor %}
{%- set steps = {} %}
{%- for step, reached in funnel_steps().items() %}
  {%- do steps.update({step: sums | length}) %}
  {%- do sums.append(count_where(reached)) %}
{%- endfor %}

{%- set columns = [] %}
{%- for expression in sums %}{% do columns.append('c_' ~ loop.index0) %}{% endfor %}
{%- set row_columns = [] %}
{%- for metric_id in with_rows %}{% do row_columns.extend(['n_' ~ loop.index0, 's_' ~ loop.index0]) %}{% endfor %}

with

cells as (
  select
    school_year,
    school_id,
    grade_level,
    coalesce(cell_1, cell_2) as cell
    {%- for expression in sums %},
    {{ expression }} as c_{{ loop.index0 }}
    {%- endfor %}
  from {{ ref('int_student_outcome') }}
  group by grouping sets ((school_year, school_id, grade_level, cell_1), (school_year, school_id, grade_level, cell_2))
),

of_students as (
  {{ by_place('cells', columns) }}
),

-- All that was done by those with an incident at another school: the others are counted where they are.
events_elsewhere as (
  select events.*
  from {{ ref('int_discipline_event') }} as events
  where (events.school_year, events.student_id) in (
    select elsewhere.school_year, elsewhere.student_id
    from {{ ref('int_discipline_event') }} as elsewhere
    where elsewhere.event_school_id <> elsewhere.school_id
  )
),

row_counts as (
  {% for metric_id in with_rows -%}
  {%- set actions = metrics[metric_id].get('actions') %}
  select '{{ metric_id }}' as metric_id, school_year, school_id, grade_level, cell_1, cell_2, n, successes
  from {% if actions %}({{ discipline_moves('events_elsewhere', actions) }}) as moves{% else %}{{ ref('int_metric__' ~ metric_id) }}{% endif %}
  {% if not loop.last %}union all{% endif %}
  {% endfor %}
),

row_cells as (
  select
    school_year,
    school_id,
    grade_level,
    coalesce(cell_1, cell_2) as cell
    {%- for metric_id in with_rows %}
    {%- set number = loop.index0 %}
    {%- for column in ['n', 'successes'] %},
    {{ sum_whole("case when metric_id = '" ~ metric_id ~ "' then " ~ column ~ " end") }} as {{ column[0] }}_{{ number }}
    {%- endfor %}
    {%- endfor %}
  from row_counts
  group by grouping sets ((school_year, school_id, grade_level, cell_1), (school_year, school_id, grade_level, cell_2))
),

of_rows as (
  {{ by_place('row_cells', row_columns) }}
)

select
  {%- for key in ['school_year', 'school_id', 'grade_level', 'dimension', 'subgroup'] %}
  coalesce(of_students.{{ key }}, of_rows.{{ key }}) as {{ key }},
  {%- endfor %}
  coalesce(of_students.c_0, 0) as students
  {%- for metric_id, of in metrics.items() %}
  {%- for column in ['n', 'successes'] %}
  {%- set parts = [] %}
  {%- if column in of %}{% do parts.append('coalesce(of_students.c_' ~ sums.index(of[column]) ~ ', 0)') %}{% endif %}
  {%- if metric_id in with_rows %}{% do parts.append('coalesce(of_rows.' ~ column[0] ~ '_' ~ with_rows.index(metric_id) ~ ', 0)') %}{% endif %},
  {{ parts | join(' + ') }} as {{ metric_id }}_{{ column }}
  {%- endfor %}
  {%- endfor %}
  {%- for step, place in steps.items() %},
  coalesce(of_students.c_{{ place }}, 0) as {{ step }}
  {%- endfor %}
from of_students
-- A student may be counted at a school where nobody else of the subgroup is.
full join of_rows on {{ same('of_rows', 'of_students', ['school_year', 'school_id', 'grade_level', 'dimension', 'subgroup']) }}
