import contextlib
import sqlite3

import dagster as dg
import yaml

from equity_pipeline.defs import history
from equity_pipeline.storage.home import Home


@dg.op
def work():
    pass


@dg.job
def job():
    work()


def test_dagster_yaml_switches_telemetry_off_and_lets_one_run_work_for_a_partner(home, monkeypatch):
    history.prepare(home)
    written = yaml.safe_load((home.dagster / "dagster.yaml").read_text())
    assert written["telemetry"] == {"enabled": False}
    limits = written["concurrency"]["runs"]["tag_concurrency_limits"]
    assert {"key": "partner", "value": {"applyLimitPerUniqueValue": True}, "limit": 1} in limits
    assert 0 < written["run_retries"]["max_retries"] <= 2
    assert written["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert written["run_monitoring"]["free_slots_after_run_end_seconds"] > 0


def test_the_event_log_kept_open_holds_what_the_stock_one_reads(home):
    with history.open_instance(home) as instance:
        runs = [job.execute_in_process(instance=instance).run_id for _ in range(10)]
    kept_open = made(home, runs[0])
    stock = home.dagster / "stock"
    stock.mkdir()
    (stock / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        f"run_storage: {{module: dagster._core.storage.runs, class: SqliteRunStorage, "
        f"config: {{base_dir: {home.dagster / 'history'}}}}}\n"
        f"event_log_storage: {{module: dagster._core.storage.event_log, class: SqliteEventLogStorage, "
        f"config: {{base_dir: {home.dagster / 'history' / 'runs'}}}}}\n"
    )
    with dg.DagsterInstance.from_config(str(stock)) as instance:
        assert sorted(record.dagster_run.run_id for record in instance.get_run_records()) == sorted(runs)
        for run_id in runs:
            kinds = {record.dagster_event.event_type_value for record in instance.all_logs(run_id)}
            assert {"PIPELINE_START", "STEP_SUCCESS", "PIPELINE_SUCCESS"} <= kinds
        of_stock = job.execute_in_process(instance=instance).run_id
    assert kept_open == made(home, of_stock)  # so that Dagster can migrate the one like the other


def made(home: Home, run_id: str) -> tuple[list, ...]:
    """Tables and indexes of a run's file, the revision that it stands at, and its journal."""
    with contextlib.closing(sqlite3.connect(home.dagster / "history" / "runs" / f"{run_id}.db")) as file:
        asked = (
            "select type, name, sql from sqlite_master",
            "select version_num from alembic_version",
            "pragma journal_mode",
        )
        return tuple(sorted(file.execute(one).fetchall(), key=repr) for one in asked)


def test_only_the_newest_event_files_stay_open(home):
    with history.open_instance(home) as instance:
        for _ in range(12):
            job.execute_in_process(instance=instance)
        assert len(instance.event_log_storage._engines) <= 8


def test_a_moved_home_gets_its_own_settings(home, tmp_path):
    history.prepare(home)
    home.root.rename(tmp_path / "moved")
    moved = Home(tmp_path / "moved")
    history.prepare(moved)
    assert str(moved.dagster) in (moved.dagster / "dagster.yaml").read_text()
