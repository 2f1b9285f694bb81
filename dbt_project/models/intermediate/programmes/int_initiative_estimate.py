"""What each design says an initiative changed, estimated by linearmodels from the panel."""


def model(dbt, session):
    dbt.config(materialized="table", tags=["with_initiatives"])
    import pyarrow

    from equity_pipeline.domain.evaluation import evaluate

    return evaluate(pyarrow.table(dbt.ref("int_initiative_panel")).to_pandas())
