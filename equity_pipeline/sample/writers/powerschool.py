"""PowerSchool-like delimited exports: own headers and codes, Windows-1252, m/d/Y.

Exit dates are the first day after the last; who never came has an exit on the entry date. Grade levels have no leading
zero, races are one code per combination, lunch status stands for income, and no course has a SCED code.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from equity_pipeline.sample.population import first_day
from equity_pipeline.sample.profiles import CEDAR_VALLEY
from equity_pipeline.sample.writers.files import by_year

_RACES = {
    "White": "W", "BlackOrAfricanAmerican": "B", "Asian": "A", "AmericanIndianOrAlaskaNative": "I",
    "NativeHawaiianOrPacificIslander": "P", "BlackOrAfricanAmerican;White": "BW", "Asian;White": "AW",
    "AmericanIndianOrAlaskaNative;White": "IW",
}  # fmt: skip
_LEARNERS = {"current": "Y", "former": "M", "never": "N", "unknown": ""}
_YES_NO = {"yes": "Y", "no": "N", "unknown": ""}
_LEVELS = {"ap": "AP", "honors": "H", "general": "R"}
_FAMILY = ("Peña", "Muñoz", "O'Neal", "Schröder", "Tran", "Washington", "Yazzie")
_GIVEN = ("José", "Zoë", "André", "Mary Ann", "Quinn")


def deliver(tables: dict[str, pl.DataFrame], landing: Path) -> None:
    """Write students, enrollments, courses and class enrollments (`cc`) of each school year, and the list of schools."""
    _write(_schools(tables["schools"]), landing / "Schools.csv", ",")
    for year, label, students in by_year(tables["students"]):
        stints = tables["school_enrollments"].filter(school_year=year)
        _write(_students(students, label), landing / f"Students_{label}.txt", "\t")
        _write(_enrollments(stints, students, label, year), landing / f"Enrollments_{label}.csv", ",")
        _write(
            _courses(tables["courses"].filter(school_year=year), label), landing / f"Courses_{label}.csv", ","
        )
        _write(
            _classes(tables["course_enrollments"].filter(school_year=year), label),
            landing / f"CC_{label}.txt",
            "\t",
        )


def planted(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Nothing: who never came is skipped, not rejected."""
    return {}


def _write(table: pl.DataFrame, path: Path, separator: str) -> None:
    text = table.write_csv(separator=separator, line_terminator="\r\n")
    path.write_bytes(text.encode("cp1252"))


def _us_date(day: pl.Expr) -> pl.Expr:
    """8/5/2021, without leading zeros."""
    return pl.format("{}/{}/{}", day.dt.month(), day.dt.day(), day.dt.year())


def _day_after(column: str) -> pl.Expr:
    return _us_date(pl.col(column).dt.offset_by("1d"))


def _schools(schools: pl.DataFrame) -> pl.DataFrame:
    return schools.select(
        pl.col("school_id").alias("School_Number"), pl.col("school_name").alias("Name"),
        pl.col("grade_low").cast(pl.Int64).alias("Low_Grade"), pl.col("grade_high").cast(pl.Int64).alias("High_Grade"),
    )  # fmt: skip


def _students(students: pl.DataFrame, label: str) -> pl.DataFrame:
    number = pl.col("student_id").cast(pl.Int64)
    income = pl.col("economically_disadvantaged")
    return students.select(
        pl.lit(label).alias("School_Year"),
        pl.col("student_id").alias("Student_Number"),
        pl.lit(pl.Series(_FAMILY)).gather(number % len(_FAMILY)).alias("Last_Name"),
        pl.lit(pl.Series(_GIVEN)).gather(number % len(_GIVEN)).alias("First_Name"),
        pl.col("grade_level").cast(pl.Int64).alias("Grade_Level"),
        _us_date(pl.col("birth_date")).alias("DOB"),
        pl.col("sex").replace({"female": "F", "male": "M", "nonbinary": "X"}).alias("Gender"),
        pl.col("hispanic_latino").replace({"yes": "1", "no": "0", "unknown": ""}).alias("FedEthnicity"),
        pl.when(pl.col("hispanic_latino") == "unknown").then(1).otherwise(0).alias("FedRaceDecline"),
        pl.col("races").replace_strict(_RACES).fill_null("").alias("Race_Code"),
        pl.when(income == "yes").then(pl.when(number % 5 == 0).then(pl.lit("R")).otherwise(pl.lit("F")))
        .when(income == "no").then(pl.lit("P")).otherwise(pl.lit("")).alias("LunchStatus"),
        pl.col("english_learner").replace(_LEARNERS).alias("LEP"),
        pl.col("disability_idea").replace(_YES_NO).alias("SpEd"),
        pl.col("section_504").replace(_YES_NO).alias("Section_504"),
        pl.col("homeless").replace(_YES_NO).alias("Homeless_Code"),
        pl.col("gpa").alias("Cumulative_GPA"),
    )  # fmt: skip


def _enrollments(stints: pl.DataFrame, students: pl.DataFrame, label: str, year: int) -> pl.DataFrame:
    never_came = students.join(stints, on="student_id", how="anti", maintain_order="left")
    first = _us_date(pl.lit(first_day(CEDAR_VALLEY, year)))
    came = stints.select(
        pl.lit(label).alias("School_Year"), pl.col("student_id").alias("Student_Number"),
        pl.col("school_id").alias("SchoolID"), _us_date(pl.col("entry_date")).alias("EntryDate"),
        _day_after("exit_date").alias("ExitDate"), pl.col("is_primary").replace(_YES_NO).alias("Primary_School"),
    )  # fmt: skip
    absent = never_came.select(
        pl.lit(label).alias("School_Year"), pl.col("student_id").alias("Student_Number"),
        pl.lit(CEDAR_VALLEY.schools[1].school_id).alias("SchoolID"), first.alias("EntryDate"), first.alias("ExitDate"),
        pl.lit("Y").alias("Primary_School"),
    )  # fmt: skip
    return pl.concat([came, absent])


def _courses(courses: pl.DataFrame, label: str) -> pl.DataFrame:
    return courses.select(
        pl.lit(label).alias("School_Year"), pl.col("course_id").alias("Course_Number"),
        pl.col("course_title").alias("Course_Name"), pl.col("course_level").replace(_LEVELS).alias("Crs_Level"),
        pl.col("subject").alias("Dept"), pl.col("credits").alias("Credit_Hours"),
    )  # fmt: skip


def _classes(enrollments: pl.DataFrame, label: str) -> pl.DataFrame:
    return enrollments.select(
        pl.lit(label).alias("School_Year"), pl.col("student_id").alias("Student_Number"),
        pl.col("school_id").alias("SchoolID"), pl.col("course_id").alias("Course_Number"),
        pl.col("section_id").alias("Section_Number"), pl.col("term").alias("TermID"),
        _us_date(pl.col("entry_date")).alias("DateEnrolled"), _day_after("exit_date").alias("DateLeft"),
        pl.col("final_grade").alias("Final_Percent"), pl.col("dropped").replace(_YES_NO).alias("Dropped"),
    )  # fmt: skip
