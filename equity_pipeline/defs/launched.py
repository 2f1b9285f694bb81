"""How a run stands in the record of who did what, and how it is noticed that its process has died.

Belongs here: what is the same for every run, whoever launched it. Does not belong here: what a run does.

A run that works holds a lock that the kernel frees when its process ends, however that was: `kill -9`, no memory, no power.
Dagster's own launcher asks nobody, and the run of such a process would stay "started" for ever, and with it the one place
that its partner has in the queue.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

from equity_pipeline.defs.partitions import PARTITION, RANGE, found_by
from equity_pipeline.storage import trail
from equity_pipeline.storage.home import Home

if TYPE_CHECKING:
    from dagster._core.execution.context.system import PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan

STARTED_BY = "started_by"
COMMAND_LINE = "command line"
_STARTERS = ("dagster/backfill", "dagster/schedule_name", "dagster/sensor_name")


@contextlib.contextmanager
def at_work(home: Home, run_id: str, job_name: str, tags: Mapping[str, str]) -> Iterator[None]:
    """Put on record that a run has begun and who started it, and let `died` know for how long it works."""
    partition = tags.get(PARTITION) or " to ".join(tags[end] for end in RANGE if end in tags) or None
    trail.log(home, "ran", job=job_name, partition=partition, started_by=_started_by(tags))
    lock = _lock(home, run_id)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            lock.unlink()


def died(home: Home, run_id: str) -> bool:
    """Whether a run's process has ended in the middle of its work."""
    with contextlib.suppress(FileNotFoundError, BlockingIOError), _lock(home, run_id).open() as handle:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    return False


def _lock(home: Home, run_id: str) -> Path:
    return home.lock(f"run-{run_id}")  # no partner's: their ids have no dash


def _started_by(tags: Mapping[str, str]) -> str:
    found = (
        f"{tag.removeprefix('dagster/').removesuffix('_name')} {tags[tag]}"
        for tag in _STARTERS
        if tag in tags
    )
    return tags.get(STARTED_BY) or next(found, "UI")


class _Recorded(InProcessExecutor):
    """Executes the steps of a run within one process, `at_work` around them."""

    def __init__(self, home: Home) -> None:
        super().__init__(RetryMode.ENABLED)
        self._home = home

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """All steps, one after the other."""
        run = plan_context.dagster_run
        plan_context.instance.add_run_tags(run.run_id, found_by(run.tags))
        with at_work(self._home, run.run_id, run.job_name, run.tags):
            yield from super().execute(plan_context, execution_plan)


def executor(home: Home) -> dg.ExecutorDefinition:
    """What executes launched runs: a run has a process of its own already, and its steps follow each other in it."""
    return dg.ExecutorDefinition("in_process", executor_creation_fn=lambda _: _Recorded(home))


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Launches runs on this machine, and tells the daemon of those whose process has died: also of the command line's."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """The daemon asks every two minutes."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed where the process has died."""
        if died(Home.resolve(), run.run_id):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process has died")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
