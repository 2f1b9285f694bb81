"""Runs on the workers of several machines: each run of a partner is one task of Celery, kept in Redis.

`celery -A equity_pipeline.defs.workers worker` is a worker; `EQUITY_CELERY_URL` names the Redis. Belongs here: how a run gets to
a worker and how a dead worker is noticed. Does not belong here: what a run does.
"""

from __future__ import annotations

import os

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.make_app import make_app
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from dagster_celery.tasks import create_execute_job_task

from equity_pipeline.storage.home import CELERY_URL

_PATIENCE_SECONDS = 10

app = make_app({"broker": os.environ.get(CELERY_URL), "backend": os.environ.get(CELERY_URL)})
app.conf.update(
    worker_prefetch_multiplier=1,  # what one worker can't begin yet is for the others
    worker_max_tasks_per_child=1,  # a run sees the partners and school years of its own day
)
execute_job = create_execute_job_task(app)


class WatchedCeleryRunLauncher(CeleryRunLauncher):
    """Asks the worker of a run whether it lives.

    The stock launcher believes what the result store was told last, so that the run of a worker that was killed would stay
    "started" for ever. Failed, it is tried once more (`run_retries` in history.py) by another worker.
    """

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed where the worker of a running run does not answer."""
        told: CheckRunHealthResult = super().check_run_worker_health(run)
        if told.status is not WorkerStatus.RUNNING:
            return told
        worker = self.celery.AsyncResult(run.tags[DAGSTER_CELERY_TASK_ID_TAG]).info["hostname"]
        if self.celery.control.ping([worker], timeout=_PATIENCE_SECONDS):
            return told
        return CheckRunHealthResult(WorkerStatus.FAILED, f"worker {worker} does not answer")
