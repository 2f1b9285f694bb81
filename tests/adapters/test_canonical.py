"""Canonical files: the extract by name, canonical headers, CSV and Parquet alike."""

import datetime as dt

import polars as pl
import pytest

from equity_pipeline.adapters import canonical
from equity_pipeline.domain.errors import DeliveryError
from equity_pipeline.partners.registry import Partner, Source


def mapped(path, **parts):
    one = Source(**{"name": "own", "format": "canonical", "files": ["*"]} | parts)
    partner = Partner(
        partner_id="test_sd",
        name="Test",
        state="CA",
        timezone="America/Los_Angeles",
        first_school_year="2020-21",
        sources=[one],
    )
    [result] = canonical.map(canonical.read(path, path.name, one), one, partner)
    return result


@pytest.mark.parametrize(
    ("name", "extract"),
    [
        ("course_enrollments.csv", "course_enrollments"),
        ("Riverside_Course_Enrollments_2022-23.csv", "course_enrollments"),
        ("schools.csv", "schools"),
        ("2023-school_enrollments (1).csv", "school_enrollments"),
    ],
)
def test_the_extract_is_in_the_name(name, extract):
    assert canonical._extract_named_in(name) == extract


def test_a_name_without_an_extract_is_refused_unless_the_source_says_it(tmp_path):
    path = tmp_path / "export.csv"
    path.write_text("school_id,school_name\n1,A\n")
    with pytest.raises(DeliveryError, match="the name says no extract"):
        mapped(path)
    assert mapped(path, extract="schools").extract == "schools"


def test_extra_columns_are_dropped_with_a_warning(tmp_path):
    path = tmp_path / "schools.csv"
    path.write_text("School_ID,school_name,Principal,nces_school_id\n0042,A,Someone,\n")
    result = mapped(path)
    assert result.rows.to_dicts() == [
        {
            "school_id": "0042", "school_name": "A", "nces_school_id": "", "school_year": None,
            "_file": "schools.csv", "_line": 2,
        }
    ]  # fmt: skip
    assert result.unused == {"schools.csv": ("Principal",)}


def test_reference_tables_may_say_their_year(tmp_path):
    path = tmp_path / "schools.csv"
    path.write_text("school_year,school_id,school_name\n2022,1,A\n")
    assert mapped(path).rows["school_year"].to_list() == ["2022"]


def test_exam_year_is_the_school_year(tmp_path):
    path = tmp_path / "exam_results.csv"
    path.write_text("exam_year,student_id,program,exam_code,score\n2024,1,ap,07,3\n")
    assert mapped(path).rows["school_year"].to_list() == ["2024"]


def test_a_missing_required_column_is_refused(tmp_path):
    path = tmp_path / "students.csv"
    path.write_text("school_year,student_id\n2022,1\n")
    with pytest.raises(DeliveryError, match="no header for grade_level"):
        mapped(path)


def test_parquet_holds_what_csv_would(tmp_path):
    frame = pl.DataFrame(
        {
            "school_year": [2024], "student_id": ["007"], "school_id": ["1"], "entry_date": [dt.date(2023, 8, 15)],
            "exit_date": pl.Series([None], dtype=pl.Date), "is_primary": [True],
        }
    )  # fmt: skip
    frame.write_parquet(tmp_path / "school_enrollments.parquet")
    frame.write_csv(tmp_path / "school_enrollments.csv")
    parquet, csv = (mapped(tmp_path / f"school_enrollments.{kind}").rows for kind in ("parquet", "csv"))
    assert parquet["_line"].to_list() == [1]
    columns = [c for c in csv.columns if not c.startswith("_")]
    assert parquet.select(pl.col(columns).fill_null("")).equals(csv.select(columns))


@pytest.mark.parametrize("content", [b"PAR1 cut short", b""])
def test_a_broken_parquet_is_refused(tmp_path, content):
    path = tmp_path / "students.parquet"
    path.write_bytes(content)
    with pytest.raises(DeliveryError, match="not a readable Parquet file"):
        mapped(path)


def test_a_parquet_without_a_column_is_refused(tmp_path):
    path = tmp_path / "students.parquet"
    pl.DataFrame().write_parquet(path)
    with pytest.raises(DeliveryError, match="student_id"):
        mapped(path)


def test_a_parquet_of_a_million_columns_is_refused_and_a_huge_cell_is_a_rejected_record(tmp_path):
    path = tmp_path / "students.parquet"
    pl.DataFrame({f"c{number}": [1] for number in range(5_001)}).write_parquet(path)
    with pytest.raises(DeliveryError, match="5,001 columns, more than 5,000"):
        mapped(path)
    frame = pl.DataFrame(
        {"school_year": [2024, 2024], "student_id": ["7", "8" * 200_000], "grade_level": ["09", "10"]}
    )
    frame.write_parquet(path)
    one = Source(name="own", format="canonical", files=["*"])
    [table] = canonical.read(path, path.name, one)
    assert table.frame["student_id"].to_list() == ["7"]
    assert [(bad.line, bad.reason) for bad in table.bad] == [(2, "a cell of more than 131,072 characters")]
