{# The school year (CEDS: its ending year) that a day lies in; years turn on 1 July. #}
{% macro school_year_of(day) %}(extract(year from {{ day }}) + case when extract(month from {{ day }}) >= 7 then 1 else 0 end){% endmacro %}

{# Upper quantile of Student's t from the normal one, good to 1e-9 for more than 200 degrees of freedom (Abramowitz & Stegun 26.7.5);
   up to 200 they stand in the seed `t_quantiles`. #}
{% macro t_quantile(z, df) -%}
({{ z }} + (power({{ z }}, 3) + {{ z }}) / (4.0 * {{ df }})
  + (5.0 * power({{ z }}, 5) + 16.0 * power({{ z }}, 3) + 3.0 * {{ z }}) / (96.0 * power({{ df }}, 2))
  + (3.0 * power({{ z }}, 7) + 19.0 * power({{ z }}, 5) + 17.0 * power({{ z }}, 3) - 15.0 * {{ z }}) / (384.0 * power({{ df }}, 3)))
{%- endmacro %}

{# Programme tables compare groups one way; crossings hold too few people in most of them. #}
{% macro one_way_dimensions() %}'all_students', 'race_ethnicity', 'student_of_color', 'economically_disadvantaged', 'english_learner', 'disability_idea', 'sex'{% endmacro %}

{# The newest day that the data knows of: no clock, so that the same files give the same answer. #}
{% macro newest_day() %}(select coalesce(max(as_of), max({{ date_of('school_year', 6, 30) }})) from {{ ref('stg_deliveries') }}){% endmacro %}

{# Each cycle with the rate of its group in the year before it began and in the last year that it reached.
   `metrics`: a relation of metric_id and direction, the metrics whose cycles are meant; `rates`: one of school_year, school_id,
   metric_id, dimension, subgroup, n, successes and rate. #}
{% macro cycles_with_rates(metrics, rates) %}
cycles as (
  select
    cycles.*,
    coalesce(cycles.school_id, '_all') as place,
    {{ school_year_of('cycles.started_on') }} as start_school_year,
    {{ school_year_of('coalesce(cycles.due_on, cycles.decided_on)') }} as end_school_year,
    metrics.direction
  from {{ ref('stg_cycles_of_inquiry') }} as cycles
  inner join {{ metrics }} as metrics on metrics.metric_id = cycles.metric_id
),

latest as (
  select cycles.cycle_id, max(rates.school_year) as school_year
  from cycles
  inner join {{ rates }} as rates
    on rates.school_id = cycles.place and rates.metric_id = cycles.metric_id and rates.dimension = cycles.dimension
    and rates.subgroup = cycles.subgroup and rates.rate is not null
    and rates.school_year >= cycles.start_school_year
    and rates.school_year <= coalesce(cycles.end_school_year, rates.school_year)
  group by cycles.cycle_id
)

select
  partner.partner_id,
  cycles.cycle_id,
  cycles.focus_area,
  cycles.question,
  cycles.aim,
  cycles.metric_id,
  cycles.dimension,
  cycles.subgroup,
  cycles.place as school_id,
  cycles.target_rate,
  cycles.started_on,
  cycles.due_on,
  cycles.action,
  cycles.study,
  cycles.decision,
  cycles.decided_on,
  cast(cycles.start_school_year as int) as start_school_year,
  baseline.n as baseline_n,
  baseline.successes as baseline_successes,
  baseline.rate as baseline_rate,
  now.school_year as latest_school_year,
  now.n as latest_n,
  now.successes as latest_successes,
  now.rate as latest_rate,
  case when cycles.direction = 'lower_is_better' then now.rate <= cycles.target_rate else now.rate >= cycles.target_rate end as target_met
from cycles
cross join {{ ref('stg_partner') }} as partner
left join {{ rates }} as baseline
  on baseline.school_year = cycles.start_school_year - 1 and baseline.school_id = cycles.place
  and baseline.metric_id = cycles.metric_id and baseline.dimension = cycles.dimension and baseline.subgroup = cycles.subgroup
left join latest on latest.cycle_id = cycles.cycle_id
left join {{ rates }} as now
  on now.school_year = latest.school_year and now.school_id = cycles.place
  and now.metric_id = cycles.metric_id and now.dimension = cycles.dimension and now.subgroup = cycles.subgroup
{% endmacro %}
