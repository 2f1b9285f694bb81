{{ config(tags=['with_survey_responses']) }}
-- Students asked are those of the roster who were there on the snapshot date; staff and families as many as were invited.
with

people as (
  select distinct school_year, survey_id, respondent_type, respondent_id, student_id, school_id
  from {{ ref('int_survey_scale') }}
),

surveys as (
  select distinct school_year, survey_id from people where respondent_type = 'student'
),

students as (
  select students.school_year, students.student_id, students.school_id, subgroups.dimension, subgroups.subgroup
  from {{ ref('int_student_cell') }} as students
  inner join {{ ref('int_cell_subgroup') }} as subgroups on subgroups.cell = students.cell
  where subgroups.dimension in ({{ one_way_dimensions() }})
),

of_students as (
  select
    surveys.school_year, surveys.survey_id, coalesce(students.school_id, '_all') as school_id, students.dimension, students.subgroup,
    count(*) as asked, count(people.student_id) as responded
  from surveys
  inner join students on students.school_year = surveys.school_year
  left join (select distinct school_year, survey_id, student_id from people where respondent_type = 'student') as people
    on people.school_year = surveys.school_year and people.survey_id = surveys.survey_id and people.student_id = students.student_id
  group by grouping sets (
    (surveys.school_year, surveys.survey_id, students.dimension, students.subgroup),
    (surveys.school_year, surveys.survey_id, students.dimension, students.subgroup, students.school_id)
  )
),

answered as (
  select school_year, survey_id, respondent_type, coalesce(school_id, '_all') as school_id, count(distinct respondent_id) as responded
  from people
  where respondent_type <> 'student'
  group by grouping sets ((school_year, survey_id, respondent_type), (school_year, survey_id, respondent_type, school_id))
),

invited as (
  select school_year, survey_id, respondent_type, coalesce(school_id, '_all') as school_id, {{ sum_whole('invited') }} as asked
  from {{ ref('stg_survey_invitations') }}
  where respondent_type <> 'student'
  group by grouping sets ((school_year, survey_id, respondent_type), (school_year, survey_id, respondent_type, school_id))
),

rates as (
  select school_year, survey_id, school_id, 'student' as respondent_type, dimension, subgroup, asked, responded from of_students
  union all
  select
    answered.school_year, answered.survey_id, answered.school_id, answered.respondent_type, 'all_students' as dimension,
    'all' as subgroup, invited.asked, answered.responded
  from answered
  left join invited using (school_year, survey_id, respondent_type, school_id)
)

select
  partner.partner_id,
  rates.school_year,
  rates.survey_id,
  rates.school_id,
  rates.respondent_type,
  rates.dimension,
  rates.subgroup,
  rates.asked,
  rates.responded,
  case when rates.responded <= rates.asked then rates.asked - rates.responded end as did_not_respond,
  case when rates.responded <= rates.asked then {{ divide('rates.responded', 'rates.asked') }} end as response_rate
from rates
cross join {{ ref('stg_partner') }} as partner
