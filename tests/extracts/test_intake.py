"""From landing to extracts: every row accounted for, versions, merging, refusals, and the same bytes each time."""

import hashlib
import os
import random
import zipfile
from pathlib import Path

import polars as pl
import pytest

from equity_pipeline.adapters import canonical, readers, records
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.extracts import intake
from equity_pipeline.extracts.intake import check_delivery, load_extracts, pending_files, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.resolve import CONFLICT
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage.home import Home
from tests.adapters.test_oneroster import SET
from tests.unmasked import unmasked

CANONICAL = {
    "name": "own",
    "format": "canonical",
    "files": ["*students*.csv", "*schools*.csv", "*enrollments*.csv"],
}


def partner(*sources, partner_id="test_sd"):
    return Partner(
        partner_id=partner_id,
        name="Test",
        state="CA",
        timezone="America/Los_Angeles",
        first_school_year="2020-21",
        sources=list(sources) or [CANONICAL],
    )


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def deliver(home, name, text, partner_id="test_sd"):
    path = home.landing(partner_id) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def students(*rows, header="school_year,student_id,grade_level,sex"):
    return "\n".join([header, *rows]) + "\n"


def load_all(home, one):
    ledger = Ledger(home)
    return {year: load_extracts(home, one, year) for year in sorted(ledger.pending(one.partner_id))}


