-- Who meets a readiness rule with one assessment of one year.
with

met as (
  select scores.school_year, scores.student_id
  from {{ ref('stg_readiness_scores') }} as scores
  inner join {{ ref('readiness_rules') }} as rules
    on {{ list_holds('rules.assessments', 'scores.assessment') }} and {{ list_holds('rules.sections', 'scores.section') }}
  group by scores.school_year, scores.student_id, scores.assessment, rules.rule
  having
    sum(scores.score) >= max(rules.minimum)
    and count(distinct scores.section) = max(length(rules.sections) - length(replace(rules.sections, ';', '')) + 1)
)

select distinct school_year, student_id
from met
