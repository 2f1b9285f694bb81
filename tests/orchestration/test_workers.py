"""Many partners on several workers, one of which is killed: real PostgreSQL, Redis, daemon and worker processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from equity_pipeline import sample
from equity_pipeline.defs import history
from equity_pipeline.defs.jobs import REFRESH
from equity_pipeline.extracts import intake
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners import registry
from equity_pipeline.publishing.release import is_published
from equity_pipeline.storage.home import CELERY_URL, Home

PARTNERS = int(os.environ.get("EQUITY_REHEARSED_PARTNERS", "6"))
PATIENCE_SECONDS = 300 + 60 * PARTNERS
MODULE = ["-m", "equity_pipeline.definitions"]


@pytest.fixture
def districts(home, tmp_path) -> list[str]:
    """Partners that send counts, loaded and not yet built: one small sample district under many names."""
    original = Home(tmp_path / "sample")
    sample.write(original, scale=0.02)
    named = [f"district_{number:02}" for number in range(PARTNERS)]
    home.partners.mkdir(parents=True)
    for partner_id in named:
        text = original.partner_file("prairie_rose_sd").read_text().replace("prairie_rose_sd", partner_id)
        home.partner_file(partner_id).write_text(text)
        shutil.copytree(original.landing("prairie_rose_sd"), home.landing(partner_id))
        partner = registry.load(home.partner_file(partner_id))
        intake.take_delivery(home, partner)
        for school_year in Ledger(home).pending(partner_id):
            intake.load_extracts(home, partner, school_year)
    return named


@pytest.fixture
def services(home, postgres, redis, monkeypatch):
    """A function: start a program of this installation with arguments; all are stopped in the end."""
    pytest.importorskip("dagster_celery", reason="no Celery: make test-workers")
    monkeypatch.setenv(history.POSTGRES_URL, postgres)
    monkeypatch.setenv(CELERY_URL, redis)
    monkeypatch.setenv(history.CONCURRENT_RUNS, "2")
    monkeypatch.setenv("EQUITY_ENVIRONMENT", "ci")
    history.open_instance(home).dispose()  # makes the tables, and points the environment at this home
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        log = (home.dagster / f"service-{len(running)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=log, stderr=log, start_new_session=True, cwd=Path.cwd()
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def worker(services, name: str) -> subprocess.Popen[bytes]:
    return services(
        "celery", "-A", "equity_pipeline.defs.workers", "worker", "-n", f"{name}@%h", "-Q", "dagster", "--concurrency", "1"
    )  # fmt: skip


def backfill(partner_ids: list[str]) -> None:
    line = [
        "dagster",
        "job",
        "backfill",
        *MODULE,
        "-j",
        REFRESH,
        "--partitions",
        ",".join(partner_ids),
        "--noprompt",
    ]
    subprocess.run([sys.executable, "-m", *line], check=True, capture_output=True)


def refreshes(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return instance.get_runs(dg.RunsFilter(job_name=REFRESH))


def is_at_work(name: str) -> bool:
    from equity_pipeline.defs.workers import app  # reads its Redis from the environment

    return any(
        tasks
        for one, tasks in (app.control.inspect(timeout=5).active() or {}).items()
        if one.startswith(f"{name}@")
    )


def wait_for(what, says) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < deadline, says()
        time.sleep(2)


def test_a_killed_worker_costs_no_partner_its_release_and_gives_none_two(home, districts, services):
    first, _ = worker(services, "first"), worker(services, "second")
    services("dagster._daemon", "run", *MODULE)
    backfill(districts)
    with history.open_instance(home) as instance:

        def states() -> Counter[str]:
            return Counter(run.status.value for run in refreshes(instance))

        wait_for(lambda: states()["SUCCESS"] >= PARTNERS // 3 and is_at_work("first"), states)
        os.killpg(first.pid, signal.SIGKILL)
        wait_for(lambda: states()["SUCCESS"] + states()["FAILURE"] >= PARTNERS, states)
        done = {run.tags["dagster/partition"] for run in refreshes(instance) if run.is_success}
        if left := sorted(set(districts) - done):  # Dagster does no run of a backfill again by itself
            backfill(left)
        wait_for(lambda: states()["SUCCESS"] >= PARTNERS, states)

        ended_well = Counter(run.tags["dagster/partition"] for run in refreshes(instance) if run.is_success)
        assert ended_well == dict.fromkeys(districts, 1), states()
        assert states()["FAILURE"] <= 1, states()  # the run of the killed worker, which was done again
        for partner_id in districts:
            assert is_published(home, registry.load(home.partner_file(partner_id)))
            releases = [path for path in home.releases(partner_id).iterdir() if path.name != "latest"]
            assert [path.name for path in releases] == [(home.releases(partner_id) / "latest").resolve().name]
