"""What may replace what: files cut short, years that contradict the name, changed headers, and a person's word."""

import json

import pytest

from equity_pipeline.domain.errors import DeliveryError
from equity_pipeline.extracts import intake
from equity_pipeline.extracts.intake import check_delivery, load_extracts, pending_files, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage import trail
from tests.extracts.test_intake import deliver, load_all, rejected, stored, students


def partner(**more):
    return Partner(
        partner_id="test_sd", name="Test", state="CA", timezone="America/Los_Angeles", first_school_year="2020-21",
        sources=[{"name": "own", "format": "canonical", "files": ["*.csv"]}], **more,
    )  # fmt: skip


def many(count, year=2022):
    return students(*(f"{year},s{number},9,F" for number in range(count)))


@pytest.mark.parametrize("first", ["students_2022-10-01.csv", "students_2022-11-01.csv"])
def test_a_file_with_far_fewer_rows_replaces_nothing_until_a_person_accepts_it(home, first):
    files = {"students_2022-10-01.csv": many(40), "students_2022-11-01.csv": many(19)}
    one = partner()
    for name in sorted(files, key=lambda name: name != first):
        deliver(home, name, files[name])
        results = take_delivery(home, one)
        load_all(home, one)
    assert stored(home, "students", 2022).height == 40
    [message] = [result.message for result in results if result.message]
    assert message.startswith(
        "students_2022-11-01.csv: does not replace the file before: 19 rows of students 2021-22"
    )
    assert "where the file before has 40" in message
    statuses = {load["delivered_file"]: load["status"] for load in Ledger(home).loads("test_sd")}
    assert statuses == {"students_2022-10-01.csv": "loaded", "students_2022-11-01.csv": "held"}
    assert pending_files(home, one) == []

    sure = partner(accepted_files=[{"file": "students_2022-11-01.csv", "because": "two schools left"}])
    assert pending_files(home, sure) == ["students_2022-11-01.csv"]
    assert not any(result.message for result in take_delivery(home, sure))
    load_all(home, sure)
    assert stored(home, "students", 2022).height == 19
    assert pending_files(home, sure) == []


def test_half_the_rows_are_enough(home):
    deliver(home, "students_2022-10-01.csv", many(40))
    deliver(home, "students_2022-11-01.csv", many(20))
    take_delivery(home, partner())
    load_all(home, partner())
    assert stored(home, "students", 2022).height == 20


def test_a_header_only_file_replaces_nothing_and_says_so(home):
    deliver(home, "students_2022-10-01.csv", many(3))
    deliver(home, "students_2022-11-01.csv", students())
    results = take_delivery(home, partner())
    load_all(home, partner())
    assert stored(home, "students", 2022).height == 3
    [message] = [result.message for result in results if result.message]
    assert message == "students_2022-11-01.csv: holds no rows and replaces nothing"
    assert message in [delivery["message"] for delivery in Ledger(home).deliveries("test_sd")]


def test_a_year_that_contradicts_the_name_is_refused_with_both_until_the_file_is_rekeyed(home):
    path = deliver(home, "students_2022-23.csv", many(3, year=2022))
    [result] = take_delivery(home, partner())
    assert result.status == "refused"
    assert "the name says 2022-23, the rows say 2021-22" in result.message
    [check] = check_delivery(home, partner(), [path])
    assert (check.status, check.message) == ("refused", result.message)

    told = partner(
        rekey=[{"file": "students_2022-23.csv", "school_year": "2022-23", "because": "old setting"}]
    )
    assert pending_files(home, told) == ["students_2022-23.csv"]
    [result] = take_delivery(home, told)
    assert result.status == "accepted", result.message
    assert result.rows == {"students": {2023: 3}}
    load_extracts(home, told, 2023)
    assert stored(home, "students", 2023).height == 3
    [delivery] = Ledger(home).deliveries("test_sd")
    assert json.loads(delivery["inferred"])["warnings"] == [
        "students_2022-23.csv: taken as school year 2022-23, because old setting"
    ]


