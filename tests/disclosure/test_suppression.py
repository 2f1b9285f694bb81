"""What is said of a group holds for at least so many counts, and for the true ones."""

from __future__ import annotations

import numpy as np
import pytest

from equity_pipeline.disclosure.suppression import IN_A_BAND, WHOLE, band, publish


@pytest.fixture(scope="module")
def every_group():
    """Each number of successes of each group of up to 800 students, and what is said of it."""
    n = np.repeat(np.arange(801), np.arange(1, 802))
    s = np.concatenate([np.arange(size + 1) for size in range(801)])
    return publish(n, s, 10).assign(true_n=n, true_s=s)


def test_the_true_counts_lie_in_what_is_said(every_group):
    shown = every_group[~every_group["hidden"]]
    n, s = shown["true_n"], shown["true_s"]
    assert ((shown["n_low"] <= n) & (n <= shown["n_high"])).all()
    below = (WHOLE * s < shown["high"] * n) | (shown["high"] == WHOLE)
    assert ((shown["low"] * n <= WHOLE * s) & below).all()
    assert (every_group["hidden"] == (every_group["true_n"] < 10)).all()


def test_students_are_rounded_to_tens(every_group):
    shown = every_group[~every_group["hidden"]]
    assert (shown["n"] == (shown["true_n"] + 5) // 10 * 10).all()


def test_a_band_holds_at_least_seven_numbers_of_successes(every_group):
    shown = every_group[~every_group["hidden"] & (every_group["true_n"] >= 14)]
    inside = shown.groupby(["true_n", "low", "high"]).size()
    assert inside.min() >= IN_A_BAND


def test_all_and_none_are_never_said(every_group):
    shown = every_group[~every_group["hidden"]]
    ends = shown[(shown["low"] == 0) | (shown["high"] == WHOLE)]
    assert (ends.groupby(["true_n", "low", "high"]).size() >= 5).all()


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0, 40, "under 20%"),
        (40, 80, "20% to 40%"),
        (160, 200, "80% or more"),
        (39, 41, None),
        (0, 3, "under 1.5%"),
    ],
)
def test_bands_are_said_in_words(low, high, said):
    assert band(low, high) == said
