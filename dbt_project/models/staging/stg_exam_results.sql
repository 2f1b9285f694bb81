select coalesce(exam_year, school_year) as school_year, student_id, lower(program) as program, exam_code, score
from {{ source('raw', 'exam_results') }}
