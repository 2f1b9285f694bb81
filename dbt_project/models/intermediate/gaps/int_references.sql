-- Beside each subgroup's counts, the counts of all four references it may be compared with.
with

counts as (
  select
    counts.*,
    subgroups.is_unknown,
    subgroups.partitioning,
    subgroups.reference_subgroup,
    case when metrics.direction = 'lower_is_better' then -1 else 1 end as direction,
    coalesce(income.reason, learners.reason, courses.reason) as block
  from {{ ref('int_subgroup_counts') }} as counts
  inner join {{ ref('int_subgroup') }} as subgroups on {{ same('subgroups', 'counts', ['dimension', 'subgroup']) }}
  inner join {{ ref('metrics') }} as metrics on metrics.metric_id = counts.metric_id
  left join {{ ref('int_gap_block') }} as income
    on
      income.school_year = counts.school_year
      and income.school_id = counts.school_id
      and income.concerns = 'income'
      and subgroups.uses_income
  left join {{ ref('int_gap_block') }} as learners
    on
      learners.school_year = counts.school_year
      and learners.school_id = counts.school_id
      and learners.concerns = 'english_learner'
      and subgroups.uses_el
  left join {{ ref('int_gap_block') }} as courses
    on
      courses.school_year = counts.school_year
      and courses.school_id = counts.school_id
      and courses.concerns = 'courses'
      and metrics.phase = 'access'
),

known as (
  select
    counts.school_year, counts.school_id, counts.grade_level, counts.metric_id, counts.dimension,
    {{ sum_whole('counts.n') }} as n,
    {{ sum_whole('counts.successes') }} as successes
  from {{ ref('int_subgroup_counts') }} as counts
  inner join {{ ref('int_subgroup') }} as subgroups on {{ same('subgroups', 'counts', ['dimension', 'subgroup']) }}
  where not subgroups.is_unknown and subgroups.partitioning
  group by counts.school_year, counts.school_id, counts.grade_level, counts.metric_id, counts.dimension
),

ranked as (
  select
    counts.school_year, counts.school_id, counts.grade_level, counts.metric_id, counts.dimension,
    counts.subgroup, counts.n, counts.successes,
    row_number() over (
      partition by counts.school_year, counts.school_id, counts.grade_level, counts.metric_id, counts.dimension
      order by
        case when metrics.direction = 'lower_is_better' then -1 else 1 end * {{ divide('counts.successes', 'counts.n') }} desc,
        counts.subgroup
    ) as choice
  from {{ ref('int_subgroup_counts') }} as counts
  inner join {{ ref('int_subgroup') }} as subgroups on {{ same('subgroups', 'counts', ['dimension', 'subgroup']) }}
  inner join {{ ref('metrics') }} as metrics on metrics.metric_id = counts.metric_id
  cross join {{ ref('int_policy') }} as policy
  where not subgroups.is_unknown and counts.n >= policy.n_reliability
),

overall as (
  select school_year, school_id, grade_level, metric_id, subgroup, n, successes
  from {{ ref('int_subgroup_counts') }}
  where dimension = 'all_students'
)

select
  counts.school_year,
  counts.school_id,
  counts.grade_level,
  counts.metric_id,
  counts.dimension,
  counts.subgroup,
  counts.direction,
  counts.partitioning,
  counts.n,
  counts.successes,
  coalesce(counts.reason, counts.block) as reason,
  case when counts.block is null then known.n - case when counts.is_unknown then 0 else counts.n end end as rest_n,
  case when counts.block is null then known.successes - case when counts.is_unknown then 0 else counts.successes end end as rest_successes,
  {%- for reference in ['overall', 'highest', 'designated'] %}
  case when counts.block is null then {{ reference }}.subgroup end as {{ reference }}_subgroup,
  case when counts.block is null then {{ reference }}.n end as {{ reference }}_n,
  case when counts.block is null then {{ reference }}.successes end as {{ reference }}_successes{{ ',' if not loop.last }}
  {%- endfor %}
from counts
left join known
  on {{ same('known', 'counts', ['school_year', 'school_id', 'grade_level', 'metric_id', 'dimension']) }}
left join overall
  on {{ same('overall', 'counts', ['school_year', 'school_id', 'grade_level', 'metric_id']) }}
left join ranked as highest
  on
    {{ same('highest', 'counts', ['school_year', 'school_id', 'grade_level', 'metric_id', 'dimension']) }}
    and highest.choice = 1
left join {{ ref('int_subgroup_counts') }} as designated
  on
    {{ same('designated', 'counts', ['school_year', 'school_id', 'grade_level', 'metric_id', 'dimension']) }}
    and designated.subgroup = counts.reference_subgroup
