"""Exit codes and words of the command line: 0 success, 1 work failed, 2 misuse; never a traceback."""

import datetime as dt
import json
import os
import re

import dagster as dg
import polars as pl
import pytest
from click.testing import CliRunner

from equity_pipeline.cli import main
from equity_pipeline.defs import history, runs
from equity_pipeline.defs.location import definitions
from equity_pipeline.defs.runs import one_partner
from equity_pipeline.domain import school_years
from equity_pipeline.extracts.intake import load_extracts
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.pseudonyms import Pseudonyms
from equity_pipeline.partners import registry
from equity_pipeline.storage import keys, trail
from equity_pipeline.warehouse.project import DUCKDB

STUDENTS = "school_year,student_id,grade_level\n2026,s1,09\n2026,s2,ninth\n2026,s3,10\n"


@pytest.fixture
def equity(home):
    """Run a command on the test's home."""

    def invoke(*arguments: str):
        command, *rest = arguments
        return CliRunner().invoke(main, [command, "--home", str(home.root), *rest])

    return invoke


def test_every_command_of_the_contract_is_there():
    assert set(main.commands) == {
        "audit", "check-delivery", "demo", "erase", "explain", "new-partner", "rekey", "rotate-key", "run", "status",
        "ui", "withdraw",
    }  # fmt: skip


def test_a_home_without_partners_is_misuse(equity):
    result = equity("run")
    assert result.exit_code == 2
    assert "new-partner" in result.output


@pytest.mark.parametrize(
    "command",
    [("run",), ("status",), ("check-delivery", __file__), ("erase",), ("withdraw", "--because", "x", "0")],
)
def test_an_unknown_partner_is_misuse(equity, add_partner, command):
    add_partner("north")
    name, *rest = command
    result = equity(name, "--partner", "south", *rest)
    assert result.exit_code == 2
    assert "no partner file for south" in result.output


def test_a_school_year_that_is_none_is_misuse(equity):
    result = equity("run", "--school-year", "2025-27")
    assert result.exit_code == 2
    assert "the years do not follow each other" in result.output


def test_a_wrong_partner_file_is_named_with_its_line_and_the_others_go_on(equity, home, add_partner):
    add_partner("north")
    path = home.partner_file("south")
    path.write_text(home.partner_file("north").read_text().replace("north", "south") + "colour: blue\n")
    result = equity("status")
    assert result.exit_code == 1
    assert re.search(r"south\.yml, line \d+: colour", result.output)


def test_check_delivery_names_rows_by_line_and_changes_nothing(equity, home, add_partner, tmp_path):
    add_partner("north")
    file = tmp_path / "students.csv"
    file.write_text(STUDENTS)
    before = sorted(home.root.rglob("*"))
    result = equity("check-delivery", "--partner", "north", str(file))
    assert result.exit_code == 0, result.output
    assert re.search(r"students\.csv, line 3: 1 rows rejected: grade_level", result.output)
    assert "ninth" not in result.output
    assert sorted(home.root.rglob("*")) == before


def test_check_delivery_calls_a_column_unused_only_where_no_source_uses_it(
    equity, home, add_partner, tmp_path
):
    add_partner("north")
    path = home.partner_file("north")
    sources = """sources:
  - {name: people, format: delimited, files: [one.csv], extract: students,
     columns: {school_year: Year, student_id: ID, grade_level: Grade}}
  - {name: stays, format: delimited, files: [one.csv], extract: school_enrollments,
     columns: {school_year: Year, student_id: ID, school_id: School, entry_date: Entered}}
"""
    path.write_text(path.read_text().partition("sources:")[0] + sources)
    file = tmp_path / "one.csv"
    file.write_text("Year,ID,Grade,School,Entered,Password\n2026,s1,09,1,2025-08-20,x\n")
    result = equity("check-delivery", "--partner", "north", str(file))
    assert result.exit_code == 0, result.output
    [told] = [line for line in result.output.splitlines() if "not used" in line]
    assert told.endswith("one.csv: not used: Password")


