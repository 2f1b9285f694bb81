-- Rows that one of the two core marts has and the other lacks. Resolve: a join in gap_closure drops or repeats rows.
select gaps.metric_id, gaps.dimension, count(*) as rows_missing
from {{ ref('gap_metrics') }} as gaps
left join {{ ref('gap_closure') }} as closure
  on
    closure.school_year = gaps.school_year
    and closure.school_id = gaps.school_id
    and closure.metric_id = gaps.metric_id
    and closure.dimension = gaps.dimension
    and closure.subgroup = gaps.subgroup
    and closure.reference = gaps.reference
where gaps.grade_level = '_all' and closure.school_year is null
group by gaps.metric_id, gaps.dimension
