"""A metric is one seed row and one model, a subgroup one seed row: proven by adding them to a copy of the project."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import project
from equity_pipeline.warehouse.build import build
from tests.dbt import raw_worlds as worlds

METRIC = (
    "two_graded_seats,Two graded seats,success,99,higher_is_better,student,fall_snapshot,no,no,ap_ib_courses,"
    "Of the population: two graded AP or IB seats,1,this test\n"
)
SUBGROUP = "race_alone_or_in_combination,race_ethnicity,two_or_more,more_than_one,More than one race,10,1,this test\n"
CROSSING = "sex*disability_idea,Sex and disability,200,male*no,yes,sex;disability_idea,district,no,no,no,1,this test\n"


@pytest.fixture
def project_copy(tmp_path, monkeypatch):
    folder = tmp_path / "dbt_project"
    shutil.copytree(project.FOLDER, folder, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(project, "FOLDER", folder)
    return folder


def _add(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line)


def test_one_seed_row_and_one_model_make_a_metric_and_one_seed_row_a_subgroup_or_a_crossing(
    built, project_copy, tmp_path
):
    home, _ = built
    copy = Home(tmp_path / "home")
    shutil.copytree(home.root / "extracts", copy.root / "extracts")
    _add(project_copy / "seeds/policy/metrics.csv", METRIC)
    _add(project_copy / "seeds/policy/subgroups.csv", SUBGROUP)
    _add(project_copy / "seeds/policy/dimensions.csv", CROSSING)
    model = project_copy / "models/intermediate/metrics/definitions/int_metric__two_graded_seats.sql"
    model.write_text("{{ student_metric('graded_seats >= 2') }}\n")
    assert build(copy, worlds.ROWS).changed
    with duckdb.connect(copy.warehouse("rows_usd"), read_only=True) as connection:
        found = connection.execute(
            "select n, successes from marts.gap_metrics where metric_id = 'two_graded_seats' and school_year = 2026 "
            "and school_id = '_all' and grade_level = '_all' and subgroup = 'all' and reference = 'overall'"
        ).fetchall()
        subgroup = connection.execute(
            "select n from marts.gap_metrics where metric_id = 'ap_ib_enrollment' and school_year = 2024 "
            "and school_id = '_all' and grade_level = '_all' and subgroup = 'more_than_one' and reference = 'overall'"
        ).fetchall()
        crossed = connection.execute(
            "select sum(n) from marts.gap_metrics where metric_id = 'ap_ib_enrollment' and school_year = 2024 "
            "and school_id = '_all' and dimension = 'sex*disability_idea' and reference = 'overall'"
        ).fetchall()
    assert found == [(9, 1)] and crossed == [(1818,)]
    assert subgroup == [(60,)]


def test_pandas_and_polars_read_a_mart_written_as_parquet_without_our_code(built, tmp_path):
    home, _ = built
    file = tmp_path / "gap_metrics.parquet"
    with duckdb.connect(home.warehouse("rows_usd"), read_only=True) as connection:
        connection.execute(f"copy (from marts.gap_metrics order by all) to '{file}' (format parquet)")
        direct = connection.execute("select * from marts.gap_metrics order by all").df()
    for frame in (pd.read_parquet(file), pl.read_parquet(file)):
        assert list(frame.columns) == list(direct.columns) and len(frame) == len(direct)
        assert frame["n"].sum() == direct["n"].sum()
    assert str(pl.read_parquet(file)["snapshot_date"].dtype) == "Date"
