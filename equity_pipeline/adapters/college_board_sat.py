"""College Board's PSAT and SAT student datafiles: what AP Potential is read from.

Belongs here: the columns of the sittings. Does not belong here: which score is enough for which exam (policy).

A SAT file holds up to six sittings of a student (`LATEST_SAT_TOTAL`, `ADMIN2_SAT_TOTAL`, …), a PSAT file one; the file
of PSAT does not say which PSAT it is: the source's `constants: {assessment: psat_10}` does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from equity_pipeline.adapters.base import FILE, LINE, Mapped, RawTable
from equity_pipeline.adapters.delimited import listed
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Source

STUDENT_ID = ("DISTRICT_STUDENT_ID", "SECONDARY_ID", "STATE_STUDENT_ID")
"""Where the district's own id may stand, by rank: the first column that is filled counts."""
SECTIONS = {
    "TOTAL": "total", "EBRW": "ebrw", "MATH_SECTION": "math", "READING": "reading_test",
    "WRIT_LANG": "writing_language_test", "MATH_TEST": "math_test", "CRITICAL_READING": "critical_reading",
    "MATH": "math", "WRITING": "writing",
}  # fmt: skip
"""The last three: before 2016."""
SITTING = re.compile(rf"^(LATEST|ADMIN\d+)_(P?SAT)_({'|'.join(SECTIONS)}|DATE)$", re.IGNORECASE)


def readiness(tables: Sequence[RawTable], source: Source) -> Mapped:
    """readiness_scores: one row per sitting and section with a score, in the school year of the sitting's date.

    Counted as skipped: records without any score.

    Raises:
        PartnerFileError: the source maps anything but `student_id` and, for PSAT, the constant `assessment`.
        DeliveryError: no PSAT or SAT datafile, or the column of the student id is not found.
    """
    if source.columns.keys() - {"student_id"} or source.values or source.constants.keys() - {"assessment"}:
        raise PartnerFileError(
            f"source {source.name!r}: a PSAT or SAT datafile maps only `columns: {{student_id: …}}` and "
            "`constants: {assessment: psat_10}`"
        )
    parts = [_scores(table, source) for table in tables]
    empty = sum(count for _, count in parts)
    skipped = {"no score in the record": empty} if empty else {}
    return Mapped("readiness_scores", pl.concat(rows for rows, _ in parts), skipped)


def _scores(table: RawTable, source: Source) -> tuple[pl.DataFrame, int]:
    """The rows of a file, and how many of its records have none."""
    delivered = {column.strip().upper(): column for column in table.frame.columns if column != LINE}
    sittings: dict[tuple[str, str], dict[str, str]] = {}
    for name, column in delivered.items():
        if match := SITTING.match(name):
            sittings.setdefault((match[1], match[2]), {})[match[3]] = column
    if not any("DATE" in parts and len(parts) > 1 for parts in sittings.values()):
        raise DeliveryError(
            f"no scores with a date (`LATEST_SAT_DATE`, `LATEST_SAT_TOTAL`) in {len(delivered)} columns",
            file=table.name, line=table.header_line, remedy="send the student datafile as downloaded, with its header row",
        )  # fmt: skip
    if any(test == "PSAT" for _, test in sittings) and "assessment" not in source.constants:
        raise PartnerFileError(
            f"source {source.name!r}: the file does not say which PSAT it is; state `constants: {{assessment: "
            "psat_8_9}}`, psat_10 or psat_nmsqt"
        )
    sought = listed(source.columns.get("student_id", list(STUDENT_ID)))
    ids = [delivered[header.strip().upper()] for header in sought if header.strip().upper() in delivered]
    if not ids:
        raise DeliveryError(
            f"no column {' or '.join(sought)} for the student id",
            file=table.name, line=table.header_line, remedy="state the header in the source: `columns: {student_id: …}`",
        )  # fmt: skip

    def text(column: str) -> pl.Expr:
        return pl.col(column).str.strip_chars().replace("", None)

    rows = [
        table.frame.select(
            pl.lit(table.name).alias(FILE),
            LINE,
            student_id=pl.coalesce(text(column) for column in ids),
            date=text(parts["DATE"]) if "DATE" in parts else pl.lit(None, pl.String),
            assessment=pl.lit("sat" if test == "SAT" else source.constants["assessment"]),
            section=pl.lit(SECTIONS[part]),
            score=text(parts[part]),
        )
        for (_, test), parts in sorted(sittings.items())
        for part in parts
        if part != "DATE"
    ]
    scores = pl.concat(rows).filter(pl.col("score").is_not_null()).sort(LINE, maintain_order=True)
    day = pl.coalesce(
        pl.col("date").str.to_date("%Y-%m-%d", strict=False),
        pl.col("date").str.to_date("%m/%d/%Y", strict=False),
    )
    year = day.dt.year() + (day.dt.month() >= 7).cast(pl.Int32)
    scores = scores.with_columns(school_year=year.cast(pl.String)).drop("date")
    return scores, table.frame.height - scores[LINE].n_unique()
