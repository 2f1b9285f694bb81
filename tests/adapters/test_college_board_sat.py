"""PSAT and SAT datafiles as readiness scores, and AP exams of students whom the district does not know."""

from __future__ import annotations

import pytest

from equity_pipeline.adapters import college_board_ap as ap
from equity_pipeline.adapters.readers import read_delimited
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Source

SAT = """\
DISTRICT_STUDENT_ID,SECONDARY_ID,LATEST_SAT_DATE,LATEST_SAT_TOTAL,LATEST_SAT_EBRW,LATEST_SAT_MATH_SECTION,ADMIN2_SAT_DATE,ADMIN2_SAT_TOTAL,LATEST_SAT_READING
a,x,10/12/2024,1010,500,510,2024-05-04,980,24.5
,b,6/30/2024,900,,,,,
c,,,,,,,,
d,,soon,1000,,,,,
"""
PSAT = "SECONDARY_ID,LATEST_PSAT_DATE,LATEST_PSAT_TOTAL,LATEST_PSAT_MATH_TEST\na,10/8/2025,700,20.5\n"


def take(text: str, **more: object):
    source = Source(name="sat", format="college_board_ap", files=["*"], extract="readiness_scores", **more)
    (mapped,) = ap.map([read_delimited(text.encode(), "sat.csv")], source, None)
    return mapped


def test_sat_has_a_row_per_sitting_and_section():
    mapped = take(SAT)
    assert mapped.extract == "readiness_scores"
    rows = mapped.rows.select("school_year", "student_id", "assessment", "section", "score", "_line")
    assert sorted(rows.rows(), key=str) == sorted(
        [
            ("2025", "a", "sat", "total", "1010", 2), ("2025", "a", "sat", "ebrw", "500", 2),
            ("2025", "a", "sat", "math", "510", 2), ("2025", "a", "sat", "reading_test", "24.5", 2),
            ("2024", "a", "sat", "total", "980", 2), ("2024", "b", "sat", "total", "900", 3),
            (None, "d", "sat", "total", "1000", 5),
        ],
        key=str,
    )  # fmt: skip
    assert mapped.skipped == {"no score in the record": 1}


def test_psat_is_what_the_source_says():
    mapped = take(PSAT, constants={"assessment": "psat_nmsqt"})
    assert mapped.rows.select("school_year", "student_id", "assessment", "section", "score").rows() == [
        ("2026", "a", "psat_nmsqt", "total", "700"), ("2026", "a", "psat_nmsqt", "math_test", "20.5"),
    ]  # fmt: skip
    with pytest.raises(PartnerFileError, match="does not say which PSAT"):
        take(PSAT)


def test_what_is_no_datafile():
    with pytest.raises(DeliveryError, match="sat.csv, line 1: no scores with a date"):
        take("SECONDARY_ID,LATEST_SAT_TOTAL\na,900\n")
    with pytest.raises(DeliveryError, match="sat.csv, line 1: no column Local for the student id"):
        take(SAT, columns={"student_id": "Local"})
    with pytest.raises(PartnerFileError, match="maps only"):
        take(SAT, columns={"score": "LATEST_SAT_TOTAL"})


def test_an_exam_without_an_id_of_the_district_is_kept_under_its_ap_number():
    source = Source(name="ap", format="college_board_ap", files=["*"])
    text = "AP Number / AP ID,Admin Year 01,Exam Code 01,Exam Grade 01,Student Identifier\n900,24,20,3,\n901,24,20,4,b\n,24,20,5,\n"
    (mapped,) = ap.map([read_delimited(text.encode(), "AP.csv")], source, None)
    assert mapped.rows.select("student_id", "score").rows() == [("ap:900", "3"), ("b", "4"), (None, "5")]
    assert mapped.warnings == (
        "1 exams of 1 students bear no id of the district; they are kept under the AP number and match nobody",
    )
