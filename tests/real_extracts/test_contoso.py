"""A real SIS export as CSV, taken in by a partner file alone: every row is accounted for."""

import csv
import shutil
from pathlib import Path

import polars as pl
import pytest

from equity_pipeline.extracts.intake import load_extracts, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home
from tests.conftest import EXTRACTS
from tests.unmasked import unmasked

DELIVERED = EXTRACTS / "contoso_sis" / "full" / "day1"

pytestmark = pytest.mark.skipif(
    not DELIVERED.is_dir(),
    reason=f"the real extracts are not at {EXTRACTS}; set EQUITY_EXTRACTS to their folder",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("contoso"))
    shutil.copytree(DELIVERED, home.landing("contoso"))
    partner = registry.load(Path(__file__).parent / "partners" / "contoso.yml")
    assert {result.status for result in take_delivery(home, partner)} == {"accepted"}
    assert Ledger(home).pending("contoso") == {2021}
    load_extracts(home, partner, 2021)
    return home


def delivered(name):
    """The data records of a delivered file, read with Python's csv alone."""
    with (DELIVERED / name).open(newline="", encoding="utf-8-sig") as file:
        header, *records = csv.reader(file)
    return [dict(zip(header, record, strict=True)) for record in records if record != header]


def stored(home, extract):
    path = home.extract(extract, "contoso", 2021) / "part-0.parquet"
    return unmasked(pl.read_parquet(path, hive_partitioning=False))


def test_every_record_is_accounted_for(home):
    students, marks = delivered("students/part1.csv"), delivered("studentsectionmark/part1.csv")
    assert (len(students), len(marks)) == (400, 4800)
    found = {
        load["extract"]: tuple(
            load[count] for count in ("records", "rows_in", "loaded", "rejected", "duplicates")
        )
        for load in Ledger(home).loads("contoso")
    }
    assert found == {
        "schools": (400, 400, 4, 0, 396),
        "students": (400, 400, 400, 0, 0),
        "school_enrollments": (400, 400, 400, 0, 0),
        "course_enrollments": (4800, 4800, 4800, 0, 0),
    }
    assert not (home.root / "quarantine").exists()


def test_headers_in_the_body_are_told(home):
    warnings = [
        d["inferred"] for d in Ledger(home).deliveries("contoso") if "studentsectionmark" in d["file"]
    ]
    assert "header repeated 3 times in the body" in warnings[0]


def test_passwords_and_addresses_go_no_further_than_the_archive(home):
    secrets = {
        row[column]
        for row in delivered("students/part1.csv")
        for column in ("Password", "Username", "Secondary Email")
    }
    for path in (home.root / "extracts").rglob("*.parquet"):
        frame = pl.read_parquet(path, hive_partitioning=False)
        for column in frame.select(pl.col(pl.String)).columns:
            assert not secrets.intersection(frame[column])


def test_groups_are_those_of_the_export(home):
    rows = delivered("students/part1.csv")
    frame = stored(home, "students")

    def sizes(column):
        return dict(frame[column].value_counts().iter_rows())

    def count(column, value):
        return sum(row[column] == value for row in rows)

    assert sizes("sex") == {"male": count("Gender", "Male"), "female": count("Gender", "Female")}
    assert sizes("grade_level") == {
        grade: count("Grade", str(int(grade))) for grade in ("09", "10", "11", "12")
    }
    assert sizes("races") == {
        "AmericanIndianOrAlaskaNative": count("FederalRaceCategory", "American Indian"),
        "Asian": count("FederalRaceCategory", "Asian"),
        "BlackOrAfricanAmerican": count("FederalRaceCategory", "Black"),
        "White": count("FederalRaceCategory", "White"),
        None: count("FederalRaceCategory", "Hispanic"),
    }
    assert sizes("hispanic_latino") == {"yes": count("FederalRaceCategory", "Hispanic"), "no": 321}
    assert sizes("english_learner") == {
        "current": count("ELLStatus", "English Learner"),
        "former": count("ELLStatus", "Redesignated Fluent English Proficient"),
        "never": count("ELLStatus", "Initially Fluent English Proficient"),
        "unknown": count("ELLStatus", ""),
    }
    assert sizes("disability_idea") == {"unknown": count("SpecialEducation", ""), "yes": 68}
    assert sizes("economically_disadvantaged") == {
        "no": count("LowIncome", "0"),
        "yes": count("LowIncome", "1"),
    }
    assert sum(frame["gpa"]) == pytest.approx(sum(float(row["CumulativeGPA"]) for row in rows))


def test_marks_keep_their_term_and_grade(home):
    frame = stored(home, "course_enrollments")
    told = sorted(
        (row["student_id"], row["section_id"], row["term_id"], row["alpha_grade_earned"])
        for row in delivered("studentsectionmark/part1.csv")
    )
    assert sorted(frame.select("student_id", "section_id", "term", "final_grade").iter_rows()) == told
    assert frame["school_id"].unique().to_list() == ["_enrolled"]
    assert frame["course_id"].equals(frame["section_id"])
