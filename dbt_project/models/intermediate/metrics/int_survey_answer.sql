-- Valid answers of students by construct.
select
  school_year,
  student_id,
  construct,
  count(*) as n,
  {{ sum_whole('is_favorable') }} as favorable
from {{ ref('int_item_answer') }}
where respondent_type = 'student' and student_id is not null
group by school_year, student_id, construct
