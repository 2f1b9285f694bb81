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
  where counts.metric_id = '_students' and counts.grade_level = '_all' and subgroups.partitioning
  group by counts.school_year, counts.school_id, counts.dimension
),

places as (
  select school_id, row_number() over (order by school_id) as number
  from (select distinct school_id from {{ ref('gap_metrics') }}) as listed
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
    -- Years are compared by one whole number: four texts of each of millions of rows do not fit into memory.
    (places.number * metrics.numbers + metrics.number) * subgroups.numbers + subgroups.number as comparison,
    case when metrics.direction = 'lower_is_better' then -1 else 1 end as direction,
    subgroups.uses_race,
    subgroups.uses_income,
    subgroups.uses_el,
    coalesce(metrics.requires like '%courses%', false) as uses_courses,
    versions.el_rule,
    versions.course_map_version,
    case when gaps.school_id = '_all' then versions.matched_share end as matched_share,
    known_shares.known_share
  from {{ ref('gap_metrics') }} as gaps
  inner join places on places.school_id = gaps.school_id
  inner join metrics on metrics.metric_id = gaps.metric_id
  inner join subgroups on subgroups.dimension = gaps.dimension and subgroups.subgroup = gaps.subgroup
  inner join {{ ref('int_year_versions') }} as versions on versions.school_year = gaps.school_year
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
  signed.partner_id, signed.school_year, signed.school_id, signed.metric_id, signed.dimension, signed.subgroup, signed.reference,
  signed.comparison, signed.rate, signed.gap, signed.gap_low, signed.gap_high, signed.reference_rate, signed.students_needed, signed.signed_gap,
  signed.direction, signed.uses_race, signed.uses_income, signed.uses_el, signed.uses_courses, signed.race_standard,
  signed.econ_basis, signed.el_rule, signed.course_map_version, signed.matched_share, signed.known_share,
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
