"""The AP student datafile: three students, seven filled slots, known truth."""

from __future__ import annotations

import csv
import io

import pytest

from equity_pipeline.adapters import college_board_ap as ap
from equity_pipeline.adapters.readers import read_delimited
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Source

SLOT = (
    "Admin Year",
    "Exam Code",
    "Exam Grade",
    "Irregularity Code #1",
    "Irregularity Code #2",
    "Class Section Code",
)
HEADER = [
    "AP Number / AP ID", "Filler", "Grade Level", "Filler", *(f"{part} {n:02d}" for n in (1, 2, 3, 4) for part in SLOT),
    "Student Identifier",
]  # fmt: skip
RECORDS = {
    "900": [("24", "68", "4", "39", "", ""), ("24", "69", "5", "", "", ""), ("23", "7", "3", "", "", "")],
    "901": [("24", "36", "5", "", "94", ""), ("24", "37", "", "2", "", ""), ("", "", "", "", "", "")],
    "902": [],
    "903": [("9", "99", "2", "", "", ""), ("24", "82", "0", "", "", "")],
}


def source(**more: object) -> Source:
    return Source(name="ap", format="college_board_ap", files=["*"], **more)


def datafile(header: list[str] = HEADER) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    for student, slots in RECORDS.items():
        cells = [cell for slot in slots for cell in slot]
        writer.writerow(["AP" + student, "", "5", "", *cells, *[""] * (24 - len(cells)), student])
    return text.getvalue().encode()


def take(content: bytes, **more: object):
    (mapped,) = ap.map([read_delimited(content, "AP.csv")], source(**more), None)
    return mapped


def test_one_row_per_graded_exam():
    mapped = take(datafile())
    assert mapped.extract == "exam_results"
    columns = (
        "exam_year",
        "school_year",
        "student_id",
        "program",
        "exam_code",
        "exam_name",
        "score",
        "_line",
    )
    assert mapped.rows.select(columns).rows() == [
        ("2024", "2024", "900", "ap", "68", "Calculus BC", "4", 2),
        ("2023", "2023", "900", "ap", "07", "United States History", "3", 2),
        ("2009", "2009", "903", "ap", "99", None, "2", 5),
        # No such grade: the contract refuses it, not the adapter.
        ("2024", "2024", "903", "ap", "82", "Physics C: Electricity and Magnetism", "0", 5),
    ]
    assert mapped.rows["_file"].unique().to_list() == ["AP.csv"]


def test_what_gives_no_row_is_counted():
    mapped = take(datafile())
    assert mapped.skipped == {
        "no exam in the record": 1,
        "no grade": 1,
        "score is canceled": 1,
        "subscore": 1,
    }
    filled = sum(any(slot) for slots in RECORDS.values() for slot in slots)
    without = sum(not any(any(slot) for slot in slots) for slots in RECORDS.values())
    assert mapped.rows.height + sum(mapped.skipped.values()) == filled + without


def test_the_student_id_may_stand_elsewhere():
    mapped = take(datafile(), columns={"student_id": ["Local ID", "ap number / ap id"]})
    assert mapped.rows["student_id"].unique(maintain_order=True).to_list() == ["AP900", "AP903"]


def test_a_file_that_is_no_datafile():
    with pytest.raises(DeliveryError, match="AP.csv, line 1: no exam slots"):
        take(b"Student Identifier,Score\n1,2\n")
    with pytest.raises(DeliveryError, match="AP.csv, line 1: no column Local ID for the student id"):
        take(datafile(), columns={"student_id": "Local ID"})
    with pytest.raises(PartnerFileError, match="maps only"):
        take(datafile(), columns={"score": "Exam Grade 01"})