def test_a_file_that_is_held_back_is_not_called_accepted_and_status_says_so(equity, home, add_partner):
    add_partner("north")
    for month, rows in ((10, 40), (11, 3)):
        lines = "".join(f"2026,s{number},09\n" for number in range(rows))
        path = home.landing("north") / f"students_2025-{month}-01.csv"
        path.write_text(f"school_year,student_id,grade_level\n{lines}")
    with history.open_instance(home) as instance:
        taken = next(one_partner(instance, home, registry.load(home.partner_file("north")), (), DUCKDB))
    first, told = taken.line.splitlines()
    assert first == "files: 1 accepted, 1 held back, 0 refused, 0 unclaimed"
    assert told.startswith(
        "  students_2025-11-01.csv: does not replace the file before: 3 rows of students 2025-26"
    )
    load_extracts(home, registry.load(home.partner_file("north")), 2026)
    output = equity("status").output
    assert re.search(r"north +2025-26 +students +1 +1 +40 +40 +0 ", output)
    assert f"north: {told.strip()}" in output
    [row] = json.loads(equity("status", "--json").output)
    assert (row["deliveries"], row["held"]) == (1, 1)


def test_run_says_which_years_corrections_are_held_back(home, add_partner, monkeypatch):
    add_partner("north")
    made = {"release_id": "0" * 16, "changed": True, "school_years_held_back": ["2023-24", "2024-25"]}
    monkeypatch.setattr(runs, "execute", lambda *_, **__: runs.Outcome({"release": made}, {}))
    with history.open_instance(home) as instance:
        [step] = one_partner(instance, home, registry.load(home.partner_file("north")), (), DUCKDB)
    assert "published\n  corrections of 2023-24, 2024-25 are held back" in step.line


def test_check_delivery_of_a_file_that_nobody_claims_fails(equity, add_partner, tmp_path):
    add_partner("north")
    file = tmp_path / "letter.docx"
    file.write_bytes(b"")
    result = equity("check-delivery", "--partner", "north", str(file))
    assert result.exit_code == 1
    assert "no source" in result.output


def test_new_partner_makes_a_file_that_the_registry_reads(equity, home, tmp_path):
    file = tmp_path / "students.csv"
    file.write_text(STUDENTS)
    assert equity("new-partner", "north", "--from", str(file)).exit_code == 0
    assert home.landing("north").is_dir()
    assert equity("status").exit_code == 0
    again = equity("new-partner", "north")
    assert again.exit_code == 2
    assert "exists already" in again.output
    assert equity("new-partner", "Not A Slug").exit_code == 2


def test_explain_without_a_warehouse_says_what_to_do(equity, add_partner):
    add_partner("north")
    result = equity("explain", "--partner", "north", "ap_ib_enrollment", "black")
    assert result.exit_code == 1
    assert "equity-pipeline run --partner north" in result.output


def test_audit_of_a_folder_that_is_no_release_fails(tmp_path):
    result = CliRunner().invoke(main, ["audit", str(tmp_path)])
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_refused_files_fail_the_run_that_took_them_in_and_stand_in_the_history(equity, home, add_partner):
    add_partner("north")
    (home.landing("north") / "students.csv").write_text("school_year,student_id\n2026,s1\n")
    (home.landing("north") / "letter.docx").write_bytes(b"")
    result = equity("run")
    assert result.exit_code == 1
    assert "students.csv, line 1" in result.output and "letter.docx" in result.output
    with history.open_instance(home) as instance:
        runs = {run.job_name for run in instance.get_runs()}
        key = dg.AssetCheckKey(dg.AssetKey("deliveries"), "no_unclaimed_files")
        [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert "take_in" in runs
    assert record.status.value == "FAILED"


def test_a_first_delivery_that_counts_nobody_says_what_is_missing(equity, home, add_partner):
    add_partner("north")
    (home.landing("north") / "students.csv").write_text("school_year,student_id,grade_level\n2026,s1,09\n")
    result = equity("run")
    assert result.exit_code == 1
    assert "nothing to publish yet" in result.output and "school_enrollments" in result.output
    assert "unexpected" not in result.output


def test_the_ui_is_for_this_machine_only(equity, home, monkeypatch):
    started = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append(arguments))
    assert equity("ui").exit_code == 0
    [arguments] = started
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1"
    assert equity("ui", "--host", "0.0.0.0").exit_code == 2


