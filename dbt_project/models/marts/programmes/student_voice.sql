{{ config(tags=['with_survey_responses']) }}
-- What students of a group say, by whether they are in an AP or IB course, with the group's access beside.
with

students as (
  select outcomes.school_year, outcomes.student_id, outcomes.school_id, outcomes.is_ap_ib, subgroups.dimension, subgroups.subgroup
  from {{ ref('int_student_outcome') }} as outcomes
  inner join {{ ref('int_cell_subgroup') }} as subgroups on subgroups.cell = outcomes.cell_1
  where subgroups.dimension in ('all_students', 'race_ethnicity', 'economically_disadvantaged')
),

voices as (
  select
    scale.school_year, coalesce(students.school_id, '_all') as school_id, scale.construct,
    case when students.is_ap_ib then 'ap_ib' else 'no_ap_ib' end as course_experience,
    students.dimension, students.subgroup,
    count(*) as respondents,
    {{ sum_sorted(divide('scale.favorable_answers', 'scale.answers')) }} as favorable_respondents
  from {{ ref('int_survey_scale') }} as scale
  inner join students on students.school_year = scale.school_year and students.student_id = scale.student_id
  where scale.respondent_type = 'student'
  group by grouping sets (
    (scale.school_year, scale.construct, students.is_ap_ib, students.dimension, students.subgroup),
    (scale.school_year, scale.construct, students.is_ap_ib, students.dimension, students.subgroup, students.school_id)
  )
)

select
  partner.partner_id,
  voices.school_year,
  voices.school_id,
  voices.construct,
  voices.course_experience,
  voices.dimension,
  voices.subgroup,
  voices.respondents,
  voices.favorable_respondents,
  {{ divide('voices.favorable_respondents', 'voices.respondents') }} as favorable_by_respondents,
  access.n as access_n,
  access.successes as access_successes
from voices
cross join {{ ref('stg_partner') }} as partner
left join {{ ref('gap_metrics') }} as access
  on
    access.metric_id = 'ap_ib_enrollment' and access.reference = 'overall' and access.grade_level = '_all'
    and access.school_year = voices.school_year
    and access.school_id = voices.school_id
    and access.dimension = voices.dimension
    and access.subgroup = voices.subgroup
