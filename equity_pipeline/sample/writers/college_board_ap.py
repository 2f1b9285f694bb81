"""The College Board's AP student datafile: one row per student who tested this year, 30 slots of six columns.

As the real file: the slots hold the exams of earlier years too, dates are MMDDYY without their leading zero, header
`Filler` stands three times, grade level 4 is grade 9, Calculus BC brings a subscore, and an exam may have no grade.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import polars as pl

SLOTS = 30
_STUDENT = [
    "AP Number / AP ID",
    "Last Name",
    "First Name",
    "Middle Initial",
    "Student Street Address 1",
    "Student Street Address 2",
    "Student Street Address 3",
    "Student State",
    "Student Zip Code",
    "Student Province",
    "Student International Postal Code",
    "Student Country Code",
    "Gender",
    "Date of Birth",
    "Filler",
    "School ID",
    "Grade Level",
    "Filler",
    "Ethnic Group 2015 and Prior",
    "Filler",
    "Best Language",
    "Previous AI Year 1",
    "Previous AI Code 1",
    "Previous AI Year 2",
    "Previous AI Code 2",
    "Award Type 1",
    "Award Year 1",
    "Award Type 2",
    "Award Year 2",
    "Award Type 3",
    "Award Year 3",
    "Award Type 4",
    "Award Year 4",
    "Award Type 5",
    "Award Year 5",
    "Award Type 6",
    "Award Year 6",
    "AI Code",
    "AI Institution Name",
    "AI Street Address 1",
    "AI Street Address 2",
    "AI Street Address 3",
    "AI State",
    "AI Zip Code",
    "AI Province",
    "AI International Postal Code",
    "AI Country Code",
    "College Code",
    "Contact Name",
    "DI Institution Name",
    "DI Street Address 1",
    "DI Street Address 2",
    "DI Street Address 3",
    "DI State",
    "DI Zip Code",
    "DI Province",
    "DI International Postal Code",
    "DI Country Code",
]
_SLOT = (
    "Admin Year",
    "Exam Code",
    "Exam Grade",
    "Irregularity Code #1",
    "Irregularity Code #2",
    "Class Section Code",
)
_END = (
    "Date Grades Released to College", "Date of Last Student Update", "Date of this report", "Student Identifier",
    "Race Ethnicity Student Response 2016 and Forward", "Derived Aggregate Race Ethnicity 2016 and Forward",
)  # fmt: skip
HEADER = [*_STUDENT, *(f"{name} {slot:02d}" for slot in range(1, SLOTS + 1) for name in _SLOT), *_END]

_CALCULUS_BC, _AB_SUBSCORE = "68", "69"
NO_GRADE = 5  # exams a year that were ordered and have no grade
WRONG = 2  # exams a year with a grade that does not exist
_SEXES = {"female": "F", "male": "M", "nonbinary": "X"}


def deliver(tables: dict[str, pl.DataFrame], landing: Path) -> None:
    """Write one datafile per administration, `AP_2122.csv` for May 2022."""
    exams = tables["exam_results"].filter(program="ap").sort("student_id", "exam_year", "exam_code")
    students = tables["students"].select("school_year", "student_id", "grade_level", "sex", "birth_date")
    for year in exams["exam_year"].unique().sort():
        testing = exams.filter(exam_year=year)["student_id"].unique().implode()
        history = exams.filter(pl.col("student_id").is_in(testing), pl.col("exam_year") <= year)
        people = history.select("student_id").unique(maintain_order=True)
        people = people.join(
            students.filter(school_year=year), on="student_id", how="left", maintain_order="left"
        )
        content = _datafile(people, history, int(year))
        (landing / f"AP_{(year - 1) % 100:02d}{year % 100:02d}.csv").write_text(
            content, encoding="utf-8", newline=""
        )


def planted(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Exams with an impossible grade, and exams that a later datafile repeats, over all years."""
    exams = tables["exam_results"].filter(program="ap").select("student_id", "exam_year")
    testing = exams.unique().rename({"exam_year": "later"})
    repeated = exams.join(testing, on="student_id").filter(pl.col("later") > pl.col("exam_year"))
    rejected = WRONG * exams["exam_year"].n_unique()
    return {"exam_results": {"rejected": rejected, "duplicates": repeated.height}}


def _datafile(people: pl.DataFrame, history: pl.DataFrame, year: int) -> str:
    subscores = history.filter(exam_code=_CALCULUS_BC).with_columns(exam_code=pl.lit(_AB_SUBSCORE))
    ungraded = (
        history.filter(exam_year=year).unique("student_id", keep="first", maintain_order=True).tail(NO_GRADE)
    )
    ungraded = ungraded.with_columns(exam_code=pl.lit("82"), score=pl.lit(None, pl.Int64))
    slots = pl.concat([history, subscores, ungraded]).sort("student_id", "exam_year", "exam_code")
    place = {student: row for row, student in enumerate(people["student_id"])}
    row = np.array([place[student] for student in slots["student_id"]])
    slot = slots.select(pl.int_range(pl.len()).over("student_id")).to_series().to_numpy()
    table = np.full((people.height + WRONG, len(HEADER)), "", object)
    first = len(_STUDENT) + len(_SLOT) * slot
    table[row, first] = (slots["exam_year"] % 100).cast(pl.String).str.zfill(2).to_numpy()
    table[row, first + 1] = slots["exam_code"].to_numpy()
    table[row, first + 2] = slots["score"].cast(pl.String).fill_null("").to_numpy()

    column = {name: position for position, name in enumerate(HEADER)}
    known = slice(0, people.height)
    grade = people["grade_level"].cast(pl.Int64) - 5
    table[known, column["Student Identifier"]] = people["student_id"].to_numpy()
    table[known, column["Grade Level"]] = grade.cast(pl.String).fill_null("").to_numpy()
    table[known, column["Gender"]] = people["sex"].replace(_SEXES).fill_null("").to_numpy()
    table[known, column["Date of Birth"]] = _mmddyy(people["birth_date"]).to_numpy()
    for extra in range(WRONG):
        at = people.height + extra
        table[at, column["Student Identifier"]] = f"98{year % 100}{extra:03d}"
        table[at, len(_STUDENT) : len(_STUDENT) + 3] = [f"{year % 100:02d}", "36", "9"]
    identifiers = column["AP Number / AP ID"]
    table[:, identifiers] = [f"{year % 100}{number:06d}" for number in range(len(table))]
    table[:, column["Last Name"]], table[:, column["First Name"]] = "Invented", "Student"
    table[:, column["Date of this report"]] = f"70{5 + year % 3}{year % 100:02d}"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows(table.tolist())
    return text.getvalue()


def _mmddyy(days: pl.Series) -> pl.Series:
    """07/01/24 → `70124`: the leading zero is lost, as in files that a spreadsheet has seen."""
    return days.dt.strftime("%m%d%y").str.strip_chars_start("0").fill_null("")
