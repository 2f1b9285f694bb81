"""Small raw worlds with known truth: extracts written by hand, in the layout that loading writes.

`rows_usd` shares student rows: 2023 and 2024 hold the worked example of the six race groups, 2025 has no AP or IB course
and no exam, 2026 has a few students who each test one rule. `counts_sd` shares counts only; each of its schools is one
story of a gap over the years.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import polars as pl

from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import raw

_TYPES = {"varchar": pl.Utf8, "integer": pl.Int32, "bigint": pl.Int64, "double": pl.Float64, "date": pl.Date}
_SOURCE = {"name": "sis", "format": "canonical", "files": ["*"]}

ROWS = Partner.model_validate(
    {"partner_id": "rows_usd", "name": "Rows Unified", "state": "CA", "timezone": "America/Los_Angeles",
     "first_school_year": "2022-23", "sources": [_SOURCE],
     "programs": [{"school_year": "2023-24", "program": "action_for_equity", "phase": "access"}]}
)  # fmt: skip
COUNTS = Partner.model_validate(
    {"partner_id": "counts_sd", "name": "Counts District", "state": "TX", "timezone": "America/Chicago",
     "first_school_year": "2021-22", "sources": [_SOURCE],
     "programs": [{"school_year": "2022-23", "program": "action_for_equity", "phase": "access"},
                  {"school_year": "2025-26", "program": "tools_package"},
                  {"school_year": "2025-26", "program": "equity_leader_lab", "school_id": "closes"}],
     "goals": [{"metric_id": "ap_ib_enrollment", "dimension": "race_ethnicity", "subgroup": "black",
                "school_id": "closes", "school_year": "2025-26", "gap": -0.02}]}
)  # fmt: skip

WORKED_EXAMPLE = {  # race_ethnicity: races, enrolled, students
    "asian": ("Asian", 80, 100),
    "black": ("BlackOrAfricanAmerican", 45, 300),
    "hispanic": ("", 90, 450),
    "white": ("White", 360, 900),
    "two_or_more": ("White;Asian", 24, 60),
    "american_indian_or_alaska_native": ("AmericanIndianOrAlaskaNative", 1, 8),
}


def put(home: Home, partner_id: str, school_year: int, extract: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write one extract × school year; columns that a row leaves out are null."""
    schema = {column: _TYPES[kind] for column, kind in raw.EXTRACTS[extract].items()} | {
        "_delivery_id": pl.Utf8
    }
    folder = home.extract(extract, partner_id, school_year)
    folder.mkdir(parents=True, exist_ok=True)
    filled = [
        {column: row.get(column, "d1" if column == "_delivery_id" else None) for column in schema}
        for row in rows
    ]
    pl.DataFrame(filled, schema=schema).write_parquet(folder / "part-0.parquet", compression="zstd")


def student(student_id: str, **attributes: Any) -> dict[str, Any]:
    return {
        "student_id": student_id,
        "grade_level": "11",
        "hispanic_latino": "no",
        "races": "White",
    } | attributes


def enrollment(student_id: str, school_id: str, school_year: int, **columns: Any) -> dict[str, Any]:
    entered = {"entry_date": dt.date(school_year - 1, 8, 15), "is_primary": "yes"}
    return {"student_id": student_id, "school_id": school_id} | entered | columns


def write_rows_usd(home: Home) -> None:
    for school_year in (2023, 2024):
        _worked_example(home, school_year)
    _no_advanced_courses(home, 2025)
    _rules(home, 2026)


