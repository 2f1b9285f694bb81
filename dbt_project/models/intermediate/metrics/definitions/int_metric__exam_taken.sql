{{ student_metric('is_exam_taken', among='is_ap_ib') }}
