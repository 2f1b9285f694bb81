"""Duplicates that say otherwise than the row kept are marked; repetitions, and rows that say less, are only counted."""

import contextlib
import sqlite3

import polars as pl
import pytest

from equity_pipeline.adapters import readers, records
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.extracts import merging
from equity_pipeline.extracts.intake import take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.resolve import CONFLICT
from equity_pipeline.storage.home import Home
from tests.extracts.test_intake import CANONICAL, SIDE, deliver, load_all, partner, rejected, stored
from tests.unmasked import unmasked

EXAMS = {"name": "exams", "format": "canonical", "files": ["*exam_results*.csv"]}
HEADER = "school_year,student_id,grade_level,sex,english_learner,birth_date"
KEPT = "2022,a,9,F,never,2007-03-05"


def told(home, extract="students"):
    """Line, columns and value of each duplicate in quarantine."""
    if not home.quarantine(extract, "test_sd", 2022).exists():
        return []
    rows = rejected(home, extract, 2022).sort("_file", "_line")
    return [
        (row["_line"], row["_reason"].removeprefix(f"{CONFLICT}: "), row["_column"], row["_value"])
        for row in rows.to_dicts()
        if row["_reason"].startswith(CONFLICT)
    ]


@pytest.fixture(params=["one source", "two sources"])
def sources(request):
    """Rows of one source are settled on disk, those of several in memory: the same must be told of both."""
    return [CANONICAL] if request.param == "one source" else [CANONICAL, SIDE]


@pytest.mark.parametrize(
    ("loser", "expected"),
    [
        (KEPT, []),
        ("2022,a,9,,never,", []),
        ("2022,a,9,F,unknown,2007-03-05", []),
        ("2022,a,9,M,never,2007-03-05", [(2, "sex", "sex", "male")]),
        ("2022,a,10,M,never,2007-03-05", [(2, "grade_level, sex", "grade_level", "10")]),
        # Two people with one id. Of a birth date only the month stays.
        ("2022,a,9,F,never,2006-11-30", [(2, "birth_date", "birth_date", "2006-11-01")]),
    ],
)
def test_a_duplicate_that_says_otherwise_is_told_with_its_columns(home, sources, loser, expected):
    deliver(home, "students.csv", f"{HEADER}\n{loser}\n{KEPT}\n")
    if len(sources) > 1:
        deliver(home, "extras.csv", "Year,ID,Lunch,Sex\n2022,a,F,M\n2022,b,F,\n")
    one = partner(*sources)
    take_delivery(home, one)
    [load] = load_all(home, one)[2022]
    assert told(home) == expected
    assert load.conflicts == len(expected)
    counts = [row for row in Ledger(home).loads("test_sd", 2022) if row["delivered_file"] == "students.csv"]
    assert [(row["rejected"], row["duplicates"], row["conflicts"]) for row in counts] == [
        (0, 1, len(expected))
    ]
    assert stored(home, "students", 2022).filter(student_id="a").select("grade_level", "sex").row(0) == (
        "09",
        "female",
    )


def test_a_newer_file_wins_and_the_row_of_the_older_one_is_told_in_its_quarantine(home):
    deliver(home, "old_students_2021-09-01.csv", f"{HEADER}\n2022,a,9,M,never,\n2022,b,9,F,never,\n")
    deliver(home, "new_students_2021-10-01.csv", f"{HEADER}\n2022,b,9,F,never,\n2022,a,9,F,never,\n")
    one = partner(CANONICAL)
    take_delivery(home, one)
    [load] = load_all(home, one)[2022]
    assert (load.loaded, load.duplicates, load.conflicts) == (2, 2, 1)
    assert told(home) == [(2, "sex", "sex", "male")]
    [row] = rejected(home, "students", 2022).to_dicts()
    in_ledger = {row["delivered_file"]: row["conflicts"] for row in Ledger(home).loads("test_sd", 2022)}
    assert in_ledger == {"old_students_2021-09-01.csv": 1, "new_students_2021-10-01.csv": 0}
    older = next(d for d in Ledger(home).deliveries("test_sd") if d["file"].startswith("old"))
    assert (row["_file"], row["_delivery_id"]) == (older["file"], older["delivery_id"])


