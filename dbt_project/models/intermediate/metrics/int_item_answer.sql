-- One respondent's valid answer to one item. A codebook row holds from its school year on; years before take the first. An answer on
-- a scale is valid within it; an item worded against its construct is turned round on its scale.
with

codebook as (
  select
    years.school_year,
    items.survey_id,
    items.item_id,
    items.construct,
    items.item_text,
    items.instrument,
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
    responses.*,
    codebook.construct,
    codebook.item_text,
    codebook.instrument,
    codebook.scale_min,
    codebook.scale_max,
    codebook.favorable,
    codebook.reverse,
    {{ number_in('responses.response') }} as delivered
  from {{ ref('stg_survey_responses') }} as responses
  inner join codebook
    on
      codebook.school_year = responses.school_year
      and codebook.survey_id = responses.survey_id
      and codebook.item_id = responses.item_id
      and codebook.choice = 1
  where responses.response is not null
),

turned as (
  select
    *,
    case when reverse = 'yes' then scale_min + scale_max - delivered else delivered end as points
  from answers
  where scale_min is null or delivered between scale_min and scale_max
)

select
  school_year,
  survey_id,
  respondent_type,
  respondent_id,
  student_id,
  school_id,
  item_id,
  construct,
  item_text,
  instrument,
  points,
  case when case when favorable is null then points >= scale_max - 1
    when points is null then {{ list_holds('favorable', 'response') }}
    else {{ list_holds('favorable', 'cast(cast(round(points) as bigint) as string)') }} end then 1 else 0 end as is_favorable
from turned
