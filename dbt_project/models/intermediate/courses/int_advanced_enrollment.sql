-- Only seats in advanced courses, and in those that wait for a decision, go further: a small part of all enrollments.
with

courses as (
  select *
  from {{ ref('int_course') }}
  where is_advanced or needs_decision
),

seats as (
  select
    enrollments.school_year,
    enrollments.student_id,
    case when enrollments.school_id = '_enrolled' then students.school_id else enrollments.school_id end as school_id,
    enrollments.course_id,
    enrollments.term,
    enrollments.entry_date,
    enrollments.final_grade,
    enrollments.dropped
  from {{ ref('stg_course_enrollments') }} as enrollments
  inner join (select distinct school_year, course_id from courses) as of_interest
    on of_interest.school_year = enrollments.school_year and of_interest.course_id = enrollments.course_id
  inner join {{ ref('int_student_year') }} as students
    on students.school_year = enrollments.school_year and students.student_id = enrollments.student_id
),

-- A course without a school is the whole partner's, unless the school lists that course itself.
resolved as (
  select
    seats.*,
    case when own.course_id is not null then own.exam_program else everywhere.exam_program end as program,
    case when own.course_id is not null then own.is_advanced else everywhere.is_advanced end as is_advanced,
    case when own.course_id is not null then own.needs_decision else everywhere.needs_decision end as needs_decision,
    case when own.course_id is not null then own.is_stem else everywhere.is_stem end as is_stem,
    case when own.course_id is not null then own.offering else everywhere.offering end as offering
  from seats
  left join {{ ref('int_course') }} as own
    on own.school_year = seats.school_year and own.course_id = seats.course_id and own.school_id = seats.school_id
  left join courses as everywhere
    on everywhere.school_year = seats.school_year and everywhere.course_id = seats.course_id and everywhere.school_id is null
)

select
  resolved.school_year,
  resolved.student_id,
  resolved.school_id,
  resolved.course_id,
  resolved.offering,
  resolved.program,
  resolved.needs_decision,
  coalesce(resolved.is_stem, false) as is_stem,
  resolved.dropped = 'yes' as dropped,
  coalesce(marks.meaning = 'withdrawn', false) as withdrawn,
  coalesce(marks.is_graded, false) as is_graded,
  coalesce(marks.c_or_better, false) as c_or_better,
  terms.sort as term_sort,
  resolved.entry_date
from resolved
left join {{ ref('int_final_grade') }} as marks on marks.final_grade = resolved.final_grade
left join {{ ref('terms') }} as terms on terms.term = resolved.term
where resolved.is_advanced or resolved.needs_decision
