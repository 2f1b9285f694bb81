"""Survey answers, long (a record per answer) or wide (a record per respondent, a column per question).

Long is `delimited` with the extract `survey_responses` (`extract: survey_items` for a codebook). Wide adds
`options: {layout: wide, items: {<header>: <item_id>}}`; all else of the mapping is the same for both.
"""

from __future__ import annotations

import polars as pl

from equity_pipeline.adapters import delimited
from equity_pipeline.adapters.base import LINE, Mapped, RawTable
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Partner, Source

read = delimited.read

SKIPPED, NOT_SHOWN, NOT_APPLICABLE = "_skipped", "_not_shown", "_not_applicable"
"""Responses that are no answer, each for its own reason. A null response is one of which the file does not say why."""

_ITEM, _ANSWER = "item_id of the answer", "answer"


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """survey_responses: one row per respondent × item; a question left blank is a row with a null response.

    Raises:
        PartnerFileError: wide without `items`, an unknown layout, or as `delimited.map`.
        DeliveryError: none of a wide file's questions is found, or as `delimited.map`.
    """
    options = dict(source.options)
    layout, items = options.pop("layout", "long"), options.pop("items", None)
    if layout not in ("long", "wide") or (layout == "wide") != bool(items):
        raise PartnerFileError(
            f"source {source.name!r}: a survey is `layout: long` without `items`, or `layout: wide` with `items`"
        )
    extract = source.extract or "survey_responses"
    source = source.model_copy(update={"extract": extract, "options": options})
    if layout == "long":
        return delimited.map(tables, source, partner)
    columns = source.columns | {"item_id": _ITEM, "response": _ANSWER}
    long, absent = [], []
    for table in tables:
        one, missing = _long(table, items)
        long.append(one)
        absent += missing
    (result,) = delimited.map(long, source.model_copy(update={"columns": columns}), partner)
    return [Mapped(result.extract, result.rows, result.skipped, (*absent, *result.warnings))]


def _long(table: RawTable, items: dict[str, str]) -> tuple[RawTable, list[str]]:
    """The table with a record per answer, and what is told of questions that are not there."""
    headers = {
        column.strip().casefold(): column for column in reversed(table.frame.columns) if column != LINE
    }
    found = {
        headers[h.strip().casefold()]: item for h, item in items.items() if h.strip().casefold() in headers
    }
    absent = [item for header, item in items.items() if header.strip().casefold() not in headers]
    if not found:
        raise DeliveryError(
            f"none of the {len(items)} questions is a header",
            file=table.name, line=1, remedy="correct `items` of the source: each header as the file writes it",
        )  # fmt: skip
    respondent = [column for column in table.frame.columns if column not in found]
    answers = [
        table.frame.select(*respondent, pl.lit(item).alias(_ITEM), pl.col(header).alias(_ANSWER))
        for header, item in found.items()
    ]
    frame = pl.concat(answers).sort(LINE, maintain_order=True)
    told = [f"{table.name}: no question for {', '.join(absent)}; no answers taken"] if absent else []
    return RawTable(table.name, frame, table.bad, table.inferred), told
