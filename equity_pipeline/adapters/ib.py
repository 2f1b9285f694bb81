"""IB results, one record per candidate × subject, as IBIS exports them with a column for the student id.

The IB knows candidates by a session code; a district adds its own student id (`columns: {student_id: …}`, default
`student_unique_id`). Other headers may be stated the same way.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from equity_pipeline.adapters import delimited
from equity_pipeline.adapters.base import LINE, Mapped, RawTable
from equity_pipeline.adapters.delimited import header_among, listed
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Partner, Source

_HEADERS = {
    "exam_year": "YEAR",
    "student_id": "student_unique_id",
    "exam_code": "SUBJECT",
    "score": "SUBJECT_GRADE",
}
_SESSION_YEAR, _EXAM = "school year of the session", "subject and level"


def read(path: Path, name: str, source: Source) -> list[RawTable]:
    """As `delimited.read`; the IB's own headers are looked for below a title.

    Raises:
        DeliveryError: as `delimited.read`.
    """
    return delimited.read(path, name, source.model_copy(update={"columns": _HEADERS | source.columns}))


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """exam_results: one row per subject graded 1 to 7.

    The IB numbers no exams: subject and level (`SPANISH B SL`) are code and name. A November session belongs to the
    school year that ends in the next year. Counted as skipped: `N` (no grade awarded), letters (theory of knowledge,
    extended essay), blank.

    Raises:
        PartnerFileError: the source maps what is not a column of an IB result.
        DeliveryError: a column is not found; says which.
    """
    if unknown := source.columns.keys() - _HEADERS.keys():
        raise PartnerFileError(
            f"source {source.name!r}: columns of IB results has no {', '.join(sorted(unknown))}; "
            f"there are {', '.join(_HEADERS)}"
        )
    headers = _HEADERS | source.columns
    columns = headers | {"exam_year": _SESSION_YEAR, "exam_code": _EXAM, "exam_name": _EXAM}
    result = delimited.mapped(
        [_derived(table, headers) for table in tables],
        source.model_copy(update={"constants": {"program": "ib"}}),
        EXTRACTS["exam_results"],
        columns,
    )
    grade = pl.col("score").replace("", None)
    reason = (
        pl.when(grade.is_null()).then(pl.lit("no grade"))
        .when(grade.str.to_uppercase() == "N").then(pl.lit("N: no grade awarded"))
        .when(grade.str.contains(r"^[A-Za-z]$")).then(pl.lit("letter grade (theory of knowledge, extended essay)"))
    )  # fmt: skip
    reasons = result.rows.select(reason.alias("reason")).to_series()
    skipped = dict(reasons.drop_nulls().value_counts().sort("reason").iter_rows())
    return [replace(result, rows=result.rows.filter(reasons.is_null()), skipped=skipped)]


def says(table: RawTable, source: Source) -> dict[str, str]:
    """The columns of the result, not those of the candidate."""
    return delimited.fed(table, _HEADERS | source.columns | {"month": "MONTH", "level": "LEVEL"})


def _derived(table: RawTable, headers: dict[str, str | list[str]]) -> RawTable:
    """The table with what the IB writes in two columns in one: subject and level, month and year of the session."""
    delivered = [header for header in table.frame.columns if header != LINE]

    def column(name: str) -> pl.Expr:
        sought = headers.get(name, name)
        found = header_among(delivered, sought)
        if found is None:
            raise DeliveryError(
                f"no header for {name} as {' or '.join(listed(sought))}; headers found: {', '.join(delivered)}",
                file=table.name, line=table.header_line, remedy="send the file with its headers or state them in `columns`",
            )  # fmt: skip
        return pl.col(found).str.strip_chars()

    year = column("exam_year")
    later = (year.cast(pl.Int32, strict=False) + 1).cast(pl.String)
    november = column("MONTH").str.to_uppercase().str.starts_with("NOV")
    column("score")
    frame = table.frame.with_columns(
        pl.when(november).then(pl.coalesce(later, year)).otherwise(year).alias(_SESSION_YEAR),
        pl.concat_str(column("exam_code"), column("LEVEL"), separator=" ").str.strip_chars().alias(_EXAM),
    )
    return replace(table, frame=frame)
