"""Results of the International Baccalaureate, one record per candidate and subject, with the district's student id beside."""

from __future__ import annotations

import polars as pl


def results(exams: pl.DataFrame) -> pl.DataFrame:
    """The IB exams of `exam_results` under the headers of the IB's own export; subject and level are two columns there."""
    exam = pl.col("exam_name").str.extract_groups(r"^(?<subject>.*) (?<level>HL|SL)$").struct
    return exams.filter(program="ib").select(
        YEAR="exam_year",
        MONTH=pl.lit("MAY"),
        CANDIDATE=pl.format("hxt{}", pl.int_range(pl.len()) + 100),
        SUBJECT=exam.field("subject"),
        LEVEL=exam.field("level"),
        SUBJECT_GRADE="score",
        student_unique_id="student_id",
    )
