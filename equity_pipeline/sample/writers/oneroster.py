"""OneRoster 1.1 bulk CSV, one zip per school year, and side files for what OneRoster lacks.

users.csv lists a student's schools with the present one first; classes of the same course, school and section are one
class; demographics.csv has the races as flags. Income, English learner, disability and final grades come beside it.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from equity_pipeline.sample import population
from equity_pipeline.sample.profiles import LAKEVIEW
from equity_pipeline.sample.writers import ib
from equity_pipeline.sample.writers.files import by_year, write_zip

_DISTRICT = "LV-DISTRICT"
_RACES = {
    "americanIndianOrAlaskaNative": "AmericanIndianOrAlaskaNative",
    "asian": "Asian",
    "blackOrAfricanAmerican": "BlackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander": "NativeHawaiianOrPacificIslander",
    "white": "White",
    "demographicRaceTwoOrMoreRaces": ";|DemographicRaceTwoOrMoreRaces",
}
_YES_NO = {"yes": "Y", "no": "N", "unknown": ""}
_GIVEN = ("Ada", "Ben", "Chloé", "Dmitri", "Esperanza", "Farid", "Grace", "Hiro")
_FAMILY = ("Alvarez", "Brandt", "Ceesay", "Dubois", "Eze", "Fischer", "Gómez", "Huang", "Ibrahim")


def deliver(tables: dict[str, pl.DataFrame], landing: Path) -> None:
    """Write `roster_2021-22.zip` and the side files of each school year."""
    for year, label, students in by_year(tables["students"]):
        one = {
            name: table.filter(school_year=year)
            for name, table in tables.items()
            if "school_year" in table.columns
        }
        write_zip(landing / f"roster_{label}.zip", _roster(one, tables["schools"], year))
        _extras(students).write_csv(landing / f"student_extras_{label}.csv")
        _final_grades(one["course_enrollments"], label).write_csv(landing / f"final_grades_{label}.csv")
        _crosswalk(one["courses"], label).write_csv(landing / f"course_crosswalk_{label}.csv")
        ib.results(tables["exam_results"].filter(exam_year=year)).write_csv(
            landing / f"ib_exam_results_{label}.csv"
        )


def planted(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Students on the roster who are at no school: their user record gives no enrollment."""
    key = ["school_year", "student_id"]
    nowhere = tables["students"].join(tables["school_enrollments"], on=key, how="anti")
    return {"school_enrollments": {"rejected": nowhere.height, "duplicates": 0}}


def _roster(one: dict[str, pl.DataFrame], schools: pl.DataFrame, year: int) -> dict[str, bytes]:
    seats = one["course_enrollments"].with_columns(sourcedId=pl.format("e{}", pl.int_range(pl.len())))
    tables = {
        "academicSessions": _sessions(year),
        "orgs": _orgs(schools),
        "users": _users(one["students"], one["school_enrollments"]),
        "courses": one["courses"].select(
            "course_title", sourcedId="course_id", title="course_title", courseCode="course_id",
            schoolYearSourcedId=pl.lit(f"{year}"), orgSourcedId=pl.lit(_DISTRICT), subjects="subject",
        ).drop("course_title"),
        "classes": seats.unique("section_id", maintain_order=True).sort("section_id").select(
            sourcedId="section_id", title="section_id", courseSourcedId="course_id", classCode="section_id",
            classType=pl.when(pl.col("course_id") == "HR").then(pl.lit("homeroom")).otherwise(pl.lit("scheduled")),
            schoolSourcedId="school_id", termSourcedIds=pl.format(f"{year}-{{}}", "term"),
        ),
        "enrollments": seats.select(
            "sourcedId", classSourcedId="section_id", schoolSourcedId="school_id", userSourcedId="student_id",
            role=pl.lit("student"), primary=pl.lit("false"), beginDate="entry_date", endDate="exit_date",
        ),
        "demographics": _demographics(one["students"]),
    }  # fmt: skip
    modified = [
        pl.lit("active").alias("status"),
        pl.lit(f"{year}-06-15T00:00:00.000Z").alias("dateLastModified"),
    ]
    files = {
        f"{name}.csv": table.with_columns(modified).select("sourcedId", "status", "dateLastModified", pl.exclude("sourcedId", "status", "dateLastModified"))
        for name, table in tables.items()
    }  # fmt: skip
    manifest = {"manifest.version": "1.0", "oneroster.version": "1.1"} | {
        f"file.{name}": "bulk" for name in tables
    }
    listed = pl.DataFrame({"propertyName": list(manifest), "value": list(manifest.values())})
    return {name: table.write_csv().encode() for name, table in {"manifest.csv": listed, **files}.items()}


