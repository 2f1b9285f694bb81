{{ config(materialized='table') }}

with

metrics as (
  select metric_id, requires
  from {{ ref('metrics') }}
  where unit <> 'exposure'
),

first_gap_in_coverage as (
  select
    coverage.school_year,
    metrics.metric_id,
    coverage.token,
    row_number() over (
      partition by coverage.school_year, metrics.metric_id
      order by position(coverage.token in metrics.requires), coverage.token
    ) as choice
  from metrics
  inner join {{ ref('int_coverage') }} as coverage on {{ list_holds('metrics.requires', 'coverage.token') }}
  where not coverage.on_file
),

not_measured as (
  select school_year, metric_id, concat('not_measured: ', token) as reason
  from first_gap_in_coverage
  where choice = 1
),

with_students as (
  select distinct school_year
  from {{ ref('int_student_year') }}
),

aggregates as (
  select counts.*
  from {{ ref('int_aggregate_counts') }} as counts
  left join with_students on with_students.school_year = counts.school_year
  left join not_measured on not_measured.school_year = counts.school_year and not_measured.metric_id = counts.metric_id
  -- Student rows, where they can tell, outrank delivered counts.
  where with_students.school_year is null or not_measured.metric_id is not null
),

aggregate_metrics as (
  select distinct school_year, metric_id
  from aggregates
),

student_metrics as (
  select with_students.school_year, metrics.metric_id, not_measured.reason
  from with_students
  cross join metrics
  left join not_measured on not_measured.school_year = with_students.school_year and not_measured.metric_id = metrics.metric_id
  left join aggregate_metrics
    on aggregate_metrics.school_year = with_students.school_year and aggregate_metrics.metric_id = metrics.metric_id
  where aggregate_metrics.metric_id is null
),

student_counts as (
  {% set rows = {} -%}
  {% for metric_id in metric_ids() %}{% do rows.update({metric_id: [metric_id ~ '_n', metric_id ~ '_successes']}) %}{% endfor -%}
  {{ columns_to_rows(
    ref('int_place_sums'), ['school_year', 'school_id', 'grade_level', 'dimension', 'subgroup'], 'metric_id', ['n', 'successes'], rows
  ) }}
),

from_students as (
  select
    counts.school_year,
    counts.school_id,
    counts.grade_level,
    counts.metric_id,
    counts.dimension,
    counts.subgroup,
    case when student_metrics.reason is null then counts.n end as n,
    case when student_metrics.reason is null then counts.successes end as successes,
    student_metrics.reason,
    'students' as counted_from
  from student_counts as counts
  inner join student_metrics on {{ same('student_metrics', 'counts', ['school_year', 'metric_id']) }}
),

from_aggregates as (
  select
    places.school_year,
    places.school_id,
    places.grade_level,
    metrics.metric_id,
    places.dimension,
    places.subgroup,
    counts.n,
    counts.successes,
    case when counts.n is null then 'not_measured: aggregate_counts' end as reason,
    'aggregate_counts' as counted_from
  from (select distinct school_year, school_id, grade_level, dimension, subgroup from aggregates) as places
  cross join metrics
  left join aggregates as counts
    on
      counts.metric_id = metrics.metric_id
      and {{ same('counts', 'places', ['school_year', 'school_id', 'grade_level', 'dimension', 'subgroup']) }}
  left join aggregate_metrics
    on aggregate_metrics.school_year = places.school_year and aggregate_metrics.metric_id = metrics.metric_id
  left join with_students on with_students.school_year = places.school_year
  where aggregate_metrics.metric_id is not null or with_students.school_year is null
)

select * from from_students
union all
select * from from_aggregates
