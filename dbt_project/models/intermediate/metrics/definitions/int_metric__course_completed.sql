{{ student_metric('is_completed', among='began_ap_ib') }}
