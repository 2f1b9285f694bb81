"""Two real daemons on one home, by mistake: each looks at every sensor, and both launch runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from equity_pipeline import sample
from equity_pipeline.defs import history
from equity_pipeline.defs.runs import one_partner
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners import registry
from equity_pipeline.publishing.release import is_published
from equity_pipeline.stewardship.status import latest_release
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse.project import DUCKDB

PARTNER = "prairie_rose_sd"
PATIENCE_SECONDS = 600  # sensors tick every 30 s, and a machine that tests in parallel is slow


@pytest.fixture
def delivered(home, tmp_path, monkeypatch):
    """A home with one small sample partner, nothing taken in yet, and another with the same that was run by one process."""
    original, undisturbed = Home(tmp_path / "sample"), Home(tmp_path / "undisturbed")
    sample.write(original, scale=0.02)
    for one in (undisturbed, home):
        one.partners.mkdir(parents=True)
        shutil.copy(original.partner_file(PARTNER), one.partner_file(PARTNER))
        shutil.copytree(original.landing(PARTNER), one.landing(PARTNER))
    with history.open_instance(undisturbed) as instance:
        list(one_partner(instance, undisturbed, registry.load(undisturbed.partner_file(PARTNER)), (), DUCKDB))
    monkeypatch.setenv("EQUITY_ENVIRONMENT", "dev")
    history.open_instance(home).dispose()  # makes the tables, and points the environment at this home
    return home, undisturbed


@pytest.fixture
def daemons(delivered, tmp_path):
    """Two daemons with a code location each."""
    running = []
    for number in range(2):
        with (tmp_path / f"daemon_{number}.log").open("w") as log:
            command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "equity_pipeline.definitions"]
            running.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
    yield running
    for daemon in running:
        os.killpg(daemon.pid, signal.SIGTERM)
    for daemon in running:
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)


def _told(instance: dg.DagsterInstance, logs: Path) -> str:
    """What stood still, for whoever reads of the failure."""
    runs = [f"{run.run_id[:8]} {run.job_name} {run.status.value}" for run in instance.get_runs()]
    last = [
        f"{log.name}: {line}"
        for log in sorted(logs.glob("daemon_*.log"))
        for line in log.read_text().splitlines()[-40:]
    ]
    return "\n".join(["nothing was published in time", *runs, *last])


@pytest.mark.slow
def test_two_daemons_publish_what_one_process_does(delivered, daemons, tmp_path):
    home, undisturbed = delivered
    partner = registry.load(home.partner_file(PARTNER))
    end = time.monotonic() + PATIENCE_SECONDS
    with history.open_instance(home) as instance:
        runs: list[dg.DagsterRun] = []
        # A run stands as "not started" between being made and being queued: only a finished one is no longer under way.
        while not (is_published(home, partner) and all(run.is_finished for run in runs)):
            assert time.monotonic() < end, _told(instance, tmp_path)
            assert all(daemon.poll() is None for daemon in daemons)
            time.sleep(2)
            runs = list(instance.get_runs())
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}, [
        (run.job_name, run.status) for run in runs
    ]
    ledger, expected = Ledger(home), Ledger(undisturbed)
    assert ledger.counts(PARTNER) == expected.counts(PARTNER)
    assert len(ledger.deliveries(PARTNER)) == len(expected.deliveries(PARTNER))
    assert latest_release(home, PARTNER) == latest_release(undisturbed, PARTNER)
