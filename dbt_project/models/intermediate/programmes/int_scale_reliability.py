"""Reliability of each scale: Cronbach's alpha and McDonald's omega, of the people who answered every item."""


def model(dbt, session):
    dbt.config(materialized="table", tags=["with_survey_responses"])
    import pyarrow

    from equity_pipeline.domain.reliability import reliability

    return reliability(pyarrow.table(dbt.ref("int_survey_scale")).to_pandas())
