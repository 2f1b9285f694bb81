{{ student_metric('is_ap_ib', among='is_new_to_ap_ib') }}
