select school_year, survey_id, item_id, lower(trim(construct)) as construct, scale_min, scale_max,
  replace(favorable, ' ', '') as favorable, {{ yes_no('reverse') }} as reverse
from {{ source('raw', 'survey_items') }}
