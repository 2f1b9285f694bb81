"""Canonical CSV: one file per extract and school year, ISO dates, the contract's own headers.

With the slips of a real sender: whole rows exported twice, and rows that break a rule.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

from equity_pipeline.sample.writers.files import by_year

YEARLY = (
    "students", "school_enrollments", "courses", "course_enrollments", "attendance", "discipline", "survey_responses",
)  # fmt: skip
ONCE = ("schools", "survey_items")
TWICE = {
    "students": 6,
    "school_enrollments": 4,
    "course_enrollments": 5,
}  # rows repeated at the end, each year
WRONG = {"students": 3, "school_enrollments": 3}  # rows that break a rule, each year


def deliver(tables: dict[str, pl.DataFrame], landing: Path) -> None:
    """Write `students_2021-22.csv` and so on; an extract that the tables lack has no file."""
    for extract in (name for name in YEARLY if name in tables):
        for year, label, rows in by_year(tables[extract]):
            rows = pl.concat([rows, rows.head(TWICE.get(extract, 0)), _wrong(extract, year, rows)])
            rows.write_csv(landing / f"{extract}_{label}.csv")
    for extract in (name for name in ONCE if name in tables):
        tables[extract].write_csv(landing / f"{extract}.csv")


def planted(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Rows to be rejected and duplicates per extract, over all years."""
    return {
        extract: {
            "rejected": WRONG.get(extract, 0) * tables[extract]["school_year"].n_unique(),
            "duplicates": TWICE.get(extract, 0) * tables[extract]["school_year"].n_unique(),
        }
        for extract in sorted(TWICE.keys() | WRONG)
    }


def _wrong(extract: str, year: int, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of nobody: a grade that does not exist, an exit before the entry."""
    wrong = rows.head(WRONG.get(extract, 0)).with_columns(
        student_id=pl.format(
            "99{}{}", pl.lit(year % 100), pl.int_range(pl.len()).cast(pl.String).str.zfill(3)
        )
        if "student_id" in rows.columns
        else pl.lit(None)
    )
    if extract == "students":
        return wrong.with_columns(grade_level=pl.lit("19"))
    if extract == "school_enrollments":
        return wrong.with_columns(exit_date=pl.col("entry_date") - dt.timedelta(days=30))
    return rows.clear()
