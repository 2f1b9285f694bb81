{{ config(tags=['with_discipline']) }}
-- Areas ranked by evidence: the widest clear gap by Cohen's h, which puts rates of any height on one scale. A gap is clear when
-- both groups are large enough, the group is behind and the 95 % interval leaves out zero.
with

gaps as (
  select
    gaps.*,
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
    and gaps.dimension in ('race_ethnicity', 'economically_disadvantaged', 'english_learner', 'disability_idea', 'sex')
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
