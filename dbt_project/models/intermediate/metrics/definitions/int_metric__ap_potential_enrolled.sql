{{ student_metric('is_ap_ib', among='has_ap_potential') }}
