-- depends_on: {{ ref('int_discipline_event') }}
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

with

row_counts as (
  {% for metric_id in with_rows -%}
  {%- set actions = metrics[metric_id].get('actions') %}
  select '{{ metric_id }}' as metric_id, school_year, school_id, grade_level, cell_1, cell_2, n, successes
  from {% if actions %}({{ discipline_moves(actions) }}) as moves{% else %}{{ ref('int_metric__' ~ metric_id) }}{% endif %}
  {% if not loop.last %}union all{% endif %}
  {% endfor %}
),

cells as (
  {% for source in [ref('int_student_outcome'), 'row_counts'] -%}
  {%- set of_students = loop.first %}
  select
    school_year,
    school_id,
    grade_level,
    coalesce(cell_1, cell_2) as cell
    {%- for expression in sums %},
    {{ expression if of_students else 'cast(null as bigint)' }} as c_{{ loop.index0 }}
    {%- endfor %}
    {%- for metric_id in with_rows %}
    {%- set number = loop.index0 %}
    {%- for column in ['n', 'successes'] %},
    {{ 'cast(null as bigint)' if of_students else sum_whole("case when metric_id = '" ~ metric_id ~ "' then " ~ column ~ " end") }} as {{ column[0] }}_{{ number }}
    {%- endfor %}
    {%- endfor %}
  from {{ source }}
  group by grouping sets ((school_year, school_id, grade_level, cell_1), (school_year, school_id, grade_level, cell_2))
  {% if not loop.last %}union all{% endif %}
  {% endfor %}
),

{%- set columns = [] %}
{%- for expression in sums %}{% do columns.append('c_' ~ loop.index0) %}{% endfor %}
{%- for metric_id in with_rows %}{% do columns.extend(['n_' ~ loop.index0, 's_' ~ loop.index0]) %}{% endfor %}

by_subgroup as (
  select
    cells.school_year,
    cells.school_id,
    cells.grade_level,
    subgroups.dimension,
    subgroups.subgroup,
    subgroups.is_crossed
    {%- for column in columns %},
    {{ sum_whole('cells.' ~ column) }} as {{ column }}
    {%- endfor %}
  from cells
  inner join {{ ref('int_cell_subgroup') }} as subgroups on subgroups.cell = cells.cell
  group by cells.school_year, cells.school_id, cells.grade_level, subgroups.dimension, subgroups.subgroup, subgroups.is_crossed
),

-- Crossings are for all grades together: a single grade's hold a handful of students.
rolled_up as (
  select *
  from (
    select
      school_year,
      coalesce(school_id, '_all') as school_id,
      coalesce(grade_level, '_all') as grade_level,
      dimension,
      subgroup,
      is_crossed
      {%- for column in columns %},
      coalesce({{ sum_whole(column) }}, 0) as {{ column }}
      {%- endfor %}
    from by_subgroup
    group by grouping sets (
      (school_year, dimension, subgroup, is_crossed),
      (school_year, dimension, subgroup, is_crossed, school_id),
      (school_year, dimension, subgroup, is_crossed, grade_level),
      (school_year, dimension, subgroup, is_crossed, school_id, grade_level)
    )
  ) as roll_ups
  where not is_crossed or grade_level = '_all'
)

select
  school_year,
  school_id,
  grade_level,
  dimension,
  subgroup,
  c_0 as students
  {%- for metric_id, of in metrics.items() %}
  {%- for column in ['n', 'successes'] %},
  {{ 'c_' ~ sums.index(of[column]) if column in of else 'cast(0 as bigint)' }}
    {%- if metric_id in with_rows %} + {{ column[0] }}_{{ with_rows.index(metric_id) }}{% endif %} as {{ metric_id }}_{{ column }}
  {%- endfor %}
  {%- endfor %}
  {%- for step, place in steps.items() %},
  c_{{ place }} as {{ step }}
  {%- endfor %}
from rolled_up
