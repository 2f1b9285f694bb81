-- The rule stack: a person's decision, else the SCED list, else the state's code, else the level flag. A title never
-- decides, it suggests: a course that only its title claims waits for a person.
with

courses as (
  select courses.*, partner.state
  from {{ ref('stg_courses') }} as courses
  cross join {{ ref('stg_partner') }} as partner
),

decided as (
  select
    courses.school_year,
    courses.school_id,
    courses.course_id,
    decisions.course_class,
    decisions.first_school_year,
    row_number() over (
      partition by courses.school_year, courses.school_id, courses.course_id
      order by case when decisions.school_id is null then 1 else 0 end, decisions.first_school_year desc
    ) as choice
  from courses
  inner join {{ ref('stg_course_decisions') }} as decisions
    on
      decisions.course_id = courses.course_id
      and (decisions.school_id is null or decisions.school_id = courses.school_id)
      and decisions.first_school_year <= courses.school_year
),

classified as (
  select
    courses.school_year,
    courses.school_id,
    courses.course_id,
    coalesce(courses.sced_code, courses.course_id) as offering,
    coalesce(decided.course_class, sced.course_class, state_codes.course_class, levels.course_class, 'other') as course_class,
    case
      when decided.course_class is not null then 'decision'
      when sced.course_class is not null then 'sced'
      when state_codes.course_class is not null then 'state_code'
      when levels.course_class is not null then 'course_level'
      else 'none'
    end as classified_by,
    decided.first_school_year as decided_from,
    case
      when upper(courses.course_title) like 'AP %' or upper(courses.course_title) like '%ADVANCED PLACEMENT%' then 'ap'
      when upper(courses.course_title) like 'IB %' or upper(courses.course_title) like '%INTERNATIONAL BACCALAUREATE%' then 'ib'
    end as title_suggests,
    -- Null where neither code nor subject says what the course is about.
    case
      when courses.sced_code is not null then {{ list_holds('policy.stem_subjects', 'substr(courses.sced_code, 1, 2)') }}
      when courses.subject is not null then {{ list_holds('policy.stem_subjects', 'courses.subject') }}
    end as is_stem
  from courses
  cross join {{ ref('int_policy') }} as policy
  left join decided
    on
      decided.school_year = courses.school_year
      and decided.school_id is not distinct from courses.school_id
      and decided.course_id = courses.course_id
      and decided.choice = 1
  left join {{ ref('sced_ap_ib') }} as sced on sced.sced_code = courses.sced_code
  left join {{ ref('state_course_codes') }} as state_codes
    on
      state_codes.state = courses.state
      and state_codes.code_length = length(courses.course_id)
      and state_codes.character = substr(courses.course_id, state_codes.position, 1)
  left join {{ ref('course_levels') }} as levels on levels.course_level = courses.course_level
)

select
  classified.*,
  classes.exam_program,
  classes.advanced = 'yes' as is_advanced,
  classified.title_suggests is not null and classified.classified_by = 'none' as needs_decision
from classified
inner join {{ ref('course_classes') }} as classes on classes.course_class = classified.course_class
