"""Messages to the person on call: one for each cause and partner, not for each run.

The sensor reads the runs that have ended since its last tick, in the order in which they did, and keeps what is wrong now:
partner → cause → lines. A step that failed is right again when it succeeds, a check when it passes. A message goes out when a
cause has a line that was not told before; the same failure every night is told once, and again when it comes back.

Where messages go is said by the environment (`Channels`). Lines are the words that our steps and checks say, which hold no
student's value.
"""

from __future__ import annotations

import functools
import json
import os
import smtplib
import ssl
import time
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dagster as dg
from dagster import DagsterEventType as Event
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import SensorInstigatorData

from equity_pipeline.defs.ingest import CONTRACT, ON_TIME, STABLE
from equity_pipeline.defs.partitions import partner_of
from equity_pipeline.domain.errors import PartnerFileError
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home

NAME = "alerts"
RUN, CHECK, OVERDUE, REJECTED, DRIFT, PARTNER_FILE = (
    "run failure",
    "check failure",
    "overdue delivery",
    "large rejection",
    "drift",
    "broken partner file",
)
_CAUSES = {ON_TIME: OVERDUE, CONTRACT: REJECTED, STABLE: DRIFT}
EVERYONE = "all partners"  # a run that works for no one partner

_RUNS_A_TICK, _LINES, _LENGTH = 50, 12, 500
_SECONDS = 20  # a mail server that does not answer must not hold the sensor

State = dict[str, dict[str, dict[str, list[str]]]]
"""Partner → cause → step or check → what it said."""


@dataclass(frozen=True)
class Message:
    """What to tell of one cause at one partner. `lines` are all that are wrong now, the new ones among them."""

    partner_id: str
    cause: str
    lines: tuple[str, ...]

    @property
    def subject(self) -> str:
        """One line: the partner and the cause."""
        return f"[equity pipeline] {self.partner_id}: {self.cause}"

    @property
    def text(self) -> str:
        """The lines, and where it stands what to do."""
        more = [f"… and {len(self.lines) - _LINES} more"] if len(self.lines) > _LINES else []
        what_to_do = f"docs/how_to/alerts.md, “{self.cause[0].upper()}{self.cause[1:]}”, says what to do."
        return "\n".join([*(f"- {line}" for line in self.lines[:_LINES]), *more, "", what_to_do])


@dataclass(frozen=True)
class Channels:
    """Where messages go; a channel that is not configured is None.

    `webhook`: `$EQUITY_ALERT_WEBHOOK`, an address that takes Slack's `{"text": …}`. `smtp`: `$EQUITY_ALERT_SMTP`,
    `smtp://user:password@host:587` (STARTTLS where the server offers it; always with a password) or `smtps://…:465`,
    from `$EQUITY_ALERT_FROM` to the addresses of `$EQUITY_ALERT_TO`, separated by commas.
    """

    webhook: str | None
    smtp: str | None
    sender: str
    recipients: tuple[str, ...]

    @classmethod
    def configured(cls) -> Channels:
        """The channels that the environment names."""
        said = {name: os.environ.get(f"EQUITY_ALERT_{name}") for name in ("WEBHOOK", "SMTP", "FROM", "TO")}
        to = tuple(filter(None, (one.strip() for one in (said["TO"] or "").split(","))))
        return cls(
            said["WEBHOOK"], said["SMTP"] if to else None, said["FROM"] or "equity-pipeline@localhost", to
        )

    def names(self) -> list[str]:
        """The channels that are configured."""
        return [name for name, address in (("webhook", self.webhook), ("smtp", self.smtp)) if address]

    def send(self, channel: str, message: Message) -> None:
        """Send through one of `names()`.

        Raises:
            OSError: it could not be handed over (`smtplib` and `urllib` errors are some).
        """
        if channel == "webhook" and self.webhook:
            text = escape(f"*{message.subject}*\n{message.text}", quote=False)
            body = json.dumps({"text": text}).encode()
            request = urllib.request.Request(self.webhook, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=_SECONDS):
                return
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = message.subject, self.sender, ", ".join(self.recipients)
        mail.set_content(message.text)
        with self._server() as server:
            server.send_message(mail)

    def _server(self) -> smtplib.SMTP:
        url = urlsplit(self.smtp or "")
        if url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(url.hostname or "", url.port or 465, timeout=_SECONDS)
        else:
            server = smtplib.SMTP(url.hostname or "", url.port or 25, timeout=_SECONDS)
            server.ehlo()
            if url.password or server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
        if url.password:
            server.login(unquote(url.username or ""), unquote(url.password))
        return server


