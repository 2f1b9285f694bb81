-- Where a gap would say something else than it seems to: nobody is left to compare low income with, or what was declared says so.
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

blocks as (
  select school_year, school_id, 'income' as concerns, 'income_not_distinguished' as reason from everyone_eligible
  union all
  select school_year, school_id, concerns, reason from {{ ref('int_declared_block') }}
)

select school_year, school_id, concerns, min(reason) as reason
from blocks
group by school_year, school_id, concerns
