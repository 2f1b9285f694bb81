-- The state of a gap by its level alone; the signed gap is negative where the group is behind, whatever the direction.
with

-- How many of a place's students have a known value in the dimension.
known_shares as (
  select
    counts.school_year,
    counts.school_id,
    counts.dimension,
    {{ divide('sum(case when not subgroups.is_unknown then counts.n end)', 'sum(counts.n)') }} as known_share
  from {{ ref('int_student_counts') }} as counts
  inner join {{ ref('int_subgroup') }} as subgroups
    on subgroups.dimension = counts.dimension and subgroups.subgroup = counts.subgroup
  where subgroups.partitioning
  group by counts.school_year, counts.school_id, counts.dimension
),

places as (
  select school_id, row_number() over (order by school_id) as number
  from (select distinct school_id from {{ ref('int_school_year') }}) as listed
),

metrics as (
  select metric_id, direction, requires, row_number() over (order by metric_id) as number, count(*) over () as numbers
  from {{ ref('metrics') }}
),

subgroups as (
  select
    dimension, subgroup, uses_race, uses_income, uses_el,
    row_number() over (order by dimension, subgroup) as number,
    count(*) over () as numbers
  from {{ ref('int_subgroup') }}
),

gaps as (
  select
    gaps.*,
    -- Years are compared by one whole number: five texts of each of millions of rows do not fit into memory.
    4 * ((places.number * metrics.numbers + metrics.number) * subgroups.numbers + subgroups.number)
    + case gaps.reference when 'rest' then 0 when 'overall' then 1 when 'highest' then 2 else 3 end as comparison,
    case when metrics.direction = 'lower_is_better' then -1 else 1 end as direction,
    subgroups.uses_race,
    subgroups.uses_income,
    subgroups.uses_el,
    coalesce(metrics.requires like '%courses%', false) as uses_courses,
    known_shares.known_share
  from {{ ref('gap_metrics') }} as gaps
  inner join places on places.school_id = gaps.school_id
  inner join metrics on metrics.metric_id = gaps.metric_id
  inner join subgroups on subgroups.dimension = gaps.dimension and subgroups.subgroup = gaps.subgroup
  left join known_shares
    on {{ same('known_shares', 'gaps', ['school_year', 'school_id', 'dimension']) }}
  where gaps.grade_level = '_all'
),

signed as (
  select
    gaps.*,
    direction * gap as signed_gap,
    case when direction = 1 then gap_low else -gap_high end as signed_low,
    case when direction = 1 then gap_high else -gap_low end as signed_high
  from gaps
)

select
  signed.school_year, signed.school_id, signed.metric_id, signed.dimension, signed.subgroup, signed.reference,
  signed.comparison, signed.rate, signed.gap, signed.gap_low, signed.gap_high, signed.reference_rate, signed.students_needed, signed.signed_gap,
  signed.direction, signed.uses_race, signed.uses_income, signed.uses_el, signed.uses_courses, signed.known_share,
  case
    -- A group is not compared with itself.
    when signed.signed_gap is null or not signed.reliable or signed.subgroup = signed.reference_subgroup then 'not_measurable'
    when signed.signed_gap > policy.closure_tolerance and signed.signed_low > 0 then 'reversed'
    -- Groups that overlap have no interval: the level decides.
    when signed.signed_gap >= -policy.closure_tolerance and coalesce(signed.signed_high >= 0, true) then 'closed'
    else 'open'
  end as level
from signed
cross join {{ ref('int_policy') }} as policy