def test_what_a_killed_step_left_in_the_archive_is_replaced(home):
    path = deliver(home, "students.csv", students("2026,a,09,female", "2026,b,10,male"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    torn = home.archive("test_sd") / sha256 / path.name
    torn.parent.mkdir(parents=True)
    torn.write_bytes(path.read_bytes()[:60])
    [result] = take_delivery(home, partner())
    assert (result.status, result.rows) == ("accepted", {"students": {2026: 2}})
    assert torn.read_bytes() == path.read_bytes()


def stored(home, extract, year, partner_id="test_sd"):
    return unmasked(
        pl.read_parquet(home.extract(extract, partner_id, year) / "part-0.parquet", hive_partitioning=False)
    )


def rejected(home, extract, year, partner_id="test_sd"):
    files = sorted(home.quarantine(extract, partner_id, year).glob("*.parquet"))
    frames = [pl.read_parquet(file, hive_partitioning=False) for file in files]
    return unmasked(pl.concat(frames, how="diagonal"))


def tree(folder):
    """Every file below a folder with the hash of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def account(home, partner_id="test_sd"):
    return {
        (load["file"], load["extract"], load["school_year"]): tuple(
            load[count]
            for count in ("records", "skipped", "rows_in", "loaded", "rejected", "duplicates", "status")
        )
        for load in Ledger(home).loads(partner_id)
    }


def row_reason(column):
    [column] = [one for one in EXTRACTS["students"].columns if one.name == column]
    return f"{column.name} is not {column.expectation}"


def test_a_file_goes_to_archive_ledger_extract_and_quarantine(home):
    path = deliver(
        home,
        "students.csv",
        students("2022,b,9,F", "2022,a,10,", "2023,a,11,", "2022,c,97,", "soon,d,9,", "2022,b,9,M"),
    )
    one = partner()
    [result] = take_delivery(home, one)
    assert (result.status, result.source, result.new) == ("accepted", "own", True)
    assert result.rows == {"students": {0: 1, 2022: 4, 2023: 1}}
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (home.archive("test_sd") / sha256 / "students.csv").read_bytes() == path.read_bytes()
    assert Ledger(home).pending("test_sd") == {2022, 2023}

    loads = load_all(home, one)
    assert Ledger(home).pending("test_sd") == set()
    [load] = loads[2022]
    assert (load.rows, load.rows_in, load.loaded, load.rejected, load.duplicates) == (2, 4, 2, 1, 1)
    assert (load.conflicts, load.reasons) == (1, {row_reason("grade_level"): 1})
    frame = stored(home, "students", 2022)
    assert frame.select("student_id", "grade_level", "sex").rows() == [("a", "10", None), ("b", "09", "male")]
    assert "school_year" not in frame.columns
    assert frame["_delivery_id"].unique().to_list() == [sha256[:16]]
    assert account(home) == {
        ("students.csv", "students", 0): (1, 0, 1, 0, 1, 0, "loaded"),
        ("students.csv", "students", 2022): (4, 0, 4, 2, 1, 1, "loaded"),
        ("students.csv", "students", 2023): (1, 0, 1, 1, 0, 0, "loaded"),
    }
    other, row = rejected(home, "students", 2022).sort("_line").to_dicts()
    assert (row["student_id"], row["_column"], row["_value"], row["_file"], row["_line"], row["_delivery_id"]) == (
        "c", "grade_level", "97", "students.csv", 5, sha256[:16],
    )  # fmt: skip
    assert row["_reason"] == row_reason("grade_level")
    assert (other["_reason"], other["_column"], other["_value"], other["_line"], other["_delivery_id"]) == (
        f"{CONFLICT}: sex", "sex", "female", 2, sha256[:16],
    )  # fmt: skip
    [row] = rejected(home, "students", 0).to_dicts()
    assert (row["_reason"], row["_value"], row["_line"]) == ("school_year is not a school year", "soon", 6)


def test_types_are_those_of_the_contract(home):
    deliver(
        home,
        "students.csv",
        students("2022,a,9,3.5,2007-01-31", header="school_year,student_id,grade_level,gpa,birth_date"),
    )
    deliver(
        home, "exam_results_students.csv", "exam_year,student_id,program,exam_code,score\n2022,a,AP,07,3.0\n"
    )
    one = partner(CANONICAL | {"files": ["*"]})
    deliver(home, "exam_results.csv", "exam_year,student_id,program,exam_code,score\n2022,b,ap,07,5\n")
    take_delivery(home, one)
    load_all(home, one)
    schema = stored(home, "students", 2022).schema
    assert (schema["student_id"], schema["gpa"], schema["birth_date"], schema["sex"]) == (
        pl.String, pl.Float64, pl.Date, pl.String,
    )  # fmt: skip
    exams = stored(home, "exam_results", 2022)
    assert exams.select("exam_year", "student_id", "program", "score").rows() == [
        (2022, "a", "ap", 3),
        (2022, "b", "ap", 5),
    ]
    assert exams.schema["score"] == exams.schema["exam_year"] == pl.Int32


def test_the_highest_exam_score_is_kept(home):
    deliver(
        home,
        "exam_results.csv",
        "exam_year,student_id,program,exam_code,score\n2022,a,ap,07,\n2022,a,ap,07,4\n2022,a,ap,07,2\n2023,a,ap,07,1\n",
    )
    one = partner(CANONICAL | {"files": ["*"]})
    take_delivery(home, one)
    [load] = load_all(home, one)[2022]
    assert stored(home, "exam_results", 2022)["score"].to_list() == [4]
    assert (load.loaded, load.duplicates) == (1, 2)


def test_bad_records_are_quarantined_with_their_place(home):
    deliver(home, "students.csv", students("2022,a,9,F", "2022,b", "2022,c,9,F,more"))
    one = partner()
    [result] = take_delivery(home, one)
    assert "students.csv: 2 records are no rows, first on line 3" in result.warnings
    load_all(home, one)
    assert account(home)["students.csv", "students", 0] == (2, 0, 2, 0, 2, 0, "loaded")
    assert rejected(home, "students", 0).select("_value", "_reason", "_line").rows() == [
        (None, "2 fields where the header has 4", 3),
        (None, "5 fields where the header has 4", 4),
    ]


def test_one_bad_file_does_not_hold_up_the_others(home):
    deliver(home, "students.csv", students("2022,a,9,F"))
    deliver(home, "students_broken_header.csv", "school_year;grade_level\n2022;9\n")
    deliver(home, "students_north.zip", b"PK\x03\x04 cut short")
    deliver(home, "letter.txt", "Dear data team")
    deliver(home, ".hidden.csv", "x")
    one = partner(CANONICAL | {"files": ["*students*"]})
    results = {result.file: result for result in take_delivery(home, one)}
    assert {file: result.status for file, result in results.items()} == {
        "letter.txt": "unclaimed", "students.csv": "accepted", "students_broken_header.csv": "refused",
        "students_north.zip": "refused",
    }  # fmt: skip
    assert results["students_broken_header.csv"].message.startswith(
        "students_broken_header.csv, line 1: no header for student_id"
    )
    assert "cut short" in results["students_north.zip"].message
    assert "letter.txt" in results["letter.txt"].message
    load_all(home, one)
    assert stored(home, "students", 2022).height == 1
    assert len(Ledger(home).deliveries("test_sd")) == 4


def test_a_fault_of_the_program_in_one_file_is_told_with_its_place_and_holds_up_no_other(home, monkeypatch):
    deliver(home, "a_students.csv", students("2026,a,09,female"))
    deliver(home, "b_students.csv", students("2026,b,10,male"))
    learn = intake._learn

    def failing(home, partner, sha256, file, *others):
        if file.startswith("a_"):
            raise LookupError("Ana Alvarez")
        return learn(home, partner, sha256, file, *others)

    monkeypatch.setattr(intake, "_learn", failing)
    first, second = sorted(intake.take_delivery(home, partner()), key=lambda result: result.file)
    assert (first.status, second.status) == ("refused", "accepted")
    assert "unexpected LookupError at " in first.message and "Ana" not in first.message
    assert second.rows == {"students": {2026: 1}}


def test_a_truncated_zip_is_refused_and_taken_when_whole(home):
    one = partner(CANONICAL | {"files": ["*.zip"]})
    path = home.landing("test_sd") / "own.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("students.csv", students(*(f"2022,{i},9,F" for i in range(50))))
        archive.writestr("schools.csv", "school_id,school_name\n1,A\n")
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    assert [result.status for result in take_delivery(home, one)] == ["refused"]
    path.write_bytes(whole)
    assert sorted(result.status for result in take_delivery(home, one)) == ["accepted", "refused"]
    load_all(home, one)
    assert account(home)["own.zip!students.csv", "students", 2022] == (50, 0, 50, 50, 0, 0, "loaded")
    assert account(home)["own.zip!schools.csv", "schools", 2021][:4] == (1, 0, 1, 1)


def test_the_same_bytes_again_change_nothing(home):
    one = partner()
    deliver(home, "students.csv", students("2022,a,9,F"))
    take_delivery(home, one)
    load_all(home, one)
    before = tree(home.root / "extracts"), account(home)
    deliver(home, "again/students_2025.csv", students("2022,a,9,F"))
    results = take_delivery(home, one)
    assert [result.new for result in results] == [False]
    assert Ledger(home).pending("test_sd") == set()
    load_extracts(home, one, 2022)
    assert (tree(home.root / "extracts"), account(home)) == before


def test_a_newer_dated_file_replaces_the_older_one_whole_in_the_years_it_holds(home):
    one = partner()
    deliver(
        home, "students_2022-10-01.csv", students("2021,a,9,F", "2022,a,10,F", "2022,b,10,F", "2022,x,99,F")
    )
    deliver(home, "students_2022-11-01.csv", students("2022,a,11,F"))
    take_delivery(home, one)
    load_all(home, one)
    assert stored(home, "students", 2021)["student_id"].to_list() == ["a"]
    assert stored(home, "students", 2022).select("student_id", "grade_level").rows() == [("a", "11")]
    assert account(home)["students_2022-10-01.csv", "students", 2022] == (3, 0, 3, 0, 0, 3, "superseded")
    assert not home.quarantine("students", "test_sd", 2022).exists()
    assert [load["file"] for load in Ledger(home).current("test_sd", 2022)] == ["students_2022-11-01.csv"]


def test_an_older_file_that_comes_late_changes_nothing(home):
    one = partner()
    deliver(home, "students_2022-11-01.csv", students("2022,a,11,F"))
    take_delivery(home, one)
    load_all(home, one)
    before = tree(home.root / "extracts")
    deliver(home, "students_2022-10-01.csv", students("2022,a,10,F", "2022,b,10,F"))
    take_delivery(home, one)
    assert load_all(home, one).keys() == {2022}
    assert tree(home.root / "extracts") == before


def test_a_correction_without_a_date_replaces_what_came_before(home):
    one = partner()
    deliver(home, "students.csv", students("2022,a,9,F"))
    deliver(home, "students_corrected.csv", students("2022,a,10,F"))
    take_delivery(home, one)
    load_all(home, one)
    assert stored(home, "students", 2022)["grade_level"].to_list() == ["10"]


def test_files_in_any_order_give_the_same_bytes(home, tmp_path):
    files = {
        "north/students.csv": students("2022,a,9,F", "2022,b,9,F", "2023,a,10,F"),
        "south/students.csv": students("2022,c,9,F", "2022,b,10,M"),
        "students_2022-10-01.csv": students("2022,d,9,F", "2022,e,8,F"),
        "students_2022-12-01.csv": students("2022,d,9,M", "2022,e,77,M"),
        "schools.csv": "school_id,school_name\n2,B\n1,A\n",
    }
    found = set()
    for seed in range(4):
        home = Home(tmp_path / str(seed))
        names = list(files)
        random.Random(seed).shuffle(names)
        one = partner()
        for name in names:
            deliver(home, name, files[name])
            take_delivery(home, one)
            if seed % 2:
                load_all(home, one)
        load_all(home, one)
        found.add(
            (
                str(tree(home.root / "extracts")),
                str(tree(home.root / "quarantine")),
                str(sorted(account(home).items())),
            )
        )
    assert len(found) == 1


SIDE = {
    "name": "extras",
    "format": "delimited",
    "extract": "students",
    "files": ["extras*.csv"],
    "columns": {
        "school_year": "Year",
        "student_id": "ID",
        "economically_disadvantaged": "Lunch",
        "sex": "Sex",
    },
    "values": {"economically_disadvantaged": {"F": "yes", "P": "no", "": "unknown"}},
}


def test_two_sources_merge_column_by_column(home):
    deliver(home, "students.csv", students("2022,a,9,F", "2022,b,10,", "2022,c,10,unknown"))
    deliver(
        home,
        "extras.csv",
        "Year,ID,Lunch,Sex\n2022,a,F,M\n2022,b,P,M\n2022,c,,M\n2022,z,F,M\n2022,b,Q,M\n2022,c,,M\n",
    )
    one = partner(CANONICAL, SIDE)
    take_delivery(home, one)
    [load] = load_all(home, one)[2022]
    frame = stored(home, "students", 2022)
    assert frame.select("student_id", "grade_level", "sex", "economically_disadvantaged").rows() == [
        ("a", "09", "female", "yes"),
        ("b", "10", "male", "no"),
        ("c", "10", "male", "unknown"),
    ]
    assert account(home) == {
        ("extras.csv", "students", 2022): (6, 0, 6, 3, 2, 1, "loaded"),
        ("students.csv", "students", 2022): (3, 0, 3, 3, 0, 0, "loaded"),
    }
    assert (load.rows, load.loaded) == (3, 6)
    # The row with a wrong code is refused by itself; the student whom only the side file knows lacks a grade.
    assert rejected(home, "students", 2022).select("ID", "_reason", "_line").rows() == [
        ("z", "grade_level is missing", 5),
        ("b", "economically_disadvantaged is not one of yes, no, unknown", 6),
    ]


def test_the_source_that_stands_first_wins(home):
    deliver(home, "students.csv", students("2022,a,9,F"))
    deliver(home, "extras.csv", "Year,ID,Lunch,Sex\n2022,a,F,M\n")
    one = partner(SIDE, CANONICAL)
    take_delivery(home, one)
    load_all(home, one)
    assert stored(home, "students", 2022)["sex"].to_list() == ["male"]


def test_one_file_may_feed_two_extracts(home):
    sources = [
        {"name": name, "format": "delimited", "extract": extract, "files": ["sis.csv"], "columns": columns}
        for name, extract, columns in [
            ("pupils", "students", {"school_year": "Year", "student_id": "ID", "grade_level": "Grade"}),
            ("places", "schools", {"school_year": "Year", "school_id": "School", "school_name": "School"}),
        ]
    ]
    deliver(home, "sis.csv", "Year,ID,Grade,School\n2022,a,9,N\n2022,b,9,N\n2022,c\n")
    one = partner(*sources)
    [result] = take_delivery(home, one)
    assert (result.status, result.source) == ("accepted", "pupils, places")
    load_all(home, one)
    assert account(home) == {
        ("sis.csv", "schools", 0): (1, 0, 1, 0, 1, 0, "loaded"),
        ("sis.csv", "schools", 2022): (2, 0, 2, 1, 0, 1, "loaded"),
        ("sis.csv", "students", 0): (1, 0, 1, 0, 1, 0, "loaded"),
        ("sis.csv", "students", 2022): (2, 0, 2, 2, 0, 0, "loaded"),
    }


def test_two_sources_that_claim_one_file_are_both_named(home):
    deliver(home, "extras_students.csv", students("2022,a,9,F"))
    [result] = take_delivery(home, partner(CANONICAL, SIDE))
    assert result.status == "refused"
    assert "'own' and 'extras' both claim this file" in result.message


def test_a_corrected_mapping_reads_known_files_again(home):
    deliver(home, "extras.csv", "Year,ID,Lunch,Sex,Grade\n2022,a,F,M,9\n2023,a,P,M,10\n")
    wrong = SIDE | {"columns": SIDE["columns"] | {"grade_level": "Lunch"}}
    right = SIDE | {"columns": SIDE["columns"] | {"grade_level": "Grade"}}
    take_delivery(home, partner(wrong))
    load_all(home, partner(wrong))
    assert stored(home, "students", 2022).height == 0
    [result] = take_delivery(home, partner(right))
    assert result.new
    load_all(home, partner(right))
    assert stored(home, "students", 2022)["grade_level"].to_list() == ["09"]
    assert not home.quarantine("students", "test_sd", 2022).exists()


def test_an_extract_that_no_delivery_holds_any_more_is_gone(home):
    deliver(home, "extras.csv", "Year,ID,Lunch,Sex,Grade\n2022,a,F,M,9\n")
    before = SIDE | {"columns": SIDE["columns"] | {"grade_level": "Grade"}}
    take_delivery(home, partner(before))
    load_all(home, partner(before))
    after = partner(before | {"files": ["other*.csv"]})
    [result] = take_delivery(home, after)
    assert result.status == "unclaimed"
    assert load_all(home, after) == {2022: []}
    assert not home.extract("students", "test_sd", 2022).exists()
    assert account(home) == {}


def test_a_file_sent_again_under_a_name_that_fits_is_taken(home):
    deliver(home, "pupils.csv", students("2022,a,9,F"))
    assert [result.status for result in take_delivery(home, partner())] == ["unclaimed"]
    deliver(home, "students.csv", students("2022,a,9,F"))
    assert [result.status for result in take_delivery(home, partner())] == ["accepted"]
    assert [result.new for result in take_delivery(home, partner())] == [False]


def test_a_folder_with_a_oneroster_set_is_one_delivery(home):
    for name in ("orgs.csv", "users.csv", "courses.csv", "notes.csv"):
        deliver(home, f"roster_2022/{name}", "a\n1\n")
    names = {result.file: result.status for result in take_delivery(home, partner())}
    assert names == {"roster_2022": "unclaimed", "roster_2022/notes.csv": "unclaimed"}
    [archived] = home.archive("test_sd").glob("*/roster_2022")
    assert sorted(path.name for path in archived.iterdir()) == ["courses.csv", "orgs.csv", "users.csv"]


def test_a_oneroster_set_laid_straight_into_landing_bears_the_name_of_its_manifest(home):
    for name, text in SET.items():
        deliver(home, f"{name}.csv", text)
    sis = {"name": "sis", "format": "oneroster", "files": ["manifest.csv"]}
    [taken] = take_delivery(home, partner(sis))
    assert (taken.file, taken.status) == ("manifest.csv", "accepted")
    assert "students" in taken.rows


def test_the_latest_date_that_a_name_states_is_as_of(home):
    deliver(home, "students_2022-23_2022-10-03.csv", students("2023,a,9,F"))
    deliver(home, "schools.csv", "school_id,school_name\n1,A\n")
    take_delivery(home, partner())
    assert {d["file"]: d["as_of"] for d in Ledger(home).deliveries("test_sd")} == {
        "students_2022-23_2022-10-03.csv": "2022-10-03", "schools.csv": None,
    }  # fmt: skip


def test_summary_counts_what_stands(home):
    one = partner()
    deliver(home, "students_2022-10-01.csv", students("2022,a,10,F", "2022,b,10,F"))
    deliver(home, "students_2022-11-01.csv", students("2022,a,11,F", "2022,b,98,F"))
    take_delivery(home, one)
    [row] = Ledger(home).summary("test_sd")
    assert (row["pending"], row["school_year"], row["extract"]) == (1, 2022, "students")
    load_all(home, one)
    [row] = Ledger(home).summary()
    assert (row["deliveries"], row["superseded"], row["rows_in"], row["loaded"], row["rejected"], row["pending"]) == (
        1, 1, 2, 1, 1, 0,
    )  # fmt: skip
    assert Ledger(home).counts("test_sd") == {
        "records": 4, "skipped": 0, "rows_in": 4, "loaded": 1, "rejected": 1, "duplicates": 2,
        "conflicts": 0,
    }  # fmt: skip


def test_files_are_for_their_owner_only(home):
    before = os.umask(0o077)
    try:
        deliver(home, "students.csv", students("2022,a,9,F", "2022,b,88,F", "x,c,9,F"))
        take_delivery(home, partner())
        load_all(home, partner())
    finally:
        os.umask(before)
    for layer in ("archive", "extracts", "quarantine", "ledger.sqlite"):
        layer = home.root / layer
        for path in (layer, *layer.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_dry_run_tells_counts_and_reasons_and_changes_nothing(home):
    deliver(
        home, "students.csv", students("2022,secret,97,F", "2022,b,9,F", "2022,b,9,F", "x,d,9,F", "2022,e")
    )
    deliver(home, "extras.csv", "Year,ID,Lunch,Sex,Password\n2022,a,F,M,p\n")
    deliver(home, "letter.txt", "hello")
    landing = home.landing("test_sd")
    files = [
        landing / "students.csv",
        landing / "extras.csv",
        landing / "letter.txt",
        landing / "none_students.csv",
    ]
    before = tree(home.root)
    checks = check_delivery(home, partner(CANONICAL, SIDE), files)
    assert tree(home.root) == before
    assert [check.status for check in checks] == ["accepted", "accepted", "unclaimed", "refused"]
    own, side = checks[:2]
    assert [(c["school_year"], c["rows_in"], c["loaded"], c["rejected"], c["duplicates"]) for c in own.counts] == [
        (0, 2, 0, 2, 0), (2022, 3, 1, 1, 1),
    ]  # fmt: skip
    assert {(f.column, f.school_year, f.rows, f.lines) for f in own.findings} == {
        (None, 0, 1, (6,)), ("school_year", 0, 1, (5,)), ("grade_level", 2022, 1, (2,)),
    }  # fmt: skip
    assert "secret" not in repr(own)
    assert own.inferred["students.csv"]["encoding"] == "utf-8"
    assert side.counts[0]["loaded"] == 1
    assert any("grade_level must come from another file" in warning for warning in side.warnings)
    assert "extras.csv: not used: Password" in side.warnings


def test_a_dry_run_block_by_block_counts_as_a_load_does(home, monkeypatch):
    monkeypatch.setattr(readers, "_BLOCK", 50)
    monkeypatch.setattr(records, "_HEAD", 60)
    rows = [
        "2022,a,9,F",
        "2022,b,99,F",
        "short",
        "2023,a,10,F",
        "soon,c,9,F",
        "2022,a,9,M",
        "2023,d,77,F",
        "2022,a,9,F",
    ]
    path = deliver(home, "students.csv", students(*rows * 3))
    [check] = check_delivery(home, partner(), [path])
    take_delivery(home, partner())
    loaded = load_all(home, partner())
    assert check.warnings[-1] == (f"students.csv, line 7: 3 rows of students 2021-22: {CONFLICT}: sex")
    assert sum(load.conflicts for of_year in loaded.values() for load in of_year) == 3
    names = ("extract", "school_year", "rows_in", "loaded", "rejected", "duplicates")
    loads = [{name: load[name] for name in names} for load in Ledger(home).loads("test_sd")]
    assert [{name: count[name] for name in names} for count in check.counts] == sorted(
        loads, key=lambda load: load["school_year"]
    )
    assert sum(count["rows_in"] for count in check.counts) == 24
    assert {(found.school_year, found.rows, found.lines) for found in check.findings} == {
        (0, 3, (4, 12, 20)), (0, 3, (6, 14, 22)), (2022, 3, (3, 11, 19)), (2023, 3, (8, 16, 24)),
    }  # fmt: skip


def test_rows_that_only_the_adapter_can_refuse_are_quarantined_with_its_reason(home, monkeypatch):
    def marking(tables, source, partner):
        [mapped] = original(tables, source, partner)
        reason = pl.when(pl.col("student_id") != "a").then(pl.lit("class is not in the delivery"))
        return [type(mapped)(mapped.extract, mapped.rows.with_columns(reason.alias("_reject")))]

    original = canonical.map
    monkeypatch.setattr(canonical, "map", marking)
    deliver(home, "students.csv", students("2022,a,9,F", "2022,b,9,F", "2022,c,99,F", "soon,d,9,F"))
    take_delivery(home, partner())
    load_all(home, partner())
    assert stored(home, "students", 2022)["student_id"].to_list() == ["a"]
    told = pl.concat([rejected(home, "students", year) for year in (0, 2022)]).sort("_line")
    assert told.select("student_id", "_reason").rows() == [(s, "class is not in the delivery") for s in "bcd"]


def test_pending_is_what_a_next_intake_would_find_to_do(home):
    one = partner(CANONICAL, SIDE)
    assert pending_files(home, one) == []
    deliver(home, "students.csv", students("2022,a,9,F"))
    deliver(home, "students_extras.csv", students("2022,b,9,F"))
    deliver(home, "extras_students.csv", "Year,ID,Lunch,Sex\n2022,b,F,M\n")
    deliver(home, "letter.txt", "hello")
    assert sorted(pending_files(home, one)) == [
        "extras_students.csv",
        "letter.txt",
        "students.csv",
        "students_extras.csv",
    ]
    results = {result.file: result.status for result in take_delivery(home, one)}
    assert results["extras_students.csv"] == "refused"  # two sources claim it
    assert pending_files(home, one) == []
    deliver(home, "extras.csv", "Year,ID,Lunch,Sex\n2022,b,F,M\n")
    assert pending_files(home, one) == ["extras.csv"]
    take_delivery(home, one)
    assert pending_files(home, one) == []
    changed = partner(CANONICAL, SIDE | {"constants": {"race_standard": "1997"}})
    assert pending_files(home, changed) == ["extras.csv"]
    take_delivery(home, changed)
    assert pending_files(home, changed) == []


def test_a_dry_run_of_a_file_elsewhere_is_matched_by_the_end_of_its_path(home, tmp_path, monkeypatch):
    (tmp_path / "out" / "pupils").mkdir(parents=True)
    (tmp_path / "out" / "pupils" / "part1.csv").write_text(students("2022,a,9,F"))
    one = partner(CANONICAL | {"files": ["pupils/part1.csv"], "extract": "students"})
    monkeypatch.chdir(tmp_path)
    for given, called in [("out/pupils/part1.csv", "out/pupils/part1.csv"), ("out", "pupils/part1.csv")]:
        [check] = check_delivery(home, one, [Path(given)])
        assert check.status == "accepted"
        assert check.file.endswith(called)
        assert check.counts[0]["loaded"] == 1
