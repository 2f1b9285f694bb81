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
  select school_id, cast(row_number() over (order by school_id) as int) as place
  from (select distinct school_id from {{ ref('int_school_year') }}) as listed
),

signed as (
  select
    gaps.*,
    places.place,
    comparisons.comparison,
    known_shares.known_share,
    comparisons.direction * gaps.gap as signed_gap,
    case when comparisons.direction = 1 then gaps.gap_low else -gaps.gap_high end as signed_low,
    case when comparisons.direction = 1 then gaps.gap_high else -gaps.gap_low end as signed_high
  from {{ ref('gap_metrics') }} as gaps
  inner join places on places.school_id = gaps.school_id
  inner join {{ ref('int_comparison') }} as comparisons
    on {{ same('comparisons', 'gaps', ['metric_id', 'dimension', 'subgroup', 'reference']) }}
  left join known_shares
    on {{ same('known_shares', 'gaps', ['school_year', 'school_id', 'dimension']) }}
  where gaps.grade_level = '_all'
)

select
  signed.school_year, signed.school_id, signed.place, signed.comparison, signed.rate, signed.gap, signed.gap_low, signed.gap_high,
  signed.reference_rate, signed.students_needed, signed.known_share,
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
