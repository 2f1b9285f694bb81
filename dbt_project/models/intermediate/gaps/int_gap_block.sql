-- Where a gap would say something else than it seems to: nobody is left to compare low income with, or nobody has said yet
-- whether a course is AP or IB.
with

policy as (
  select * from {{ ref('int_policy') }}
),

by_income as (
  select school_year, school_id, subgroup, n
  from {{ ref('int_student_counts') }}
  where metric_id = '_students' and dimension = 'economically_disadvantaged' and grade_level = '_all'

  union all

  select school_year, school_id, subgroup, n
  from {{ ref('int_subgroup_counts') }}
  where
    metric_id = 'ap_ib_enrollment' and dimension = 'economically_disadvantaged' and grade_level = '_all'
    and counted_from = 'aggregate_counts'
),

everyone_eligible as (
  select by_income.school_year, by_income.school_id
  from by_income
  cross join policy
  where by_income.subgroup in ('yes', 'no')
  group by by_income.school_year, by_income.school_id
  having 100 * sum(case when by_income.subgroup = 'yes' then by_income.n else 0 end) >= max(policy.income_everyone_percent) * sum(by_income.n)
),

-- Under the Community Eligibility Provision nobody fills in a form.
no_forms as (
  select school_year, coalesce(school_id, '_all') as school_id
  from {{ ref('int_student_year') }}
  group by grouping sets ((school_year), (school_year, school_id))
  having min(econ_basis) = 'cep_all' and max(econ_basis) = 'cep_all'
)

select school_year, school_id, 'income' as concerns, 'income_not_distinguished' as reason from everyone_eligible
union
select school_year, school_id, 'income' as concerns, 'income_not_distinguished' as reason from no_forms
union
select students.school_year, students.school_id, 'courses' as concerns, 'course_without_decision' as reason
from {{ ref('int_advanced_enrollment') }} as seats
inner join {{ ref('int_student_year') }} as students
  on students.school_year = seats.school_year and students.student_id = seats.student_id
where seats.needs_decision and not seats.dropped
