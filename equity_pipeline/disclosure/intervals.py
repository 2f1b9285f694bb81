"""What a release says about a group: how many students, rounded, and a rate, or a band of it. Nothing else.

Everything else in a release is worked out from these two, so they are all there is to protect. Both are rounded down,
so each stands for an interval: `n` for at least ten numbers of students, the rate for at least X + 1 numbers of
successes. Source of the shape: NCES 2011-603 (SLDS Technical Brief 3): no exact counts, bands that widen as groups
get smaller, top and bottom coded.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

POLICY_VERSION = "2026.2"
# Every count of a group, shown or hidden, is left at least X + 1 possible values.
X = 5
# Students are rounded down to a multiple of the first; of a coarser one where that gives something away.
ROUNDING = np.array([10, 50, 100, 500])
# Shown students from which on → width of the band in percent: wide enough that X + 1 numbers of successes fit.
STARTS = np.array([600, 300, 120, 60, 20, 0])
WIDTHS = np.array([1, 2, 5, 10, 20, 33])
UNLIMITED = 10**9


def shown(
    n: np.ndarray, successes: np.ndarray, coarser: np.ndarray, wider: np.ndarray, minimum_cell: int
) -> pd.DataFrame:
    """What is shown of groups with these counts.

    Args:
        coarser: steps along `ROUNDING`; beyond its end the group is hidden.
        wider: steps along `WIDTHS` from the one that the group's size asks for; beyond its end the group is hidden.

    Returns:
        `hidden`; `n_low`, `n_high`: the students it may have; `low`, `high`: the bounds of its rate in percent, `low`
        included and `high` not, unless it is 100. Of a hidden group: what is known of any that small, 0 and 100.
    """
    by_size = np.argmax((n // ROUNDING[0] * ROUNDING[0])[:, None] >= STARTS, axis=1)
    step = by_size + wider
    small = n < minimum_cell
    hidden = small | (step >= len(WIDTHS)) | (coarser >= len(ROUNDING))
    unit = ROUNDING[np.minimum(coarser, len(ROUNDING) - 1)]
    floor = n // unit * unit
    width = WIDTHS[np.minimum(step, len(WIDTHS) - 1)]
    last = 100 // width - 1
    number = np.minimum(100 * successes // np.maximum(n * width, 1), last)
    return pd.DataFrame(
        {
            "hidden": hidden,
            "n_low": np.where(hidden, 0, np.maximum(floor, minimum_cell)),
            "n_high": np.where(hidden, np.where(small, minimum_cell - 1, UNLIMITED), floor + unit - 1),
            "low": np.where(hidden, 0, number * width),
            "high": np.where(hidden | (number == last), 100, (number + 1) * width),
        }
    )


def is_number(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether a rate is shown as a whole percent. The ends never are: nobody learns that it was all or none."""
    return (high - low == 1) & (low > 0) & (high < 100)


def band(low: int, high: int) -> str:
    """A band of a rate as text: `under 20%`, `20% to 40%` (40 not included), `80% or more`."""
    return f"under {high}%" if low == 0 else f"{low}% or more" if high == 100 else f"{low}% to {high}%"