def sensor(home: Home) -> dg.SensorDefinition:
    """Tells the channels what went wrong since the last tick, and what they could not be told then."""

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="One message for each cause and partner: run failure, check failure, overdue delivery, large rejection, "
        "drift, broken partner file. By mail and webhook, as EQUITY_ALERT_… says.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        kept = json.loads(context.cursor) if context.cursor else {"read": {}, "wrong": {}, "told": {}}
        for run in _ended(context.instance, kept["read"]):
            _learn(kept["wrong"], context.instance, run)
        _read_partner_files(kept["wrong"], home)
        channels = Channels.configured()
        said, failed = [], []
        for channel in channels.names():
            told = kept["told"].setdefault(channel, {})
            for message in to_tell(kept["wrong"], told):
                try:
                    channels.send(channel, message)
                except (OSError, smtplib.SMTPException) as error:
                    failed.append(
                        f"{channel}: {message.subject}: not sent ({type(error).__name__}); tried again"
                    )
                else:
                    said.append(f"{channel}: {message.subject}")
                    told.setdefault(message.partner_id, {})[message.cause] = list(message.lines)
        for line in failed:
            context.log.error(line)
        nowhere = (
            []
            if channels.names()
            else ["no channel is configured: set EQUITY_ALERT_WEBHOOK or EQUITY_ALERT_SMTP"]
        )
        return dg.SensorResult(
            skip_reason="; ".join([*said, *failed, *nowhere]) or "nothing new is wrong",
            cursor=json.dumps(kept),
        )

    return alerts


def forget(instance: dg.DagsterInstance, partner_id: str) -> None:
    """Let the sensor know nothing of a partner any more, nor its past ticks, each of which keeps what it knew then."""
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        data = state.instigator_data
        if state.name == NAME and isinstance(data, SensorInstigatorData) and data.cursor:
            kept = json.loads(data.cursor)
            for known in (kept["wrong"], *kept["told"].values()):
                known.pop(partner_id, None)
            instance.update_instigator_state(state.with_data(data._replace(cursor=json.dumps(kept))))
            instance.purge_ticks(state.instigator_origin_id, state.selector_id, time.time())


def to_tell(wrong: State, told: dict[str, dict[str, list[str]]]) -> list[Message]:
    """What a channel has to be told. `told`: partner → cause → lines, as last told; what is right again is forgotten in it."""
    for partner_id, causes in told.items():
        for cause in list(causes):
            standing = set(_lines(wrong.get(partner_id, {}).get(cause, {})))
            if left := [line for line in causes[cause] if line in standing]:
                causes[cause] = left
            else:
                del causes[cause]
    return [
        Message(partner_id, cause, tuple(lines))
        for partner_id, causes in sorted(wrong.items())
        for cause, by_place in sorted(causes.items())
        if set(lines := _lines(by_place)) - set(told.get(partner_id, {}).get(cause, ()))
    ]


def _lines(by_place: Mapping[str, list[str]]) -> list[str]:
    return [f"{place}: {line}" for place, lines in sorted(by_place.items()) for line in lines]


