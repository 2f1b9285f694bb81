"""What starts work: the weekly schedule is the backbone, the sensors make it prompt.

The ledger's content hashes are the truth about what has been taken in; everything here is only a hint to look, so a
missed tick or a doubled run changes nothing. Sensors give no run keys: Dagster remembers them for ever, and a partner that was
erased and delivers the same files again would be dropped in silence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import dagster as dg

from equity_pipeline.defs.jobs import LOAD, NETWORK, REFRESH, TAKE_IN
from equity_pipeline.defs.partitions import PARTNER, RANGE_END, RANGE_START, range_tags, year_ranges
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.storage.home import Home

COMMAND_LINE = {"started_by": "command line"}


def landing_digest(folder: Path) -> str | None:
    """Names, sizes and modification stamps of what lies in a landing folder, as one hash; None when it is empty.

    Files that begin with `.` are still being written by some copying programs and do not count.
    """
    files = [
        (str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest() if files else None


def landed(cursor: str | None, digests: dict[str, str | None]) -> tuple[str, list[str]]:
    """The next cursor, and the partners whose landing folder has changed since it was last asked for and has then
    stayed the same for one whole tick: a file that is still being copied waits."""
    before = json.loads(cursor) if cursor else {}
    after, ready = {}, []
    for partner_id, digest in sorted(digests.items()):
        known = before.get(partner_id, {})
        asked = known.get("asked")
        if digest and digest != asked and digest == known.get("seen"):
            ready.append(partner_id)
            asked = digest
        after[partner_id] = {"seen": digest, "asked": asked}
    return json.dumps(after, sort_keys=True), ready


def take_in_request(partner_id: str, run_key: str | None = None) -> dg.RunRequest:
    return dg.RunRequest(run_key, job_name=TAKE_IN, partition_key=partner_id, tags={PARTNER: partner_id})


def refresh_request(partner_id: str) -> dg.RunRequest:
    return dg.RunRequest(job_name=REFRESH, partition_key=partner_id, tags={PARTNER: partner_id})


def load_requests(partner_id: str, years: Iterable[int]) -> Iterator[dg.RunRequest]:
    """One run for each unbroken stretch of school years: a file is then read once for all of them."""
    for first, last in year_ranges(years):
        yield dg.RunRequest(job_name=LOAD, tags=range_tags(partner_id, first, last))


def partners_of(tags: Mapping[str, str], partner_ids: Iterable[str]) -> list[str]:
    """The partners that a run worked for, whether it had one partition or a range of them."""
    first = tags.get(RANGE_START) or tags["dagster/partition"]
    last = tags.get(RANGE_END) or first
    return [
        partner for partner in sorted(partner_ids) if first.split("|")[0] <= partner <= last.split("|")[0]
    ]


def automation(
    home: Home, partner_ids: list[str], jobs: list[dg.UnresolvedAssetJobDefinition]
) -> tuple[list[dg.SensorDefinition], list[dg.ScheduleDefinition]]:
    """All sensors and schedules of a home."""
    take_in, load, refresh, network = jobs

    @dg.sensor(
        job=take_in,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes in what partners put into landing/, once it has stopped changing.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        digests = {partner_id: landing_digest(home.landing(partner_id)) for partner_id in partner_ids}
        cursor, ready = landed(context.cursor, digests)
        return dg.SensorResult(
            run_requests=[take_in_request(partner_id) for partner_id in ready], cursor=cursor
        )

    @dg.schedule(
        job=take_in,
        cron_schedule="0 10 * * 1",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every Monday all partners go the whole way, so that nothing a sensor missed stays undone.",
    )
    def weekly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        # A schedule's run key is remembered for its own tick only.
        return [take_in_request(partner_id, run_key=partner_id) for partner_id in partner_ids]

    def after(
        job: dg.UnresolvedAssetJobDefinition,
        requests: list[dg.UnresolvedAssetJobDefinition],
        next_runs: Callable[[str], Iterable[dg.RunRequest]],
    ) -> dg.SensorDefinition:
        """A run that a command started is followed by that command; all others are followed up here."""

        @dg.run_status_sensor(
            name=f"after_{job.name}",
            run_status=dg.DagsterRunStatus.SUCCESS,
            monitored_jobs=[job],
            request_jobs=requests,
            default_status=dg.DefaultSensorStatus.RUNNING,
            description=f"Goes on after `{job.name}`: "
            + " or ".join(f"`{job.name}`" for job in requests)
            + ".",
        )
        def follow(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest]:
            tags = context.dagster_run.tags
            if not COMMAND_LINE.items() <= tags.items():
                for partner_id in partners_of(tags, partner_ids):
                    yield from next_runs(partner_id)

        return follow

    def load_or_refresh(partner_id: str) -> Iterable[dg.RunRequest]:
        return list(load_requests(partner_id, Ledger(home).pending(partner_id))) or [
            refresh_request(partner_id)
        ]

    return [
        landing,
        after(take_in, [load, refresh], load_or_refresh),
        after(load, [refresh], lambda partner_id: [refresh_request(partner_id)]),
        after(refresh, [network], lambda partner_id: [dg.RunRequest(job_name=NETWORK)]),
    ], [weekly]
