with

partnership as (
  select min(school_year) - 1 as baseline_school_year
  from {{ ref('stg_programs') }}
),

-- What a year has not in common with an earlier one; the share of its students who are in schools of both is of the year before.
year_changes as (
  select
    now.school_year,
    earlier.school_year as earlier_school_year,
    now.race_standard is distinct from earlier.race_standard as race_standard,
    now.econ_basis is distinct from earlier.econ_basis as econ_basis,
    now.el_rule is distinct from earlier.el_rule as el_rule,
    now.course_map_version <> earlier.course_map_version as course_map_version,
    now.matched_share
  from {{ ref('int_year_versions') }} as now
  cross join {{ ref('int_year_versions') }} as earlier
),

baseline as (
  select levels.school_year, levels.place, levels.comparison, levels.gap, levels.known_share
  from {{ ref('int_gap_level') }} as levels
  inner join partnership on partnership.baseline_school_year = levels.school_year
),

goals as (
  select
    levels.school_year,
    levels.place,
    levels.comparison,
    goals.school_year as goal_school_year,
    goals.gap as goal_gap,
    row_number() over (
      partition by levels.school_year, levels.place, levels.comparison order by goals.school_year, goals.gap
    ) as choice
  from {{ ref('stg_goals') }} as goals
  inner join {{ ref('int_comparison') }} as comparisons
    on {{ same('comparisons', 'goals', ['metric_id', 'dimension', 'subgroup', 'reference']) }}
  inner join {{ ref('int_gap_level') }} as levels
    on
      {{ same('levels', 'goals', ['school_id']) }}
      and levels.comparison = comparisons.comparison
      and levels.school_year <= goals.school_year
),

prior as (
  select
    school_year, place, comparison, gap, gap_low, gap_high, reference_rate, known_share,
    level in ('closed', 'reversed') as was_closed
  from {{ ref('int_gap_level') }}
),

compared as (
  select
    now.*,
    comparisons.metric_id,
    comparisons.dimension,
    comparisons.subgroup,
    comparisons.reference,
    comparisons.direction,
    prior.gap as prior_gap,
    prior.was_closed as prior_was_closed,
    prior.reference_rate as prior_reference_rate,
    baseline.school_year as baseline_school_year,
    baseline.gap as baseline_gap,
    comparisons.direction * now.gap as signed_gap,
    comparisons.direction * baseline.gap as baseline_signed_gap,
    goals.goal_school_year,
    goals.goal_gap,
    case
      when prior.school_year is null then 'no_prior_year'
      when prior.gap is null then 'prior_gap_not_available'
      when now.school_id = '_all' and since_prior.matched_share < 1.0 - policy.coverage_tolerance then 'coverage_changed'
      else {{ what_changed('now', 'prior', 'since_prior') }}
    end as comparability_reason,
    now.school_year > baseline.school_year and baseline.gap is not null and {{ what_changed('now', 'baseline', 'since_baseline') }} is null
      as comparable_to_baseline,
    {{ mover_low('now.gap', 'now.gap_low', 'prior.gap', 'prior.gap_high') }} as change_low,
    {{ mover_high('now.gap', 'now.gap_high', 'prior.gap', 'prior.gap_low') }} as change_high
  from {{ ref('int_gap_level') }} as now
  cross join {{ ref('int_policy') }} as policy
  inner join {{ ref('int_comparison') }} as comparisons on comparisons.comparison = now.comparison
  left join prior on prior.school_year = now.school_year - 1 and {{ same('prior', 'now', ['place', 'comparison']) }}
  left join baseline on {{ same('baseline', 'now', ['place', 'comparison']) }}
  left join year_changes as since_prior
    on since_prior.school_year = now.school_year and since_prior.earlier_school_year = prior.school_year
  left join year_changes as since_baseline
    on since_baseline.school_year = now.school_year and since_baseline.earlier_school_year = baseline.school_year
  left join goals on {{ same('goals', 'now', ['school_year', 'place', 'comparison']) }} and goals.choice = 1
),

changes as (
  select
    compared.*,
    comparability_reason is null as comparable_to_prior_year,
    case when comparability_reason is null then gap - prior_gap end as gap_change,
    case when comparability_reason is null then change_low end as gap_change_low,
    case when comparability_reason is null then change_high end as gap_change_high
  from compared
),

signed as (
  select
    changes.*,
    direction * gap_change as signed_change,
    case when direction = 1 then gap_change_low else -gap_change_high end as signed_change_low,
    case when direction = 1 then gap_change_high else -gap_change_low end as signed_change_high,
    case
      when comparable_to_baseline then (signed_gap - baseline_signed_gap) / (school_year - baseline_school_year)
      else direction * gap_change
    end as signed_change_a_year
  from changes
)

select
  partner.partner_id,
  signed.school_year,
  signed.school_id,
  signed.metric_id,
  signed.dimension,
  signed.subgroup,
  signed.reference,
  signed.gap,
  signed.prior_gap,
  signed.baseline_school_year,
  signed.baseline_gap,
  signed.gap_change,
  signed.gap_change_low,
  signed.gap_change_high,
  case
    when signed.level in ('not_measurable', 'reversed') or not signed.comparable_to_prior_year then signed.level
    when signed.level = 'closed' and signed.prior_was_closed then 'maintained_closed'
    when signed.level = 'closed' then 'closed'
    when signed.prior_was_closed then 'reopened'
    when signed.signed_change_low > 0 then 'narrowing'
    when signed.signed_change_high < 0 then 'widening'
    else 'open'
  end as status,
  signed.signed_change > 0
  and signed.direction * (signed.prior_reference_rate - signed.reference_rate) > policy.leveled_down_share * signed.signed_change
    as leveled_down,
  signed.students_needed as seats_gap,
  case when signed.signed_gap < 0 and signed.signed_change_a_year > 0 then -signed.signed_gap / signed.signed_change_a_year end
    as years_to_parity,
  signed.goal_gap,
  -- On track: not behind the straight line from the baseline to the goal; without a baseline, not behind the goal.
  signed.signed_gap >= case
    when signed.comparable_to_baseline then
      signed.baseline_signed_gap
      + (signed.direction * signed.goal_gap - signed.baseline_signed_gap)
      * (signed.school_year - signed.baseline_school_year) / (signed.goal_school_year - signed.baseline_school_year)
    else signed.direction * signed.goal_gap
  end as on_track,
  case when signed.gap is not null then parts.within_school_gap end as within_school_gap,
  case when signed.gap is not null then parts.between_school_gap end as between_school_gap,
  case when signed.gap is not null then parts.availability_gap end as availability_gap,
  case when signed.gap is not null then parts.assignment_gap end as assignment_gap,
  signed.comparable_to_prior_year,
  signed.comparability_reason
from signed
cross join {{ ref('stg_partner') }} as partner
cross join {{ ref('int_policy') }} as policy
left join {{ ref('int_gap_parts') }} as parts
  on
    signed.school_id = '_all'
    and {{ same('parts', 'signed', ['school_year', 'metric_id', 'dimension', 'subgroup', 'reference']) }}
