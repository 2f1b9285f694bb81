{{ config(tags=['with_class_ratings', 'with_experience_samples']) }}
-- A share of seats is a ratio of two sums over classes; its variance is that of such a ratio with classes drawn as wholes
-- (Cochran, Sampling Techniques, 3rd ed., section 6.3, without the finite population correction), with Student's t.
with

classes as (
  select * from {{ ref('int_scorecard_class') }}
  union all
  select
    school_year, collection_window, '_all' as school_id, concat(school_id, ' ', section_id) as section_id, resource, dimension, subgroup,
    method, observations, students, seats, met
  from {{ ref('int_scorecard_class') }}
),

shares as (
  select
    school_year, collection_window, school_id, resource, dimension, subgroup, method,
    count(*) as classes,
    {{ sum_whole('observations') }} as observations,
    {{ sum_whole('students') }} as students,
    {{ sum_sorted('seats') }} as seats,
    {{ sum_sorted('met') }} as met
  from classes
  group by 1, 2, 3, 4, 5, 6, 7
),

spread as (
  select
    classes.school_year, classes.collection_window, classes.school_id, classes.resource, classes.dimension, classes.subgroup,
    {{ sum_sorted('power(classes.met - classes.seats * shares.met / shares.seats, 2)') }} as squares
  from classes
  inner join shares using (school_year, collection_window, school_id, resource, dimension, subgroup)
  group by 1, 2, 3, 4, 5, 6
),

estimated as (
  select
    shares.*,
    {{ divide('shares.met', 'shares.seats') }} as rate,
    case when shares.classes > 4 then
      coalesce(t_quantiles.quantile, {{ t_quantile('policy.confidence_z', '(shares.classes - 1)') }})
      * sqrt({{ divide('shares.classes', 'shares.classes - 1') }} * spread.squares) / shares.seats end as margin
  from shares
  inner join spread using (school_year, collection_window, school_id, resource, dimension, subgroup)
  cross join {{ ref('int_policy') }} as policy
  left join {{ ref('t_quantiles') }} as t_quantiles on t_quantiles.degrees_of_freedom = shares.classes - 1
),

versions as (
  select
    school_year, resource, max(metric_id) as metric_id, {{ text_list('instrument_version') }} as instrument_version,
    {{ text_list('threshold_version') }} as threshold_version
  from {{ ref('int_scorecard_instrument') }}
  where threshold is not null
  group by 1, 2
),

goals as (
  select
    estimated.school_year, goals.resource, goals.school_id, goals.dimension, goals.subgroup, goals.goal_rate, goals.due_on,
    row_number() over (
      partition by estimated.school_year, goals.resource, goals.school_id, goals.dimension, goals.subgroup order by goals.due_on
    ) as choice
  from {{ ref('stg_scorecard_goals') }} as goals
  inner join (select distinct school_year from estimated) as estimated
    on {{ school_year_of('goals.due_on') }} >= estimated.school_year
)

select
  partner.partner_id,
  estimated.school_year,
  estimated.collection_window,
  estimated.school_id,
  estimated.resource,
  versions.metric_id,
  estimated.dimension,
  estimated.subgroup,
  estimated.method,
  versions.instrument_version,
  versions.threshold_version,
  estimated.classes,
  estimated.observations,
  estimated.students,
  estimated.seats,
  estimated.met,
  estimated.rate,
  greatest(0.0, estimated.rate - estimated.margin) as rate_low,
  least(1.0, estimated.rate + estimated.margin) as rate_high,
  100.0 * estimated.margin as margin_points,
  goals.goal_rate,
  goals.due_on as goal_due_on,
  estimated.rate >= goals.goal_rate as goal_met
from estimated
cross join {{ ref('stg_partner') }} as partner
inner join versions on versions.school_year = estimated.school_year and versions.resource = estimated.resource
left join goals
  on
    goals.school_year = estimated.school_year
    and goals.resource = estimated.resource
    and goals.school_id = estimated.school_id
    and goals.dimension = estimated.dimension
    and goals.subgroup = estimated.subgroup
    and goals.choice = 1
