"""Counts by group from partners that share no student records: one record per school × metric × subgroup (long), or
several groups side by side in a record (wide).

`columns`, `values`, `constants` and options work as for `delimited`. Wide states the groups:
`options: {layout: wide, groups: [{dimension: sex, subgroup: female, n: Girls, successes: Girls in AP}, …]}`; `n` and
`successes` are headers, all else is what the group's rows say (`metric_id` too, where the columns are of several
metrics). A count that the sender has suppressed is not known: it is never zero, and gives no row.
`options: {suppressed: ["*", "<20"]}` says what the sender writes there, in place of what states usually do.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from equity_pipeline.adapters import delimited
from equity_pipeline.adapters.base import LINE, Mapped, RawTable
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Partner, Source

read = delimited.read

SUPPRESSED = r"^(?i:\*+|s|ds|n<\d+|n/?a|[<≤]=?\s*\d+|-9+|\.|-+)?$"
"""What states write in place of a small count: stars, `s`, `DS`, `<10`, `n<10`, `-9`, a dot, dashes, nothing."""
_SAID = ("school_year", "school_id", "grade_level", "metric_id", "dimension", "subgroup")


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """aggregate_counts: one row per group whose two counts are there; the others are counted as skipped.

    Raises:
        PartnerFileError: an unknown layout, groups that are not as above, or as `delimited.map`.
        DeliveryError: a header of the groups is not there, or as `delimited.map`.
    """
    options = dict(source.options)
    layout, groups, tokens = (options.pop(name, None) for name in ("layout", "groups", "suppressed"))
    source = source.model_copy(update={"extract": "aggregate_counts", "options": options})
    if layout not in (None, "long", "wide") or (layout == "wide") != bool(groups):
        raise PartnerFileError(
            f"source {source.name!r}: counts are `layout: long` without `groups`, or `layout: wide` with `groups`"
        )
    if layout == "wide":
        said = _check(source, groups)
        tables = [_long(table, groups, said) for table in tables]
        source = source.model_copy(
            update={"columns": source.columns | {name: _column(name) for name in (*said, "n", "successes")}}
        )
    (result,) = delimited.map(tables, source, partner)
    pattern = "|".join(["", *(re.escape(str(token).strip()) for token in tokens)]) if tokens else None
    hidden_as = rf"^(?i:{pattern})$" if pattern else SUPPRESSED
    counts = pl.col("n", "successes").str.strip_chars().fill_null("").str.contains(hidden_as)
    shown = result.rows.filter(~pl.any_horizontal(counts))
    hidden = result.rows.height - shown.height
    skipped = {"suppressed by the sender": hidden} if hidden else {}
    return [replace(result, rows=shown, skipped=result.skipped | skipped)]


def says(table: RawTable, source: Source) -> dict[str, str]:
    """The columns that the source names, those of the groups among them."""
    counted = {f"count {n}": [g["n"], g["successes"]] for n, g in enumerate(source.options.get("groups", ()))}
    return delimited.fed(table, source.columns | counted)


def _column(name: str) -> str:
    return f"{name} of the group"


def _check(source: Source, groups: list[dict[str, str]]) -> list[str]:
    """The canonical columns that the groups themselves say."""
    said = {key for group in groups for key in group} - {"n", "successes"}
    whole = all(isinstance(group, dict) and group.keys() == said | {"n", "successes"} for group in groups)
    if not whole or not said.issubset(_SAID) or not {"dimension", "subgroup"} <= said:
        raise PartnerFileError(
            f"source {source.name!r}: each of `groups` has n and successes (headers), dimension and subgroup, and all "
            f"have the same of {', '.join(_SAID)}"
        )
    return sorted(said)


def _long(table: RawTable, groups: list[dict[str, str]], said: list[str]) -> RawTable:
    """The table with a record per group."""
    folded = {column.strip().casefold(): column for column in reversed(table.frame.columns) if column != LINE}
    headers = {header.strip().casefold(): header for g in groups for header in (g["n"], g["successes"])}
    if absent := [header for name, header in headers.items() if name not in folded]:
        raise DeliveryError(
            f"no header {', '.join(absent)}; headers found: {', '.join(folded.values())}",
            file=table.name, line=table.header_line, remedy="correct the file's header or `groups` of the source",
        )  # fmt: skip
    others = [column for name, column in folded.items() if name not in headers]
    parts = [
        table.frame.select(
            *others,
            LINE,
            *(pl.lit(group[name]).alias(_column(name)) for name in said),
            *(pl.col(folded[group[c].strip().casefold()]).alias(_column(c)) for c in ("n", "successes")),
        )
        for group in groups
    ]
    frame = pl.concat(parts).sort(LINE, maintain_order=True)
    return replace(table, frame=frame)
