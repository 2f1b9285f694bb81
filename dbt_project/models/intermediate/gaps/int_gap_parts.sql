-- What a partner's gap is made of, school by school (Kitagawa 1955): `within` is how differently the two groups fare in the same
-- schools, `between` how differently they are spread over schools that fare differently. A school that one of the two does not
-- attend has no gap of its own: it counts in `between` alone. The two add up to the gap exactly. `availability` is the same
-- between part over two kinds of schools, those that offer AP or IB and those that do not; assignment is all the rest.
with

counts as (
  select
    counts.school_year,
    counts.school_id,
    counts.metric_id,
    counts.dimension,
    counts.subgroup,
    counts.n,
    counts.successes,
    subgroups.reference_subgroup,
    subgroups.is_unknown
  from {{ ref('int_subgroup_counts') }} as counts
  inner join {{ ref('int_subgroup') }} as subgroups
    on subgroups.dimension = counts.dimension and subgroups.subgroup = counts.subgroup
  where
    counts.grade_level = '_all' and counts.n > 0 and subgroups.partitioning
    and counts.dimension <> 'all_students' and counts.dimension not like '%*%'
),

known as (
  select
    school_year, school_id, metric_id, dimension,
    {{ sum_whole('case when is_unknown then 0 else n end') }} as n,
    {{ sum_whole('case when is_unknown then 0 else successes end') }} as successes
  from counts
  group by school_year, school_id, metric_id, dimension
),

offering as (
  select school_year, school_id, case when successes > 0 then 1 else 0 end as offers
  from {{ ref('int_subgroup_counts') }}
  where metric_id = 'courses_offered_access' and dimension = 'all_students' and grade_level = '_all'
),

-- Every group at every place of the partner, `_all` among them, with those who are not in the group.
places as (
  select
    district.school_year, known.school_id, district.metric_id, district.dimension, district.subgroup, district.reference_subgroup,
    coalesce(own.n, 0) as n,
    coalesce(own.successes, 0) as successes,
    known.n - case when district.is_unknown then 0 else coalesce(own.n, 0) end as rest_n,
    known.successes - case when district.is_unknown then 0 else coalesce(own.successes, 0) end as rest_successes,
    coalesce(designated.n, 0) as designated_n,
    coalesce(designated.successes, 0) as designated_successes
  from counts as district
  inner join known
    on {{ same('known', 'district', ['school_year', 'metric_id', 'dimension']) }}
  left join counts as own
    on
      {{ same('own', 'known', ['school_year', 'school_id', 'metric_id', 'dimension']) }}
      and own.subgroup = district.subgroup
  left join counts as designated
    on
      {{ same('designated', 'known', ['school_year', 'school_id', 'metric_id', 'dimension']) }}
      and designated.subgroup = district.reference_subgroup
  where district.school_id = '_all'
),

pairs as (
  {% for reference in ['rest', 'designated'] -%}
  select
    school_year, school_id, metric_id, dimension, subgroup, '{{ reference }}' as reference, n, successes,
    {{ reference }}_n as reference_n, {{ reference }}_successes as reference_successes
  from places
  {% if reference == 'designated' %}where subgroup <> reference_subgroup{% else %}union all{% endif %}
  {% endfor %}
),

totals as (
  select * from pairs where school_id = '_all' and n > 0 and reference_n > 0
),

kinds as (
  select pairs.*, pairs.school_id as kind, 'school' as split
  from pairs
  where pairs.school_id <> '_all'

  union all

  select
    pairs.school_year, null as school_id, pairs.metric_id, pairs.dimension, pairs.subgroup, pairs.reference,
    {{ sum_whole('pairs.n') }} as n,
    {{ sum_whole('pairs.successes') }} as successes,
    {{ sum_whole('pairs.reference_n') }} as reference_n,
    {{ sum_whole('pairs.reference_successes') }} as reference_successes,
    cast(offering.offers as string) as kind,
    'offering' as split
  from pairs
  inner join offering on offering.school_year = pairs.school_year and offering.school_id = pairs.school_id
  inner join {{ ref('metrics') }} as metrics
    on metrics.metric_id = pairs.metric_id and metrics.phase = 'access' and metrics.attribution = 'fall_snapshot'
  where pairs.school_id <> '_all'
  group by
    pairs.school_year, pairs.metric_id, pairs.dimension, pairs.subgroup, pairs.reference, offering.offers
),

rates as (
  select
    kinds.*,
    totals.n as all_n,
    totals.successes as all_successes,
    totals.reference_n as all_reference_n,
    totals.reference_successes as all_reference_successes,
    coalesce({{ divide('kinds.successes', 'kinds.n') }}, {{ divide('kinds.reference_successes', 'kinds.reference_n') }}) as rate,
    coalesce({{ divide('kinds.reference_successes', 'kinds.reference_n') }}, {{ divide('kinds.successes', 'kinds.n') }}) as reference_rate,
    {{ divide('kinds.n', 'totals.n') }} as share,
    {{ divide('kinds.reference_n', 'totals.reference_n') }} as reference_share
  from kinds
  inner join totals
    on {{ same('totals', 'kinds', ['school_year', 'metric_id', 'dimension', 'subgroup', 'reference']) }}
  where kinds.n > 0 or kinds.reference_n > 0
),

parts as (
  select
    school_year, metric_id, dimension, subgroup, reference, split,
    {{ sum_sorted('(share + reference_share) / 2.0 * (rate - reference_rate)') }} as within_part,
    {{ sum_sorted('(rate + reference_rate) / 2.0 * (share - reference_share)') }} as between_part
  from rates
  group by school_year, metric_id, dimension, subgroup, reference, split
  -- Delivered roll-ups need not be the sum of the delivered schools: then there are no parts of them.
  having
    sum(n) = max(all_n) and sum(successes) = max(all_successes)
    and sum(reference_n) = max(all_reference_n) and sum(reference_successes) = max(all_reference_successes)
)

select
  school_year, metric_id, dimension, subgroup, reference,
  max(case when split = 'school' then within_part end) as within_school_gap,
  max(case when split = 'school' then between_part end) as between_school_gap,
  max(case when split = 'offering' then between_part end) as availability_gap,
  max(case when split = 'offering' then within_part end) as assignment_gap
from parts
group by school_year, metric_id, dimension, subgroup, reference
