{{ config(tags=['with_initiatives']) }}
select
  partner.partner_id,
  initiatives.initiative_id,
  initiatives.initiative_name,
  initiatives.focus_area,
  initiatives.strategy_id,
  initiatives.metric_id as outcome_metric_id,
  initiatives.start_date,
  estimates.design,
  estimates.term,
  estimates.estimate,
  estimates.standard_error,
  estimates.estimate_low,
  estimates.estimate_high,
  estimates.p_value,
  estimates.units_treated,
  estimates.units_compared,
  estimates.students_treated,
  estimates.students_compared,
  estimates.clusters,
  estimates.verdict
from {{ ref('int_initiative_estimate') }} as estimates
cross join {{ ref('stg_partner') }} as partner
inner join {{ ref('stg_initiatives') }} as initiatives on initiatives.initiative_id = estimates.initiative_id
