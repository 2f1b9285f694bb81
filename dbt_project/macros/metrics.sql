{# The metric ids of the seed `metrics`, handed over by the runner so that each has its model at parse time. #}
{% macro metric_ids() %}{{ return(var('metric_ids')) }}{% endmacro %}

{# A metric of students: of those `among`, those who reached `successes`, both conditions on `int_student_outcome`. `int_place_sums`
   reads from `meta` what to add up, for all metrics in one pass over the students; the rows are for who wants to look at one. #}
{% macro student_metric(successes, among='true') -%}
{%- set reached = successes if among == 'true' else among ~ ' and ' ~ successes -%}
{{ config(meta={'n': count_where(among), 'successes': count_where(reached)}) }}
{{ metric_rows('case when ' ~ among ~ ' then 1 else 0 end', 'case when ' ~ reached ~ ' then 1 else 0 end') }}
{%- endmacro %}

{# A metric of what each student has: `n` and the part of it that are `successes`. #}
{% macro sums_metric(n, successes) -%}
{{ config(meta={'n': sum_whole(n), 'successes': sum_whole(successes)}) }}
{{ metric_rows(n, successes) }}
{%- endmacro %}

{% macro metric_rows(n, successes) -%}
select school_year, student_id, school_id, grade_level, cell_1, cell_2, {{ n }} as n, {{ successes }} as successes
from {{ ref('int_student_outcome') }}
where {{ n }} > 0
{%- endmacro %}

{# A discipline metric: students with at least one of these actions, at the school of the first such incident; the others
   at the school of the snapshot date. #}
{% macro discipline_metric(actions) -%}
{{ config(meta={'n': count_where('true'), 'successes': count_where('has_' ~ actions | join(' or has_')), 'actions': actions}) }}
select
  students.school_year,
  students.student_id,
  coalesce(events.event_school_id, students.school_id) as school_id,
  students.grade_level,
  students.cell_1,
  students.cell_2,
  1 as n,
  case when events.student_id is not null then 1 else 0 end as successes
from {{ ref('int_student_year') }} as students
left join ({{ first_events(ref('int_discipline_event'), actions) }}) as events
  on events.school_year = students.school_year and events.student_id = students.student_id and events.choice = 1
{%- endmacro %}

{# What moves where everyone has been counted at the school of the snapshot date: those whose first such incident, among these
   events, was at another school. #}
{% macro discipline_moves(events, actions) -%}
select
  events.school_year, case when moves.n = 1 then events.event_school_id else events.school_id end as school_id,
  events.grade_level, events.cell_1, events.cell_2, moves.n, moves.n as successes
from ({{ first_events(events, actions) }}) as events
cross join (select 1 as n union all select -1 as n) as moves
where events.choice = 1 and events.event_school_id <> events.school_id
{%- endmacro %}

{% macro first_events(events, actions) %}
  select *, row_number() over (partition by school_year, student_id order by incident_date nulls last, incident_id nulls last, event_school_id nulls last) as choice
  from {{ events }}
  where action in ('{{ actions | join("', '") }}')
{% endmacro %}

{# A survey metric: valid answers to items of a construct, and those of them that are favorable. #}
{% macro survey_metric(construct) -%}
select
  answers.school_year,
  answers.student_id,
  students.school_id,
  students.grade_level,
  students.cell_1,
  students.cell_2,
  answers.n,
  answers.favorable as successes
from {{ ref('int_survey_answer') }} as answers
inner join {{ ref('int_student_year') }} as students
  on students.school_year = answers.school_year and students.student_id = answers.student_id
where answers.construct = '{{ construct }}'
{%- endmacro %}

{# Sums over cells (year x school x grade x cell) by subgroup and place: school and grade, each also `_all`. Crossings are for all
   grades together: a single grade's hold a handful of students. #}
{% macro by_place(cells, columns) -%}
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
  from (
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
    from {{ cells }} as cells
    inner join {{ ref('int_cell_subgroup') }} as subgroups on subgroups.cell = cells.cell
    group by cells.school_year, cells.school_id, cells.grade_level, subgroups.dimension, subgroups.subgroup, subgroups.is_crossed
  ) as by_subgroup
  group by grouping sets (
    (school_year, dimension, subgroup, is_crossed),
    (school_year, dimension, subgroup, is_crossed, school_id),
    (school_year, dimension, subgroup, is_crossed, grade_level),
    (school_year, dimension, subgroup, is_crossed, school_id, grade_level)
  )
) as roll_ups
where not is_crossed or grade_level = '_all'
{%- endmacro %}

{# The steps of the course funnel, each among those who took every step before it, and the cross-table of course grade and
   exam among enrolled students with a graded seat: name → who is counted. Conditions on `int_student_outcome`. #}
{% macro funnel_steps() %}
  {{ return({
    'funnel_offered': 'is_offered',
    'funnel_enrolled': 'is_offered and is_ap_ib',
    'funnel_completed': 'is_offered and is_ap_ib and is_completed',
    'funnel_c_or_better': 'is_offered and is_ap_ib and is_completed and is_c_or_better',
    'funnel_exam_taken': 'is_offered and is_ap_ib and is_completed and is_c_or_better and is_exam_taken',
    'funnel_exam_passed': 'is_offered and is_ap_ib and is_completed and is_c_or_better and is_exam_passed',
    'cross_c_or_better_and_passed': 'is_graded and is_c_or_better and is_exam_passed',
    'cross_c_or_better_and_not_passed': 'is_graded and is_c_or_better and is_exam_taken and not is_exam_passed',
    'cross_c_or_better_and_no_exam': 'is_graded and is_c_or_better and not is_exam_taken',
    'cross_below_c_and_passed': 'is_graded and not is_c_or_better and is_exam_passed',
    'cross_below_c_and_not_passed': 'is_graded and not is_c_or_better and is_exam_taken and not is_exam_passed',
    'cross_below_c_and_no_exam': 'is_graded and not is_c_or_better and not is_exam_taken'
  }) }}
{% endmacro %}
