"""The College Board's PSAT and SAT student datafiles: one row per student, a few columns for each sitting.

As the real files: a SAT file holds up to six sittings, the latest first, a PSAT file one, and does not say of which PSAT.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from equity_pipeline.sample.writers.files import by_year

SITTINGS = 6
_SECTIONS = {
    "total": "TOTAL", "ebrw": "EBRW", "math": "MATH_SECTION", "reading_test": "READING",
    "writing_language_test": "WRIT_LANG", "math_test": "MATH_TEST", "critical_reading": "CRITICAL_READING",
    "writing": "WRITING",
}  # fmt: skip
_SAT_DAY, _PSAT_DAY = "5/4/{}", "10/12/{}"


def deliver(tables: dict[str, pl.DataFrame], landing: Path) -> None:
    """Write one SAT datafile, `SAT.csv`, with a sitting in each school year, and one of each PSAT and school year,
    `PSAT_10_2025-26.csv`."""
    for (assessment,), scores in tables["readiness_scores"].group_by("assessment", maintain_order=True):
        if assessment == "sat":
            _datafile(scores, "SAT", _SAT_DAY, "school_year").write_csv(landing / "SAT.csv")
            continue
        for _, label, of_year in by_year(scores):
            autumn = _datafile(of_year, "PSAT", _PSAT_DAY, pl.col("school_year") - 1)
            autumn.write_csv(landing / f"{str(assessment).upper()}_{label}.csv")


def planted(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Nothing: each score is there once and on the scale of its section."""
    return {}


def _datafile(scores: pl.DataFrame, test: str, day: str, year: str | pl.Expr) -> pl.DataFrame:
    """A row per student; the columns of each of the last six sittings. `day`: of a sitting, but for its `year`."""
    number = pl.col("school_year").rank("dense", descending=True).over("student_id")
    sitting = pl.when(number == 1).then(pl.lit("LATEST")).otherwise(pl.format("ADMIN{}", number))
    cells = scores.filter(number <= SITTINGS).select(
        "student_id",
        sitting.alias("sitting"),
        pl.col("section").replace_strict(_SECTIONS).alias("part"),
        pl.col("score").cast(pl.String).str.strip_suffix(".0").alias("cell"),
        pl.format(day, year).alias("day"),
    )
    days = cells.select(
        "student_id", "sitting", pl.lit("DATE").alias("part"), pl.col("day").alias("cell")
    ).unique()
    return (
        pl.concat([cells.drop("day"), days])
        .with_columns(pl.format("{}_{}_{}", "sitting", pl.lit(test), "part").alias("column"))
        .sort("student_id", "column")
        .pivot("column", index="student_id", values="cell")
        .rename({"student_id": "DISTRICT_STUDENT_ID"})
        .with_columns(pl.lit(None, pl.String).alias("SECONDARY_ID"))
    )
