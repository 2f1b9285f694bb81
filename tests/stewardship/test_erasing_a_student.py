"""One student is struck out of files of every format; nobody else's record is touched, and nothing of hers is left."""

from __future__ import annotations

import io
import json
import shutil
import zipfile

import polars as pl
import pytest

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts import intake
from equity_pipeline.extracts.intake import pending_files, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.pseudonyms import Pseudonyms
from equity_pipeline.stewardship import erasure
from equity_pipeline.stewardship.erasure import erase_partner, erase_student
from equity_pipeline.storage import keys, trail
from tests.extracts.test_intake import deliver, load_all, partner
from tests.extracts.test_pseudonyms import bytes_of, texts_of

HER = "S9000417"
ROSTER = {
    "academicSessions.csv": "sourcedId,type,title,startDate,endDate,schoolYear\ny,schoolYear,y,2025-08-01,2026-06-01,2026\n",
    "orgs.csv": "sourcedId,name,type\no,School,school\n",
    "users.csv": f"sourcedId,orgSourcedIds,role,identifier,givenName,grades,agentSourcedIds\nu1,o,student,{HER},Canary,09,\n"
    "u2,o,student,S9000418,Bob,10,\n",
    "courses.csv": "sourcedId,title\nc,Biology\n",
    "classes.csv": "sourcedId,courseSourcedId,schoolSourcedId,termSourcedIds\nk,c,o,y\n",
    "enrollments.csv": "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role\ne1,k,o,u1,student\ne2,k,o,u2,student\n",
}
XML = (
    f"<x><Student><StudentUniqueId>{HER}</StudentUniqueId><BirthData><BirthDate>2010-01-02</BirthDate></BirthData>"
    "</Student><Student><StudentUniqueId>S9000418</StudentUniqueId></Student></x>"
)


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


SOURCES = [
    {"name": "own", "format": "canonical", "files": ["*students*.csv"]},
    {"name": "sis", "format": "oneroster", "files": ["roster.zip"], "options": {"student_id": "identifier"}},
    {"name": "edfi", "format": "edfi", "files": ["edfi.zip"]},
]
HEADER = "school_year,student_id,grade_level,sex\n"


@pytest.fixture
def three_kinds(home):
    deliver(
        home,
        "students.csv",
        f'{HEADER}2025,{HER},8,F\n2025,S9000418,9,"F"\n2025,{HER},97,F\n2025,{HER},oops\n',
    )
    utf16 = f"{HEADER}2024,S9000418,8,M\n2024,{HER},7,F\n".encode("utf-16")
    deliver(home, "old_students.csv", utf16)
    deliver(home, "roster.zip", zipped(ROSTER))
    people = [{"studentUniqueId": HER, "birthDate": "2010-01-02"}, {"studentUniqueId": "S9000418"}]
    lines = "".join(json.dumps(one) + "\n" for one in people)
    deliver(
        home,
        "edfi.zip",
        zipped({"students.json": json.dumps(people), "a/students.jsonl": lines, "S.xml": XML}),
    )
    deliver(home, "unclaimed.txt", f"about {HER}\n")
    one = partner(*SOURCES)
    take_delivery(home, one)
    load_all(home, one)
    return home, one


def test_nothing_of_her_is_left_and_everything_of_the_others(three_kinds):
    home, one = three_kinds
    hers = Pseudonyms(keys.key(home, "test_sd")).person(HER)
    others = Pseudonyms(keys.key(home, "test_sd")).person("S9000418")
    assert hers in texts_of(home.root)
    receipt = json.loads(erase_student(home, one, HER).read_text())

    assert receipt["one_student"] == {"files_rewritten": 5, "ids_blanked": 1, "records_removed": 9}
    assert HER.encode() not in bytes_of(home.root)
    for path in [*home.archive("test_sd").rglob("*.zip"), *home.landing("test_sd").glob("*.zip")]:
        with zipfile.ZipFile(path) as archive:
            content = b"".join(map(archive.read, archive.namelist()))
        assert HER.encode() not in content
        assert b"Canary" not in content
        assert b",u1," not in content
        assert b"S9000418" in content
    assert HER.encode("utf-16-le") not in bytes_of(home.root)
    left = texts_of(home.root)
    assert hers not in left
    assert others in left
    assert hers.encode() not in bytes_of(home.root)

    assert pending_files(home, one) == []
    assert take_delivery(home, one)
    assert Ledger(home).counts("test_sd")["loaded"] > 0
    texts = {path.name: path.read_bytes() for path in home.landing("test_sd").glob("*.csv")}
    assert texts["students.csv"].decode() == f'{HEADER}2025,S9000418,9,"F"'
    assert texts["old_students.csv"].decode("utf-16") == f"{HEADER}2024,S9000418,8,M"
    entry = trail.entries(home, "erased")[-1]
    assert (entry["number"], entry["detail"]) == (receipt["entry"], {"one_student": receipt["one_student"]})
    assert trail.check(home).fault is None