def test_a_lower_score_gives_way_and_contradicts_nothing_but_another_name_for_the_same_score_does(home):
    header = "exam_year,student_id,program,exam_code,exam_name,score"
    rows = (
        "2022,a,ap,20,Biology,3\n2022,a,ap,20,Biology,4\n2022,b,ap,20,Chemistry,4\n2022,b,ap,20,Biology,4\n"
    )
    deliver(home, "exam_results.csv", f"{header}\n{rows}")
    one = partner(EXAMS)
    take_delivery(home, one)
    load_all(home, one)
    assert told(home, "exam_results") == [(4, "exam_name", "exam_name", "Chemistry")]


def test_a_ledger_of_old_learns_to_count_them(home):
    """One that was made before the ledger had a place for them."""
    deliver(home, "students.csv", f"{HEADER}\n2022,a,9,M,never,\n{KEPT}\n")
    one = partner(CANONICAL)
    take_delivery(home, one)
    with contextlib.closing(sqlite3.connect(home.ledger, isolation_level=None)) as con:
        con.execute("ALTER TABLE loads DROP COLUMN conflicts")
    [before] = Ledger(home).loads("test_sd", 2022)
    load_all(home, one)
    [after] = Ledger(home).loads("test_sd", 2022)
    assert (before["conflicts"], after["conflicts"], after["duplicates"]) == (0, 1, 1)


def test_every_extract_with_a_key_has_something_to_contradict():
    for contract in EXTRACTS.values():
        assert not contract.key or {column.name for column in contract.columns} - {
            *contract.key,
            contract.best,
        }


def test_rows_of_several_sources_merged_few_at_a_time_are_the_same(tmp_path, monkeypatch):
    """Keys in several writings, rejects in the first and in the last block of a file, conflicts and repetitions."""
    rows = "".join(
        f"2022,{writing},{9 + number % 4},{sex},never,2007-03-0{1 + number % 9}\n"
        for number in range(40)
        for writing, sex in ((f"s{number}", "F"), (f" s{number} ", "M" if number % 3 else "F"))
    )
    side = "".join(f"2022,s{number},{'FP'[number % 2]},M\n" for number in range(30, 50))
    found = []
    for at_once, block in ((500_000, 16 * 1024**2), (7, 200)):
        monkeypatch.setattr(merging, "_AT_ONCE", at_once)
        monkeypatch.setattr(readers, "_BLOCK", block)
        monkeypatch.setattr(records, "_HEAD", 60)
        home = Home(tmp_path / str(at_once))
        deliver(home, "students.csv", f"{HEADER}\n2022,s0,97,F,never,\n{rows}2022,s1,98,F,never,\n")
        deliver(home, "extras.csv", f"Year,ID,Lunch,Sex\n{side}")
        one = partner(CANONICAL, SIDE)
        take_delivery(home, one)
        [load] = load_all(home, one)[2022]
        parts = sorted(home.extract("students", "test_sd", 2022).glob("*.parquet"))
        found.append(
            (
                unmasked(pl.concat(pl.read_parquet(part, hive_partitioning=False) for part in parts)).sort("student_id").to_dicts(),
                rejected(home, "students", 2022).sort("_file", "_line", "_reason").to_dicts(),
                Ledger(home).loads("test_sd", 2022), load.reasons, load.conflicts,
            )
        )  # fmt: skip
        assert (len(parts) > 5) == (at_once == 7)
    assert found[0] == found[1]
    assert (load.loaded, load.rejected, load.duplicates, load.conflicts) == (50, 12, 40, 26)
