with

places as (
  select distinct school_year, school_id
  from {{ ref('int_subgroup_counts') }}
),

-- A school's row holds from the year of its delivery on; years before the first take the first.
names as (
  select
    places.school_year,
    places.school_id,
    schools.school_name,
    row_number() over (
      partition by places.school_year, places.school_id
      order by
        case when schools.school_year <= places.school_year then 0 else 1 end,
        case when schools.school_year <= places.school_year then -schools.school_year else schools.school_year end
    ) as choice
  from places
  inner join {{ ref('stg_schools') }} as schools on schools.school_id = places.school_id
),

-- A school's own row of a programme, with its phase, stands in the place of the partner's.
programs as (
  select
    places.school_year,
    places.school_id,
    {{ text_list('programs.program') }} as program,
    {{ text_list('programs.phase') }} as phase
  from places
  inner join {{ ref('stg_programs') }} as programs
    on
      programs.school_year = places.school_year
      and (programs.school_id is null or programs.school_id = places.school_id)
  left join {{ ref('stg_programs') }} as own
    on own.school_year = programs.school_year and own.program = programs.program and own.school_id = places.school_id
  where programs.school_id is not null or own.program is null
  group by places.school_year, places.school_id
)

select
  partner.partner_id,
  places.school_year,
  places.school_id,
  case when places.school_id = '_all' then partner.name else coalesce(names.school_name, places.school_id) end as school_name,
  programs.program,
  programs.phase
from places
cross join {{ ref('stg_partner') }} as partner
left join names on names.school_year = places.school_year and names.school_id = places.school_id and names.choice = 1
left join programs on programs.school_year = places.school_year and programs.school_id = places.school_id
