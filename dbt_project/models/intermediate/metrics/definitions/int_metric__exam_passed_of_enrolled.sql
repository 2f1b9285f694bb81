{{ student_metric('is_exam_passed', among='is_ap_ib') }}
