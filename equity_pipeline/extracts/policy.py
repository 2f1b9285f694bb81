"""What policy says about intake. The numbers stand with all others in `policy.csv`."""

from __future__ import annotations

import csv
from functools import lru_cache

from equity_pipeline.storage import installation

_POLICY = installation.DBT_PROJECT / "seeds" / "policy" / "policy.csv"


@lru_cache
def _policy() -> dict[str, str]:
    with _POLICY.open(newline="", encoding="utf-8") as file:
        return {row["key"]: row["value"] for row in csv.DictReader(file)}


def number(key: str) -> float:
    """A number of the policy."""
    return float(_policy()[key])


def far_fewer(rows: int, before: int) -> bool:
    """Whether a file with so many rows must not replace one with so many."""
    return before >= number("fewest_rows_judged") and rows < number("fewest_rows_share") * before
