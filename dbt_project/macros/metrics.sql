{# The metric ids of the seed `metrics`, handed over by the runner so that each has its model at parse time. #}
{% macro metric_ids() %}{{ return(var('metric_ids')) }}{% endmacro %}
