{{ discipline_metric(['iss']) }}
