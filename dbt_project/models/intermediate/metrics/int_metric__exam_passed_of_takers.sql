with

passed as (
  select distinct exams.school_year, exams.student_id
  from {{ ref('stg_exam_results') }} as exams
  cross join {{ ref('int_policy') }} as policy
  where
    (exams.program = 'ap' and exams.score >= policy.ap_passing_score)
    or (exams.program = 'ib' and exams.score >= policy.ib_passing_score)
)

select
  takers.school_year,
  takers.student_id,
  takers.school_id,
  takers.grade_level,
  1 as n,
  case when passed.student_id is not null then 1 else 0 end as successes
from {{ ref('int_metric__exam_taken') }} as takers
left join passed on passed.school_year = takers.school_year and passed.student_id = takers.student_id
where takers.successes = 1
