"""The history of a team's installation, in a real PostgreSQL that is started for these tests."""

import contextlib
from pathlib import Path

import dagster as dg
from click.testing import CliRunner
from sqlalchemy import create_engine, inspect, text

from equity_pipeline.cli import main
from equity_pipeline.defs import history
from equity_pipeline.defs.jobs import TAKE_IN
from equity_pipeline.defs.runs import execute
from tests.processes import start


def test_a_run_and_its_checks_stand_in_postgres_and_not_in_the_home(home, add_partner, postgres, monkeypatch):
    monkeypatch.setenv(history.POSTGRES_URL, postgres)
    add_partner("north")
    (home.landing("north") / "letter.docx").write_bytes(b"Dear all")
    with history.open_instance(home) as instance:
        execute(instance, home, TAKE_IN, partition_key="north")
    assert postgres not in (home.dagster / "dagster.yaml").read_text()
    assert not (home.dagster / "history").exists()
    with history.open_instance(home) as instance:
        [run] = instance.get_runs()
        assert run.is_success and run.tags["dagster/partition"] == "north"
        key = dg.AssetCheckKey(dg.AssetKey("deliveries"), "no_unclaimed_files")
        [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert (record.partition, record.status.value) == ("north", "FAILED")


def test_two_processes_write_one_history_at_the_same_time(home, add_partner, postgres, monkeypatch):
    monkeypatch.setenv(history.POSTGRES_URL, postgres)
    for partner_id in ("east", "west"):
        add_partner(partner_id)
        (home.landing(partner_id) / "letter.docx").write_bytes(b"Dear all")
    for run in [start(home, "run", "--partner", partner_id) for partner_id in ("east", "west")]:
        run.communicate()  # it complains of the letter, which is not the matter here
    with history.open_instance(home) as instance:
        runs = {(run.job_name, run.tags["partner"]) for run in instance.get_runs() if "partner" in run.tags}
    assert runs == {("take_in", "east"), ("take_in", "west"), ("refresh", "east"), ("refresh", "west")}


def test_of_an_erased_partner_no_table_and_no_file_of_the_database_knows_a_word(
    home, add_partner, postgres, monkeypatch
):
    """Neither as a row nor as what PostgreSQL leaves of one; its write-ahead log is written over in time."""
    monkeypatch.setenv(history.POSTGRES_URL, postgres)
    for partner_id in ("kanari", "south"):
        add_partner(partner_id)
        (home.landing(partner_id) / f"letter_of_{partner_id}.docx").write_bytes(b"Dear all")
    with history.open_instance(home) as instance:
        with create_engine(postgres).begin() as database:  # so that a search of bytes finds words
            for column in ("event_logs alter event", "asset_check_executions alter evaluation_event"):
                database.execute(text(f"alter table {column} set storage external"))
        for partner_id in ("kanari", "south"):
            execute(instance, home, TAKE_IN, partition_key=partner_id)

    def left(word):
        """Tables with a row, and files with a byte string, that hold a word."""
        with create_engine(postgres, isolation_level="AUTOCOMMIT").connect() as database:
            rows = "select count(*) from {0} as t where t::text like '%' || :word || '%'"
            tables = [
                table for table in inspect(database).get_table_names()
                if database.execute(text(rows.format(table)), {"word": word}).scalar()
            ]  # fmt: skip
            database.execute(text("CHECKPOINT"))  # what lies in memory is written
            [folder] = database.execute(text("show data_directory")).one()
        files = [path for path in (Path(folder) / "base").rglob("*") if path.is_file()]
        return tables, [path for path in files if word.encode() in content(path)]

    def content(path):
        """The server removes and renews files of its own while they are read."""
        with contextlib.suppress(FileNotFoundError):
            return path.read_bytes()
        return b""

    for partner_id in ("kanari", "south"):
        assert all(left(f"letter_of_{partner_id}.docx"))
    done = CliRunner().invoke(main, ["erase", "--home", str(home.root), "--partner", "kanari"])
    assert done.exit_code == 0, done.output
    assert left("letter_of_kanari") == ([], [])
    assert all(left("letter_of_south.docx"))
    with history.open_instance(home) as instance:
        assert "south" in {run.tags.get("dagster/partition") for run in instance.get_runs()}
