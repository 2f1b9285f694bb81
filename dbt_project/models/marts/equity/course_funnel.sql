with

steps as (
  {% for step in funnel_steps() -%}
  select '{{ step }}' as step, {{ loop.index }} as step_number, '{{ loop.previtem | default('') }}' as step_before,
    '{{ 'cross_table' if step.startswith('cross') else 'funnel' }}' as part,
    {{ "'ap_ib_courses;final_grades;exam_results'" if step.startswith('cross') or 'exam' in step
       else "'ap_ib_courses;final_grades'" if 'c_or_better' in step else "'ap_ib_courses'" }} as requires
  {% if not loop.last %}union all {% endif -%}
  {% endfor %}
),

not_measured as (
  select steps.step, coverage.school_year, concat('not_measured: ', min(coverage.token)) as reason
  from steps
  inner join {{ ref('int_coverage') }} as coverage on {{ list_holds('steps.requires', 'coverage.token') }}
  where not coverage.on_file
  group by steps.step, coverage.school_year
),

-- Subgroups beside their reference while all steps lie side by side: a tenth of the rows.
sums as (
  select sums.*, subgroups.reference_subgroup
  from {{ ref('int_place_sums') }} as sums
  inner join {{ ref('int_subgroup') }} as subgroups on {{ same('subgroups', 'sums', ['dimension', 'subgroup']) }}
  where sums.grade_level = '_all'
),

compared as (
  select
    own.school_year, own.school_id, own.dimension, own.subgroup, own.reference_subgroup, own.students,
    designated.students as designated_students
    {%- for step in funnel_steps() %},
    own.{{ step }},
    designated.{{ step }} as designated_{{ step }}
    {%- endfor %}
  from sums as own
  left join sums as designated
    on {{ same('designated', 'own', ['school_year', 'school_id', 'dimension']) }} and designated.subgroup = own.reference_subgroup
),

-- A step is taken by those of the step before; a cell of the cross-table is a part of all of its cells.
{% set steps = funnel_steps() | list -%}
{% set rows = {} -%}
{% for step in steps -%}
  {% set before = 'students' if loop.first else steps[loop.index0 - 1] -%}
  {% set expressions = [] -%}
  {% for prefix in ['', 'designated_'] -%}
    {% set cells = [] -%}
    {% for cell in steps if cell.startswith('cross') %}{% do cells.append(prefix ~ cell) %}{% endfor -%}
    {% do expressions.extend([prefix ~ step, cells | join(' + ') if step.startswith('cross') else prefix ~ before]) -%}
  {% endfor -%}
  {% do rows.update({step: expressions}) -%}
{% endfor -%}
counts as (
  {{ columns_to_rows(
    'compared', ['school_year', 'school_id', 'dimension', 'subgroup', 'reference_subgroup', 'students', 'designated_students'], 'step',
    ['reached', 'base', 'designated_reached', 'designated_base'], rows
  ) }}
),

measured as (
  select
    counts.school_year, counts.school_id, counts.dimension, counts.subgroup, counts.reference_subgroup, counts.students,
    counts.designated_students, counts.designated_reached, counts.designated_base, steps.part, steps.step_number, steps.step,
    case when before.reason is null then counts.base when steps.part = 'funnel' then counts.students end as base,
    case when not_measured.reason is null then counts.reached end as reached,
    not_measured.reason
  from counts
  inner join steps on steps.step = counts.step
  left join not_measured on not_measured.school_year = counts.school_year and not_measured.step = counts.step
  left join not_measured as before on before.school_year = counts.school_year and before.step = steps.step_before
),

rates as (
  select
    *,
    {{ divide('reached', 'students') }} as share,
    {{ divide('reached', 'base') }} as rate,
    case when reason is null then {{ divide('designated_reached', 'designated_students') }} end as reference_share,
    case when reason is null then {{ divide('designated_reached', 'designated_base') }} end as reference_rate
  from measured
)

select
  places.partner_id,
  rates.school_year,
  rates.school_id,
  places.school_name,
  rates.dimension,
  subgroups.dimension_label,
  rates.subgroup,
  subgroups.subgroup_label,
  rates.part,
  rates.step_number,
  rates.step,
  rates.students,
  rates.base,
  rates.reached,
  rates.share,
  rates.rate,
  rates.reference_subgroup,
  rates.reference_share,
  rates.reference_rate,
  rates.share - rates.reference_share as share_gap,
  rates.rate - rates.reference_rate as gap,
  case
    when rates.reason is not null then rates.reason
    when rates.base = 0 then 'no_students'
    when rates.reference_rate is null then 'reference_not_available'
    when rates.base < policy.n_reliability or rates.designated_base < policy.n_reliability then 'small'
  end as reason
from rates
cross join {{ ref('int_policy') }} as policy
inner join {{ ref('int_subgroup') }} as subgroups on {{ same('subgroups', 'rates', ['dimension', 'subgroup']) }}
inner join {{ ref('int_school_year') }} as places on {{ same('places', 'rates', ['school_year', 'school_id']) }}
