select
  school_year,
  student_id,
  grade_level,
  case when sex in ('female', 'male', 'nonbinary') then sex else 'unknown' end as sex,
  {{ yes_no('hispanic_latino') }} as hispanic_latino,
  coalesce(replace(races, ' ', ''), '') as races,
  case when race_standard in ('1997', '2024') then race_standard end as race_standard,
  {{ yes_no('economically_disadvantaged') }} as economically_disadvantaged,
  case when econ_basis <> 'unknown' then econ_basis end as econ_basis,
  case when english_learner in ('current', 'former', 'never') then english_learner else 'unknown' end as english_learner,
  {{ yes_no('disability_idea') }} as disability_idea,
  {{ yes_no('section_504') }} as section_504,
  {{ yes_no('homeless') }} as homeless,
  {{ yes_no('foster_care') }} as foster_care,
  {{ yes_no('first_generation') }} as first_generation
from {{ source('raw', 'students') }}
