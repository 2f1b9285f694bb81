"""Counts only, under the district's own headers: `*` where it hides a small number itself."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from equity_pipeline.sample.writers.files import by_year

_CATEGORIES = {
    "all_students": "All", "race_ethnicity": "Race", "economically_disadvantaged": "Low Income",
    "english_learner": "English Learner", "disability_idea": "Special Education", "sex": "Gender",
}  # fmt: skip
_MEASURES = {
    "ap_ib_enrollment": "AP/IB enrolled", "course_grade_c_or_better": "AP/IB grade C or better",
    "exam_taken": "AP/IB exam taken", "exam_passed_of_takers": "AP/IB exam passed",
}  # fmt: skip


def deliver(tables: dict[str, pl.DataFrame], landing: Path) -> None:
    """Write one file of counts per school year and the list of schools."""
    tables["schools"].write_csv(landing / "schools.csv")
    for _, label, counts in by_year(tables["aggregate_counts"]):
        counts.select(
            pl.lit(label).alias("Year"),
            pl.col("school_id").replace({"_all": "District"}).alias("Building"),
            pl.col("metric_id").replace(_MEASURES).alias("Measure"),
            pl.col("dimension").replace(_CATEGORIES).alias("Category"),
            pl.col("subgroup").alias("Group"),
            pl.col("n").cast(pl.String).fill_null("*").alias("Students"),
            pl.col("successes").cast(pl.String).fill_null("*").alias("Of These"),
        ).write_csv(landing / f"equity_counts_{label}.csv")


def planted(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Nothing: a count that the district hides is skipped, not rejected."""
    return {}