def _sessions(year: int) -> pl.DataFrame:
    terms = population.terms(LAKEVIEW, year)
    return pl.DataFrame(
        [(f"{year}", f"{year - 1}-{year}", "schoolYear", *terms["FY"], None, f"{year}")]
        + [(f"{year}-{term}", term, "term", *days, f"{year}", f"{year}") for term, days in terms.items()],
        schema=["sourcedId", "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear"],
        orient="row",
    )


def _orgs(schools: pl.DataFrame) -> pl.DataFrame:
    """The grade range of a school is an extension, which OneRoster puts into columns called `metadata.`."""
    rows = schools.select(
        sourcedId="school_id",
        name="school_name",
        type=pl.lit("school"),
        identifier="school_id",
        parentSourcedId=pl.lit(_DISTRICT),
    ).with_columns(
        schools["grade_low"].alias("metadata.gradeLow"), schools["grade_high"].alias("metadata.gradeHigh")
    )
    district = {
        "sourcedId": _DISTRICT,
        "name": "Lakeview School District",
        "type": "district",
        "identifier": _DISTRICT,
    }
    return pl.concat([pl.DataFrame(district), rows], how="diagonal")


def _users(students: pl.DataFrame, stints: pl.DataFrame) -> pl.DataFrame:
    """Schools of a student: the primary first, of several the one entered last; the district where there is none."""
    schools = (
        stints.sort(
            "student_id",
            pl.col("is_primary") == "yes",
            "entry_date",
            "school_id",
            descending=[False, True, True, False],
        )
        .group_by("student_id", maintain_order=True)
        .agg(pl.col("school_id").str.join(","))
    )
    number = pl.int_range(pl.len())
    return students.join(schools, on="student_id", how="left", maintain_order="left").select(
        sourcedId="student_id", enabledUser=pl.lit("true"), orgSourcedIds=pl.col("school_id").fill_null(_DISTRICT),
        role=pl.lit("student"), username=pl.format("s{}", "student_id"),
        givenName=pl.lit(pl.Series(_GIVEN)).gather(number % len(_GIVEN)),
        familyName=pl.lit(pl.Series(_FAMILY)).gather(number % len(_FAMILY)),
        identifier="student_id", grades="grade_level",
    )  # fmt: skip


def _demographics(students: pl.DataFrame) -> pl.DataFrame:
    def text(flag: pl.Expr) -> pl.Expr:
        return pl.when(flag).then(pl.lit("true")).otherwise(pl.lit("false"))

    return students.select(
        sourcedId="student_id",
        birthDate="birth_date",
        sex=pl.when(pl.col("sex") != "unknown").then("sex"),
        **{flag: text(pl.col("races").str.contains(name).fill_null(False)) for flag, name in _RACES.items()},
        hispanicOrLatinoEthnicity=pl.col("hispanic_latino").replace_strict({"yes": "true", "no": "false", "unknown": None}),
    )  # fmt: skip


def _extras(students: pl.DataFrame) -> pl.DataFrame:
    """Headers and codes of the district's own reporting tool; blank is not known."""
    yes_no = {
        "EconDis": "economically_disadvantaged", "IDEA": "disability_idea", "Sec504": "section_504",
        "McKinneyVento": "homeless", "FosterCare": "foster_care", "FirstGenCollege": "first_generation",
    }  # fmt: skip
    learner = {"current": "EL", "former": "RFEP", "never": "EO", "unknown": ""}
    return students.select(
        pl.col("school_year").alias("SchoolYear"),
        pl.col("student_id").alias("StudentID"),
        *(pl.col(column).replace(_YES_NO).alias(header) for header, column in yes_no.items()),
        pl.col("english_learner").replace(learner).alias("ELStatus"),
    )


def _final_grades(enrollments: pl.DataFrame, label: str) -> pl.DataFrame:
    return enrollments.filter(pl.col("course_id") != "HR").select(
        pl.lit(label).alias("School Year"), pl.col("student_id").alias("Student"), pl.col("school_id").alias("School"),
        pl.col("course_id").alias("Course"), pl.col("section_id").alias("Section"), pl.col("term").alias("Term"),
        pl.col("entry_date").alias("Start Date"), pl.col("final_grade").alias("Final Mark"),
        pl.col("dropped").replace(_YES_NO).alias("Dropped"),
    )  # fmt: skip


def _crosswalk(courses: pl.DataFrame, label: str) -> pl.DataFrame:
    return courses.select(
        pl.lit(label).alias("School Year"), pl.col("course_id").alias("Course Code"),
        pl.col("sced_code").alias("SCED"), pl.col("course_level").alias("Level"),
        pl.col("subject").alias("Department"), pl.col("credits").alias("Credits"),
    )  # fmt: skip
