"""How coarsely each group must be shown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.publication import publish
from equity_pipeline.domain.errors import DisclosureError


def protect(counts: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int) -> pd.DataFrame:
    """What may be shown of each group, as `publication.publish` says it, by `CELL`.

    Args:
        counts: one row per `CELL` with `n` and `successes`, whole numbers; a metric that was not measured has none.
        dimensions: the seed.
        minimum_cell: smallest number of students that is shown.

    Raises:
        DisclosureError: a group with more successes than students.
    """
    known = counts.dropna(subset=["n"])
    n, successes = known["n"].to_numpy(np.int64), known["successes"].to_numpy(np.int64)
    if (successes > n).any() or (successes < 0).any():
        raise DisclosureError("a group has more successes than students; nothing is published")
    said = publish(n, successes, 0, minimum_cell)
    said.index = pd.MultiIndex.from_frame(known[CELL])
    return said
