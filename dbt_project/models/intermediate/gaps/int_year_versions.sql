-- What a year's numbers rest on, for comparing it with another.
with

school_years as (
  select school_year from {{ ref('int_subgroup_counts') }} group by school_year
),

students as (
  select
    school_year,
    {{ one_or_mixed('race_standard') }} as race_standard,
    {{ one_or_mixed('econ_basis') }} as econ_basis
  from {{ ref('int_student_year') }}
  group by school_year
),

learners as (
  select school_year, {{ text_list("nullif(english_learner, 'unknown')") }} as el_rule
  from (
    select distinct students.school_year, {{ answer_of_student('english_learner', 'students') }} as english_learner
    from {{ ref('int_student_year') }} as students
  ) as answers
  group by school_year
),

deliveries as (
  select school_year, max(as_of) as extract_as_of
  from {{ ref('stg_deliveries') }}
  group by school_year
),

-- The newest decision that makes a course another one than it was in an earlier year on file.
course_maps as (
  select now.school_year, max(now.decided_from) as course_map_version
  from {{ ref('int_course') }} as now
  inner join {{ ref('int_course') }} as before
    on
      before.course_id = now.course_id
      and before.school_id is not distinct from now.school_id
      and before.school_year < now.decided_from
      and before.exam_program is distinct from now.exam_program
  group by now.school_year
),

schools as (
  select school_year, school_id, n
  from {{ ref('int_student_counts') }}
  where dimension = 'all_students' and school_id <> '_all' and n > 0
),

-- Share of the students of this year and the one before who are in schools on file in both.
matched as (
  select
    now.school_year,
    sum(case when prior.school_id is not null then now.n else 0 end) as n_now,
    sum(prior.n) as n_prior,
    sum(now.n) as of_now
  from schools as now
  left join schools as prior on prior.school_year = now.school_year - 1 and prior.school_id = now.school_id
  group by now.school_year
)

select
  school_years.school_year,
  students.race_standard,
  students.econ_basis,
  learners.el_rule,
  coalesce(course_maps.course_map_version, 0) as course_map_version,
  {{ divide('matched.n_now + matched.n_prior', 'matched.of_now + before.of_now') }} as matched_share,
  {{ date_of('school_years.school_year - 1', 'policy.snapshot_month', 'policy.snapshot_day') }} as snapshot_date,
  deliveries.extract_as_of,
  policy.policy_version
from school_years
left join students on students.school_year = school_years.school_year
left join learners on learners.school_year = school_years.school_year
left join deliveries on deliveries.school_year = school_years.school_year
left join course_maps on course_maps.school_year = school_years.school_year
left join matched on matched.school_year = school_years.school_year
left join matched as before on before.school_year = school_years.school_year - 1
cross join {{ ref('int_policy') }} as policy
