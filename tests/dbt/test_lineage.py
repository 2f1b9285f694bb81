"""What each column is made of: said of every column that a finished warehouse has, and true where it is known."""

from __future__ import annotations

from equity_pipeline.warehouse import project
from equity_pipeline.warehouse.lineage import column_lineage


def test_every_column_of_every_model_in_sql_is_told(query):
    columns = query(
        "rows_usd", "select table_schema, table_name, column_name from information_schema.columns"
    )
    there = columns.groupby(["table_schema", "table_name"])["column_name"].agg(set).to_dict()
    nodes, told = project.compiled().manifest["nodes"], column_lineage()
    made = {k: n for k, n in nodes.items() if n["resource_type"] == "model" and n["language"] == "sql"}
    assert told.keys() == {k for k, n in made.items() if n["config"]["materialized"] != "ephemeral"}
    compared = 0
    for key, columns in told.items():
        if found := there.get((nodes[key]["schema"], nodes[key]["name"])):  # some are about what nobody sent
            assert columns.keys() == found, key
            compared += 1
    assert compared > 40
    from_nothing = sum(not made_of for columns in told.values() for made_of in columns.values())
    assert from_nothing < 30, "constants and counts of rows only"


def test_a_rate_is_made_of_counts_and_a_students_sex_of_what_was_delivered():
    told = column_lineage()
    rate = [tuple(one) for one in told["model.equity.gap_metrics"]["rate"]]
    assert rate == [("intermediate", "int_references", "n"), ("intermediate", "int_references", "successes")]
    assert ["raw", "students", "sex"] in map(list, told["model.equity.stg_students"]["sex"])