def _worked_example(home: Home, school_year: int) -> None:
    students, seats = [], []
    for race, (races, enrolled, total) in WORKED_EXAMPLE.items():
        for number in range(total):
            student_id = f"{race}-{number}"
            students.append(
                student(student_id, hispanic_latino="yes" if race == "hispanic" else "no", races=races,
                        race_standard="1997" if school_year == 2023 else "2024", sex=("female", "male")[number % 2])
            )  # fmt: skip
            if number < enrolled:
                seats.append(
                    {"student_id": student_id, "school_id": "1", "course_id": "bio", "dropped": "no"}
                )
    put(home, "rows_usd", school_year, "schools", [{"school_id": "1", "school_name": "First High"}])
    put(home, "rows_usd", school_year, "students", students)
    put(home, "rows_usd", school_year, "school_enrollments",
        [enrollment(row["student_id"], "1", school_year) for row in students])  # fmt: skip
    put(home, "rows_usd", school_year, "courses",
        [{"school_id": "1", "course_id": "bio", "course_title": "Biology", "sced_code": "03056"}])  # fmt: skip
    put(home, "rows_usd", school_year, "course_enrollments", seats)


def _no_advanced_courses(home: Home, school_year: int) -> None:
    put(home, "rows_usd", school_year, "students", [student(f"s{i}") for i in range(12)])
    put(
        home,
        "rows_usd",
        school_year,
        "school_enrollments",
        [enrollment(f"s{i}", "1", school_year) for i in range(12)],
    )
    put(home, "rows_usd", school_year, "courses",
        [{"school_id": "1", "course_id": "x", "course_title": "AP Preparation", "sced_code": "22001"}])  # fmt: skip
    put(home, "rows_usd", school_year, "course_enrollments",
        [{"student_id": "s0", "school_id": "1", "course_id": "x", "final_grade": "A", "dropped": "no"}])  # fmt: skip


def _rules(home: Home, year: int) -> None:
    put(home, "rows_usd", year, "students", [
        student("at_other_school", sex="female", races="White;Asian", english_learner="former"),
        student("dropped", sex="female", hispanic_latino="yes", races="BlackOrAfricanAmerican"),
        student("middle_years", sex="male", english_learner="never", economically_disadvantaged="yes"),
        student("dropped_unknown", sex="male", english_learner="current", economically_disadvantaged="no"),
        student("ib_with_ap_exam", races="", hispanic_latino="unknown"),
        student("ib_passed", races="MiddleEasternOrNorthAfrican", economically_disadvantaged="no"),
        student("ap_failed", races="BlackOrAfricanAmerican"),
        student("ap_no_score", races="DemographicRaceTwoOrMoreRaces"),
        student("both_programs", sex="Other"),
        student("in_grade_8", grade_level="08"),
        student("left_in_september"),
    ])  # fmt: skip
    put(home, "rows_usd", year, "school_enrollments", [
        enrollment("at_other_school", "1", year, exit_date=dt.date(year - 1, 10, 1)),
        enrollment("at_other_school", "2", year, entry_date=dt.date(year - 1, 10, 2)),
        *(enrollment(s, "1", year) for s in ("dropped", "middle_years", "dropped_unknown", "ib_with_ap_exam")),
        *(enrollment(s, "2", year) for s in ("ib_passed", "ap_failed", "ap_no_score", "in_grade_8")),
        enrollment("both_programs", "1", year, is_primary="no"),
        enrollment("both_programs", "2", year, entry_date=dt.date(year - 1, 9, 1)),
        enrollment("left_in_september", "1", year, exit_date=dt.date(year - 1, 9, 30)),
    ])  # fmt: skip
    put(home, "rows_usd", year, "courses", [
        {"school_id": "1", "course_id": "ap_bio", "sced_code": "03056"},
        {"school_id": "2", "course_id": "ap_bio", "sced_code": "03056"},
        {"school_id": "2", "course_id": "ap_stat", "sced_code": "02203"},
        {"school_id": None, "course_id": "ap_online", "course_level": "AP"},
        {"school_id": "2", "course_id": "ap_online", "sced_code": "22001", "course_level": "General"},
        {"school_id": "1", "course_id": "ib_bio", "sced_code": "03057"},
        {"school_id": "2", "course_id": "ib_bio", "sced_code": "03057"},
        {"school_id": "1", "course_id": "myp", "sced_code": "24066", "course_title": "IB Spanish", "course_level": "IB"},
    ])  # fmt: skip
    seats = [
        ("at_other_school", "2", "ap_stat", "C-", "no"), ("at_other_school", "1", "ap_online", "70", "no"),
        ("dropped", "1", "ap_bio", "A", "yes"), ("middle_years", "1", "myp", "A", "no"),
        ("dropped_unknown", "1", "ap_bio", "C-", "unknown"), ("ib_with_ap_exam", "1", "ib_bio", "P", "no"),
        ("ib_passed", "2", "ib_bio", "b", "no"), ("ap_failed", "2", "ap_bio", "69.5", "no"),
        ("ap_no_score", "_enrolled", "ap_bio", None, "no"), ("both_programs", "2", "ap_bio", "INC", "no"),
        ("both_programs", "2", "ib_bio", "C+", "no"), ("dropped", "2", "ap_online", "A", "no"),
        ("in_grade_8", "2", "ap_bio", "A", "no"), ("left_in_september", "1", "ap_bio", "A", "no"),
    ]  # fmt: skip
    columns = ("student_id", "school_id", "course_id", "final_grade", "dropped")
    put(
        home,
        "rows_usd",
        year,
        "course_enrollments",
        [dict(zip(columns, seat, strict=True)) for seat in seats],
    )
    exams = [
        ("at_other_school", "ap", 3), ("ib_with_ap_exam", "ap", 5), ("ib_passed", "ib", 4), ("ap_failed", "ap", 2),
        ("ap_no_score", "ap", None), ("both_programs", "ib", 3), ("dropped", "ap", 5), ("nobody_on_file", "ap", 5),
    ]  # fmt: skip
    put(home, "rows_usd", year, "exam_results", [
        {"exam_year": year, "student_id": s, "program": program, "exam_code": "x", "score": score}
        for s, program, score in exams
    ])  # fmt: skip

    put(home, "rows_usd", year, "cross_file_checks",
        [{"rule": "student_unknown", "extract": "exam_results", "rows": 1, "of_rows": 8}])  # fmt: skip


