{{ config(tags=['with_initiatives'], materialized='table') }}
-- Who is followed to judge an initiative: the unit it was given to (student or school), one row a school year, the outcome of its
-- metric, and the first school year with it (null: never). A section's students, those of its roster in the year that it begins, take
-- part as students, clustered by section: a section of the same name in another year is another.
with

outcomes as (
  {% for metric_id in metric_ids() -%}
  select '{{ metric_id }}' as metric_id, school_year, student_id, school_id, n, successes
  from {{ ref('int_metric__' ~ metric_id) }}
  where exists (select 1 from {{ ref('stg_initiatives') }} where metric_id = '{{ metric_id }}')
  {% if not loop.last %}union all {% endif -%}
  {% endfor %}
),

sections as (
  select distinct members.initiative_id, rosters.student_id, members.section_id, members.start_date
  from {{ ref('stg_initiative_members') }} as members
  inner join {{ ref('stg_initiatives') }} as initiatives on initiatives.initiative_id = members.initiative_id
  inner join {{ ref('stg_course_enrollments') }} as rosters
    on
      rosters.section_id = members.section_id
      and rosters.school_year = {{ school_year_of('coalesce(members.start_date, initiatives.start_date)') }}
  where rosters.dropped <> 'yes'
),

members as (
  select initiative_id, 'student' as unit_type, student_id as unit, student_id as assigned, start_date
  from {{ ref('stg_initiative_members') }} where student_id is not null
  union all
  select initiative_id, 'student' as unit_type, student_id as unit, section_id as assigned, start_date from sections
  union all
  select initiative_id, 'school' as unit_type, school_id as unit, school_id as assigned, start_date
  from {{ ref('stg_initiative_members') }} where school_id is not null
),

treated as (
  select
    members.initiative_id, members.unit_type, members.unit,
    min(members.assigned) as assigned,
    min({{ school_year_of('coalesce(members.start_date, initiatives.start_date)') }}) as first_school_year
  from members
  inner join {{ ref('stg_initiatives') }} as initiatives on initiatives.initiative_id = members.initiative_id
  group by 1, 2, 3
),

-- One initiative follows one kind of unit: students, where any student or section is named.
kinds as (
  select initiative_id, max(unit_type) as unit_type from treated group by 1
),

of_units as (
  select
    initiatives.initiative_id, initiatives.metric_id, kinds.unit_type,
    case kinds.unit_type when 'student' then outcomes.student_id else outcomes.school_id end as unit,
    outcomes.school_year,
    {{ sum_whole('outcomes.n') }} as n,
    {{ sum_whole('outcomes.successes') }} as successes
  from {{ ref('stg_initiatives') }} as initiatives
  inner join kinds on kinds.initiative_id = initiatives.initiative_id
  inner join outcomes on outcomes.metric_id = initiatives.metric_id
  group by 1, 2, 3, 4, 5
)

select
  of_units.initiative_id,
  of_units.metric_id,
  of_units.unit_type,
  of_units.unit,
  coalesce(treated.assigned, of_units.unit) as assigned,
  of_units.school_year,
  of_units.n,
  of_units.successes,
  cast(treated.first_school_year as int) as first_school_year
from of_units
left join treated
  on treated.initiative_id = of_units.initiative_id and treated.unit_type = of_units.unit_type and treated.unit = of_units.unit
where of_units.n > 0
