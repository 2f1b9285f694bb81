"""Marked values in every column of what a partner sends, and a search through everything that a run leaves behind.

Searched is every file outside landing, archive, extracts, quarantine and warehouse, what the command printed, and what
lies in the machine's folder for temporary files; Parquet cells and zipped members are unpacked first. In extracts,
quarantine and warehouse no id or name may stand as it was delivered.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import zipfile
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner

from equity_pipeline.cli import main
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.pseudonyms import Pseudonyms
from equity_pipeline.storage import keys, sealed, trail
from equity_pipeline.storage.home import Home
from tests.contracts.test_contracts import GOOD

OF_STUDENTS = (
    "students", "school_enrollments", "course_enrollments", "exam_results", "readiness_scores", "attendance",
    "discipline", "survey_responses", "initiative_members",
)  # fmt: skip
PUBLIC = {
    "school_id",
    "course_id",
    "survey_id",
    "item_id",
    "initiative_id",
    "exam_code",
    "exam_name",
    "section_id",
}
"""Names of schools, courses, exams and questions are nobody's secret, and their pages show them."""
STUDENTS = 60
COUNTED_NOWHERE = "KANARI9999"
"""A student whose only row is rejected."""
PERSONAL = {"Full Name": "Kanari Name", "Home Address": "Kanari Street 1", "Email": "kanari@kanari.example"}
ENCRYPTION_KEY = "5a" * 32
HOSTILE = (
    "@North'); drop schema marts cascade; copy (select 1) to 'pwned.csv'; --",
    "$(touch pwned)`touch pwned`{{ var('x') }}{% do run_query('drop') %}<b>&",
    "../../../south/pwned\"; attach 'pwned' as p; --",
)
FILE = "$(touch pwned);'); drop table deliveries; --{{ 7 }}.txt"
KANARI = re.compile(rb"(?i)kanari")
PARTNER_FILE = """\
partner_id: north
name: North
state: CA
timezone: America/Los_Angeles
first_school_year: 2024-25
programs: [{school_year: 2025-26, program: action_for_equity, phase: access}]
accepted_files: [{file: nothing.csv, because: a word for the record}]
sources:
  - {name: canonical, format: canonical, files: ["*.csv"]}
"""


def student(number: int) -> str:
    return f"KANARI{number:04d}"


def delivery(extract: str) -> str:
    """Good rows of sixty students and, of one more, a row for each column with a marked value in it."""
    contract, good = EXTRACTS[extract], GOOD[extract]
    header = [*(column.name for column in contract.columns), *PERSONAL]
    rows = []
    for number in range(STUDENTS):
        ids = {name: student(number) for name in ("student_id", "respondent_id") if name in good}
        race = {"races": ("Asian", "White")[number % 2], "behavior": "Fighting", "mark": ""}
        own = {name: value for name, value in (race | ids).items() if name in good}
        rows.append({**good, **own, **PERSONAL})
    if extract == "schools":
        rows.append(good | {"school_id": "1", "school_name": HOSTILE[0]})
    if extract == "courses":
        rows.append(good | {"course_id": HOSTILE[2], "course_title": HOSTILE[1]})
    marked = [c.name for c in contract.columns if c.name not in PUBLIC and c.name != contract.year]
    for name in marked if extract in OF_STUDENTS else ():
        rows.append(rows[0] | {"student_id": student(9000 + len(rows)), name: f"Kanari in {name}"})
    out = io.StringIO()
    writer = csv.DictWriter(out, header, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows if extract in OF_STUDENTS else [good | PERSONAL, *rows[STUDENTS:]])
    if extract == "students":
        writer.writerow(rows[0] | {"student_id": COUNTED_NOWHERE, "grade_level": "97"})
    return out.getvalue() + ("Kanari is no record\n" if extract in OF_STUDENTS else "")


