{{ survey_metric('expectations') }}
