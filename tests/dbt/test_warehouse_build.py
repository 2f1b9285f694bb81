"""The life of a build: swapped in whole or not at all, side by side with others, nothing done twice."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
import stat
import subprocess
import sys

import dagster as dg
import duckdb
import pytest

from equity_pipeline.contracts.persons import PERSONS
from equity_pipeline.defs.failures import told_to_a_person
from equity_pipeline.publishing import manifest as manifest_of_release
from equity_pipeline.publishing import release
from equity_pipeline.publishing.withdrawal import WithdrawnError
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import models, project, raw
from equity_pipeline.warehouse.build import BuildError, build, is_current, manifest, metric_ids
from tests.dbt import raw_worlds as worlds


def test_two_partners_build_at_the_same_time_from_two_processes(built):
    home, ended = built
    for name, (code, output, errors) in ended.items():
        assert code == 0, errors
        assert output.startswith("True"), name
    for partner_id in ("rows_usd", "counts_sd"):
        folder = home.warehouse(partner_id).parent
        assert sorted(path.name for path in folder.iterdir()) == [".lock", "warehouse.duckdb"]
        assert stat.S_IMODE(home.warehouse(partner_id).stat().st_mode) == 0o600


def test_nothing_new_builds_nothing_and_tells_what_stands(built):
    home, _ = built
    before = home.warehouse("counts_sd").stat().st_mtime_ns
    result = build(home, worlds.COUNTS)
    assert not result.changed and is_current(home, worlds.COUNTS)
    assert home.warehouse("counts_sd").stat().st_mtime_ns == before
    rows = {node.unique_id: node.rows for node in result.results}
    assert rows["model.equity.stg_programs"] == 3 and rows["model.equity.int_student_year"] == 0


@pytest.fixture
def copy(built, tmp_path):
    """A home of its own with what `counts_sd` has."""
    home, _ = built
    for layer in ("extracts", "warehouse"):
        shutil.copytree(home.root / layer, tmp_path / layer, ignore=shutil.ignore_patterns("*rows_usd*"))
    return Home(tmp_path)


def test_a_failed_test_leaves_the_old_warehouse_and_tells_no_value(copy):
    before = copy.warehouse("counts_sd").read_bytes()
    worlds.put(copy, "counts_sd", 2026, "aggregate_counts", [
        {"school_id": "closes", "metric_id": "ap_ib_enrollment", "dimension": "sex", "subgroup": "female",
         "n": 4711, "successes": 4712}
    ])  # fmt: skip
    with pytest.raises(BuildError) as raised:
        build(copy, worlds.COUNTS)
    message = str(raised.value)
    assert (
        "counts_sd" in message and "counts_rates_and_intervals_are_ordered" in message and " rows)" in message
    )
    assert "471" not in message and "closes" not in message
    assert any(node.status == "fail" for node in raised.value.results)
    assert copy.warehouse("counts_sd").read_bytes() == before
    assert not list(copy.warehouse("counts_sd").parent.glob(".build-*"))


def test_a_warehouse_whose_builder_was_killed_before_it_could_tell_is_not_published(copy, monkeypatch):
    """What was published last is known by what lies on the disk."""
    partner = worlds.COUNTS
    folder = copy.releases("counts_sd") / ("0" * 16)
    folder.mkdir(parents=True)
    (folder.parent / "latest").symlink_to(folder.name)
    assert not release.is_published(copy, partner)
    release._note(copy, "counts_sd", folder.name)
    assert release.is_published(copy, partner)
    assert not release.publish(copy, partner).changed and not list(folder.iterdir()), "nothing was rendered"
    with monkeypatch.context() as another_version:
        another_version.setattr(manifest_of_release, "layout", lambda: "another")
        assert not release.is_published(copy, partner), "the code that protects is a part of a release"
    copy.withdrawn("counts_sd").mkdir(parents=True)
    folder.rename(copy.withdrawn("counts_sd") / folder.name)
    assert release.is_published(copy, partner), "what a person took back is not made again"
    with pytest.raises(WithdrawnError, match="withdrawn as release 0000"):
        release.publish(copy, partner)
    shutil.rmtree(copy.withdrawn("counts_sd"))
    assert not release.is_published(copy, partner)
    folder.mkdir()
    changed = partner.model_copy(update={"name": "Another Name"})
    assert build(copy, changed).changed and is_current(copy, changed)
    assert not release.is_published(copy, changed)


@pytest.mark.parametrize("room", [2, 6, 10])  # MiB: not enough for the seeds, a model, the last of the tables
def test_a_full_disk_is_said_whenever_it_fills_and_the_next_build_succeeds(copy, room):
    folder = copy.warehouse("counts_sd").parent
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={room}m", "none", folder], check=False, capture_output=True
    ).returncode:
        pytest.skip("only who may mount can test a full disk")
    try:
        with pytest.raises(dg.Failure, match="the disk is full; nothing is lost"), told_to_a_person():
            build(copy, worlds.COUNTS)
        assert [path.name for path in folder.iterdir()] == [".lock"]
        if room == 6:
            subprocess.run(["mount", "-o", "remount,size=100m", folder], check=True)
            assert build(copy, worlds.COUNTS).changed
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_broken_old_warehouse_and_what_a_killed_build_left_are_replaced(copy):
    folder = copy.warehouse("counts_sd").parent
    copy.warehouse("counts_sd").write_bytes(b"not a database")
    (folder / ".build-1").mkdir()
    (folder / ".build-1" / "warehouse.duckdb").write_bytes(b"half of one")
    assert not is_current(copy, worlds.COUNTS)
    assert build(copy, worlds.COUNTS).changed and is_current(copy, worlds.COUNTS)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "warehouse.duckdb"]


def test_a_changed_extract_and_the_ledger_reach_the_marts(copy):
    with sqlite3.connect(copy.ledger) as ledger:
        ledger.execute("create table deliveries (partner_id text, delivery_id text, as_of text)")
        ledger.execute(
            "create table loads (partner_id text, delivery_id text, extract text, school_year integer, loaded integer, status text)"
        )
        ledger.executemany(
            "insert into deliveries values ('counts_sd', ?, ?)",
            [("new", "2025-11-03"), ("old", "2025-12-24")],
        )
        ledger.executemany(
            "insert into loads values ('counts_sd', ?, 'aggregate_counts', 2026, 4, ?)",
            [("new", "loaded"), ("old", "superseded")],
        )
    reads = "import duckdb, sys; open = duckdb.connect(sys.argv[1], read_only=True); print(flush=True); input(); print(open.sql(sys.argv[2]).fetchall())"
    dated = "select count(*) from marts.gap_metrics where extract_as_of is not null"
    command = [sys.executable, "-c", reads, copy.warehouse("counts_sd"), dated]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        reader.stdout.readline()
        assert build(copy, worlds.COUNTS).changed
        assert reader.communicate("\n")[0] == "[(0,)]\n", "who has the old warehouse open reads on in it"
    with duckdb.connect(copy.warehouse("counts_sd"), read_only=True) as connection:
        days = connection.execute(
            "select distinct school_year, extract_as_of from marts.gap_metrics where extract_as_of is not null"
        ).fetchall()
    assert days == [(2026, dt.date(2025, 11, 3))]


def test_a_student_is_in_no_mart(query):
    text = query(
        "rows_usd",
        "select table_name, column_name from information_schema.columns where table_schema = 'marts' "
        "and column_name similar to '.*(student_id|birth|gpa|cell).*'",
    )
    assert text.empty


def test_the_rules_stated_as_dbt_unit_tests_hold(built, tmp_path):
    home, _ = built
    warehouse = tmp_path / "warehouse.duckdb"
    shutil.copy(home.warehouse("rows_usd"), warehouse)
    run = project.invoke(
        "test",
        "--select",
        "test_type:unit",
        "tag:project",
        "--no-write-json",
        warehouse=warehouse,
        scratch=tmp_path,
    )
    told = {
        result.node.name: str(result.status)
        for result in run.result.results
        if result.node.resource_type != "operation"
    }
    assert set(told.values()) == {"pass"} and len(told) >= 10, told


def test_dbt_itself_makes_the_same_tables(built, tmp_path):
    """A build runs what dbt compiled; dbt on the same extracts must come to the same rows."""
    home, _ = built
    ours, theirs = home.warehouse("rows_usd"), tmp_path / "warehouse.duckdb"
    with duckdb.connect(theirs) as connection:
        raw.load(connection, home, worlds.ROWS, raw.current_deliveries(home, "rows_usd"))
    run = project.invoke(
        "build",
        "--exclude-resource-type",
        "test",
        "unit_test",
        "--no-write-json",
        warehouse=theirs,
        scratch=tmp_path,
    )
    assert {str(result.status) for result in run.result.results} == {"success"}
    with duckdb.connect(theirs) as connection:
        connection.execute(f"attach '{ours}' as ours (read_only)")
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables where table_catalog = 'ours' "
            "and table_schema in ('intermediate', 'marts', 'policy') and table_type = 'BASE TABLE'"
        ).fetchall()
        odd, rows = {}, 0
        for schema, table in tables:
            name = f'{schema}."{table}"'
            [(differing, counted)] = connection.execute(
                f"select (select count(*) from (from {name} except all from ours.{name})) + "
                f"(select count(*) from (from ours.{name} except all from {name})), (select count(*) from {name})"
            ).fetchall()
            rows += counted
            if differing:
                odd[name] = differing
    assert not odd
    assert len(tables) >= 40 and rows > 10_000


def test_every_metric_has_its_model_and_every_table_and_column_its_description():
    nodes = manifest()["nodes"]
    assert {f"model.equity.int_metric__{metric_id}" for metric_id in metric_ids()} <= set(nodes)
    tables = [node for node in nodes.values() if node["resource_type"] in {"model", "seed"}]
    bare = [node["name"] for node in tables if not node["description"]]
    bare += [
        f"{node['name']}.{name}"
        for node in tables
        for name, column in node["columns"].items()
        if not column["description"]
    ]
    assert bare == []


def test_no_finished_warehouse_has_a_row_about_one_person(query):
    tables = query("rows_usd", "select table_schema, table_name, column_name from information_schema.columns "
                   "where table_schema not in ('build', 'staging')")  # fmt: skip
    of_people = tables[tables["column_name"].isin(PERSONS)]
    assert set(of_people["table_schema"]) == {"raw"}  # the shape of the extracts, and no row
    for table in of_people["table_name"].unique():
        assert query("rows_usd", f"from raw.{table}").empty


def test_every_column_of_every_table_is_documented_and_nothing_else(workshop):
    nodes = manifest()["nodes"].values()
    documented = {
        (node["schema"], node["name"]): set(node["columns"])
        for node in nodes
        if node["resource_type"] in {"model", "seed"} and node["config"]["materialized"] != "ephemeral"
    }
    found: dict[tuple[str, str], set[str]] = {}
    # Those of which no finished warehouse has a table.
    working = {node["name"] for node in nodes if node["database"] == models.WORKING}
    workshop.make(*(name for name in workshop.usual if name in working))
    for row in workshop.frame(
        "select table_schema, table_name, column_name from information_schema.columns"
    ).itertuples():
        if (key := (row.table_schema, row.table_name)) in documented:
            found.setdefault(key, set()).add(row.column_name)
    # A metric is a seed row and a model: the counts of all of them lie side by side in columns that the seed names.
    documented["intermediate", "int_place_sums"] |= {
        f"{metric_id}_{counted}" for metric_id in metric_ids() for counted in ("n", "successes")
    }
    # Tables about extracts that the partner has not sent are not made.
    tagged = {
        (node["schema"], node["name"])
        for node in nodes
        if any(tag.startswith("with_") for tag in node.get("tags", ()))
    }
    assert found == {key: columns for key, columns in documented.items() if key in found or key not in tagged}
