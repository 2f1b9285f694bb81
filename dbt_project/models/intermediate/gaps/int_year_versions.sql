-- What a year's numbers rest on, for comparing it with another.
with

school_years as (
  select school_year from {{ ref('int_subgroup_counts') }} group by school_year
),

students as (
  select school_year, {{ one_or_mixed('race_standard') }} as race_standard, {{ one_or_mixed('econ_basis') }} as econ_basis
  from {{ ref('int_student_year') }}
  group by school_year
),

deliveries as (
  select school_year, max(as_of) as extract_as_of
  from {{ source('raw', 'deliveries') }}
  group by school_year
)

select
  school_years.school_year,
  students.race_standard,
  students.econ_basis,
  {{ date_of('school_years.school_year - 1', 'policy.snapshot_month', 'policy.snapshot_day') }} as snapshot_date,
  deliveries.extract_as_of,
  policy.policy_version
from school_years
left join students on students.school_year = school_years.school_year
left join deliveries on deliveries.school_year = school_years.school_year
cross join {{ ref('int_policy') }} as policy
