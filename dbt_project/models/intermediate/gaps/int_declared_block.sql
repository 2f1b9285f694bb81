-- Blocks that rest on what was declared, on no count of students: forms that nobody fills in, files that lost a group, courses of
-- which nobody has said whether they are AP or IB. What is wrong with a school is wrong with the partner's roll-up, which counts
-- its students; only where no forms are filled in the roll-up is judged by itself.
with

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
  select school_year, school_id, 'income' as concerns, 'income_not_distinguished' as reason from no_forms
  union all
  select school_year, school_id, concerns, reason from of_schools
  union all
  select school_year, '_all' as school_id, concerns, reason from of_schools
)

select school_year, school_id, concerns, min(reason) as reason
from blocks
group by school_year, school_id, concerns
