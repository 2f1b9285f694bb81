"""Running what dbt compiled: in order, held to its contracts, stopped at the first model that can't be made."""

from __future__ import annotations

import duckdb
import pytest

from equity_pipeline.warehouse import models

PYTHON = """
import pandas as pd
class dbtObj:
    def __init__(self, load): self.ref = lambda name: load(f'"made"."{name}"')
def model(dbt, session):
    return dbt.ref("first").df().assign(b=lambda frame: 10 // frame["a"].iloc[0])
"""


def node(name, sql="", *, kind="model", after=(), tags=(), **more):
    return {
        "unique_id": f"{kind}.{name}", "name": name, "database": "memory", "schema": "made", "resource_type": kind, "tags": list(tags),
        "language": "sql", "compiled_code": sql, "depends_on": {"nodes": list(after)},
        "config": {"materialized": "table", "contract": {"enforced": "columns" in more}, "severity": "ERROR"},
        "columns": {},
    } | more  # fmt: skip


def run(*nodes, empty=()):
    built, left_out = models.selected({"nodes": {one["unique_id"]: one for one in nodes}}, list(empty))
    with duckdb.connect() as connection:
        results = models.run(connection, built)
    return {one.unique_id: one for one in results}, {one["unique_id"] for one in left_out}


def test_each_comes_after_what_it_rests_on_and_what_is_about_nothing_sent_is_left_out():
    results, left_out = run(
        node("second", "select a + 1 as a from made.first", after=["model.first"]),
        node("third", language="python", compiled_code=PYTHON, after=["model.first"]),
        node("first", "select 5 as a union all select 6"),
        node("absent", "select 1 / 0", tags=["with_exam_results"]),
        node("of_absent", kind="test", after=["model.absent"]),
        node("of_the_project", kind="test", tags=["project"]),
        node("holds", "select 'x' as rule, 0 as rows_concerned limit 0", kind="test", after=["model.third"]),
        empty=["exam_results"],
    )
    assert {key: (one.status, one.rows) for key, one in results.items()} == {
        "model.first": ("success", 2), "model.second": ("success", 2), "model.third": ("success", 2),
        "test.holds": ("pass", None),
    }  # fmt: skip
    assert left_out == {"model.absent", "test.of_absent"}


def test_what_a_built_model_rests_on_is_built_whatever_was_sent():
    """Of two extracts one is enough; and who sent neither still gets what a plan of theirs rests on."""
    nodes = (
        node("seen", "select 1 as a", tags=["with_survey_responses", "with_samples"]),
        node("plan", "select a from made.seen", after=["model.seen"], tags=["with_plan"]),
    )
    built = [set(run(*nodes, empty=empty)[0]) for empty in (
        ["survey_responses", "samples"], ["survey_responses", "plan"], ["survey_responses", "samples", "plan"])]  # fmt: skip
    assert built == [{"model.seen", "model.plan"}, {"model.seen"}, set()]


@pytest.mark.parametrize(
    "sql",
    ["select 1 as a", "select 1 as a, 'x' as b, 2 as c", "select 'x' as b, 1 as a", "select 1 as a, 2 as b"],
)
def test_a_table_with_other_columns_than_its_contract_names_is_refused(sql):
    columns = {"a": {"name": "a", "data_type": "int"}, "b": {"name": "b", "data_type": "string"}}
    results, _ = run(node("mart", sql, columns=columns), node("next", "select 1", after=["model.mart"]))
    assert (results["model.mart"].status, results["model.mart"].message) == ("error", "ContractBroken")
    assert results["model.next"].status == "skipped"
    kept, _ = run(node("mart", "select 1 as a, 'x' as b", columns=columns))
    assert kept["model.mart"].status == "success"


@pytest.mark.parametrize(
    "broken",
    [
        node("mart", "select cast(a as int) as a from made.first", after=["model.first"]),
        node(
            "mart", language="python", compiled_code=PYTHON.replace("10 //", "None //"), after=["model.first"]
        ),
    ],
    ids=["SQL", "Python"],
)
def test_a_model_that_fails_tells_no_value(broken):
    results, _ = run(node("first", "select 'Ada' as a"), broken)
    assert results["model.mart"].status == "error" and "Ada" not in results["model.mart"].message


@pytest.mark.parametrize(("severity", "status"), [("ERROR", "fail"), ("WARN", "warn")])
def test_a_broken_rule_is_told_with_its_rows(severity, status):
    sql = "select 'keys' as rule, 1200 as rows_concerned union all select 'keys', 34"
    results, _ = run(node("rules", sql, kind="test", config={"severity": severity}))
    assert (results["test.rules"].status, results["test.rules"].message) == (status, "keys (1,234 rows)")
