{{ discipline_metric(['oss']) }}
