-- Student counts whose roll-up is not the sum of its parts: the partner and its schools, all grades and each, all students
-- and the subgroups of a partitioning dimension. Resolve: look for a student in two places, or a value in no subgroup.
-- And takers who may pass are those who took: the denominator of one metric is the numerator of the other.
with

counts as (
  select counts.*, subgroups.partitioning
  from {{ ref('int_subgroup_counts') }} as counts
  inner join {{ ref('int_subgroup') }} as subgroups
    on subgroups.dimension = counts.dimension and subgroups.subgroup = counts.subgroup
  where counts.counted_from = 'students' and counts.reason is null
)

select 'schools' as rule, count(*) as rows_concerned
from counts
group by school_year, grade_level, metric_id, dimension, subgroup
having
  sum(case when school_id = '_all' then n else -n end) <> 0
  or sum(case when school_id = '_all' then successes else -successes end) <> 0

union all

select 'grades' as rule, count(*) as rows_concerned
from counts
where dimension not like '%*%' -- crossings are for all grades together
group by school_year, school_id, metric_id, dimension, subgroup
having
  sum(case when grade_level = '_all' then n else -n end) <> 0
  or sum(case when grade_level = '_all' then successes else -successes end) <> 0

union all

select 'subgroups' as rule, count(*) as rows_concerned
from (
  select school_year, school_id, grade_level, metric_id, dimension, sum(n) as n, sum(successes) as successes
  from counts
  where partitioning
  group by school_year, school_id, grade_level, metric_id, dimension
) as totals
group by school_year, school_id, grade_level, metric_id
having min(n) <> max(n) or min(successes) <> max(successes)

union all

select 'exam_passers_are_takers' as rule, count(*) as rows_concerned
from counts as taken
inner join counts as passed
  on
    passed.metric_id = 'exam_passed_of_takers'
    and {{ same('passed', 'taken', ['school_year', 'school_id', 'grade_level', 'dimension', 'subgroup']) }}
where taken.metric_id = 'exam_taken' and taken.successes <> passed.n
having count(*) > 0
