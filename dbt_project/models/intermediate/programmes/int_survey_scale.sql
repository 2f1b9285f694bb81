{{ config(tags=['with_survey_responses'], materialized='table') }}
-- One respondent's answers to one construct. An answer on a scale is valid within it; an item worded against its construct is
-- turned round on its scale; what was skipped, not shown or not applicable is not an answer, and of several submissions the first counts. Years before
-- a codebook row take the first.
with

codebook as (
  select
    years.school_year,
    items.survey_id, items.item_id, items.construct, items.scale_min, items.scale_max, items.favorable, items.reverse, items.instrument,
    row_number() over (
      partition by years.school_year, items.survey_id, items.item_id
      order by
        case when items.school_year <= years.school_year then 0 else 1 end,
        case when items.school_year <= years.school_year then -items.school_year else items.school_year end
    ) as choice
  from (select distinct school_year from {{ source('raw', 'survey_responses') }}) as years
  cross join {{ source('raw', 'survey_items') }} as items
),

answers as (
  select
    responses.school_year, responses.survey_id, responses.respondent_type, responses.respondent_id, responses.student_id,
    responses.school_id, responses.item_id,
    codebook.construct, codebook.scale_min, codebook.scale_max, codebook.favorable, codebook.reverse, codebook.instrument,
    trim(responses.response) as response,
    {{ number_in('trim(responses.response)') }} as delivered
  from {{ source('raw', 'survey_responses') }} as responses
  inner join codebook
    on
      codebook.school_year = responses.school_year
      and codebook.survey_id = responses.survey_id
      and codebook.item_id = responses.item_id
      and codebook.choice = 1
  where
    nullif(trim(responses.response), '') is not null
    and trim(responses.response) not in ('_skipped', '_not_shown', '_not_applicable', '_free_text')
    and coalesce(responses.submission, 1) = 1
    and coalesce(responses.mark, '') not like '%other_respondent_type%'
),

turned as (
  select
    answers.*,
    case when reverse = 'yes' then scale_min + scale_max - delivered else delivered end as points
  from answers
  where scale_min is null or delivered between scale_min and scale_max
),

judged as (
  select
    *,
    case when case when favorable is null then points >= scale_max - 1
      when points is null then {{ list_holds('favorable', 'response') }}
      else {{ list_holds('favorable', 'cast(cast(round(points) as bigint) as string)') }} end then 1 else 0 end as is_favorable,
    count(*) over (partition by school_year, survey_id, respondent_type, respondent_id, construct) as answered
  from turned
),

items as (
  select school_year, survey_id, respondent_type, construct, count(distinct item_id) as items
  from judged
  group by 1, 2, 3, 4
)

select
  judged.school_year, judged.survey_id, judged.respondent_type, judged.respondent_id, judged.construct,
  max(judged.instrument) as instrument,
  max(judged.student_id) as student_id,
  min(judged.school_id) as school_id,
  max(items.items) as items,
  count(*) as answers,
  {{ sum_whole('judged.is_favorable') }} as favorable_answers,
  avg(judged.points) as mean_points,
  {{ text_in_order('cast(judged.points as string)', 'judged.item_id') }} as points
from judged
inner join items using (school_year, survey_id, respondent_type, construct)
group by 1, 2, 3, 4, 5
