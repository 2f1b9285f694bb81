"""A survey of the district's own, as canonical CSV: its codebook and its answers."""

from __future__ import annotations

from pathlib import Path

import polars as pl


def deliver(tables: dict[str, pl.DataFrame], landing: Path) -> None:
    """Write `programme_survey_items.csv` and `programme_survey_responses.csv`."""
    for extract in ("survey_items", "survey_responses"):
        tables[extract].write_csv(landing / f"programme_{extract}.csv")


def planted(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Nothing."""
    return {}
