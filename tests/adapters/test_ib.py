"""IB results: subject grades only, by school year."""

from __future__ import annotations

import pytest

from equity_pipeline.adapters import ib
from equity_pipeline.adapters.readers import read_delimited
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Source

FILE = (
    "YEAR,MONTH,CANDIDATE,SUBJECT,LEVEL,PREDICTED_GRADE,SUBJECT_GRADE,TOTAL_POINTS,student_unique_id\n"
    "2025,MAY,k1,SPANISH B,SL,5,6,30,77\n"
    "2025,MAY,k1,SPANISH B,HL,5,7,30,78\n"
    "2024,NOVEMBER,k2,HISTORY,HL,5,4,30,79\n"
    "2025,MAY,k1,THEORY KNOWL.,TK,A,B,30,77\n"
    "2025,MAY,k1,PHYSICS,SL,4,N,30,77\n"
    "2025,MAY,k1,CHEMISTRY,SL,4,,30,77\n"
    "2025,MAY,k1,BIOLOGY,SL,4,8,30,77\n"
)


def take(text: str, **more: object):
    source = Source(name="ib", format="ib", files=["*"], **more)
    (mapped,) = ib.map([read_delimited(text.encode(), "ib.csv")], source, None)
    return mapped


def test_one_row_per_subject_grade():
    mapped = take(FILE)
    columns = (
        "school_year",
        "exam_year",
        "student_id",
        "program",
        "exam_code",
        "exam_name",
        "score",
        "_line",
    )
    assert mapped.rows.select(columns).rows() == [
        ("2025", "2025", "77", "ib", "SPANISH B SL", "SPANISH B SL", "6", 2),
        ("2025", "2025", "78", "ib", "SPANISH B HL", "SPANISH B HL", "7", 3),
        # November 2024 lies in the school year 2024-25.
        ("2025", "2025", "79", "ib", "HISTORY HL", "HISTORY HL", "4", 4),
        # No such grade: the contract refuses it, not the adapter.
        ("2025", "2025", "77", "ib", "BIOLOGY SL", "BIOLOGY SL", "8", 8),
    ]
    assert mapped.skipped == {
        "N: no grade awarded": 1, "letter grade (theory of knowledge, extended essay)": 1, "no grade": 1,
    }  # fmt: skip


def test_the_student_id_may_stand_elsewhere():
    mapped = take(FILE.replace("student_unique_id", "Local ID"), columns={"student_id": ["SIS", "local id"]})
    assert mapped.rows["student_id"].to_list() == ["77", "78", "79", "77"]


def test_headers_that_are_not_there():
    with pytest.raises(DeliveryError, match="ib.csv, line 1: no header for score as SUBJECT_GRADE"):
        take(FILE.replace("SUBJECT_GRADE", "RESULT"))
    with pytest.raises(DeliveryError, match="no header for student_id as student_unique_id"):
        take(FILE.replace("student_unique_id", "id"))
    with pytest.raises(PartnerFileError, match="columns of IB results has no grade"):
        take(FILE, columns={"grade": "SUBJECT_GRADE"})
