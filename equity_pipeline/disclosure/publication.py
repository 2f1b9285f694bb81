"""What a release says about a group: its students, rounded, and its rate, in a band. Nothing else.

Everything else in a release is worked out from these two, so they are all there is to protect. The shape follows NCES
2011-603 (SLDS Technical Brief 3): no exact count, bands that widen as groups get smaller, ends coded together.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

# Two worlds are to differ by X in whatever is hidden, for an outsider who knows C of the group's students herself.
X, C = 5, 1
# As many numbers of successes are in every band of a rate, whatever the number of students within its rounding.
IN_A_BAND = X + C + 1
PERCENTS = 100
ROUNDED_TO = 10
# Bounds of rates are whole numbers of half percents, as a whole percent stands for half a percent on either side.
WHOLE = 200
UNLIMITED = 10**9


def publish(n: np.ndarray, successes: np.ndarray, minimum_cell: int) -> pd.DataFrame:
    """What is shown of groups with these counts.

    Returns:
        `hidden`; `n`: the students shown; `n_low`, `n_high`: those that are shown so; `low`, `high`: the bounds of the
        rate in half percents, `low` included and `high` not, unless it is `WHOLE`. Of a hidden group: 0, any number
        of students below the minimum cell, and any rate.
    """
    hidden = n < minimum_cell
    rounded = (n + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO
    least = np.maximum(rounded - ROUNDED_TO // 2, minimum_cell)
    bands = number_of_bands(least)
    low, high = _in_bands(n, successes, bands)
    percent = np.clip((WHOLE * successes + n) // np.maximum(2 * n, 1), 1, 99)
    whole = bands == PERCENTS
    low = np.where(whole, np.where(percent == 1, 0, 2 * percent - 1), low)
    high = np.where(whole, np.where(percent == 99, WHOLE, 2 * percent + 1), high)
    return pd.DataFrame(
        {
            "hidden": hidden,
            "n": np.where(hidden, 0, rounded),
            "n_low": np.where(hidden, 0, least),
            "n_high": np.where(hidden, minimum_cell - 1, rounded + ROUNDED_TO // 2 - 1),
            "low": np.where(hidden, 0, low),
            "high": np.where(hidden, WHOLE, high),
        }
    )


def number_of_bands(least: np.ndarray) -> np.ndarray:
    """How many bands the rates of a group are told in that has at least so many students; `PERCENTS` are whole percents.
    A group of the smallest size that is shown has two."""
    return np.maximum(PERCENTS // -(-PERCENTS * IN_A_BAND // least), 2)


def _in_bands(n: np.ndarray, successes: np.ndarray, bands: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of the band that a rate is in, in half percents; they are whole percents."""

    def start(number: np.ndarray) -> np.ndarray:
        return (2 * PERCENTS * number + bands) // (2 * bands)

    number = np.minimum(successes * bands // np.maximum(n, 1), bands - 1)
    number = number - (PERCENTS * successes < start(number) * n)
    number = number + ((PERCENTS * successes >= start(number + 1) * n) & (number < bands - 1))
    return 2 * start(number), 2 * start(number + 1)


def band(low: int, high: int) -> str | None:
    """A band as text: `under 20%`, `20% to 40%` (40 not included), `80% or more`; none for a whole percent."""
    if low == 0:
        return f"under {high / 2:g}%"
    if high == WHOLE:
        return f"{low / 2:g}% or more"
    return None if low % 2 else f"{low / 2:g}% to {high / 2:g}%"
