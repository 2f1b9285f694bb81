{{ discipline_metric(['oss', 'iss']) }}
