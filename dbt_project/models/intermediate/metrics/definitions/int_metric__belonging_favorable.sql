{{ survey_metric('belonging') }}
