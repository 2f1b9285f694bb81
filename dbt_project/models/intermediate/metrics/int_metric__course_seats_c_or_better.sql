select school_year, student_id, school_id, grade_level, cell, graded_seats as n, seats_c_or_better as successes
from {{ ref('int_student_outcome') }}
where graded_seats > 0
