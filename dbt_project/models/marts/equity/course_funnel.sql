with

steps as (
  {% for step in funnel_steps() -%}
  select '{{ step }}' as step, {{ loop.index }} as step_number, '{{ 'cross_table' if step.startswith('cross') else 'funnel' }}' as part,
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

counts as (
  select
    counts.school_year,
    counts.school_id,
    counts.dimension,
    counts.subgroup,
    steps.part,
    steps.step,
    steps.step_number,
    counts.n as students,
    case when not_measured.reason is null then counts.successes end as reached,
    not_measured.reason
  from {{ ref('int_student_counts') }} as counts
  inner join steps on steps.step = counts.metric_id
  left join not_measured on not_measured.step = steps.step and not_measured.school_year = counts.school_year
  where counts.grade_level = '_all'
),

-- A step is taken by those of the step before; a cell of the cross-table is a part of all of its cells.
bases as (
  select
    counts.*,
    case when part = 'cross_table' then
      cast(sum(reached) over (partition by school_year, school_id, dimension, subgroup, part) as bigint)
    else
      coalesce(lag(reached) over (partition by school_year, school_id, dimension, subgroup, part order by step_number), students)
    end as base
  from counts
),

rates as (
  select bases.*, {{ divide('reached', 'students') }} as share, {{ divide('reached', 'base') }} as rate
  from bases
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
  subgroups.reference_subgroup,
  designated.share as reference_share,
  designated.rate as reference_rate,
  rates.share - designated.share as share_gap,
  rates.rate - designated.rate as gap,
  case
    when rates.reason is not null then rates.reason
    when rates.base = 0 then 'no_students'
    when designated.rate is null then 'reference_not_available'
    when rates.base < policy.n_reliability or designated.base < policy.n_reliability then 'small'
  end as reason
from rates
cross join {{ ref('int_policy') }} as policy
inner join {{ ref('int_subgroup') }} as subgroups
  on subgroups.dimension = rates.dimension and subgroups.subgroup = rates.subgroup
inner join {{ ref('int_school_year') }} as places
  on places.school_year = rates.school_year and places.school_id = rates.school_id
left join rates as designated
  on
    {{ same('designated', 'rates', ['school_year', 'school_id', 'dimension']) }}
    and designated.subgroup = subgroups.reference_subgroup
    and designated.step = rates.step