def test_a_new_key_is_put_on_record_and_what_the_next_run_makes_has_no_old_pseudonym(
    equity, home, add_partner
):
    add_partner("north")
    (home.landing("north") / "students.csv").write_text("school_year,student_id,grade_level\n2026,s1,09\n")
    equity("run")

    def hers():
        return Pseudonyms(keys.key(home, "north")).person("s1")

    def stored():
        [path] = home.extract("students", "north", 2026).glob("*.parquet")
        return pl.read_parquet(path, hive_partitioning=False)["student_id"].to_list()

    before = hers()
    assert stored() == [before]
    assert equity("rotate-key", "--partner", "north").exit_code == 0
    equity("run")
    assert stored() == [hers()] != [before]
    assert [entry["action"] for entry in trail.entries(home, "rotated key", "north")] == ["rotated key"]


def test_the_nightly_job_removes_what_a_partner_keeps_no_longer(equity, home, add_partner):
    """As the daemon runs it: by the schedule that is on from the start."""
    add_partner("north")
    now = school_years.of_date(dt.date.today())
    for year in (now - 3, now):
        rows = f"school_year,student_id,grade_level\n{year},s{year},09\n"
        (home.landing("north") / f"students_{year}.csv").write_text(rows)
    equity("run")
    with home.partner_file("north").open("a") as file:
        file.write("retention: {school_years: 2}\n")
    location = definitions(home, dt.date.today(), "prod")
    nightly = location.resolve_schedule_def("retention_nightly")
    assert nightly.default_status is dg.DefaultScheduleStatus.RUNNING
    with history.open_instance(home) as instance:
        assert location.resolve_job_def(nightly.job.name).execute_in_process(instance=instance).success
    assert [path.name for path in home.landing("north").iterdir()] == [f"students_{now}.csv"]
    assert not home.extract("students", "north", now - 3).exists()
    assert home.extract("students", "north", now).exists()
    [receipt] = home.erasures.iterdir()
    assert json.loads(receipt.read_text())["older_than"] == now - 1


def test_erase_removes_every_trace_but_the_receipt(equity, home, add_partner):
    add_partner("north")
    add_partner("south")
    for partner_id in ("north", "south"):
        (home.landing(partner_id) / "letter.docx").write_bytes(b"a letter")
        home.extract("students", partner_id, 2026).mkdir(parents=True)
    equity("run")
    result = equity("erase", "--partner", "north")
    assert result.exit_code == 0, result.output
    assert not any(path.exists() for path in [*home.folders_of("north"), home.partner_file("north")])
    assert all(path.exists() for path in (home.landing("south"), home.extract("students", "south", 2026)))
    assert Ledger(home).deliveries("north") == []
    assert len(Ledger(home).deliveries("south")) == 1
    [receipt] = home.erasures.iterdir()
    assert json.loads(receipt.read_text())["partner_id"] == "north"
    assert equity("erase", "--partner", "north").exit_code == 2


def test_status_tells_what_is_overdue(equity, home, add_partner):
    add_partner("north")
    with home.partner_file("north").open("a") as file:
        file.write("expected: {students: 10-15}\n")
    rows = json.loads(equity("status", "--json").output)
    assert {(row["extract"], row["overdue"]) for row in rows} == {("students", True)}
    assert min(row["school_year"] for row in rows) == 2022
