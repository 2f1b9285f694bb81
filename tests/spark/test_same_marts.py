"""The same models on Spark: every table equals DuckDB's, row by row."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse.build import build
from equity_pipeline.warehouse.spark import TARGET


def tables(home: Home, partner_id: str) -> dict[str, pd.DataFrame]:
    """All models' tables of a finished warehouse. Rows in the order of what is no float: those are a key."""
    with duckdb.connect(home.warehouse(partner_id), read_only=True) as warehouse:
        named = warehouse.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where schema_name in ('intermediate', 'marts', 'policy') order by all"
        ).fetchall()
        return {name: _ordered(warehouse.execute(f"from {name}").df()) for (name,) in named}


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    exact = [column for column in frame if frame[column].dtype.kind != "f"]
    return frame.sort_values(exact, ignore_index=True) if exact else frame


@pytest.mark.parametrize(
    "partner_id", ["prairie_rose_sd", "riverside_usd", "lakeview_sd", "cedar_valley_isd", "harborview_ps"]
)
def test_every_table_of_a_sample_partner_is_the_same(loaded, partner_id):
    partner = registry.load(loaded.partner_file(partner_id))
    on_duckdb = build(loaded, partner)
    expected = tables(loaded, partner_id)
    loaded.warehouse(partner_id).unlink()

    on_spark = build(loaded, partner, engine=TARGET)

    made = tables(loaded, partner_id)
    assert made.keys() == expected.keys()
    assert sum(map(len, expected.values())) > 5_000
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(made[name], frame, check_exact=False, rtol=1e-9, atol=1e-12, obj=name)
    states = {node.unique_id: (node.status, node.rows) for node in on_duckdb.results}
    assert {node.unique_id: (node.status, node.rows) for node in on_spark.results} == states