@pytest.mark.parametrize("killed", ["new_folder", "rewritten", "rmtree", "take_delivery"])
def test_one_who_was_killed_leaves_nothing_that_the_next_does_not_end(three_kinds, monkeypatch, killed):
    home, one = three_kinds
    owner = {"new_folder": erasure.atomic, "rewritten": Ledger, "rmtree": shutil, "take_delivery": intake}[
        killed
    ]

    def kill(*_, ignore_errors=False):
        if not ignore_errors:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, killed, kill)
        with pytest.raises(KeyboardInterrupt):
            erase_student(home, one, HER)
    if (
        killed == "take_delivery"
    ):  # the ledger knows already: a run as any other reads again what was rewritten
        take_delivery(home, one)
        load_all(home, one)
    else:
        erase_student(home, one, HER)
    assert HER.encode() not in bytes_of(home.root)
    assert Pseudonyms(keys.key(home, "test_sd")).person(HER) not in texts_of(home.root)
    assert len(list(home.archive("test_sd").iterdir())) == len(Ledger(home).deliveries("test_sd")) == 5
    assert pending_files(home, one) == []


@pytest.mark.parametrize("newest", ["with", "without"])
def test_two_deliveries_that_differ_in_her_alone_are_one_without_her(home, newest):
    """The newer of them is the one that counts, also against a third between them."""
    rows = "2026,S9000418,9,M\n"
    texts = {
        "without": f"{HEADER}{rows}",
        "with": f"{HEADER}2026,{HER},9,F\n{rows}",
        "third": f"{HEADER}2026,third,9,M\n",
    }
    order = ["with", "third", "without"] if newest == "without" else ["without", "third", "with"]
    for month, which in enumerate(order, 1):
        deliver(home, f"students_2026-0{month}-01.csv", texts[which])
    take_delivery(home, partner())
    load_all(home, partner())
    erase_student(home, partner(), HER)
    names = {one["file"] for one in Ledger(home).deliveries("test_sd")}
    assert names == {"students_2026-02-01.csv", "students_2026-03-01.csv"}
    stored = pl.read_parquet(home.extract("students", "test_sd", 2026) / "*.parquet", hive_partitioning=False)
    assert stored["student_id"].to_list() == [Pseudonyms(keys.key(home, "test_sd")).person("S9000418")]
    assert HER.encode() not in bytes_of(home.root)
    assert pending_files(home, partner()) == []


def test_each_erasure_has_its_receipt_whatever_the_clock_says(home, monkeypatch):
    class Clock(erasure.dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 7, 1, 12, tzinfo=tz)

    monkeypatch.setattr(erasure.dt, "datetime", Clock)
    deliver(home, "students.csv", f"{HEADER}2026,{HER},9,F\n2026,her,9,F\n2026,his,9,M\n2026,his,97,M\n")
    take_delivery(home, partner())
    load_all(home, partner())
    receipts = []
    for who in (HER, "her", "his"):
        receipts.append(erase_student(home, partner(), who))
        assert erasure.last_receipt(home, "test_sd") == receipts[-1]
    told = [json.loads(path.read_text())["one_student"] for path in sorted(home.erasures.iterdir())]
    assert [one.get("records_removed") for one in told] == [1, 1, 2]
    assert len(set(receipts)) == 3


def test_a_workbook_goes_whole(home):
    workbook = io.BytesIO()
    pl.DataFrame({"school_year": ["2026"], "student_id": [HER], "grade_level": ["9"]}).write_excel(workbook)
    deliver(home, "students.xlsx", workbook.getvalue())
    deliver(home, "students.csv", f"{HEADER}2026,other,9,F\n")
    one = partner({"name": "own", "format": "canonical", "files": ["students.*"]})
    take_delivery(home, one)
    load_all(home, one)
    receipt = json.loads(erase_student(home, one, HER).read_text())
    assert receipt["one_student"] == {"files_removed_whole": 1}
    assert [path.name for path in home.landing("test_sd").iterdir()] == ["students.csv"]
    assert len(list(home.archive("test_sd").iterdir())) == 1
    assert Ledger(home).pending("test_sd") == set()
    stored = pl.read_parquet(home.extract("students", "test_sd", 2026) / "*.parquet", hive_partitioning=False)
    assert stored.height == 1


def test_who_is_in_no_file_can_not_be_erased(three_kinds):
    home, one = three_kinds
    before = bytes_of(home.archive("test_sd"))
    with pytest.raises(EquityError, match="no file names this student") as told:
        erase_student(home, one, "S9999999")
    assert "S9999999" not in str(told.value)
    assert bytes_of(home.archive("test_sd")) == before


@pytest.mark.parametrize("keep", [True, False])
def test_releases_of_an_erased_partner_stay_or_go_by_choice(home, keep):
    published = home.releases("test_sd") / "r1" / "index.html"
    published.parent.mkdir(parents=True)
    published.write_text("numbers")
    deliver(home, "students.csv", f"{HEADER}2026,{HER},9,F\n")
    take_delivery(home, partner(SOURCES[0]))
    load_all(home, partner(SOURCES[0]))
    key = keys.key_file(home, "test_sd")
    assert key.exists()
    erase_partner(home, "test_sd", keep)
    assert published.exists() == keep
    assert not key.exists()
    left = [path for path in home.root.rglob("*") if path.is_file() and path != published]
    assert {path.relative_to(home.root).parts[0] for path in left} <= {
        "erasures",
        "audit.jsonl",
        "audit.head",
        "ledger.sqlite",
    }
    assert HER.encode() not in bytes_of(home.root)
