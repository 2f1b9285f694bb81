{{ clients_mart('equity_leader_lab') }}
order by school_year desc, urgency_rank
