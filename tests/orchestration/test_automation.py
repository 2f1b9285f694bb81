import datetime as dt
import os
import zoneinfo

import dagster as dg
import pytest

from equity_pipeline.defs.automation import ENVIRONMENTS, landed, landing_digest
from equity_pipeline.defs.location import definitions
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts import intake
from equity_pipeline.partners import registry


def test_what_lands_is_asked_for_once_and_only_when_it_has_stopped_changing():
    cursor, ready = landed(None, {"north": "half"})
    assert ready == []
    cursor, ready = landed(cursor, {"north": "whole"})
    assert ready == []
    cursor, ready = landed(cursor, {"north": "whole"})
    assert ready == ["north"]
    cursor, ready = landed(cursor, {"north": "whole"})
    assert ready == []
    cursor, ready = landed(cursor, {"north": "more"})
    cursor, ready = landed(cursor, {"north": "more"})
    assert ready == ["north"]


def test_an_empty_landing_folder_is_never_asked_for_and_a_partner_that_comes_back_is():
    cursor, ready = landed(None, {"north": None})
    cursor, ready = landed(cursor, {"north": None})
    assert ready == []
    for digest, expected in (("a", []), ("a", ["north"]), (None, []), ("b", []), ("b", ["north"])):
        cursor, ready = landed(cursor, {"north": digest})
        assert ready == expected


def test_one_partner_that_is_still_copying_does_not_hold_another_up():
    cursor, _ = landed(None, {"north": "half", "south": "whole"})
    _, ready = landed(cursor, {"north": "more", "south": "whole"})
    assert ready == ["south"]


def test_the_digest_sees_a_longer_file_and_a_new_version_of_the_same_length(tmp_path):
    assert landing_digest(tmp_path) is None
    file = tmp_path / "folder" / "students.csv"
    file.parent.mkdir()
    file.write_text("a")
    first = landing_digest(tmp_path)
    file.write_text("ab")
    second = landing_digest(tmp_path)
    file.write_text("cd")
    os.utime(file, ns=(1, 1))
    assert len({first, second, landing_digest(tmp_path)}) == 3


def test_hidden_files_do_not_count(tmp_path):
    (tmp_path / ".students.csv.part").write_text("a")
    assert landing_digest(tmp_path) is None


def test_a_file_replaced_by_one_of_the_same_length_and_date_is_seen(tmp_path):
    file = tmp_path / "students.csv"
    file.write_text("ab")
    os.utime(file, ns=(1, 1))
    first = landing_digest(tmp_path)
    other = tmp_path / ".other"
    other.write_text("cd")
    os.utime(other, ns=(1, 1))
    other.replace(file)
    assert landing_digest(tmp_path) != first


def test_many_partners_at_once_are_looked_into_a_few_a_tick_and_all_in_the_end():
    digests = {f"p{number}": "whole" for number in range(7)}
    cursor, _ = landed(None, digests)
    ticks = []
    for _ in range(4):
        cursor, ready = landed(cursor, digests, at_once=3)
        ticks.append(len(ready))
    assert ticks == [3, 3, 1, 0]


@pytest.fixture
def location(home, add_partner):
    add_partner("north")
    add_partner("south")
    south = home.partner_file("south")
    south.write_text(south.read_text().replace("Los_Angeles", "New_York"))
    return definitions(home, dt.date(2025, 12, 1), "prod")


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as one:
        yield one


def tick(location, instance, name, cursor=None):
    context = dg.build_sensor_context(instance=instance, definitions=location, cursor=cursor)
    return location.resolve_sensor_def(name).evaluate_tick(context)


STUDENTS = "school_year,student_id,grade_level\n2026,s1,09\n"


def test_the_landing_sensor_waits_one_tick_then_asks_for_the_partner_that_has_new_bytes(
    home, location, instance
):
    file = home.landing("north") / "students.csv"
    file.write_text(STUDENTS)
    first = tick(location, instance, "landing")
    second = tick(location, instance, "landing", first.cursor)
    assert not first.run_requests
    assert [(run.job_name, run.partition_key, run.run_key) for run in second.run_requests] == [
        ("take_in", "north", None)
    ]
    intake.take_delivery(home, registry.load(home.partner_file("north")))
    os.utime(file, ns=(1, 1))  # touched, the same bytes
    third = tick(location, instance, "landing", second.cursor)
    assert not tick(location, instance, "landing", third.cursor).run_requests


def test_thousands_of_files_are_one_run(home, location, instance):
    for number in range(2000):
        (home.landing("north") / f"students_{number}.csv").write_text(STUDENTS)
    cursor = tick(location, instance, "landing").cursor
    assert len(tick(location, instance, "landing", cursor).run_requests) == 1


def test_an_edited_partner_file_is_told_and_read_again(home, location, instance):
    (home.landing("north") / "students.csv").write_text(STUDENTS)
    intake.take_delivery(home, registry.load(home.partner_file("north")))
    cursor = tick(location, instance, "landing").cursor
    first = tick(location, instance, "landing", cursor)
    assert not first.asset_events and not first.run_requests
    path = home.partner_file("north")
    path.write_text(path.read_text().replace('files: ["*.csv"]', 'files: ["stu*.csv"]'))
    second = tick(location, instance, "landing", first.cursor)
    assert [event.partition for event in second.asset_events] == ["north"]
    third = tick(location, instance, "landing", second.cursor)
    assert [run.partition_key for run in third.run_requests] == ["north"]


