"""Counts by group from partners that share no student records: one record per school × metric × subgroup.

`columns`, `values`, `constants` and options work as for `delimited`. A count that the sender has suppressed is not
known: it is never zero, and gives no row.
"""

from __future__ import annotations

import polars as pl

from equity_pipeline.adapters import delimited
from equity_pipeline.adapters.base import Mapped, RawTable
from equity_pipeline.partners.registry import Partner, Source

read = delimited.read

SUPPRESSED = r"^(?i:\*+|s|ds|n<\d+|n/?a|[<≤]=?\s*\d+|-9+|\.|-+)?$"
"""What states write in place of a small count: stars, `s`, `DS`, `<10`, `n<10`, `-9`, a dot, dashes, nothing."""


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """aggregate_counts: one row per record whose two counts are there; the others are counted as skipped.

    Raises:
        PartnerFileError, DeliveryError: as `delimited.map`.
    """
    (result,) = delimited.map(tables, source.model_copy(update={"extract": "aggregate_counts"}), partner)
    counts = pl.col("n", "successes").str.strip_chars().fill_null("").str.contains(SUPPRESSED)
    shown = result.rows.filter(~pl.any_horizontal(counts))
    hidden = result.rows.height - shown.height
    skipped = {"suppressed by the sender": hidden} if hidden else {}
    return [Mapped(result.extract, shown, result.skipped | skipped, result.warnings)]
