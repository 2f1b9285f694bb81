"""What starts work. The ledger's content hashes are the truth about what has been taken in; everything here is a hint to
look, so a missed tick or a doubled run changes nothing.

    landing/ changed, then stable      `landing`     → take_in
    taken in, not yet loaded           `due`         → load
    loaded, not yet published          `due`         → refresh: what conditions missed
    extracts or partner file changed   `conditions`  → warehouse → release → network_release   (conditions.py)
    every night, Monday, school term   `nightly_…`, `weekly_…`, `term_…` per time zone → take_in: what a sensor missed

Sensors give no run keys: Dagster remembers them for ever, and a partner that was erased and delivers the same files again
would be dropped in silence. Nothing compares clock times: a clock that is set back delays nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import dagster as dg

from equity_pipeline.defs import alerts
from equity_pipeline.defs.calendar import SCHEDULES, moment_on
from equity_pipeline.defs.ingest import DELIVERIES
from equity_pipeline.defs.jobs import DUE_DATES, LOAD, REFRESH, TAKE_IN
from equity_pipeline.defs.partitions import PARTNER, range_tags, year_ranges
from equity_pipeline.defs.transform import PARTNER_FILE
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts import intake
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners import registry
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing.release import is_published
from equity_pipeline.storage.home import Home

ENVIRONMENTS: Mapping[str, frozenset[str]] = {
    "ci": frozenset(),
    "dev": frozenset({"landing", "due", "conditions"}),
    "prod": frozenset({"landing", "due", "conditions", "nightly", "weekly", "term", "due_dates", "alerts"}),
}
"""Environment → the schedules and sensors that exist there. What is not declared is absent, not switched off."""

AT_ONCE = (
    20  # partners looked into in one tick of a sensor: hashing what thousands of files hold takes its time
)
PROMPT = {"dagster/priority": "1"}  # what was delivered today goes before the runs of a backfill
_BUSY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def landing_digest(folder: Path) -> str | None:
    """Names, sizes and stamps of what lies in a landing folder, as one hash; None when it is empty.

    Stamps are compared with themselves only; the change stamp and the file's number see a file that was replaced by one
    of the same length and date. Files that begin with `.` are still being written by some copying programs and do
    not count; one that vanishes while it is looked at is one more reason to look again.
    """
    files = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") for part in parts) and (stamp := _stamp(path)):
            files.append(("/".join(parts), *stamp))
    return hashlib.sha256(json.dumps(files).encode()).hexdigest() if files else None


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        if not path.is_file():
            return None
        found = path.stat()
    except OSError:
        return (0,)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def landed(
    cursor: str | None, digests: Mapping[str, str | None], at_once: int = AT_ONCE
) -> tuple[str, list[str]]:
    """The next cursor, and the partners whose landing folder has changed since it was last looked into and has then
    stayed the same for one whole tick: a file that is still being copied waits. At most `at_once` of them; the others
    are ready at the next tick still."""
    before = json.loads(cursor) if cursor else {}
    after: dict[str, dict[str, str | None]] = {}
    ready: list[str] = []
    for partner_id, digest in sorted(digests.items()):
        known = before.get(partner_id, {})
        asked = known.get("asked")
        if digest and digest != asked and digest == known.get("seen") and len(ready) < at_once:
            ready.append(partner_id)
            asked = digest
        after[partner_id] = {"seen": digest, "asked": asked}
    return json.dumps(after, sort_keys=True), ready


def take_in_request(
    partner_id: str, tags: Mapping[str, str] = PROMPT, run_key: str | None = None
) -> dg.RunRequest:
    """A run that takes in what lies in the partner's landing folder."""
    return dg.RunRequest(
        run_key, job_name=TAKE_IN, partition_key=partner_id, tags={PARTNER: partner_id, **tags}
    )


def refresh_request(partner_id: str) -> dg.RunRequest:
    """A run that builds the partner's warehouse and publishes."""
    return dg.RunRequest(job_name=REFRESH, partition_key=partner_id, tags={PARTNER: partner_id, **PROMPT})


def load_requests(partner_id: str, years: Iterable[int]) -> Iterator[dg.RunRequest]:
    """One run for each unbroken stretch of school years: a file is then read once for all of them."""
    for first, last in year_ranges(years):
        yield dg.RunRequest(job_name=LOAD, tags=range_tags(partner_id, first, last) | PROMPT)


def automation(
    home: Home,
    partners: Mapping[str, Partner],
    jobs: list[dg.UnresolvedAssetJobDefinition],
    environment: str,
) -> tuple[list[dg.SensorDefinition], list[dg.ScheduleDefinition]]:
    """The sensors and schedules that `environment` declares.

    Raises:
        EquityError: there is no such environment.
    """
    if environment not in ENVIRONMENTS:
        raise EquityError(f"EQUITY_ENVIRONMENT is {environment!r}; it is one of {', '.join(ENVIRONMENTS)}")
    declared = ENVIRONMENTS[environment]
    by_name = {job.name: job for job in jobs}
    sensors: dict[str, Callable[[], dg.SensorDefinition]] = {
        "landing": lambda: _landing(home, partners, by_name[TAKE_IN]),
        "due": lambda: _due(home, partners, by_name[LOAD], by_name[REFRESH]),
        "conditions": _conditions,
        "alerts": lambda: alerts.sensor(home),
    }
    zones = sorted({partner.timezone for partner in partners.values()})
    schedules = [
        _looking(home, partners, zone, by_name[TAKE_IN], kind)
        for kind in ("nightly", "weekly", "term")
        for zone in zones
        if kind in declared
    ]
    if "due_dates" in declared:
        schedules.append(
            dg.ScheduleDefinition(
                name="due_dates",
                job=by_name[DUE_DATES],
                cron_schedule="0 11 * * *",
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Every morning: has each partner delivered what its file says is due?",
            )
        )
    return [make() for name, make in sensors.items() if name in declared], schedules


