{{ discipline_metric(['expulsion']) }}
