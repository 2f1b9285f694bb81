"""What a release says about a group: its students, rounded, and its rate, in a band. Nothing else.

Everything else in a release is worked out from these two, so they are all there is to protect. The shape follows NCES
2011-603 (SLDS Technical Brief 3): no exact count, bands that widen as groups get smaller, ends coded together.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import AMONG, CELL, count_names

# Two worlds are to differ by X in whatever is hidden, for an outsider who knows C of the group's students herself. Five apart
# is found for only two thirds of the counts of a small district.
X, C = 3, 1
# As many numbers of successes are in every band of a rate, whatever the number of students within its rounding.
IN_A_BAND = 7
PERCENTS = 100
ROUNDED_TO = 10
# Bounds of rates are whole numbers of half percents, as a whole percent stands for half a percent on either side.
WHOLE = 200
UNLIMITED = 10**9
# Passers are among takers, and takers among the enrolled.
_LONGEST_CHAIN = 2


def parents(cells: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Per cell the position of the cell whose successes are its students (takers among enrolled) or hold them all (students
    with a grade among enrolled), or -1; and whether they are the same.

    Args:
        cells: one row per `CELL` of one school year, with `n` and `successes`.
    """
    names, metrics = count_names(cells), set(cells["metric_id"])
    same = {m: of for m in metrics for of, what in [names[m, "n"]] if what == "successes"}
    place = pd.Series(np.arange(len(cells)), index=pd.MultiIndex.from_frame(cells[CELL]))
    at = cells[CELL].assign(metric_id=cells["metric_id"].map({**AMONG, **same}))
    found = place.reindex(pd.MultiIndex.from_frame(at)).fillna(-1).to_numpy(np.int64)
    return found, cells["metric_id"].isin(list(same)).to_numpy(bool)


def publish(
    n: np.ndarray,
    successes: np.ndarray,
    minimum_cell: int | np.ndarray,
    *,
    people: np.ndarray | None = None,
    parent: tuple[np.ndarray, np.ndarray] | None = None,
    withheld: np.ndarray | bool = False,
) -> pd.DataFrame:
    """What is shown of groups with these counts.

    A group is hidden if it is small. Students who are among the successes of another metric are hidden unless it is said there
    that these are the minimum cell or more; if they are all of them, their number is not looked at, so that hiding them says
    nothing.
    Seats and answers are hidden by the number of people behind them, and told in bands made for so many.

    Args:
        minimum_cell: of all cells, or of each.
        people: behind each cell, -1 where they are its students.
        parent: of each cell, as `parents` gives them.
        withheld: cells that are hidden although they are large, because others could be worked out with their help.

    Returns:
        `hidden`; `n`: the students shown; `n_low`, `n_high`: those that are shown so; `low`, `high`: the bounds of the
        rate in half percents, `low` included and `high` not, unless it is `WHOLE`. Of a hidden group: 0, the numbers of
        students for which it is hidden, and any rate.
    """
    rounded, least = _rounded(n, minimum_cell)
    others = np.zeros(len(n), bool) if people is None else people >= 0
    behind = n if people is None else np.where(others, people, n)
    small, told_for = behind < minimum_cell, np.minimum(least, _rounded(behind, minimum_cell)[1])
    low, high = _in_bands(n, successes, told_for, minimum_cell)
    hidden = small | withheld
    by_size = ~(others | withheld)
    if parent is not None:
        of, same = parent
        child = of >= 0
        same = same & child
        known = -(-low * least // WHOLE) >= minimum_cell
        hidden &= ~same | withheld
        for _ in range(_LONGEST_CHAIN):
            unknown = child & (hidden[of] | ~known[of])
            hidden = hidden | unknown
        by_size &= ~same & ~unknown
    return pd.DataFrame(
        {
            "hidden": hidden,
            "n": np.where(hidden, 0, rounded),
            "n_low": np.where(hidden, 0, least),
            "n_high": np.where(
                hidden, np.where(by_size, minimum_cell - 1, UNLIMITED), rounded + ROUNDED_TO // 2 - 1
            ),
            "low": np.where(hidden, 0, low),
            "high": np.where(hidden, WHOLE, high),
        }
    )


def _rounded(n: np.ndarray, minimum_cell: int | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers to the nearest ten, and the least that is rounded so."""
    rounded = (n + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO
    return rounded, np.maximum(rounded - ROUNDED_TO // 2, minimum_cell)


@functools.cache
def edges(least: int, ends: int) -> tuple[int, ...]:
    """Where the bands begin, in half percents, that the rates of a group are told in that has at least `least` students, and
    the end of the last. `ends` numbers of successes, and of others, are in the first and the last band, `IN_A_BAND` in the
    others. A group too small for that has two halves; a large one is told in whole percents."""
    inner = -(-PERCENTS * IN_A_BAND // least)
    if inner == 1:
        return (0, *range(3, WHOLE - 2, 2), WHOLE)
    first = -(-PERCENTS * ends // least)
    number = max((PERCENTS - 2 * first) // inner, 0)
    if not number:
        return (0, PERCENTS, WHOLE)
    width = PERCENTS - 2 * first
    return (0, *(2 * (first + (2 * width * i + number) // (2 * number)) for i in range(number + 1)), WHOLE)


def _in_bands(
    n: np.ndarray, successes: np.ndarray, least: np.ndarray, ends: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of the band that a rate is in, in half percents."""
    sizes, of = np.unique(ends * UNLIMITED + least, return_inverse=True)
    low, high = np.zeros(len(n), dtype=np.int64), np.zeros(len(n), dtype=np.int64)
    rate = WHOLE * successes // np.maximum(n, 1)
    for number, size in enumerate(sizes):
        here = of == number
        starts = np.array(edges(int(size % UNLIMITED), int(size // UNLIMITED)))
        at = np.minimum(np.searchsorted(starts, rate[here], side="right"), len(starts) - 1)
        low[here], high[here] = starts[at - 1], starts[at]
    return low, high


def band(low: int, high: int) -> str | None:
    """A band as text: `under 20%`, `20% to 40%` (40 not included), `80% or more`; none for a whole percent."""
    if low == 0:
        return f"under {high / 2:g}%"
    if high == WHOLE:
        return f"{low / 2:g}% or more"
    return None if low % 2 else f"{low / 2:g}% to {high / 2:g}%"
