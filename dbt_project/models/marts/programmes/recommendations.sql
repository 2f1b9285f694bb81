{{ config(tags=['with_recommendations']) }}
with

feedback as (
  select
    plan_id, recommendation_id, stakeholder_group,
    count(support) as feedback_answers,
    avg(support) as mean_support,
    {{ sum_whole('case when support >= 4 then 1 else 0 end') }} as supporters,
    {{ text_list('comment_theme') }} as themes
  from {{ ref('stg_task_force_feedback') }}
  group by 1, 2, 3
)

select
  partner.partner_id,
  recommendations.plan_id,
  recommendations.recommendation_id,
  recommendations.statement,
  recommendations.status,
  recommendations.problem_id,
  recommendations.strategy_id,
  strategies.strategy_name,
  strategies.evidence_tier,
  strategies.evidence_source,
  feedback.stakeholder_group,
  coalesce(feedback.feedback_answers, 0) as feedback_answers,
  feedback.mean_support,
  feedback.supporters,
  feedback.themes
from {{ ref('stg_recommendations') }} as recommendations
cross join {{ ref('stg_partner') }} as partner
left join {{ ref('stg_strategies') }} as strategies on strategies.strategy_id = recommendations.strategy_id
left join feedback
  on feedback.plan_id = recommendations.plan_id and feedback.recommendation_id = recommendations.recommendation_id
