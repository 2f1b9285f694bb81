-- depends_on: {{ ref('access') }}, {{ ref('success') }}, {{ ref('tools_package') }}, {{ ref('equity_leader_lab') }}, {{ ref('course_funnel') }}, {{ ref('sustainability') }}, {{ ref('data_quality') }}

-- Values that can't be: more successes than students, an interval that does not hold its gap, a number not measured.
-- Resolve: for aggregate counts, correct the delivery; else the model is wrong.
select 'counts_rates_and_intervals_are_ordered' as rule, count(*) as rows_concerned
from {{ ref('gap_metrics') }}
where
  successes < 0
  or successes > n
  or gap_low > gap
  or gap_high < gap
  or gap_low < -1
  or gap_high > 1
  or students_needed < 0
  or (reason like 'not_measured%' and (n is not null or successes is not null or rate is not null))
  or (n = 0 and rate is not null)
  or (reliable and gap is null)
having count(*) > 0

union all

-- Rows that one of the two core marts has and the other lacks: a join repeats or drops rows.
select 'every_count_has_four_gaps_and_every_gap_a_closure_row' as rule, abs(4 * counted.n - gaps.n) + abs(gaps.n_all - closure.n) as rows_concerned
from (select count(*) as n from {{ ref('int_subgroup_counts') }}) as counted
cross join (select count(*) as n, count(case when grade_level = '_all' then 1 end) as n_all from {{ ref('gap_metrics') }}) as gaps
cross join (select count(*) as n from {{ ref('gap_closure') }}) as closure
where 4 * counted.n <> gaps.n or gaps.n_all <> closure.n

union all

select 'statuses_are_known' as rule, count(*) as rows_concerned
from {{ ref('gap_closure') }}
where status is null or status not in ('not_measurable', 'open', 'narrowing', 'widening', 'closed', 'maintained_closed', 'reopened', 'reversed')
having count(*) > 0

union all

-- A mart column about one student: marts hold counts only; keep student rows in the intermediate layer.
-- Their contracts are enforced: what is declared is what is there.
{%- set about_students = [] %}
{%- for node in graph.nodes.values() if node.resource_type == 'model' and node.schema == 'marts' %}
  {%- for column in node.columns if 'student_id' in column or column in ['cell', 'birth_date', 'gpa', 'races', 'hispanic_latino'] %}
    {%- do about_students.append(column) %}
  {%- endfor %}
{%- endfor %}
select 'marts_hold_no_student_columns' as rule, {{ about_students | length }} as rows_concerned
where {{ about_students | length }} > 0
