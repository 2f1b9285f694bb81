-- The takers who may pass are those who took: the denominator of one metric is the numerator of the other.
select taken.school_year, count(*) as rows_concerned
from {{ ref('int_subgroup_counts') }} as taken
inner join {{ ref('int_subgroup_counts') }} as passed
  on
    passed.metric_id = 'exam_passed_of_takers'
    and passed.school_year = taken.school_year
    and passed.school_id = taken.school_id
    and passed.grade_level = taken.grade_level
    and passed.dimension = taken.dimension
    and passed.subgroup = taken.subgroup
where taken.metric_id = 'exam_taken' and taken.counted_from = 'students' and taken.successes <> passed.n
group by taken.school_year
