"""A OneRoster delta that comes alone changes what its source sent before, in whatever order the files come."""

from __future__ import annotations

import io
import itertools
import json
import zipfile

import pytest

from equity_pipeline.extracts.intake import pending_files, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from tests.adapters.test_oneroster import SET
from tests.adapters.test_oneroster_sets import DELTA, ENROLLMENTS, USERS
from tests.extracts.test_intake import deliver, load_all, partner, stored

SIS = {"name": "sis", "format": "oneroster", "files": ["*.zip"]}
LATER = {
    "manifest": "propertyName,value\nfile.users,delta\nfile.enrollments,delta\n",
    "users": USERS + "b,tobedeleted,2025-11-10T00:00:00Z,true,H,student,u2,S-2,11,x\n",
    "enrollments": ENROLLMENTS,
}


def zipped(tables):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in tables.items():
            archive.writestr(f"{name}.csv", text)
    return out.getvalue()


FILES = {
    "roster_2025-10-01.zip": zipped(SET),
    "changes_2025-10-10.zip": zipped(DELTA),
    "changes_2025-11-10.zip": zipped(LATER),
}


def students(home):
    return stored(home, "students", 2026)["student_id"].to_list()


@pytest.mark.parametrize("order", list(itertools.permutations(FILES)))
def test_deltas_change_the_bulk_set_before_them_in_any_order_of_arrival(home, order):
    one = partner(SIS)
    for name in order:
        deliver(home, name, FILES[name])
        take_delivery(home, one)
        load_all(home, one)
    take_delivery(home, one)
    load_all(home, one)
    assert students(home) == ["c", "d", "f"]
    assert pending_files(home, one) == []
    loads = Ledger(home).loads("test_sd", 2026, "students")
    assert {load["delivered_file"] for load in loads if load["status"] == "loaded"} == {
        "changes_2025-11-10.zip"
    }
    assert {load["status"] for load in loads} == {"loaded", "superseded"}
    for load in Ledger(home).loads("test_sd"):
        assert load["rows_in"] == load["loaded"] + load["rejected"] + load["duplicates"]


def test_a_bulk_set_that_comes_after_a_delta_stands_alone(home):
    one = partner(SIS)
    files = FILES | {
        "roster_2025-12-01.zip": zipped(SET | {"users": SET["users"].replace(",S-1,", ",S-11,")})
    }
    for name, content in files.items():
        deliver(home, name, content)
    assert {result.status for result in take_delivery(home, one)} == {"accepted"}
    load_all(home, one)
    assert "a" in students(home)


def test_a_delta_before_any_bulk_set_is_refused_and_waits(home):
    one = partner(SIS)
    deliver(home, "changes_2025-10-10.zip", FILES["changes_2025-10-10.zip"])
    [refused] = take_delivery(home, one)
    assert refused.message == (
        "changes_2025-10-10.zip: it holds only changes (delta), and no whole set of its source came before; "
        "send a bulk export"
    )
    deliver(home, "roster_2025-10-01.zip", FILES["roster_2025-10-01.zip"])
    assert {one.file: one.status for one in take_delivery(home, one)} == {
        "roster_2025-10-01.zip": "accepted", "changes_2025-10-10.zip": "accepted",
    }  # fmt: skip
    [delta] = [d for d in Ledger(home).deliveries("test_sd") if d["file"].startswith("changes")]
    assert [name for _, name in json.loads(delta["inferred"])["based_on"]] == ["roster_2025-10-01.zip"]
