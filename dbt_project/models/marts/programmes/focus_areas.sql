{{ config(tags=['with_discipline']) }}
-- Areas ranked by evidence: the widest clear gap by Cohen's h, which puts rates of any height on one scale. A gap is clear when
-- both groups are large enough, the group is behind and the 95 % interval leaves out zero.
with

metric_gaps as (
  select
    gaps.partner_id, gaps.school_year, gaps.school_id, gaps.metric_id, gaps.dimension, gaps.subgroup,
    gaps.n, cast(gaps.successes as double) as successes, gaps.rate,
    gaps.reference_n, cast(gaps.reference_successes as double) as reference_successes, gaps.reference_rate, gaps.cohens_h,
    case
      when metrics.requires = 'attendance' then 'engagement'
      when metrics.requires = 'discipline' then 'discipline'
      when metrics.requires like 'survey%' then 'school_culture'
      else 'academics'
    end as focus_area,
    coalesce(
      gaps.reliable
      and case when metrics.direction = 'lower_is_better' then gaps.gap_low > 0 else gaps.gap_high < 0 end, false
    ) as is_clear
  from {{ ref('gap_metrics') }} as gaps
  inner join {{ ref('metrics') }} as metrics on metrics.metric_id = gaps.metric_id
  where
    gaps.reference = 'designated'
    and gaps.grade_level = '_all'
    and gaps.gap is not null
    and gaps.subgroup not in ('unknown', coalesce(gaps.reference_subgroup, ''))
),

-- Scales of students' surveys that are no metric of their own, by shares of respondents; what stands in the way of a course stands
-- beside access (student_voice).
scales as (
  select
    answers.*,
    {{ wilson('low', 'answers.respondents', 'answers.favorable_respondents', 'policy.confidence_z') }} as rate_low,
    {{ wilson('high', 'answers.respondents', 'answers.favorable_respondents', 'policy.confidence_z') }} as rate_high,
    answers.respondents >= policy.n_reliability as is_reliable
  from {{ ref('needs_assessment') }} as answers
  cross join {{ ref('int_policy') }} as policy
  left join {{ ref('metrics') }} as metrics on metrics.requires = concat('survey_', answers.construct)
  where answers.respondent_type = 'student' and metrics.metric_id is null and answers.construct not like 'barrier!_%' escape '!'
),

scale_gaps as (
  select
    own.partner_id, own.school_year, own.school_id, own.construct as metric_id, own.dimension, own.subgroup,
    own.respondents as n, own.favorable_respondents as successes, own.favorable_by_respondents as rate,
    other.respondents as reference_n, other.favorable_respondents as reference_successes, other.favorable_by_respondents as reference_rate,
    {{ cohens_h('own.favorable_by_respondents', 'other.favorable_by_respondents') }} as cohens_h,
    'school_culture' as focus_area,
    own.is_reliable
    and other.is_reliable
    and {{ mover_high('own.favorable_by_respondents', 'own.rate_high', 'other.favorable_by_respondents', 'other.rate_low') }} < 0 as is_clear
  from scales as own
  inner join {{ ref('dimensions') }} as dimensions on dimensions.dimension = own.dimension
  inner join scales as other
    on
      other.school_year = own.school_year and other.survey_id = own.survey_id and other.school_id = own.school_id
      and other.construct = own.construct and other.dimension = own.dimension and other.subgroup = dimensions.reference_subgroup
  where own.subgroup not in ('unknown', dimensions.reference_subgroup)
),

gaps as (
  select * from (select * from metric_gaps union all select * from scale_gaps) as found
  where dimension in ('race_ethnicity', 'economically_disadvantaged', 'english_learner', 'disability_idea', 'sex')
),

widest as (
  select
    *,
    count(*) over (partition by school_year, school_id, focus_area) as measured_gaps,
    sum(case when is_clear then 1 else 0 end) over (partition by school_year, school_id, focus_area) as clear_gaps,
    row_number() over (
      partition by school_year, school_id, focus_area
      order by case when is_clear then 0 else 1 end, abs(cohens_h) desc, metric_id, dimension, subgroup
    ) as choice
  from gaps
)

select
  partner_id,
  school_year,
  school_id,
  focus_area,
  cast(row_number() over (
    partition by school_year, school_id
    order by case when is_clear then 0 else 1 end, case when is_clear then abs(cohens_h) end desc nulls last, clear_gaps desc, focus_area
  ) as bigint) as evidence_rank,
  measured_gaps,
  cast(clear_gaps as bigint) as clear_gaps,
  case when is_clear then metric_id end as metric_id,
  case when is_clear then dimension end as dimension,
  case when is_clear then subgroup end as subgroup,
  case when is_clear then n end as n,
  case when is_clear then successes end as successes,
  case when is_clear then rate end as rate,
  case when is_clear then reference_n end as reference_n,
  case when is_clear then reference_successes end as reference_successes,
  case when is_clear then reference_rate end as reference_rate,
  case when is_clear then cohens_h end as cohens_h
from widest
where choice = 1