def _landing(
    home: Home, partners: Mapping[str, Partner], take_in: dg.UnresolvedAssetJobDefinition
) -> dg.SensorDefinition:
    @dg.sensor(
        job=take_in,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes in what partners put into landing/ once it has stopped changing, where its bytes are new; says "
        "when a partner file was edited.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before = json.loads(context.cursor) if context.cursor else {"folders": {}, "files": {}}
        files = {partner_id: _sha256(home.partner_file(partner_id)) for partner_id in partners}
        digests = {
            # An edited partner file reads the same folder in another way.
            partner_id: f"{landing_digest(home.landing(partner_id))} {file}"
            for partner_id, file in files.items()
            if file
        }
        folders, ready = landed(json.dumps(before["folders"]), digests)
        edited = [one for one, file in files.items() if file and before["files"].get(one, file) != file]
        on_file = {path.stem for path in home.partners.glob("*.yml")}
        if unknown := sorted(on_file - set(partners)):
            context.log.warning(
                f"new or mended partner files: {', '.join(unknown)}; reload the code location"
            )
        return dg.SensorResult(
            run_requests=[
                take_in_request(partner_id) for partner_id in ready if _holds_news(home, partner_id)
            ],
            asset_events=[
                dg.AssetMaterialization(PARTNER_FILE, partition=partner_id) for partner_id in edited
            ],
            cursor=json.dumps({"folders": json.loads(folders), "files": files}, sort_keys=True),
        )

    return landing


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _holds_news(home: Home, partner_id: str) -> bool:
    """By content hash and ledger. What can't be told here is said by the run that tries."""
    try:
        return bool(intake.pending_files(home, registry.load(home.partner_file(partner_id))))
    except (EquityError, OSError):
        return True


def _due(
    home: Home,
    partners: Mapping[str, Partner],
    load: dg.UnresolvedAssetJobDefinition,
    refresh: dg.UnresolvedAssetJobDefinition,
) -> dg.SensorDefinition:
    @dg.sensor(
        jobs=[load, refresh],
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After each taking in and each load, once: loads the school years that have something not yet loaded, however "
        "old; where nothing has, builds and publishes what is not published, should the conditions have missed it.",
    )
    def due(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before = json.loads(context.cursor) if context.cursor else {}
        taken_in = context.instance.get_latest_storage_id_by_partition(
            DELIVERIES, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        requests, ledger = [], Ledger(home)
        for partner_id in sorted(set(partners) & set(taken_in)):
            state = [taken_in[partner_id], sorted(ledger.pending(partner_id))]
            if before.get(partner_id) == state or _busy(context.instance, partner_id):
                continue
            before[partner_id] = state
            requests += _next_runs(home, partner_id)
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(before, sort_keys=True))

    return due


def _busy(instance: dg.DagsterInstance, partner_id: str) -> bool:
    """A command that works for the partner goes the whole way itself."""
    return bool(instance.get_runs(dg.RunsFilter(tags={PARTNER: partner_id}, statuses=_BUSY), limit=1))


def _next_runs(home: Home, partner_id: str) -> list[dg.RunRequest]:
    ledger = Ledger(home)
    if years := ledger.pending(partner_id):
        return list(load_requests(partner_id, years))
    if not ledger.counts(partner_id)["loaded"]:
        return []  # nothing to build from yet
    try:
        published = is_published(home, registry.load(home.partner_file(partner_id)))
    except EquityError:
        published = False  # the run says why
    return [] if published else [refresh_request(partner_id)]


def _has_work(home: Home, partner_id: str) -> bool:
    return _holds_news(home, partner_id) or bool(_next_runs(home, partner_id))


def _conditions() -> dg.SensorDefinition:
    return dg.AutomationConditionSensorDefinition(
        "conditions",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        emit_backfills=False,
        run_tags=dict(PROMPT),
        description="Rebuilds and publishes what rests on changed extracts or partner files: see each asset's condition.",
    )


def _looking(
    home: Home,
    partners: Mapping[str, Partner],
    zone: str,
    take_in: dg.UnresolvedAssetJobDefinition,
    kind: str,
) -> dg.ScheduleDefinition:
    """A schedule that looks for what a sensor has missed, at the local time of the partners of one time zone."""
    crons, description = SCHEDULES[kind]
    here = sorted(partner_id for partner_id, partner in partners.items() if partner.timezone == zone)

    @dg.schedule(
        name=f"{kind}_{zone.lower().replace('/', '_').replace('-', '_')}",
        job=take_in,
        cron_schedule=crons,
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"{description} Partners of {zone}.",
    )
    def looking(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        # A schedule's run key is remembered for its own tick only.
        tags = {"term": moment_on(context.scheduled_execution_time.date())} if kind == "term" else {}
        chosen = here if kind != "nightly" else [one for one in here if _has_work(home, one)]
        return [take_in_request(partner_id, tags=tags, run_key=partner_id) for partner_id in chosen]

    return looking
