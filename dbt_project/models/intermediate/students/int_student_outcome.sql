-- What each student of the population reached in courses and exams of the year: the metrics read it off.
with

students as (
  select school_year, student_id, school_id, grade_level, cell
  from {{ ref('int_student_year') }}
),

enrollments as (
  select * from {{ ref('int_advanced_enrollment') }} where not needs_decision
),

-- One row per seat. Policy says whether the last term's grade stands for the course (of grades of no order, the lower) or
-- the best one.
course_grades as (
  select
    enrollments.school_year,
    enrollments.student_id,
    case when enrollments.c_or_better then 1 else 0 end as c_or_better,
    row_number() over (
      partition by enrollments.school_year, enrollments.student_id, enrollments.school_id, enrollments.course_id
      order by
        case when policy.semester_grades = 'best' and enrollments.c_or_better then 0 else 1 end,
        coalesce(enrollments.term_sort, 0) desc,
        enrollments.entry_date desc nulls last,
        enrollments.c_or_better
    ) as choice
  from enrollments
  cross join {{ ref('int_policy') }} as policy
  where enrollments.program is not null and enrollments.is_graded and not enrollments.dropped
),

seats as (
  select school_year, student_id, count(*) as graded_seats, {{ sum_whole('c_or_better') }} as seats_c_or_better
  from course_grades
  where choice = 1
  group by school_year, student_id
),

courses as (
  select
    school_year,
    student_id,
    max(case when not dropped then 1 else 0 end) as advanced,
    max(case when program is not null then 1 else 0 end) as ap_ib_ever_in_year,
    max(case when program is not null and not dropped then 1 else 0 end) as ap_ib,
    max(case when program = 'ap' and not dropped then 1 else 0 end) as ap,
    max(case when program = 'ib' and not dropped then 1 else 0 end) as ib,
    max(case when program = 'ap' and is_stem and not dropped then 1 else 0 end) as ap_stem,
    max(case when program is not null and not dropped and not withdrawn then 1 else 0 end) as completed,
    max(case when program is not null and not dropped and is_graded then 1 else 0 end) as graded,
    max(case when program is not null and not dropped and c_or_better then 1 else 0 end) as c_or_better
  from enrollments
  group by school_year, student_id
),

first_years as (
  select
    students.student_id,
    min(students.school_year) as on_file,
    min(case when courses.ap_ib = 1 then courses.school_year end) as ap_ib
  from students
  left join courses on courses.school_year = students.school_year and courses.student_id = students.student_id
  group by students.student_id
),

-- A course is offered at a school where somebody is enrolled in it.
offerings as (
  select school_year, school_id, count(distinct offering) as courses
  from enrollments
  where program is not null
  group by school_year, school_id
),

exams as (
  select
    results.school_year,
    results.student_id,
    max(case when results.program = 'ap' then 1 else 0 end) as ap,
    max(case when results.program = 'ib' then 1 else 0 end) as ib,
    max(case when results.program = 'ap' and results.score >= policy.ap_passing_score then 1 else 0 end) as ap_passed,
    max(case when results.program = 'ib' and results.score >= policy.ib_passing_score then 1 else 0 end) as ib_passed
  from {{ ref('stg_exam_results') }} as results
  cross join {{ ref('int_policy') }} as policy
  group by results.school_year, results.student_id
),

-- High school is four years.
passed_in_high_school as (
  select distinct students.school_year, students.student_id
  from students
  cross join {{ ref('int_policy') }} as policy
  inner join exams
    on
      exams.student_id = students.student_id
      and exams.school_year between students.school_year - 3 and students.school_year
      and exams.ap_passed = 1
  where students.grade_level = policy.graduating_grade
)

select
  students.school_year,
  students.student_id,
  students.school_id,
  students.grade_level,
  students.cell,
  coalesce(offerings.courses >= policy.offered_courses, false) as is_offered,
  coalesce(courses.advanced = 1, false) as is_advanced,
  coalesce(courses.ap_ib_ever_in_year = 1, false) as began_ap_ib,
  coalesce(courses.ap_ib = 1, false) as is_ap_ib,
  coalesce(courses.ap_stem = 1, false) as is_ap_stem,
  coalesce(courses.completed = 1, false) as is_completed,
  coalesce(courses.graded = 1, false) as is_graded,
  coalesce(courses.c_or_better = 1, false) as is_c_or_better,
  coalesce(seats.graded_seats, 0) as graded_seats,
  coalesce(seats.seats_c_or_better, 0) as seats_c_or_better,
  (students.grade_level = '09' or first_years.on_file < students.school_year)
  and coalesce(first_years.ap_ib >= students.school_year, true) as is_new_to_ap_ib,
  coalesce((courses.ap = 1 and exams.ap = 1) or (courses.ib = 1 and exams.ib = 1), false) as is_exam_taken,
  coalesce(((courses.ap = 1 and exams.ap = 1) or (courses.ib = 1 and exams.ib = 1)) and (exams.ap_passed = 1 or exams.ib_passed = 1), false)
    as is_exam_passed,
  students.grade_level = policy.graduating_grade as is_graduating,
  passed_in_high_school.student_id is not null as has_passed_ap
from students
cross join {{ ref('int_policy') }} as policy
left join courses on courses.school_year = students.school_year and courses.student_id = students.student_id
left join seats on seats.school_year = students.school_year and seats.student_id = students.student_id
left join exams on exams.school_year = students.school_year and exams.student_id = students.student_id
left join first_years on first_years.student_id = students.student_id
left join offerings on offerings.school_year = students.school_year and offerings.school_id = students.school_id
left join passed_in_high_school
  on passed_in_high_school.school_year = students.school_year and passed_in_high_school.student_id = students.student_id
