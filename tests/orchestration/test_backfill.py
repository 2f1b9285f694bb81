"""A backfill over partners and school years, as the UI launches it and the daemon drives it: fair, stopped, resumed, and
seen to its end."""

from __future__ import annotations

import logging

import dagster as dg
import pytest
import yaml
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.execution.job_backfill import execute_job_backfill_iteration
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from equity_pipeline.defs import history
from equity_pipeline.defs.jobs import LOAD
from equity_pipeline.extracts import intake, ledger
from equity_pipeline.partners import registry
from equity_pipeline.storage import trail

PARTNERS, YEARS = ("east", "north", "west"), (2025, 2026)
KEYS = [f"{partner}|{year - 1}-{year % 100}" for partner in PARTNERS for year in YEARS]
IN_THIS_PROCESS = {
    "module": "dagster._core.launcher.sync_in_memory_run_launcher",
    "class": "SyncInMemoryRunLauncher",
}


class Daemon:
    """Drives a home's backfills and queue by hand; `done` are the partitions whose runs succeeded, in order."""

    def __init__(self, instance, workspace):
        self.instance, self.workspace = instance, workspace
        self.queue = QueuedRunCoordinatorDaemon(interval_seconds=1)

    def launch(self, name, keys):
        """As *Jobs* → `load` → *Launch backfill* does."""
        [location] = self.workspace.create_request_context().code_locations
        [repository] = location.get_repositories().values()
        [of_load] = [one for one in repository.get_partition_sets() if one.job_name == LOAD]
        self.instance.add_backfill(
            PartitionBackfill(
                backfill_id=name, status=BulkActionStatus.REQUESTED, from_failure=False, tags={}, title=name,
                backfill_timestamp=0.0, partition_set_origin=of_load.get_remote_origin(), partition_names=keys,
            )
        )  # fmt: skip

    def tick(self, runs=0):
        for backfill in self.instance.get_backfills():
            if backfill.status not in (BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.CANCELED):
                execute_job_backfill_iteration(
                    backfill, logging.getLogger("test"), self.workspace, None, self.instance
                )
        for _ in range(runs):
            list(self.queue.run_iteration(self.workspace))

    def cancel(self, name):
        backfill = self.instance.get_backfill(name)
        self.instance.update_backfill(backfill.with_status(BulkActionStatus.CANCELING))

    def status(self, name):
        return self.instance.get_backfill(name).status

    @property
    def done(self):
        ended = self.instance.get_run_records(
            dg.RunsFilter(job_name=LOAD, statuses=[dg.DagsterRunStatus.SUCCESS]), ascending=True, order_by="start_time"
        )  # fmt: skip
        return [
            one.dagster_run.tags["dagster/partition"] for one in sorted(ended, key=lambda one: one.start_time)
        ]


@pytest.fixture
def daemon(home, add_partner, monkeypatch):
    for partner in PARTNERS:
        add_partner(partner, "2024-25")
        rows = "".join(f"{year},s{number},09\n" for year in YEARS for number in range(3))
        (home.landing(partner) / "students.csv").write_text("school_year,student_id,grade_level\n" + rows)
        intake.take_delivery(home, registry.load(home.partner_file(partner)))
    for name in ("DAGSTER_HOME", "EQUITY_HOME", "DAGSTER_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")  # what `prepare` sets is gone after the test
    history.prepare(home)
    said = history.settings(home) | {"run_launcher": IN_THIS_PROCESS}
    said["concurrency"]["runs"]["max_concurrent_runs"] = 1
    (home.dagster / "dagster.yaml").write_text(yaml.safe_dump(said))
    target = ModuleTarget("equity_pipeline.definitions", None, None, "equity_pipeline")
    with (
        dg.DagsterInstance.from_config(str(home.dagster)) as instance,
        create_test_daemon_workspace_context(target, instance) as workspace,
    ):
        yield Daemon(instance, workspace)


def test_a_backfill_is_fair_can_be_stopped_and_resumed_and_comes_to_its_end(daemon, home):
    daemon.launch("first", KEYS)
    daemon.tick(runs=4)
    newest, next_newest = ([f"{partner}|{year}" for partner in PARTNERS] for year in ("2025-26", "2024-25"))
    assert daemon.done == [*newest, next_newest[0]]

    daemon.cancel("first")
    daemon.tick(runs=3)
    daemon.tick()
    assert daemon.status("first") == BulkActionStatus.CANCELED
    assert len(daemon.done) == 4, "nothing begins after the stop"
    assert not daemon.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))

    daemon.launch("second", sorted(set(KEYS) - set(daemon.done)))
    daemon.tick(runs=2)
    daemon.tick()
    assert daemon.status("second") == BulkActionStatus.COMPLETED_SUCCESS
    assert sorted(daemon.done) == sorted(KEYS)
    assert daemon.done[4:6] == next_newest[1:]
    for partner in PARTNERS:
        assert ledger.Ledger(home).pending(partner) == set()
        assert len(list((home.root / "extracts/students" / f"partner_id={partner}").iterdir())) == len(YEARS)
    assert {
        one.tags["partner"] + one.tags["school_year"]
        for one in daemon.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    } == {key.replace("|", "") for key in KEYS}
    ran = [entry["detail"] for entry in trail.entries(home, "ran")]
    assert [one["partition"] for one in ran] == daemon.done
    assert [one["started_by"] for one in ran] == ["backfill first"] * 4 + ["backfill second"] * 2