def _ended(instance: dg.DagsterInstance, read: dict[str, int]) -> list[str]:
    """Ids of the runs that have ended since the places `read`, in order; moves the places on."""
    found = []
    for kind in (Event.RUN_SUCCESS, Event.RUN_FAILURE):
        after = dg.RunStatusChangeRecordsFilter(kind, after_storage_id=read.get(kind.value, 0))
        found.append(instance.fetch_run_status_changes(after, limit=_RUNS_A_TICK, ascending=True).records)
    # Where one kind has more than were asked for, those of the other kind that came after them wait with the rest.
    horizon = min((records[-1].storage_id for records in found if len(records) == _RUNS_A_TICK), default=None)
    ended = sorted((record for records in found for record in records), key=lambda record: record.storage_id)
    ended = [record for record in ended if horizon is None or record.storage_id <= horizon]
    for record in ended:
        read[record.event_log_entry.get_dagster_event().event_type_value] = record.storage_id
    return [record.run_id for record in ended]


def _learn(wrong: State, instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run is None:
        return
    partner_id = partner_of(run.tags) or EVERYONE
    kinds = {Event.STEP_SUCCESS, Event.STEP_FAILURE, Event.ASSET_CHECK_EVALUATION}
    steps: dict[str, list[str]] = {}
    stopped_by_check = False
    for entry in instance.all_logs(run_id, of_type=kinds):
        event = entry.get_dagster_event()
        if event.event_type == Event.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            place = f"{evaluation.asset_key.to_user_string()}, {evaluation.check_name}"
            cause = _CAUSES.get(evaluation.check_name, CHECK)
            stopped_by_check |= not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR
            found = evaluation.metadata["found"].value if "found" in evaluation.metadata else "did not pass"
            _put(wrong, cause, place, {} if evaluation.passed else _by_partner(found, partner_id), partner_id)
        else:
            steps[event.step_key or ""] = [] if event.event_type == Event.STEP_SUCCESS else [_words(event)]
    if not run.is_success and not any(steps.values()):
        steps[run.job_name] = [
            "the run ended without a word from its steps: it was killed or could not start"
        ]
    elif run.is_success:
        steps.setdefault(run.job_name, [])
    for step, lines in steps.items():
        # What a check stopped is told as the check's failure.
        _put(wrong, RUN, step, {partner_id: lines} if lines and not stopped_by_check else {}, partner_id)


def _read_partner_files(wrong: State, home: Home) -> None:
    """A partner whose file can't be read is left out of everything: nothing of it would run, and nothing fail."""
    found = {path.stem: _problem(path, path.stat().st_mtime_ns) for path in home.partners.glob("*.yml")}
    for partner_id in {*found, *wrong}:
        lines = [problem] if (problem := found.get(partner_id)) else []
        _put(wrong, PARTNER_FILE, "partner file", {partner_id: lines} if lines else {}, partner_id)


@functools.lru_cache(maxsize=1024)  # files change seldom, and the sensor looks every minute
def _problem(path: Path, _changed: int) -> str | None:
    try:
        registry.load(path)
    except PartnerFileError as error:
        return str(error)
    return None


def _words(event: dg.DagsterEvent) -> str:
    said = event.step_failure_data.user_failure_data
    return (said and said.description) or "failed; the run's log says where"


def _by_partner(found: Any, partner_id: str) -> dict[str, list[str]]:
    if isinstance(found, dict):
        return found
    return {partner_id: [found] if isinstance(found, str) else list(found)}


def _put(wrong: State, cause: str, place: str, lines: Mapping[str, Iterable[str]], partner_id: str) -> None:
    """Replace what a place said of the partner, or of all where the run was for all."""
    for one in list(wrong) if partner_id == EVERYONE else [partner_id]:
        wrong.get(one, {}).get(cause, {}).pop(place, None)
    for one, said in lines.items():
        wrong.setdefault(one, {}).setdefault(cause, {})[place] = [line[:_LENGTH] for line in said]
