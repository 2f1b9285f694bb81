-- Valid answers of students by construct. A codebook row holds from its school year on; years before take the first.
with

codebook as (
  select
    years.school_year,
    items.survey_id,
    items.item_id,
    items.construct,
    items.scale_min,
    items.scale_max,
    items.favorable,
    items.reverse,
    row_number() over (
      partition by years.school_year, items.survey_id, items.item_id
      order by
        case when items.school_year <= years.school_year then 0 else 1 end,
        case when items.school_year <= years.school_year then -items.school_year else items.school_year end
    ) as choice
  from (select distinct school_year from {{ ref('stg_survey_responses') }}) as years
  cross join {{ ref('stg_survey_items') }} as items
),

answers as (
  select
    responses.school_year,
    responses.student_id,
    codebook.construct,
    codebook.scale_min,
    codebook.scale_max,
    codebook.favorable,
    codebook.reverse,
    responses.response,
    {{ number_in('responses.response') }} as points
  from {{ ref('stg_survey_responses') }} as responses
  inner join codebook
    on
      codebook.school_year = responses.school_year
      and codebook.survey_id = responses.survey_id
      and codebook.item_id = responses.item_id
      and codebook.choice = 1
  where responses.respondent_type = 'student' and responses.student_id is not null and responses.response is not null
),

-- An answer on a scale is valid within it; an item worded against its construct is turned round on its scale.
turned as (
  select
    school_year, student_id, construct, favorable, scale_max, response,
    case when reverse = 'yes' then scale_min + scale_max - points else points end as points
  from answers
  where scale_min is null or points between scale_min and scale_max
)

select
  school_year,
  student_id,
  construct,
  count(*) as n,
  {{ sum_whole("case when case when favorable is null then points >= scale_max - 1
      when points is null then " ~ list_holds('favorable', 'response') ~ "
      else " ~ list_holds('favorable', 'cast(cast(round(points) as bigint) as string)') ~ " end then 1 else 0 end") }} as favorable
from turned
group by school_year, student_id, construct
