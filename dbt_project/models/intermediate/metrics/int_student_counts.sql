select school_year, school_id, dimension, subgroup, students as n
from {{ ref('int_place_sums') }}
where grade_level = '_all'
