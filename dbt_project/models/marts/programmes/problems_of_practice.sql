{{ config(tags=['with_problems_of_practice']) }}
-- Problems in the order of their evidence, by Cohen's h: of a metric the gap to the designated reference in its newest year, of
-- a construct the widest gap between what students see and what adults see.
with

problems as (
  select * from {{ ref('stg_problems_of_practice') }}
),

gaps as (
  select
    problems.problem_id, gaps.school_year, gaps.n, gaps.successes, gaps.rate, gaps.reference_n, gaps.reference_successes,
    gaps.reference_rate, abs(gaps.cohens_h) as evidence, 'gap' as evidence_reason
  from problems
  inner join {{ ref('gap_metrics') }} as gaps
    on gaps.metric_id = problems.metric_id and gaps.dimension = problems.dimension and gaps.subgroup = problems.subgroup
  where gaps.reference = 'designated' and gaps.grade_level = '_all' and gaps.school_id = '_all' and gaps.gap is not null
),

perceptions as (
  select
    problems.problem_id, seen.school_year, seen.student_respondents as n, seen.student_favorable as successes, seen.student_rate as rate,
    seen.other_respondents as reference_n, seen.other_favorable as reference_successes, seen.other_rate as reference_rate,
    abs(seen.cohens_h) as evidence, concat('students and ', seen.compared_with) as evidence_reason
  from problems
  inner join {{ ref('perception_gaps') }} as seen on seen.construct = lower(trim(problems.construct)) and seen.school_id = '_all'
),

chosen as (
  select *, row_number() over (partition by problem_id order by school_year desc, evidence desc, evidence_reason) as choice
  from (select * from gaps union all select * from perceptions) as found
)

select
  partner.partner_id,
  problems.problem_id,
  problems.statement,
  problems.focus_area,
  problems.construct,
  problems.metric_id,
  problems.dimension,
  problems.subgroup,
  cast(row_number() over (order by chosen.evidence desc nulls last, problems.problem_id) as bigint) as evidence_rank,
  chosen.evidence,
  chosen.evidence_reason,
  chosen.school_year,
  cast(chosen.n as bigint) as n,
  cast(chosen.successes as double) as successes,
  chosen.rate,
  cast(chosen.reference_n as bigint) as reference_n,
  cast(chosen.reference_successes as double) as reference_successes,
  chosen.reference_rate
from problems
cross join {{ ref('stg_partner') }} as partner
left join chosen on chosen.problem_id = problems.problem_id and chosen.choice = 1
