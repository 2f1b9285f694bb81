"""Counts of a district that shares no student records, made from the students that it keeps to itself."""

from __future__ import annotations

import polars as pl

from equity_pipeline.sample.coursework import LETTERS
from equity_pipeline.sample.population import on_snapshot

_GRADED = list(LETTERS)
_C_OR_BETTER = list(LETTERS[5:])
_DIMENSIONS = (
    "all_students",
    "race_ethnicity",
    "economically_disadvantaged",
    "english_learner",
    "disability_idea",
    "sex",
)
_HIDDEN, _HIDDEN_BELOW = "english_learner", 10


def counts(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """One row per school_year × school_id (and `_all`) × metric × dimension × subgroup: n, successes.

    Every subgroup that has a student in the population has a row for each metric, if need be of zeros. Where a group of
    English learners in a school is small, the district hides that whole breakdown: n and successes are null.
    """
    students = _flags(tables)
    students = pl.concat([students, students.with_columns(school_id=pl.lit("_all"))])
    metrics = {
        "ap_ib_enrollment": (pl.col("counted"), pl.col("advanced")),
        "course_grade_c_or_better": (pl.col("graded"), pl.col("c_or_better")),
        "exam_taken": (pl.col("advanced"), pl.col("tested")),
        "exam_passed_of_takers": (pl.col("tested"), pl.col("passed")),
    }
    keys = ["school_year", "school_id"]
    parts = [
        students.group_by(*keys, subgroup=dimension).agg(n=base.sum(), successes=(base & hit).sum())
        .select(*keys, pl.lit("_all").alias("grade_level"), pl.lit(metric).alias("metric_id"),
                pl.lit(dimension).alias("dimension"), "subgroup", pl.col("n", "successes").cast(pl.Int64))
        for metric, (base, hit) in metrics.items()
        for dimension in _DIMENSIONS
    ]  # fmt: skip
    small = pl.col("n").is_between(1, _HIDDEN_BELOW - 1).any().over(*keys, "metric_id", "dimension")
    hidden = (pl.col("school_id") != "_all") & (pl.col("dimension") == _HIDDEN) & small
    shown = pl.concat(parts).with_columns(pl.when(~hidden).then(pl.col("n", "successes")))
    return shown.sort(*keys, "metric_id", "dimension", "subgroup")


def _flags(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """One row per student of the population and year: subgroup of each dimension, and which counts she enters."""
    key = ["school_year", "student_id"]
    advanced_course = pl.col("course_level").is_in(["ap", "ib"]) & (pl.col("dropped") != "yes")
    grade = pl.col("final_grade")
    taken = (
        tables["course_enrollments"]
        .join(
            tables["courses"].select("school_year", "course_id", "course_level"),
            on=["school_year", "course_id"],
        )
        .filter(advanced_course)
        .group_by(key)
        .agg(
            advanced=pl.lit(True),
            graded=grade.is_in(_GRADED).any(),
            c_or_better=grade.is_in(_C_OR_BETTER).any(),
        )
    )
    exams = (
        tables["exam_results"]
        .group_by("student_id", school_year="exam_year")
        .agg(sat=pl.lit(True), high=(pl.col("score") >= 3).any())
    )
    students = tables["students"].filter(pl.col("grade_level") >= "09")
    placed = pl.concat(
        on_snapshot(rows).with_columns(school_year=pl.lit(year))
        for (year,), rows in tables["school_enrollments"].partition_by("school_year", as_dict=True).items()
    )
    flag = pl.col("advanced", "graded", "c_or_better", "sat", "high").fill_null(False)
    learner = {"current": "yes", "former": "no", "never": "no", "unknown": "unknown"}
    return (
        students.join(placed, on=key)
        .join(taken, on=key, how="left")
        .join(exams, on=key, how="left")
        .with_columns(flag)
        .with_columns(
            counted=pl.lit(True),
            tested=pl.col("advanced") & pl.col("sat"),
            all_students=pl.lit("all"),
            english_learner=pl.col("english_learner").replace_strict(learner),
            race_ethnicity=pl.when(pl.col("hispanic_latino") == "yes").then(pl.lit("hispanic"))
            .when(pl.col("races").str.contains(";")).then(pl.lit("two_or_more"))
            .otherwise(pl.col("races").replace_strict(_RACE_NAMES, default="unknown")),
        )
        .with_columns(passed=pl.col("tested") & pl.col("high"))
    )  # fmt: skip


_RACE_NAMES = {
    "AmericanIndianOrAlaskaNative": "american_indian_or_alaska_native",
    "Asian": "asian",
    "BlackOrAfricanAmerican": "black",
    "NativeHawaiianOrPacificIslander": "native_hawaiian_or_pacific_islander",
    "White": "white",
}
