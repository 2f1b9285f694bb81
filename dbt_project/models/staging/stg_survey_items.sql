select school_year, survey_id, item_id, lower(trim(construct)) as construct, text as item_text, scale_min, scale_max,
  replace(favorable, ' ', '') as favorable, {{ yes_no('reverse') }} as reverse, lower(trim(instrument)) as instrument
from {{ source('raw', 'survey_items') }}
