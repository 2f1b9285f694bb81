"""What is said of one group leaves room, whatever its counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.disclosure.intervals import ROUNDING, WIDTHS, X, band, is_number, shown

K = 10
GROUPS = st.integers(0, 5000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
STEPS = st.tuples(st.integers(0, len(ROUNDING)), st.integers(0, len(WIDTHS)))


def say(n: int, s: int, coarser: int = 0, wider: int = 0) -> dict:
    [row] = shown(*(np.array([v]) for v in (n, s, coarser, wider)), K).to_dict("records")
    return row


@settings(deadline=None)
@given(GROUPS, STEPS)
def test_the_truth_is_in_what_is_said(group: tuple[int, int], steps: tuple[int, int]) -> None:
    n, s = group
    said = say(n, s, *steps)
    assert said["n_low"] <= n <= said["n_high"]
    assert 100 * s >= said["low"] * n
    assert said["high"] == 100 or 100 * s < said["high"] * n or said["hidden"]


@settings(deadline=None)
@given(GROUPS)
def test_a_group_is_shown_from_the_minimum_on_and_nothing_of_a_smaller_one(group: tuple[int, int]) -> None:
    said = say(*group)
    assert said["hidden"] == (group[0] < K)
    if said["hidden"]:
        # Zero looks like any other small count, all like none.
        assert said == say(0, 0)


@settings(deadline=None, max_examples=50)
@given(GROUPS)
def test_every_pair_that_is_said_holds_several_counts(group: tuple[int, int]) -> None:
    """By enumeration: of all groups that would be shown the same, X + 1 numbers of students, of successes, of others."""
    said = say(*group)
    n, s = (grid.ravel() for grid in np.mgrid[said["n_low"] : said["n_low"] + 10, 0 : said["n_low"] + 10])
    n, s = n[s <= n], s[s <= n]
    step = np.zeros(len(n), dtype=int)
    same = (shown(n, s, step, step, K) == pd.Series(said)).all(axis=1).to_numpy()
    pairs = list(zip(n[same].tolist(), s[same].tolist(), strict=True))
    for counts in ({n for n, _ in pairs}, {s for _, s in pairs}, {n - s for n, s in pairs}):
        assert max(counts) - min(counts) >= X
    assert any(0 < s < n for n, s in pairs)


@settings(deadline=None)
@given(GROUPS, STEPS)
def test_a_coarser_statement_never_says_more(group: tuple[int, int], steps: tuple[int, int]) -> None:
    fine, coarse = say(*group, *steps), say(*group, steps[0] + 1, steps[1])
    assert coarse["n_low"] <= fine["n_low"]
    assert coarse["n_high"] >= fine["n_high"]
    wide = say(*group, steps[0], steps[1] + 1)
    assert wide["high"] - wide["low"] >= fine["high"] - fine["low"]


def test_all_and_none_are_never_said() -> None:
    for n in (10, 25, 80, 200, 450, 3000):
        for s in (0, n):
            said = say(n, s)
            assert not is_number(said["low"], said["high"])
            assert band(said["low"], said["high"]) in {f"under {said['high']}%", f"{said['low']}% or more"}
    assert band(20, 40) == "20% to 40%"
