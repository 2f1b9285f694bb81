"""What each design says an initiative changed, estimated by linearmodels from the panel."""


def model(dbt, session):
    dbt.config(materialized="table", tags=["with_initiatives"])
    from equity_pipeline.domain.evaluation import evaluate

    return evaluate(dbt.ref("int_initiative_panel").df())
