-- Where a gap would say something else than it seems to: nobody is left to compare low income with, a group all but vanished
-- from the files, or nobody has said yet whether a course is AP or IB. What is wrong with a school is wrong with the partner's
-- roll-up, which counts its students; only where everyone is eligible the roll-up is judged by itself.
with

policy as (
  select * from {{ ref('int_policy') }}
),

by_income as (
  select school_year, school_id, subgroup, n
  from {{ ref('int_student_counts') }}
  where dimension = 'economically_disadvantaged'

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
),

undecided as (
  select distinct school_year, school_id
  from {{ ref('int_student_outcome') }}
  where is_undecided
),

drifted as (
  select
    school_year,
    school_id,
    case dimension when 'economically_disadvantaged' then 'income' else dimension end as concerns,
    concat('drift: ', reason) as reason
  from {{ ref('stg_drift_blocks') }}
  where not is_accepted
),

of_schools as (
  select school_year, school_id, concerns, reason from drifted
  union all
  select school_year, school_id, 'courses' as concerns, 'course_without_decision' as reason from undecided
),

blocks as (
  select school_year, school_id, 'income' as concerns, 'income_not_distinguished' as reason from everyone_eligible
  union all
  select school_year, school_id, 'income' as concerns, 'income_not_distinguished' as reason from no_forms
  union all
  select school_year, school_id, concerns, reason from of_schools
  union all
  select school_year, '_all' as school_id, concerns, reason from of_schools
)

select school_year, school_id, concerns, min(reason) as reason
from blocks
group by school_year, school_id, concerns
