"""A score of an unknown student is kept, counted, and matched by a state id or by birth date and name: never by likeness."""

from __future__ import annotations

import polars as pl
import pytest

from equity_pipeline.extracts import cross_file
from equity_pipeline.extracts.intake import take_delivery
from tests.extracts.test_intake import deliver, load_all, partner, stored
from tests.extracts.test_pseudonyms import texts_of

STUDENTS = {
    "name": "sis", "format": "delimited", "extract": "students", "files": ["students*.csv"],
    "columns": {
        "student_id": "ID", "state_id": "State", "first_name": "First", "last_name": "Last", "birth_date": "Born",
        "grade_level": "Grade",
    },
    "constants": {"school_year": "2026"},
}  # fmt: skip
SCORES = {
    "name": "scores", "format": "delimited", "extract": "exam_results", "files": ["scores*.csv"],
    "columns": {
        "student_id": "Number", "first_name": "First", "last_name": "Last", "birth_date": "Born", "score": "Score",
        "exam_code": "Exam",
    },
    "constants": {"exam_year": "2026", "program": "ap"}, "options": {"date_format": "%m/%d/%Y"},
}  # fmt: skip
ROSTER = (
    "ID,State,First,Last,Born,Grade\n"
    "s1,t1,José,O'Neil,2010-05-17,11\ns2,t2,Ann,Lee,2010-01-02,11\ns3,t3,Ann,Lee,2010-01-02,11\n"
    "s4,t4,Maria,de la Cruz,2009-07-01,12\ns5,,Bob,,2009-07-02,12\n"
)
EXAMS = (
    "Number,First,Last,Born,Exam,Score\n"
    "s1,,,,07,3\n"  # known
    "t2,,,,07,4\n"  # the state's id
    "x1,JOSE,O NEIL,5/17/2010,20,5\n"  # name and birth date, written otherwise
    "x2,Ann,Lee,1/2/2010,20,2\n"  # two students of that name and day
    "x3,Jose,Oneill,5/17/2010,25,1\n"  # alike is not the same
    "x4,Jose,O'Neil,5/18/2010,25,1\n"  # nor is a day off
    "x5,Maria,De-La-Cruz,7/1/2009,25,4\n"
    "x6,Bob,,7/2/2009,25,4\n"  # half a name
    "x7,Jose,O'Neil,5/17/2010,07,2\n"  # would be the second score of s1 for one exam
)


@pytest.mark.parametrize("order", [("students.csv", "scores.csv"), ("scores.csv", "students.csv")])
def test_scores_are_matched_when_the_student_comes(home, order):
    files = {"students.csv": ROSTER, "scores.csv": EXAMS}
    one = partner(STUDENTS, SCORES)
    for name in order:
        deliver(home, name, files[name])
        take_delivery(home, one)
        [loads] = load_all(home, one).values()
        [scores] = [load for load in loads if load.extract == "exam_results"] or [None]
    assert (scores.rows_in, scores.loaded) == (9, 9)
    rows = stored(home, "exam_results", 2026)
    assert sorted(rows.select("student_id", "exam_code", "score", "matched_by").rows(), key=str) == sorted([
        ("s1", "07", 3, None), ("s2", "07", 4, "state_id"), ("s1", "20", 5, "birth_date_and_name"), ("x2", "20", 2, None),
        ("x3", "25", 1, None), ("x4", "25", 1, None), ("s4", "25", 4, "birth_date_and_name"), ("x6", "25", 4, None),
        ("x7", "07", 2, None),
    ], key=str)  # fmt: skip
    path = home.extract(cross_file.TABLE, "test_sd", 2026) / "part-0.parquet"
    counted = {
        (rule, extract): n for rule, extract, n, _ in pl.read_parquet(path, hive_partitioning=False).rows()
    }
    assert counted["student_unknown", "exam_results"] == 5
    assert counted["student_matched_later", "exam_results"] == 3
    left = texts_of(home.root / "extracts")
    assert not [name for name in ("Jos", "Neil", "Ann", "Cruz", "2010-05-17") if name in left]


def test_an_ap_datafile_gives_name_and_birth_date(home):
    ap = {"name": "ap", "format": "college_board_ap", "files": ["ap*.csv"]}
    deliver(home, "students.csv", ROSTER)
    deliver(
        home, "ap_2026.csv",
        "AP Number / AP ID,Last Name,First Name,Date of Birth,Student Identifier,Admin Year 01,Exam Code 01,Exam Grade 01\n"
        "900,Oneil,Jose,51710,,26,20,4\n901,Nobody,Jose,51710,,26,20,4\n",
    )  # fmt: skip
    one = partner(STUDENTS, ap)
    take_delivery(home, one)
    load_all(home, one)
    rows = stored(home, "exam_results", 2026).select("student_id", "matched_by").rows()
    assert sorted(rows, key=str) == [("ap:901", None), ("s1", "birth_date_and_name")]
