"""OneRoster 1.0 and 1.1 of one school, a College Board AP datafile and IB results, as others wrote them."""

from __future__ import annotations

import pytest

from equity_pipeline.adapters import ADAPTERS
from equity_pipeline.partners.registry import Partner, Source


@pytest.fixture
def take(extract):
    def read_and_map(format: str, name: str):
        source = Source(name="real", format=format, files=["*"])
        partner = Partner(
            partner_id="real",
            name="Real",
            state="TX",
            timezone="UTC",
            first_school_year=2021,
            sources=[source],
        )
        path = extract(name)
        tables = ADAPTERS[format].read(path, path.name, source)
        return tables, {one.extract: one for one in ADAPTERS[format].map(tables, source, partner)}

    return read_and_map


@pytest.mark.parametrize(
    ("version", "grade", "bad", "skipped"), [("1p0", None, 0, {"role is teacher": 2}), ("1p1", "09", 2, {})]
)
def test_one_school_in_two_versions_of_oneroster(take, version, grade, bad, skipped):
    tables, mapped = take("oneroster", f"oneroster/lms_toolkit_{version}")
    # 1.1: the two teachers have a field too many, which the reader hands to quarantine.
    assert sum(len(table.bad) for table in tables) == bad
    assert {name: one.rows.height for name, one in mapped.items()} == {
        "schools": 1, "students": 8, "school_enrollments": 8, "courses": 2, "course_enrollments": 20,
    }  # fmt: skip
    assert mapped["students"].skipped == skipped
    assert mapped["students"].rows["grade_level"].unique().to_list() == [grade]
    assert all(one.rows["school_year"].unique().to_list() == ["2021"] for one in mapped.values())
    races = dict(mapped["students"].rows.select("student_id", "races").rows())
    assert races["604863"] == "Asian" and races["604927"] == "BlackOrAfricanAmerican"


def test_terms_by_the_days_of_the_enrollment(take):
    """1.1 has a record per semester with days; 1.0 repeats the record without: both terms, one enrollment twice."""
    terms = {
        version: sorted(
            take("oneroster", f"oneroster/lms_toolkit_{version}")[1]["course_enrollments"]
            .rows["term"]
            .unique()
        )
        for version in ("1p0", "1p1")
    }
    assert terms == {
        "1p0": ["2020-2021 Fall Semester;2020-2021 Spring Semester"],
        "1p1": ["2020-2021 Fall Semester", "2020-2021 Spring Semester"],
    }


def test_ap_datafile_gives_one_row_per_graded_exam(take):
    _, mapped = take("college_board_ap", "assessments/AP/SAMPLE_AP_2324.csv")
    exams = mapped["exam_results"]
    assert exams.rows.height == 12 and exams.skipped == {"no grade": 1}
    assert exams.rows.group_by("exam_year").len().sort("exam_year").rows() == [
        ("2022", 2),
        ("2023", 2),
        ("2024", 8),
    ]
    first = exams.rows.filter(student_id="605001").select(
        "exam_year", "exam_code", "exam_name", "score", "_line"
    )
    assert first.rows() == [("2024", "07", "United States History", "5", 4)]


def test_ib_results_keep_only_subject_grades(take):
    _, mapped = take("ib", "assessments/IB/sample_anonymized_file.csv")
    results = mapped["exam_results"]
    assert results.rows.select("exam_year", "student_id", "exam_code", "score").rows() == [
        ("2024", "605000", "ENV. AND SOC. SL", "6"),
        ("2024", "605001", "MATH ANALYSIS HL", "5"),
        ("2024", "605004", "BUS MAN SL", "5"),
    ]
    assert sum(results.skipped.values()) == 2
