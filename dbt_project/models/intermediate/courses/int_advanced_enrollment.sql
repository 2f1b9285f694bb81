{{ config(materialized='ephemeral') }}
-- Only seats in advanced courses, and in those that wait for a decision, go further: a small part of all enrollments. One row is
-- one student in one course of one school in a school year, its terms together.
with

courses as (
  select *
  from {{ ref('int_course') }}
  where is_advanced or needs_decision
),

terms_taken as (
  select
    enrollments.school_year,
    enrollments.student_id,
    case when enrollments.school_id = '_enrolled' then students.school_id else enrollments.school_id end as school_id,
    enrollments.course_id,
    enrollments.dropped = 'yes' as dropped,
    coalesce(marks.meaning = 'withdrawn', false) as withdrawn,
    coalesce(marks.is_graded, false) and enrollments.dropped <> 'yes' as is_graded,
    coalesce(marks.c_or_better, false) and enrollments.dropped <> 'yes' as c_or_better,
    -- Later terms sort higher; of two grades of no order the lower stands.
    2 * (
      coalesce(terms.sort, 0) * 100000000
      + coalesce(10000 * year(enrollments.entry_date) + 100 * month(enrollments.entry_date) + day(enrollments.entry_date), 0)
    ) + case when marks.c_or_better then 0 else 1 end as rank
  from {{ ref('stg_course_enrollments') }} as enrollments
  inner join (select distinct school_year, course_id from courses) as of_interest
    on of_interest.school_year = enrollments.school_year and of_interest.course_id = enrollments.course_id
  inner join {{ ref('int_student_year') }} as students
    on students.school_year = enrollments.school_year and students.student_id = enrollments.student_id
  left join {{ ref('int_final_grade') }} as marks
    on marks.school_year = of_interest.school_year and marks.final_grade = enrollments.final_grade
  left join {{ ref('terms') }} as terms on terms.term = enrollments.term
),

seats as (
  select
    school_year,
    student_id,
    school_id,
    course_id,
    bool_and(dropped) as dropped,
    bool_and(dropped or withdrawn) as withdrawn,
    bool_or(is_graded) as is_graded,
    bool_or(c_or_better) as c_or_better_once,
    max(case when is_graded then rank end) % 2 = 0 as c_or_better_last
  from terms_taken
  group by school_year, student_id, school_id, course_id
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
  resolved.dropped,
  resolved.withdrawn,
  resolved.is_graded,
  resolved.c_or_better_once,
  -- Policy says whether the last term's grade stands for the course or the best one.
  case when policy.semester_grades = 'best' then resolved.c_or_better_once else coalesce(resolved.c_or_better_last, false) end as c_or_better
from resolved
cross join {{ ref('int_policy') }} as policy
where resolved.is_advanced or resolved.needs_decision
