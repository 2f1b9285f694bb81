-- Beside each subgroup's counts, the counts of all four references it may be compared with. Those are the same for all subgroups of a
-- dimension, so they are found once for each.
with

blocks as (
  select
    school_year,
    school_id,
    max(case when concerns = 'income' then reason end) as income,
    max(case when concerns = 'english_learner' then reason end) as learners,
    max(case when concerns = 'courses' then reason end) as courses
  from {{ ref('int_gap_block') }}
  group by school_year, school_id
),

-- The highest is the best rate of the groups that are large enough, ties by name.
dimensions as (
  select
    counts.school_year,
    counts.school_id,
    counts.grade_level,
    counts.metric_id,
    counts.dimension,
    bool_or(subgroups.uses_income) as uses_income,
    bool_or(subgroups.uses_el) as uses_el,
    {{ sum_whole('case when subgroups.partitioning and not subgroups.is_unknown then counts.n end') }} as known_n,
    {{ sum_whole('case when subgroups.partitioning and not subgroups.is_unknown then counts.successes end') }} as known_successes,
    min(case when not subgroups.is_unknown and counts.n >= policy.n_reliability then {{ row_of({
      'behind': "case when metrics.direction = 'lower_is_better' then 1 else -1 end * " ~ divide('counts.successes', 'counts.n'),
      'subgroup': 'counts.subgroup',
      'n': 'counts.n',
      'successes': 'counts.successes'
    }) }} end) as highest,
    max(case when counts.subgroup = subgroups.reference_subgroup then counts.subgroup end) as designated_subgroup,
    max(case when counts.subgroup = subgroups.reference_subgroup then counts.n end) as designated_n,
    max(case when counts.subgroup = subgroups.reference_subgroup then counts.successes end) as designated_successes
  from {{ ref('int_subgroup_counts') }} as counts
  inner join {{ ref('int_subgroup') }} as subgroups on {{ same('subgroups', 'counts', ['dimension', 'subgroup']) }}
  inner join {{ ref('metrics') }} as metrics on metrics.metric_id = counts.metric_id
  cross join {{ ref('int_policy') }} as policy
  group by counts.school_year, counts.school_id, counts.grade_level, counts.metric_id, counts.dimension
),

overall as (
  select school_year, school_id, grade_level, metric_id, subgroup, n, successes
  from {{ ref('int_subgroup_counts') }}
  where dimension = 'all_students'
),

found as (
  select
    dimensions.*,
    dimensions.highest['subgroup'] as highest_subgroup,
    dimensions.highest['n'] as highest_n,
    dimensions.highest['successes'] as highest_successes,
    overall.subgroup as overall_subgroup,
    overall.n as overall_n,
    overall.successes as overall_successes,
    case when metrics.direction = 'lower_is_better' then -1 else 1 end as direction,
    coalesce(
      case when dimensions.uses_income then blocks.income end,
      case when dimensions.uses_el then blocks.learners end,
      case when metrics.phase = 'access' then blocks.courses end
    ) as block
  from dimensions
  inner join {{ ref('metrics') }} as metrics on metrics.metric_id = dimensions.metric_id
  left join overall on {{ same('overall', 'dimensions', ['school_year', 'school_id', 'grade_level', 'metric_id']) }}
  left join blocks on {{ same('blocks', 'dimensions', ['school_year', 'school_id']) }}
)

select
  counts.school_year,
  counts.school_id,
  counts.grade_level,
  counts.metric_id,
  counts.dimension,
  counts.subgroup,
  found.direction,
  subgroups.partitioning,
  counts.n,
  counts.successes,
  coalesce(counts.reason, found.block) as reason,
  case when found.block is null then found.known_n - case when subgroups.is_unknown then 0 else counts.n end end as rest_n,
  case when found.block is null then found.known_successes - case when subgroups.is_unknown then 0 else counts.successes end end as rest_successes,
  {%- for reference in ['overall', 'highest', 'designated'] %}
  {%- for column in ['subgroup', 'n', 'successes'] %}
  case when found.block is null then found.{{ reference }}_{{ column }} end as {{ reference }}_{{ column }}{{ ',' if not loop.last }}
  {%- endfor %}{{ ',' if not loop.last }}
  {%- endfor %}
from {{ ref('int_subgroup_counts') }} as counts
inner join {{ ref('int_subgroup') }} as subgroups on {{ same('subgroups', 'counts', ['dimension', 'subgroup']) }}
inner join found
  on {{ same('found', 'counts', ['school_year', 'school_id', 'grade_level', 'metric_id', 'dimension']) }}
