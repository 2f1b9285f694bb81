"""Rows of one extract that don't agree with another: counted, never dropped, because the other file may still come.

Belongs here: rules over several stored extracts of a school year. Does not belong here: rules of one row (contracts),
or which row counts (dbt).

Grain of `cross_file_checks`: school year × rule × extract, where both tables are on file: `rows` that break the rule, of
`of_rows`. Of overlapping stays at two schools the one that counts is chosen by the snapshot rule (primary first, then the
earlier entry, then the lower school id).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import polars as pl

from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage import sealed
from equity_pipeline.storage.atomic import new_folder
from equity_pipeline.storage.home import Home

TABLE = "cross_file_checks"
_OF_STUDENTS = ("school_enrollments", "course_enrollments", "exam_results", "attendance", "discipline")
_NEVER = pl.date(9999, 12, 31)


def check(home: Home, partner: Partner, school_year: int) -> None:
    """Write the counts of a school year, and of the one after it, which is compared with it; no folder where nothing
    can be compared."""
    for year in (school_year, school_year + 1):
        _write(home, partner, year)


def _write(home: Home, partner: Partner, school_year: int) -> None:

    def stored(extract: str, year: int = school_year) -> pl.LazyFrame | None:
        folder = home.extract(extract, partner.partner_id, year)
        if not folder.exists():
            return None
        return pl.scan_parquet(sealed.parquet_of(folder), hive_partitioning=False)

    rows = []
    for rule, extract, breaking, all_rows in _rules(stored, school_year):
        broken, total = (
            query.select(pl.len().cast(pl.Int64)).collect(engine="streaming").item()
            for query in (breaking, all_rows)
        )
        rows.append((rule, extract, broken, total))
    folder = home.extract(TABLE, partner.partner_id, school_year)
    if not rows:
        shutil.rmtree(folder, ignore_errors=True)
        return
    columns = {"rule": pl.String, "extract": pl.String, "rows": pl.Int64, "of_rows": pl.Int64}
    with new_folder(folder) as scratch:
        sealed.write_parquet(pl.DataFrame(rows, columns, orient="row"), scratch / "part-0.parquet")


def _rules(
    stored: Callable[..., pl.LazyFrame | None], year: int
) -> Iterator[tuple[str, str, pl.LazyFrame, pl.LazyFrame]]:
    """Rule, extract, the rows that break it and all rows it is asked of."""
    students = stored("students")
    if students is not None:
        for extract in _OF_STUDENTS:
            rows = stored(extract)
            if rows is not None:
                yield "student_unknown", extract, rows.join(students, on="student_id", how="anti"), rows
                if extract == "exam_results":
                    yield (
                        "student_matched_later",
                        extract,
                        rows.filter(pl.col("matched_by").is_not_null()),
                        rows,
                    )
        before = stored("students", year - 1)
        if before is not None:
            both = students.join(before, on="student_id", suffix="_before").drop_nulls(
                ["birth_date", "birth_date_before"]
            )
            # One id, two birth dates: two people, or a correction; either way last year's rows may be another's.
            yield "id_with_another_birth_date_than_last_year", "students", both.filter(
                pl.col("birth_date") != pl.col("birth_date_before")
            ), both  # fmt: skip
    taken, courses = stored("course_enrollments"), stored("courses")
    if taken is not None and courses is not None:
        yield (
            "course_not_in_catalog",
            "course_enrollments",
            taken.join(courses, on="course_id", how="anti"),
            taken,
        )
    stays = stored("school_enrollments")
    if stays is not None:
        order = ["student_id", "entry_date", "school_id"]
        ends = pl.col("exit_date").fill_null(_NEVER).cum_max().shift().over("student_id")
        overlaps = stays.sort(order).filter(ends >= pl.col("entry_date"))
        yield "overlaps_an_earlier_stay", "school_enrollments", overlaps, stays
