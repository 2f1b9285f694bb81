{{ student_metric('is_chronically_absent', among='has_attendance') }}