def test_an_unreadable_landing_folder_does_not_stop_the_others(home, location, instance, monkeypatch):
    for partner_id in ("north", "south"):
        (home.landing(partner_id) / "students.csv").write_text(STUDENTS)
    (home.landing("north") / "gone.csv").symlink_to(home.root / "nowhere")
    cursor = tick(location, instance, "landing").cursor
    runs = tick(location, instance, "landing", cursor).run_requests
    assert [run.partition_key for run in runs] == ["north", "south"]


def _took_in(instance, partner_id):
    instance.report_runless_asset_event(dg.AssetMaterialization("deliveries", partition=partner_id))


def test_after_taking_in_pending_years_are_loaded_once_however_old(home, location, instance):
    for year in (2019, 2025, 2026):
        (home.landing("north") / f"students_{year}.csv").write_text(STUDENTS.replace("2026", str(year)))
    intake.take_delivery(home, registry.load(home.partner_file("north")))
    _took_in(instance, "north")
    first = tick(location, instance, "due")
    ends = [
        (run.tags["dagster/asset_partition_range_start"], run.tags["dagster/asset_partition_range_end"])
        for run in first.run_requests
    ]
    assert ends == [("north|2018-19", "north|2018-19"), ("north|2024-25", "north|2025-26")]
    assert {run.job_name for run in first.run_requests} == {"load"}
    assert not tick(location, instance, "due", first.cursor).run_requests
    _took_in(instance, "north")  # tonight again, because the load failed
    assert tick(location, instance, "due", first.cursor).run_requests


def test_what_is_loaded_and_not_published_is_built_once_should_the_conditions_have_missed_it(
    home, location, instance
):
    (home.landing("north") / "students.csv").write_text(STUDENTS)
    partner = registry.load(home.partner_file("north"))
    intake.take_delivery(home, partner)
    _took_in(instance, "north")
    first = tick(location, instance, "due")
    intake.load_extracts(home, partner, 2026)
    second = tick(location, instance, "due", first.cursor)
    assert [run.job_name for run in first.run_requests + second.run_requests] == ["load", "refresh"]
    assert not tick(location, instance, "due", second.cursor).run_requests


def test_a_partner_that_a_run_works_for_is_left_to_it(home, location, instance):
    (home.landing("north") / "students.csv").write_text(STUDENTS)
    intake.take_delivery(home, registry.load(home.partner_file("north")))
    _took_in(instance, "north")
    run = dg.DagsterRun(job_name="load", tags={"partner": "north"}, status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    first = tick(location, instance, "due")
    assert not first.run_requests
    instance.report_run_canceled(run)
    assert tick(location, instance, "due", first.cursor).run_requests


def asked(location, instance, name, at):
    context = dg.build_schedule_context(
        instance=instance, repository_def=location.get_repository_def(), scheduled_execution_time=at
    )
    return location.resolve_schedule_def(name).evaluate_tick(context).run_requests


def test_schedules_ask_in_each_time_zone_for_its_partners(home, location, instance):
    names = {
        schedule.name: schedule.execution_timezone for schedule in location.get_repository_def().schedule_defs
    }
    assert names["weekly_america_new_york"] == "America/New_York"
    at = dt.datetime(2025, 12, 1, 5, 30, tzinfo=zoneinfo.ZoneInfo("America/New_York"))
    weekly = asked(location, instance, "weekly_america_new_york", at)
    assert [(run.partition_key, run.run_key) for run in weekly] == [("south", "south")]


def test_every_night_asks_only_for_partners_with_work(home, location, instance):
    at = dt.datetime(2025, 12, 2, 3, 30, tzinfo=zoneinfo.ZoneInfo("America/Los_Angeles"))
    assert not asked(location, instance, "nightly_america_los_angeles", at)  # nothing was ever delivered
    (home.landing("north") / "students.csv").write_text(STUDENTS)
    assert asked(location, instance, "nightly_america_los_angeles", at)
    intake.take_delivery(home, registry.load(home.partner_file("north")))
    assert asked(location, instance, "nightly_america_los_angeles", at)  # taken in, its loading failed


@pytest.mark.parametrize(("day", "moment"), [("10-02", "fall snapshot"), ("07-01", "new school year")])
def test_the_term_calendar_names_its_moment(location, instance, day, moment):
    at = dt.datetime.fromisoformat(f"2026-{day}T04:30:00").replace(
        tzinfo=zoneinfo.ZoneInfo("America/New_York")
    )
    [run] = asked(location, instance, "term_america_new_york", at)
    assert run.tags["term"] == moment
    crons = location.resolve_schedule_def("term_america_new_york").cron_schedule
    assert f"30 4 {at.day} {at.month} *" in crons


def test_every_night_has_the_hour_of_the_schedules_once():
    """Also the nights on which clocks change."""
    for zone in ("America/New_York", "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu"):
        zone = zoneinfo.ZoneInfo(zone)
        for day in (dt.datetime(2026, 3, 8, 3, 30), dt.datetime(2026, 11, 1, 3, 30)):
            offsets = {day.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}
            assert len(offsets) == 1


def test_what_an_environment_does_not_declare_is_absent(home, location):
    for environment, declared in ENVIRONMENTS.items():
        repository = definitions(home, dt.date(2025, 12, 1), environment).get_repository_def()
        names = [one.name for one in (*repository.sensor_defs, *repository.schedule_defs)]
        assert {name.split("_america")[0].removeprefix("retention_") for name in names} == declared
    with pytest.raises(EquityError, match="EQUITY_ENVIRONMENT"):
        definitions(home, dt.date(2025, 12, 1), "production")
