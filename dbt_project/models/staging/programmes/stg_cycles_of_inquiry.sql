select cycle_id, focus_area, question, aim, metric_id, dimension, subgroup, school_id, target_rate, started_on, due_on, action, study, decision,
  decided_on
from {{ source('raw', 'cycles_of_inquiry') }}
