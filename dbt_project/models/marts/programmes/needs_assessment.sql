{{ config(tags=['with_survey_responses']) }}
-- Three scores of one scale: by answers, by respondents, and the mean; which of them is the headline is the instrument's rule.
-- Students answer for their groups; staff and families are not grouped.
with

scale as (
  select scale.*, scoring.headline, coalesce(scoring.smallest_answered_share, 0.0) as smallest_answered_share
  from {{ ref('int_survey_scale') }} as scale
  left join {{ ref('survey_scoring') }} as scoring on scoring.instrument = scale.instrument
),

enough as (
  select * from scale where answers >= smallest_answered_share * items
),

grouped as (
  select enough.*, subgroups.dimension, subgroups.subgroup
  from enough
  inner join {{ ref('int_student_cell') }} as students
    on students.school_year = enough.school_year and students.student_id = enough.student_id
  inner join {{ ref('int_cell_subgroup') }} as subgroups on subgroups.cell = students.cell
  where enough.respondent_type = 'student' and subgroups.dimension in ({{ one_way_dimensions() }})
  union all
  select *, 'all_students' as dimension, 'all' as subgroup
  from enough
  where respondent_type <> 'student'
),

scores as (
  select
    school_year, survey_id, coalesce(school_id, '_all') as school_id, respondent_type, construct, dimension, subgroup,
    max(headline) as scoring,
    max(items) as items,
    count(*) as respondents,
    {{ sum_whole('answers') }} as answers,
    {{ sum_whole('favorable_answers') }} as favorable_answers,
    {{ sum_sorted(divide('favorable_answers', 'answers')) }} as favorable_respondents,
    {{ sum_sorted('mean_points') }} / count(mean_points) as mean_score
  from grouped
  group by grouping sets (
    (school_year, survey_id, respondent_type, construct, dimension, subgroup),
    (school_year, survey_id, respondent_type, construct, dimension, subgroup, school_id)
  )
)

select
  partner.partner_id,
  scores.school_year,
  scores.survey_id,
  scores.school_id,
  scores.respondent_type,
  scores.construct,
  scores.dimension,
  scores.subgroup,
  scores.items,
  scores.respondents,
  scores.answers,
  scores.favorable_answers,
  {{ divide('scores.favorable_answers', 'scores.answers') }} as favorable_by_answers,
  scores.favorable_respondents,
  {{ divide('scores.favorable_respondents', 'scores.respondents') }} as favorable_by_respondents,
  scores.mean_score,
  coalesce(scores.scoring, 'favorable_by_answers') as scoring,
  case scores.scoring
    when 'mean_score' then scores.mean_score
    when 'favorable_by_respondents' then {{ divide('scores.favorable_respondents', 'scores.respondents') }}
    when 'items_only' then null
    else {{ divide('scores.favorable_answers', 'scores.answers') }}
  end as headline_score,
  reliability.alpha,
  reliability.omega,
  reliability.respondents as alpha_respondents
from scores
cross join {{ ref('stg_partner') }} as partner
left join {{ ref('int_scale_reliability') }} as reliability
  on
    reliability.school_year = scores.school_year
    and reliability.survey_id = scores.survey_id
    and reliability.respondent_type = scores.respondent_type
    and reliability.construct = scores.construct
