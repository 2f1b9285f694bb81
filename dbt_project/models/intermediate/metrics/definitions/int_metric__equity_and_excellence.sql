{{ student_metric('has_passed_ap', among='is_graduating') }}
