{{ student_metric('is_offered') }}
