{{ student_metric('is_c_or_better', among='is_graded') }}
