{{ config(tags=['with_class_ratings', 'with_experience_samples']) }}
-- What each resource was measured with, and by which bar; without one, ratings were sent that could not be judged.
select distinct
  partner.partner_id,
  measures.school_year,
  measures.resource,
  measures.instrument,
  measures.instrument_version,
  measures.threshold_version,
  measures.threshold_rule
from {{ ref('int_scorecard_instrument') }} as measures
cross join {{ ref('stg_partner') }} as partner
