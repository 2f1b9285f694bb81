-- The rule stack: a person's decision, else the SCED list, else the level flag. A title never decides, it suggests.
with

courses as (
  select courses.*, partner.partner_id
  from {{ ref('stg_courses') }} as courses
  cross join {{ source('raw', 'partner') }} as partner
),

decided as (
  select
    courses.school_year,
    courses.school_id,
    courses.course_id,
    decisions.course_class,
    row_number() over (
      partition by courses.school_year, courses.school_id, courses.course_id
      order by decisions.first_school_year desc, decisions.course_class
    ) as choice
  from courses
  inner join {{ ref('course_decisions') }} as decisions
    on
      decisions.partner_id = courses.partner_id
      and decisions.course_id = courses.course_id
      and decisions.first_school_year <= courses.school_year
),

classified as (
  select
    courses.school_year,
    courses.school_id,
    courses.course_id,
    coalesce(decided.course_class, sced.course_class, levels.course_class, 'other') as course_class,
    case
      when decided.course_class is not null then 'decision'
      when sced.course_class is not null then 'sced'
      when levels.course_class is not null then 'course_level'
      else 'none'
    end as classified_by,
    case
      when upper(courses.course_title) like 'AP %' or upper(courses.course_title) like '%ADVANCED PLACEMENT%' then 'ap'
      when upper(courses.course_title) like 'IB %' or upper(courses.course_title) like '%INTERNATIONAL BACCALAUREATE%' then 'ib'
    end as title_suggests
  from courses
  left join decided
    on
      decided.school_year = courses.school_year
      and decided.school_id is not distinct from courses.school_id
      and decided.course_id = courses.course_id
      and decided.choice = 1
  left join {{ ref('sced_ap_ib') }} as sced on sced.sced_code = courses.sced_code
  left join {{ ref('course_levels') }} as levels on levels.course_level = courses.course_level
)

select classified.*, classes.exam_program
from classified
inner join {{ ref('course_classes') }} as classes on classes.course_class = classified.course_class
