{{ clients_mart('tools_package') }}
order by school_year desc, urgency_rank
