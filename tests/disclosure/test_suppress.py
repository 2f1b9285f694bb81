"""No count of any group is left fewer than X + 1 values, by enumeration where a district is small enough."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.disclosure.intervals import X, shown
from equity_pipeline.disclosure.model import CELL, Group
from equity_pipeline.disclosure.suppress import Cell, System, protect
from equity_pipeline.domain.errors import DisclosureError
from tests.disclosure import tables

DIMENSIONS = pd.DataFrame(
    [("all_students", None, "yes", None, "all"), ("homeless", "no", "yes", None, "all")],
    columns=["dimension", "reference_subgroup", "partitioning", "crosses", "publish_level"],
)
ALL = ("all_students", "all")


def one_place(yes: tuple[int, int], no: tuple[int, int]) -> pd.DataFrame:
    """One school year, one metric, a district of two groups."""
    rows = {("homeless", "yes"): yes, ("homeless", "no"): no, ALL: (yes[0] + no[0], yes[1] + no[1])}
    return pd.DataFrame(
        [(2026, "m", "_all", *group, *counts) for group, counts in rows.items()], columns=[*CELL, "n", "successes"]
    )


def cell(dimension: str, subgroup: str) -> Cell:
    return Cell(2026, "m", Group("_all", dimension, subgroup))


COUNTS = st.integers(0, 45).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def fits(n: int, s: int, said: dict) -> bool:
    top = 100 * s < said["high"] * n or said["high"] == 100
    return said["n_low"] <= n <= said["n_high"] and 100 * s >= said["low"] * n and top


@settings(max_examples=40, deadline=None)
@given(COUNTS, COUNTS)
def test_every_table_that_would_look_the_same_leaves_each_count_room(yes: tuple[int, int], no: tuple[int, int]) -> None:
    said = protect(one_place(yes, no), DIMENSIONS, 10)
    mine, other, everyone = (said[cell(*group)] for group in (("homeless", "yes"), ("homeless", "no"), ALL))

    def pairs(of: dict) -> list[tuple[int, int]]:
        top = min(of["n_high"], 99)
        return [(n, s) for n in range(of["n_low"], top + 1) for s in range(n + 1) if fits(n, s, of)]

    worlds = [
        (a, b) for a, b in itertools.product(pairs(mine), pairs(other)) if fits(a[0] + b[0], a[1] + b[1], everyone)
    ]
    assert (yes, no) in worlds
    for number in range(3):
        for side in (0, 1):
            values = [(w[side][0], w[side][1], w[side][0] - w[side][1])[number] for w in worlds]
            assert max(values) - min(values) >= X


@settings(max_examples=40, deadline=None)
@given(COUNTS, COUNTS)
def test_bounds_of_one_sum_are_those_of_enumeration(yes: tuple[int, int], no: tuple[int, int]) -> None:
    """Students of two groups and of both together: the interval by enumeration is the one that is worked out."""
    system = System(one_place(yes, no), DIMENSIONS, 10)
    said = system.said()
    hidden = said.assign(low=0, high=100)
    low, high = system.bounds(hidden)
    at = {c.group[1:]: i for i, c in enumerate(system.cells)}
    a, b, t = (said.iloc[at[g]] for g in (("homeless", "yes"), ("homeless", "no"), ALL))
    worlds = [
        (x, y)
        for x in range(a.n_low, min(a.n_high, 99) + 1)
        for y in range(b.n_low, min(b.n_high, 99) + 1)
        if t.n_low <= x + y <= t.n_high
    ]
    for side, group in enumerate((("homeless", "yes"), ("homeless", "no"))):
        variable = system.n[at[group]]
        assert (low[variable], high[variable]) == (min(w[side] for w in worlds), max(w[side] for w in worlds))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(60, 500))
def test_whatever_the_district_nothing_is_left_narrow_and_the_truth_stays_possible(seed: int, schools: int, size: int) -> None:
    gaps = tables.gap_metrics({2026: tables.counts(tables.students(seed, schools, size))})
    cells = gaps[[*CELL, "n", "successes"]].drop_duplicates()
    said = protect(cells, tables.DIMENSIONS, 10)
    for row in cells.itertuples():
        of = said[Cell(2026, row.metric_id, Group(row.school_id, row.dimension, row.subgroup))]
        assert of["hidden"] or (row.n >= 10 and fits(row.n, row.successes, of))


def test_a_realistic_district_keeps_its_groups() -> None:
    gaps = tables.gap_metrics({2026: tables.counts(tables.students(3, 3, 900))})
    cells = gaps[[*CELL, "n", "successes"]].drop_duplicates()
    said = protect(cells, tables.DIMENSIONS, 10)
    large = cells[(cells["n"] >= 30) & ~cells["dimension"].str.contains("[*]")]
    kept = [
        not said[Cell(2026, r.metric_id, Group(r.school_id, r.dimension, r.subgroup))]["hidden"] for r in large.itertuples()
    ]
    assert np.mean(kept) >= 0.97


def test_a_count_with_two_names_is_not_squeezed_between_them() -> None:
    """447 of 1,490 enrolled are 30 %: 447 to 461. The takers' own row, 440 to 449, would leave three values."""
    rows = [(2026, "ap_ib_enrollment", "_all", *ALL, 1490, 447), (2026, "exam_taken", "_all", *ALL, 447, 300)]
    counts = pd.DataFrame(rows, columns=[*CELL, "n", "successes"])
    separately = shown(np.array([447]), np.array([300]), np.array([0]), np.array([0]), 10).iloc[0]
    assert (separately["n_low"], separately["n_high"]) == (440, 449)
    takers = protect(counts, DIMENSIONS, 10)[Cell(2026, "exam_taken", Group("_all", *ALL))]
    enrolled = protect(counts, DIMENSIONS, 10)[Cell(2026, "ap_ib_enrollment", Group("_all", *ALL))]
    low = max(takers["n_low"], -(-enrolled["low"] * enrolled["n_low"] // 100))
    high = min(takers["n_high"], (enrolled["high"] * enrolled["n_high"] - 1) // 100)
    assert high - low >= X


def test_the_order_of_rows_does_not_matter() -> None:
    gaps = tables.gap_metrics({2026: tables.counts(tables.students(5, 2, 200))})
    cells = gaps[[*CELL, "n", "successes"]].drop_duplicates()
    order = list(range(len(cells)))
    random.Random(1).shuffle(order)
    assert protect(cells, tables.DIMENSIONS, 10) == protect(cells.iloc[order], tables.DIMENSIONS, 10)


def test_more_successes_than_students_stop_the_release() -> None:
    with pytest.raises(DisclosureError, match="more successes than students"):
        protect(one_place((12, 13), (40, 2)), DIMENSIONS, 10)