# School → year → (successes of Black students, successes of white students, students in each group).
STORIES: dict[str, dict[int, tuple[int, int, int]]] = {
    "closes": {2022: (150, 400, 1000), 2023: (200, 400, 1000), 2024: (300, 400, 1000), 2025: (395, 400, 1000),
               2026: (398, 400, 1000)},
    "comes_back": {2023: (395, 400, 1000), 2024: (396, 400, 1000), 2025: (300, 400, 1000), 2026: (200, 400, 1000)},
    "turns_round": {2023: (200, 400, 1000), 2024: (500, 400, 1000), 2025: (395, 400, 1000), 2026: (300, 400, 1000)},
    "levels_down": {2023: (200, 400, 1000), 2024: (200, 250, 1000)},
    "stalls": {2023: (200, 400, 1000), 2024: (205, 400, 1000), 2026: (205, 400, 1000)},
    "too_small": {2023: (1, 4, 8), 2024: (1, 4, 8)},
}  # fmt: skip


def write_counts_sd(home: Home) -> None:
    for school_year in range(2022, 2027):
        rows = []
        for school_id, years in STORIES.items():
            if school_year not in years:
                continue
            black, white, n = years[school_year]
            for dimension, subgroup, total, successes in (
                ("race_ethnicity", "black", n, black),
                ("race_ethnicity", "white", n, white),
                ("all_students", "all", 2 * n, black + white),
                ("race_ethnicity", "not on the allow-list", n, 0),
            ):
                rows.append(
                    {"school_id": school_id, "metric_id": "ap_ib_enrollment", "dimension": dimension,
                     "subgroup": subgroup, "n": total, "successes": successes}
                )  # fmt: skip
        put(home, "counts_sd", school_year, "aggregate_counts", rows)
