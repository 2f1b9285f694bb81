{{ config(tags=['with_strategies']) }}
-- The strategies that a task force chooses from, with their evidence, which of them are recommended and which are tried here.
with

recommended as (
  select strategy_id, {{ text_list('recommendation_id') }} as recommended_in
  from {{ ref('stg_recommendations') }}
  group by 1
),

tried as (
  select strategy_id, {{ text_list('initiative_id') }} as tried_in
  from {{ ref('stg_initiatives') }}
  group by 1
)

select
  partner.partner_id,
  strategies.strategy_id,
  strategies.strategy_name,
  strategies.focus_area,
  strategies.evidence_tier,
  strategies.evidence_source,
  recommended.recommended_in,
  tried.tried_in
from {{ ref('stg_strategies') }} as strategies
cross join {{ ref('stg_partner') }} as partner
left join recommended on recommended.strategy_id = strategies.strategy_id
left join tried on tried.strategy_id = strategies.strategy_id
