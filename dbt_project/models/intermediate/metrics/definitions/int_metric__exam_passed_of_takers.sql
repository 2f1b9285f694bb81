{{ student_metric('is_exam_passed', among='is_exam_taken') }}
