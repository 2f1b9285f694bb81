-- One row per distinct answer, not per student: a district holds a few dozen.
with

answers as (
  select distinct hispanic_latino, races
  from {{ ref('stg_students') }}
),

named as (
  select answers.hispanic_latino, answers.races, races.race_ethnicity, races.underrepresented
  from answers
  left join {{ ref('races') }} as races on {{ list_holds('answers.races', 'races.ceds_name') }}
),

rolled_up as (
  select
    hispanic_latino,
    races,
    case
      when hispanic_latino = 'yes' then 'hispanic'
      when count(race_ethnicity) > 1 then 'two_or_more'
      else coalesce(max(race_ethnicity), 'unknown')
    end as race_ethnicity,
    {% for race in ['american_indian_or_alaska_native', 'asian', 'black', 'middle_eastern_or_north_african',
                    'native_hawaiian_or_pacific_islander', 'white'] -%}
    max(case when race_ethnicity = '{{ race }}' then 'yes' else 'no' end) as includes_{{ race }},
    {% endfor -%}
    max(case when hispanic_latino = 'yes' or race_ethnicity = 'hispanic' then 'yes' else 'no' end) as includes_hispanic,
    -- More than one race, not named, is no answer to which races.
    case when hispanic_latino <> 'yes' and count(nullif(race_ethnicity, 'two_or_more')) = 0 then 'yes' else 'no' end as includes_unknown
  from named
  group by hispanic_latino, races
)

select
  cast(row_number() over (order by rolled_up.hispanic_latino, rolled_up.races) as bigint) as race_answer,
  rolled_up.*,
  case when rolled_up.race_ethnicity = 'unknown' then 'unknown' else races.underrepresented end as underrepresented_race
from rolled_up
left join {{ ref('races') }} as races on races.race_ethnicity = rolled_up.race_ethnicity
