import datetime as dt
import os

import dagster as dg
import pytest

from equity_pipeline.defs.automation import landed, landing_digest, partners_of
from equity_pipeline.defs.location import definitions


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


def test_a_run_names_its_partners_by_key_or_by_range():
    everyone = ["east", "north", "south"]
    assert partners_of({"dagster/partition": "north"}, everyone) == ["north"]
    assert partners_of({"dagster/partition": "north|2021-22"}, everyone) == ["north"]
    tags = {
        "dagster/asset_partition_range_start": "east|2021-22",
        "dagster/asset_partition_range_end": "north|2025-26",
    }
    assert partners_of(tags, everyone) == ["east", "north"]


@pytest.fixture
def location(home, add_partner):
    add_partner("north")
    add_partner("south")
    return definitions(home, dt.date(2025, 12, 1))


def test_the_landing_sensor_asks_for_take_in_of_the_partner_that_has_files(home, location):
    (home.landing("north") / "students.csv").write_text("school_year,student_id,grade_level\n")
    sensor = location.resolve_sensor_def("landing")
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, definitions=location))
        second = sensor.evaluate_tick(
            dg.build_sensor_context(instance=instance, definitions=location, cursor=first.cursor)
        )
    assert not first.run_requests
    assert [(run.job_name, run.partition_key, run.run_key) for run in second.run_requests] == [
        ("take_in", "north", None)
    ]


def test_the_weekly_schedule_asks_for_every_partner(location):
    schedule = location.resolve_schedule_def("weekly")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, repository_def=location.get_repository_def())
        runs = schedule.evaluate_tick(context).run_requests
    assert [run.partition_key for run in runs] == ["north", "south"]
