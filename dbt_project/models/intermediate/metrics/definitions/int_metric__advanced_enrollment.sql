{{ student_metric('is_advanced') }}