def test_a_file_of_several_years_may_be_named_after_one(home):
    deliver(home, "students_2022-23.csv", students("2023,a,9,F", "2022,a,9,F"))
    [result] = take_delivery(home, partner())
    assert result.status == "accepted"


def test_headers_that_changed_since_the_last_delivery_are_shown(home):
    deliver(home, "students_2022-10-01.csv", many(3))
    take_delivery(home, partner())
    path = deliver(
        home,
        "students_2022-11-01.csv",
        students("2022,a,9,3.1", header="school_year,student_id,grade_level,gpa"),
    )
    told = "students_2022-11-01.csv: header changed since the last delivery: no longer sex; new gpa"
    [check] = check_delivery(home, partner(), [path])
    assert told in check.warnings
    results = {result.file: result for result in take_delivery(home, partner())}
    assert told in results["students_2022-11-01.csv"].warnings
    assert told in json.loads(Ledger(home).deliveries("test_sd")[1]["inferred"])["warnings"]


def test_half_days_are_kept(home):
    deliver(
        home, "attendance.csv",
        "school_year,student_id,school_id,days_enrolled,days_absent\n2022,a,1,179.5,0.5\n2022,b,1,10,10.5\n",
    )  # fmt: skip
    take_delivery(home, partner())
    load_all(home, partner())
    assert stored(home, "attendance", 2022).select("days_enrolled", "days_absent").rows() == [(179.5, 0.5)]


def test_the_rows_of_a_file_that_is_held_back_are_in_quarantine(home):
    deliver(home, "students_2022-10-01.csv", many(40))
    deliver(home, "students_2022-11-01.csv", many(19).replace("s3,9", "s3,99"))
    take_delivery(home, partner())
    load_all(home, partner())
    told = rejected(home, "students", 2022)
    assert (told.height, told["_line"].sort().to_list()) == (19, list(range(2, 21)))
    assert set(told["_reason"]) == {intake.HELD_BACK}
    assert sorted(told["student_id"]) == sorted(f"s{number}" for number in range(19))
    held = [load for load in Ledger(home).loads("test_sd") if load["status"] == "held"]
    assert sum(load["rejected"] for load in held) == told.height


def test_a_person_may_re_key_a_delivered_file_and_who_and_why_is_recorded(home):
    deliver(home, "students_2022-23.csv", many(3, 2022))
    [refused] = take_delivery(home, partner())
    assert (refused.status, "the rows say 2021-22" in refused.message) == ("refused", True)
    intake.rekey(home, partner(), "students_2022-23.csv", 2023, "the export kept last year's label")
    assert pending_files(home, partner()) == ["students_2022-23.csv"]
    [taken] = take_delivery(home, partner())
    assert (taken.status, taken.rows) == ("accepted", {"students": {2023: 3}})
    assert any("because the export kept last year's label" in warning for warning in taken.warnings)
    load_all(home, partner())
    assert stored(home, "students", 2023).height == 3
    [said] = Ledger(home).rekeys("test_sd")
    assert (said["school_year"], said["because"]) == (2023, "the export kept last year's label")
    assert said["who"]
    assert [entry["action"] for entry in trail.entries(home)] == ["delivered", "rekeyed", "delivered"]

    intake.rekey(home, partner(), "students_2022-23.csv", 2022, "they were wrong")
    take_delivery(home, partner())
    load_all(home, partner())
    assert not home.extract("students", "test_sd", 2023).exists()
    assert stored(home, "students", 2022).height == 3
    with pytest.raises(DeliveryError, match="no delivery has this name"):
        intake.rekey(home, partner(), "students.csv", 2022, "a slip")


def test_what_a_person_accepts_is_recorded_once(home):
    sure = partner(accepted_files=[{"file": "students_2022-11-01.csv", "because": "two schools left"}])
    for _ in range(2):
        take_delivery(home, sure)
    [entry] = trail.entries(home, "accepted", "test_sd")
    assert entry["detail"]["because"] == "two schools left"