@pytest.fixture(scope="module")
def encrypted():
    """Everything here happens with a key set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(sealed.KEY, ENCRYPTION_KEY)
        yield


@pytest.fixture(scope="module")
def left(tmp_path_factory, encrypted):
    """A home in which the partner was run, what was printed, and where temporary files went."""
    folder = tmp_path_factory.mktemp("canaries")
    home, scratch = Home(folder / "home"), folder / "scratch"
    scratch.mkdir()
    landing = home.landing("north")
    landing.mkdir(parents=True)
    home.partners.mkdir()
    home.partner_file("north").write_text(PARTNER_FILE)
    for extract in EXTRACTS:
        (landing / f"{extract}.csv").write_text(delivery(extract))
    (landing / "kanari.csv").write_text("Kanari\n1\n")
    (landing / FILE).write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(scratch))
        patch.setattr("tempfile.tempdir", str(scratch))
        told = CliRunner().invoke(main, ["run", "--home", str(home.root)]).output
        told += CliRunner().invoke(main, ["status", "--home", str(home.root)]).output
        told += CliRunner().invoke(main, ["run", "--home", str(home.root)]).output
    assert "release" in told
    assert (home.releases("north") / "latest").exists(), told
    return home, told, scratch


def contents(path: Path) -> bytes:
    """The bytes of a file, those of its cells if it is Parquet, and of its members if it is a zip."""
    data = sealed.read(path)
    if path.suffix == ".parquet":
        return data + pl.read_parquet(data, hive_partitioning=False).write_csv().encode()
    if data.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            return data + b"".join(map(archive.read, archive.namelist()))
    return data


def test_no_marked_value_is_left_anywhere_else(left):
    home, told, scratch = left
    planted = sum(path.read_bytes().count(b"anari") for path in home.landing("north").iterdir())
    assert planted > 1000
    inside = [home.root / layer for layer in ("landing", "archive", "extracts", "quarantine", "warehouse")]
    searched = [
        path
        for top in (home.root, scratch)
        for path in top.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and not any(path.is_relative_to(layer) for layer in inside)
    ]
    assert len(searched) > 40
    # A file's own name is the partner's word for it, and the ledger and its checks must say it.
    assert [path for path in searched if KANARI.search(contents(path).replace(b"kanari.csv", b""))] == []
    for key in (keys.key_file(home, "north").read_bytes(), ENCRYPTION_KEY.encode()):
        assert [path for path in searched if key in contents(path)] == []
    assert not KANARI.search(told.replace("kanari.csv", "").encode())


def test_what_is_delivered_is_data_wherever_it_comes(left):
    """Names of schools, courses and files that are SQL, Jinja, shell and paths stand in the warehouse, and on the pages, as they are."""
    home, _, scratch = left
    cells = b"".join(contents(path) for path in (home.root / "extracts").rglob("*.parquet")).decode(
        "utf-8", "replace"
    )
    for said in HOSTILE:
        assert said in cells.replace('""', '"')
    with duckdb.connect(str(home.warehouse("north")), read_only=True) as warehouse:
        named = warehouse.execute("select distinct school_name from marts.access").fetchall()
    assert (HOSTILE[0],) in named
    pages = [path.read_text() for path in (home.releases("north") / "latest").rglob("*.html")]
    assert not [page for page in pages if HOSTILE[0] in page]
    assert [page for page in pages if HOSTILE[0] in html.unescape(page)]
    [file] = [one for one in Ledger(home).deliveries("north") if one["file"] == FILE]
    assert file["status"] == "unclaimed"
    for place in (home.root, scratch, Path.cwd(), Path(__file__).parents[2] / "dbt_project"):
        assert not [path for made in ("pwned", "pwned.*") for path in place.rglob(made)], place


def test_no_byte_of_a_delivery_can_be_read_where_it_rests(left):
    home, _, _ = left
    layers = ("archive", "extracts", "quarantine", "readings")
    there = [path for layer in layers for path in (home.root / layer).rglob("*") if path.is_file()]
    assert len(there) > 60
    assert [path for path in there if not sealed.is_sealed(path)] == []


def test_no_id_and_no_name_is_left_as_it_was_delivered(left):
    home, _, _ = left
    rows = b""
    for layer in ("extracts", "quarantine"):
        rows += b"".join(contents(path) for path in (home.root / layer).rglob("*.parquet"))
    with duckdb.connect(str(home.warehouse("north")), read_only=True) as warehouse:
        tables = warehouse.execute("select schema_name, table_name from duckdb_tables()").fetchall()
        for schema, table in tables:
            rows += str(warehouse.execute(f'select * from "{schema}"."{table}"').fetchall()).encode()
    rows += home.warehouse("north").read_bytes()
    assert len(rows) > 100_000
    for planted in (rb"KANARI\d{4}", rb"Kanari (Name|Street|is no record)", rb"kanari@"):
        assert not re.search(planted, rows), planted


def test_everything_is_for_its_owner_only(left):
    home, _, _ = left
    written = [p for p in home.root.rglob("*") if not p.is_symlink() and "landing" not in p.parts and "partners" not in p.parts]  # fmt: skip
    open_ = [path for path in written if path.stat().st_mode & 0o077]
    assert len(written) > 200
    assert open_ == []


def erased(home: Home, *who: str) -> str:
    done = CliRunner().invoke(main, ["erase", "--home", str(home.root), "--partner", "north", *who])
    assert done.exit_code == 0, done.output
    return done.output


def holding(home: Home, word: str) -> list[Path]:
    """The files of a home in which a byte search finds a word, unpacked and opened."""
    return [path for path in home.root.rglob("*") if path.is_file() and word.encode() in contents(path)]


@pytest.fixture(scope="module")
def taken_back(left):
    """The home after a student was erased, every release withdrawn, and a student erased who is counted nowhere; what was printed for
    the two, and the releases."""
    home, _, _ = left
    first = erased(home, "--student-id", student(7))
    latest, withdrawn = home.releases("north") / "latest", []
    while latest.exists():
        withdrawn.append(latest.resolve().name)
        said = ["withdraw", "--home", str(home.root), "--partner", "north", "--because", "a wrong year"]
        assert CliRunner().invoke(main, [*said, withdrawn[-1]]).exit_code == 0
    return home, first, erased(home, "--student-id", COUNTED_NOWHERE), withdrawn


def test_one_student_can_be_erased_from_the_command_line(taken_back):
    home, told, _, _ = taken_back
    assert "erased one student of north; receipt:" in told
    assert re.search("release: [0-9a-f]+ (published|stays)", told)
    assert holding(home, student(7)) == []
    assert any(student(8).encode() in path.read_bytes() for path in home.landing("north").iterdir())
    students = pl.read_parquet(
        sealed.parquet_of(home.extract("students", "north", 2026)), hive_partitioning=False
    )
    assert students.height >= STUDENTS - 1


def test_an_erasure_ends_well_where_what_is_left_says_what_was_withdrawn(taken_back):
    """Its receipt says so, the same numbers stay away, and nobody tries to publish them again."""
    home, _, told, withdrawn = taken_back
    receipt = json.loads(max(home.erasures.iterdir()).read_text())
    assert receipt["one_student"] == {"files_rewritten": 1, "ids_blanked": 0, "records_removed": 1}
    said = re.search(
        "these numbers were withdrawn as release (.*): nothing was published", receipt["release"]
    )
    assert said and said[1] in withdrawn
    assert receipt["release"] in told
    assert holding(home, COUNTED_NOWHERE) == []
    assert not any((home.releases("north") / release).exists() for release in withdrawn)
    again = CliRunner().invoke(main, ["run", "--home", str(home.root)])
    assert (again.exit_code, "nothing new" in again.output) == (0, True), again.output


def test_the_record_says_all_that_was_done_and_shows_a_change(taken_back):
    home, *_ = taken_back
    done = {entry["action"] for entry in trail.entries(home, partner_id="north")}
    assert done == {"delivered", "accepted", "released", "withdrew", "erased"}
    ran = {(entry["detail"]["job"], entry["detail"]["partition"]) for entry in trail.entries(home, "ran")}
    assert {("take_in", "north"), ("refresh", "north"), ("network", None), ("erase_student", None)} <= ran
    assert all(entry["who"] and entry["at"] for entry in trail.entries(home))
    checked = CliRunner().invoke(main, ["status", "--home", str(home.root), "--audit"])
    assert (checked.exit_code, "head" in checked.output) == (0, True)
    whole = home.trail.read_text()
    home.trail.write_text(whole.replace("erased", "nothing"))
    assert CliRunner().invoke(main, ["status", "--home", str(home.root), "--audit"]).exit_code == 1
    home.trail.write_text(whole)


def test_of_an_erased_partner_nothing_is_found(left):
    """Neither a file's name in Dagster's history nor a word of its files; receipts and the record say that it was there."""
    home, _, _ = left
    assert any(path.is_relative_to(home.dagster) for path in holding(home, "kanari.csv"))
    hers = Pseudonyms(keys.key(home, "north")).person(student(8))
    assert holding(home, hers)
    erased(home)
    for word in ("kanari", "Kanari", "KANARI", hers, "students.csv", "North"):
        assert holding(home, word) == [], word
    named = {path.relative_to(home.root).parts[0] for path in holding(home, "north")}
    assert named <= {"erasures", "audit.jsonl", ".dagster"}
    assert trail.check(home).fault is None
