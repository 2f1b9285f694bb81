{{ student_metric('is_ap_ib') }}
