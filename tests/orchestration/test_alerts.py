"""What the person on call is told, through a mail server and a webhook of this machine."""

import datetime as dt
import email
import email.policy
import http.server
import json
import os
import socketserver
import threading

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from equity_pipeline.defs import history
from equity_pipeline.defs.alerts import Channels, Message, forget, to_tell
from equity_pipeline.defs.jobs import DUE_DATES, LOAD, TAKE_IN
from equity_pipeline.defs.location import definitions
from equity_pipeline.defs.partitions import range_tags
from equity_pipeline.defs.runs import execute
from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.publishing import release


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs."""

    def handle(self):
        self.wfile.write(b"220 sink\r\n")
        lines = iter(self.rfile.readline, b"")
        for line in lines:
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(lambda: next(lines), b".\r\n"))
                self.server.received.append(email.message_from_bytes(text, policy=email.policy.default))
            self.wfile.write(b"250 ok\r\n" if not line.upper().startswith(b"QUIT") else b"221 bye\r\n")


class _Webhook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.answer == 200:
            self.server.received.append(json.loads(body)["text"])
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_):
        pass


def _served(server):
    server.received, server.answer = [], 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def sinks(monkeypatch):
    mail = _served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail))
    webhook = _served(http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Webhook))
    monkeypatch.setenv("EQUITY_ALERT_SMTP", f"smtp://127.0.0.1:{mail.server_address[1]}")
    monkeypatch.setenv("EQUITY_ALERT_TO", "oncall@example.org, lead@example.org")
    monkeypatch.setenv("EQUITY_ALERT_WEBHOOK", f"http://127.0.0.1:{webhook.server_address[1]}/services/T")
    yield mail, webhook
    for server in (mail, webhook):
        server.shutdown()
        server.server_close()


class OnCall:
    """Ticks the alert sensor of a home and keeps its cursor."""

    def __init__(self, home, instance):
        self.home, self.instance, self.cursor = home, instance, None

    def tick(self):
        location = definitions(self.home, dt.date.today(), "prod")
        context = dg.build_sensor_context(instance=self.instance, definitions=location, cursor=self.cursor)
        result = location.resolve_sensor_def("alerts").evaluate_tick(context)
        self.cursor = result.cursor
        return result.skip_message

    def publish(self, partner_id):
        asset = definitions(self.home, dt.date.today()).resolve_assets_def("release")
        dg.materialize([asset], instance=self.instance, partition_key=partner_id, raise_on_error=False)

    def run(self, job, **named):
        try:
            execute(self.instance, self.home, job, **named)
        except EquityError:
            pass


@pytest.fixture
def on_call(home, add_partner):
    add_partner("north")
    with history.open_instance(home) as instance:
        yield OnCall(home, instance)


def students(year, economically_disadvantaged):
    rows = [
        f"{year},s{number},{'09' if number % 4 else 'ninth'},{economically_disadvantaged}"
        for number in range(60)
    ]
    return "\n".join(["school_year,student_id,grade_level,economically_disadvantaged", *rows]) + "\n"


def enrollments(year):
    rows = [f"{year},s{number},0011,{year - 1}-08-20" for number in range(60)]
    return "\n".join(["school_year,student_id,school_id,entry_date", *rows]) + "\n"


def _cast_fails(home, partner):
    raise ValueError("could not convert 'ninth' to INT32")


def test_each_cause_is_one_message_to_each_channel_and_is_told_once(on_call, home, sinks, monkeypatch):
    mail, webhook = sinks
    landing = home.landing("north")
    (landing / "letter.docx").write_bytes(b"Dear all")
    for year, value in ((2025, "yes"), (2026, "no")):
        (landing / f"students_{year}.csv").write_text(students(year, value))
        (landing / f"school_enrollments_{year}.csv").write_text(enrollments(year))
    with home.partner_file("north").open("a") as file:
        file.write("expected: {exam_results: 08-15}\n")
    for _ in range(2):  # each of the runs twice: the causes stay the same
        on_call.run(TAKE_IN, partition_key="north")
        on_call.run(LOAD, tags=range_tags("north", 2025, 2026))
        on_call.run(DUE_DATES)
    monkeypatch.setattr(release, "publish", _cast_fails)
    on_call.publish("north")
    on_call.tick()
    expected = {
        f"[equity pipeline] north: {cause}"
        for cause in ("run failure", "check failure", "overdue delivery", "large rejection", "drift")
    }
    assert sorted(one["Subject"] for one in mail.received) == sorted(expected)
    assert {text.splitlines()[0].strip("*") for text in webhook.received} == expected
    assert {one["To"] for one in mail.received} == {"oncall@example.org, lead@example.org"}
    told = {one["Subject"].split(": ")[1]: one.get_content() for one in mail.received}
    assert "letter.docx" in told["check failure"]
    assert "15 of 60 rows: grade_level" in told["large rejection"]
    this_year = school_years.of_date(dt.date.today())
    last_due = f"exam_results {school_years.label(this_year - 1)} was due on {this_year - 2}-08-15"
    assert last_due in told["overdue delivery"]
    assert "2025-26, school 0011: the share of economically_disadvantaged fell" in told["drift"]
    assert "unexpected ValueError at publish.py" in told["run failure"]
    everything = " ".join([*told.values(), *webhook.received])
    assert "ninth" not in everything and " s1" not in everything and "Dear all" not in everything
    assert "nothing new is wrong" in on_call.tick()
    assert len(mail.received) == len(webhook.received) == 5


def test_a_cause_that_went_away_and_comes_back_is_told_again(on_call, home, sinks):
    mail, _ = sinks
    letter = home.landing("north") / "letter.docx"
    for there, messages in ((True, 1), (True, 1), (False, 1), (True, 2)):
        if there:
            letter.write_bytes(b"Dear all")
        else:
            path = home.partner_file("north")
            path.write_text(path.read_text().replace('"*.csv"', '"*.csv", "*.docx"'))
        on_call.run(TAKE_IN, partition_key="north")
        on_call.tick()
        if not there:
            path.write_text(path.read_text().replace(', "*.docx"', ""))
            mail.received = mail.received[:1]
        assert len(mail.received) == messages


def test_a_channel_that_is_down_is_told_later_and_the_other_one_not_twice(on_call, home, sinks):
    mail, webhook = sinks
    (home.landing("north") / "letter.docx").write_bytes(b"Dear all")
    on_call.run(TAKE_IN, partition_key="north")
    webhook.answer = 503
    assert "webhook" in on_call.tick()
    webhook.answer = 200
    on_call.tick()
    assert len(mail.received) == len(webhook.received) == 1


def test_without_a_channel_the_tick_says_so_and_nothing_is_forgotten(on_call, home, monkeypatch, sinks):
    mail, _ = sinks
    (home.landing("north") / "letter.docx").write_bytes(b"Dear all")
    on_call.run(TAKE_IN, partition_key="north")
    smtp, hook = (Channels.configured().smtp, Channels.configured().webhook)
    monkeypatch.delenv("EQUITY_ALERT_SMTP")
    monkeypatch.delenv("EQUITY_ALERT_WEBHOOK")
    assert "EQUITY_ALERT_WEBHOOK" in on_call.tick()
    monkeypatch.setenv("EQUITY_ALERT_SMTP", smtp)
    monkeypatch.setenv("EQUITY_ALERT_WEBHOOK", hook)
    on_call.tick()
    assert len(mail.received) == 1


def test_only_a_new_line_makes_a_new_message_and_it_says_all_that_is_wrong():
    wrong = {"north": {"check failure": {"release, proof": ["b"]}}}
    told = {"north": {"check failure": ["release, proof: b"]}}
    assert to_tell(wrong, told) == []
    wrong["north"]["check failure"]["deliveries, refused"] = ["a"]
    assert to_tell(wrong, told) == [
        Message("north", "check failure", ("deliveries, refused: a", "release, proof: b"))
    ]
    assert to_tell({}, told) == [] and told == {"north": {}}


def test_a_long_list_is_cut_in_the_message():
    message = Message("north", "drift", tuple(map(str, range(40))))
    assert message.text.count("\n- ") == 11 and "and 28 more" in message.text


def test_a_broken_partner_file_wakes_someone_and_the_others_go_on(on_call, home, add_partner, sinks):
    mail, webhook = sinks
    add_partner("south")
    path = home.partner_file("south")
    whole = path.read_text()
    assert "nothing new is wrong" in on_call.tick()
    for broken, messages in ((True, 1), (True, 1), (False, 1), (True, 2)):
        path.write_text(whole + "colour: blue\n" * broken)
        os.utime(path, ns=(messages, messages + broken))  # as good as any other stamp
        on_call.tick()
        assert len(mail.received) == len(webhook.received) == messages
    assert mail.received[0]["Subject"] == "[equity pipeline] south: broken partner file"
    assert "south.yml, line 8" in mail.received[0].get_content()
    on_call.run(TAKE_IN, partition_key="north")


def test_of_an_erased_partner_the_sensor_forgets_what_it_was_told(home):
    """In what it keeps now and in its past ticks, each of which holds what it knew then."""
    known = {
        "north": {"run failure": {"deliveries": ["Kanari.csv, line 1"]}},
        "south": {"drift": {"x": ["y"]}},
    }
    kept = json.dumps({"read": {}, "wrong": known, "told": {"webhook": known}})
    with history.open_instance(home) as instance:
        code = InProcessCodeLocationOrigin(
            LoadableTargetOrigin(module_name="equity_pipeline.definitions"), "here"
        )
        origin = RemoteRepositoryOrigin(code, "repository").get_instigator_origin("alerts")
        data = SensorInstigatorData(cursor=kept, sensor_type=SensorType.STANDARD)
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
        instance.add_instigator_state(state)
        tick = TickData(state.instigator_origin_id, "alerts", InstigatorType.SENSOR, TickStatus.SKIPPED, 1.0,
                        cursor=kept, selector_id=state.selector_id)  # fmt: skip
        instance.create_tick(tick)
        forget(instance, "north")
        history.forget(home, instance, "north")
        [left] = instance.all_instigator_state()
        after = json.loads(left.instigator_data.cursor)
        assert (set(after["wrong"]), set(after["told"]["webhook"])) == ({"south"}, {"south"})
        assert instance.get_ticks(state.instigator_origin_id, state.selector_id) == []
    assert not [path for path in home.dagster.rglob("*") if path.is_file() and b"Kanari" in path.read_bytes()]
