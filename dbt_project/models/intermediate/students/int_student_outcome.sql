-- What each student of the population reached in courses, exams and days of the year, and what followed on incidents: most metrics are read off it.
with

seats as (
  select * from {{ ref('int_advanced_enrollment') }}
),

courses as (
  select
    school_year,
    student_id,
    bool_or(needs_decision and not dropped) as undecided,
    bool_or(not needs_decision and not dropped) as advanced,
    bool_or(program is not null) as ap_ib_ever_in_year,
    bool_or(program is not null and not dropped) as ap_ib,
    bool_or(program = 'ap' and not dropped) as ap,
    bool_or(program = 'ib' and not dropped) as ib,
    bool_or(program = 'ap' and is_stem and not dropped) as ap_stem,
    bool_or(program is not null and not withdrawn) as completed,
    bool_or(program is not null and is_graded) as graded,
    bool_or(program is not null and c_or_better_once) as c_or_better,
    count(case when program is not null and is_graded then 1 end) as graded_seats,
    count(case when program is not null and is_graded and c_or_better then 1 end) as seats_c_or_better
  from seats
  group by school_year, student_id
),

-- A course is offered at a school where somebody is enrolled in it.
offerings as (
  select school_year, school_id, count(distinct offering) as courses
  from seats
  where program is not null
  group by school_year, school_id
),

-- One below the other: beside each other they would have to be joined first.
first_years as (
  select student_id, min(on_file) as on_file, min(ap_ib) as ap_ib
  from (
    select student_id, school_year as on_file, null as ap_ib from {{ ref('int_student_year') }}
    union all
    select student_id, null as on_file, school_year as ap_ib from courses where ap_ib
  ) as years
  group by student_id
),

exams as (
  select
    results.school_year,
    results.student_id,
    bool_or(results.program = 'ap') as ap,
    bool_or(results.program = 'ib') as ib,
    bool_or(results.program = 'ap' and coalesce(results.score >= policy.ap_passing_score, false)) as ap_passed,
    bool_or(results.program = 'ib' and coalesce(results.score >= policy.ib_passing_score, false)) as ib_passed
  from {{ ref('stg_exam_results') }} as results
  cross join {{ ref('int_policy') }} as policy
  group by results.school_year, results.student_id
),

days as (
  select school_year, student_id, sum(days_enrolled) as enrolled, sum(days_absent) as absent
  from {{ ref('stg_attendance') }}
  group by school_year, student_id
),

actions as (
  select
    school_year,
    student_id,
    bool_or(action = 'referral') as referral,
    bool_or(action = 'iss') as iss,
    bool_or(action = 'oss') as oss,
    bool_or(action = 'expulsion') as expulsion
  from {{ ref('stg_discipline') }}
  group by school_year, student_id
),

ap_potential as (
  select distinct students.school_year, students.student_id
  from {{ ref('int_student_year') }} as students
  cross join {{ ref('int_policy') }} as policy
  inner join {{ ref('int_readiness') }} as readiness
    on
      readiness.student_id = students.student_id
      and readiness.school_year between students.school_year - policy.readiness_years and students.school_year
),

-- High school is four years.
passed_in_high_school as (
  select distinct students.school_year, students.student_id
  from {{ ref('int_student_year') }} as students
  cross join {{ ref('int_policy') }} as policy
  inner join exams
    on
      exams.student_id = students.student_id
      and exams.school_year between students.school_year - 3 and students.school_year
      and exams.ap_passed
  where students.grade_level = policy.graduating_grade
)

select
  students.school_year,
  students.student_id,
  students.school_id,
  students.grade_level,
  students.cell_1,
  students.cell_2,
  coalesce(offerings.courses >= policy.offered_courses, false) as is_offered,
  coalesce(courses.undecided, false) as is_undecided,
  coalesce(courses.advanced, false) as is_advanced,
  coalesce(courses.ap_ib_ever_in_year, false) as began_ap_ib,
  coalesce(courses.ap_ib, false) as is_ap_ib,
  coalesce(courses.ap_stem, false) as is_ap_stem,
  coalesce(courses.completed, false) as is_completed,
  coalesce(courses.graded, false) as is_graded,
  coalesce(courses.c_or_better, false) as is_c_or_better,
  coalesce(courses.graded_seats, 0) as graded_seats,
  coalesce(courses.seats_c_or_better, 0) as seats_c_or_better,
  (students.grade_level = '09' or first_years.on_file < students.school_year)
  and coalesce(first_years.ap_ib >= students.school_year, true) as is_new_to_ap_ib,
  coalesce((courses.ap and exams.ap) or (courses.ib and exams.ib), false) as is_exam_taken,
  coalesce(((courses.ap and exams.ap) or (courses.ib and exams.ib)) and (exams.ap_passed or exams.ib_passed), false) as is_exam_passed,
  ap_potential.student_id is not null as has_ap_potential,
  students.grade_level = policy.graduating_grade as is_graduating,
  passed_in_high_school.student_id is not null as has_passed_ap,
  coalesce(days.enrolled >= policy.attendance_days_minimum, false) as has_attendance,
  coalesce(100 * days.absent >= policy.chronic_absence_percent * days.enrolled, false) as is_chronically_absent,
  coalesce(actions.referral, false) as has_referral,
  coalesce(actions.iss, false) as has_iss,
  coalesce(actions.oss, false) as has_oss,
  coalesce(actions.expulsion, false) as has_expulsion
from {{ ref('int_student_year') }} as students
cross join {{ ref('int_policy') }} as policy
left join courses on courses.school_year = students.school_year and courses.student_id = students.student_id
left join exams on exams.school_year = students.school_year and exams.student_id = students.student_id
left join days on days.school_year = students.school_year and days.student_id = students.student_id
left join actions on actions.school_year = students.school_year and actions.student_id = students.student_id
left join first_years on first_years.student_id = students.student_id
left join offerings on offerings.school_year = students.school_year and offerings.school_id = students.school_id
left join ap_potential on ap_potential.school_year = students.school_year and ap_potential.student_id = students.student_id
left join passed_in_high_school
  on passed_in_high_school.school_year = students.school_year and passed_in_high_school.student_id = students.student_id
