"""What an outsider holds against the counts of a year, as rows of whole numbers: sums, what is never negative, and what a
release says of each cell.

What is said of a cell leaves a polygon of students and successes. The rows are the sides of the smallest one with corners of
whole numbers (`sides`), so that linear programs mostly end in whole numbers by themselves.
"""

from __future__ import annotations

import functools
import itertools
import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from equity_pipeline.disclosure.model import ALL_STUDENTS
from equity_pipeline.disclosure.suppression import UNLIMITED, WHOLE
from equity_pipeline.disclosure.worlds import FAR, Prover

_LARGE = 10**15


class Form(NamedTuple):
    """What is never negative within each of `groups`: `names` and `factors` (a row per group), what is added, and the cell
    that says so, or -1 where it holds anyway."""

    names: np.ndarray
    factors: np.ndarray
    groups: np.ndarray
    added: np.ndarray
    cell: np.ndarray


class Known:
    """The rows of one year and release. A count's column is its name times the number of groups, plus its group; of `matrix` @
    counts each row lies between `least` and `most`, and each count between `low` and `high`. `cell`: of each row, as in
    `Form`; `n`, `s`, `others`: of each cell, the columns of its students and successes, and the row of the others; `terms`: what
    is asked × columns; `change`: of what is asked of two releases, its row, else -1."""

    def __init__(self, prover: Prover) -> None:
        year, said = prover.year, prover.said
        self.prover = prover
        size = len(year.groups)
        self.there, self.true = (year.values >= 0).ravel(), np.maximum(year.values, 0).ravel()
        self.n, self.s = (q * size + year.group for q in (year.n, year.s))
        self.low, self.high = np.zeros(year.values.size, np.int64), np.full(year.values.size, FAR)
        everyone = np.repeat(prover.everyone, size)
        self.low[everyone] = np.minimum(self.true[everyone], 1)
        np.maximum.at(self.low, self.n, said["n_low"].to_numpy())
        np.minimum.at(self.high, self.n, said["n_high"].to_numpy())
        public = year.public.ravel()
        self.low[public] = self.high[public] = self.true[public]
        blocks, least, most = [], [], []
        for q, holds in enumerate(year.holds):
            sums = year.sums[np.flatnonzero(holds)].tocoo()
            blocks.append(
                sp.coo_array((sums.data, (sums.row, sums.col + q * size)), (sums.shape[0], year.values.size))
            )
            # What is left over stays: the parts or the total may lie outside.
            left, equal = (year.sums @ year.values[q])[holds], year.equal[holds]
            least.append(np.where(equal, left, 0))
            most.append(np.where(equal, left, np.inf))
        unsaid = sum(map(len, least))
        for form in self.forms:
            rows = np.repeat(np.arange(len(form.groups)), form.names.shape[1])
            columns = (form.names * size + form.groups[:, None]).ravel()
            blocks.append(
                sp.coo_array((form.factors.ravel(), (rows, columns)), (len(form.groups), year.values.size))
            )
            least.append(-form.added)
            most.append(np.full(len(form.groups), np.inf))
        # What is asked of two releases together; nothing is known of it but what follows.
        self.terms = prover.asked.terms(year)
        changes = np.flatnonzero(prover.asked.less >= 0)
        self.change = np.full(len(prover.asked.cell), -1)
        self.change[changes] = sum(map(len, least)) + np.arange(len(changes))
        blocks.append(self.terms[changes].tocoo())
        least.append(np.full(len(changes), -np.inf))
        most.append(np.full(len(changes), np.inf))
        self.matrix = sp.csr_array(sp.vstack(blocks))
        self.least, self.most = np.concatenate(least), np.concatenate(most)
        self.cell = np.concatenate(
            [np.full(unsaid, -1), *(form.cell for form in self.forms), np.full(len(changes), -1)]
        )
        self.others = unsaid + self._others()

    @cached_property
    def forms(self) -> list[Form]:
        """All that is never negative within a group: first those of `Year.forms`, then what is said."""
        year, said = self.prover.year, self.prover.said
        listed = []
        for form, holds in zip(year.forms, self.prover.form_holds, strict=True):
            names, groups = np.flatnonzero(form), np.flatnonzero(holds)
            listed.append(
                Form(
                    np.tile(names, (len(groups), 1)),
                    np.tile(form[names], (len(groups), 1)),
                    groups,
                    np.zeros(len(groups), np.int64),
                    np.full(len(groups), -1),
                )
            )
        bounds = said[["n_low", "n_high", "low", "high"]].to_numpy(np.int64)
        shown = np.flatnonzero(~said["hidden"].to_numpy())
        rows = [(cell, *side) for cell in shown for side in sides(*map(int, bounds[cell]))]
        cell, students, successes, added = np.array(rows, np.int64).reshape(-1, 4).T
        both = np.column_stack([year.n[cell], year.s[cell]])
        return [
            *listed,
            Form(both, np.column_stack([students, successes]), year.group[cell], added, cell),
        ]

    def _others(self) -> np.ndarray:
        """Of each cell the place of the row of its others among those of `forms`."""
        year = self.prover.year
        first = np.cumsum([0, *(len(form.groups) for form in self.forms)])
        found = np.zeros(len(year.group), np.int64)
        for n, s in sorted({*zip(year.n.tolist(), year.s.tolist(), strict=True)}):
            others = np.zeros(len(year.names), np.int64)
            others[[n, s]] = 1, -1
            form = int(np.flatnonzero((year.forms == others).all(axis=1))[0])
            cells = (year.n == n) & (year.s == s)
            found[cells] = first[form] + np.searchsorted(self.forms[form].groups, year.group[cells])
        return found

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most that every count can be by its own group: names × groups."""
        low, high = (
            bound.reshape(self.prover.year.values.shape).copy()
            for bound in (self.low, np.where(self.high == FAR, UNLIMITED, self.high))
        )
        for _ in range(4):
            for names, factors, groups, added, _ in self.forms:
                at = groups[:, None]
                most = np.where(factors > 0, high[names, at], low[names, at]) * factors
                total = np.minimum(most.sum(axis=1) + added, _LARGE)
                for k in range(names.shape[1]):
                    tighten(low, high, (names[:, k], groups), total - most[:, k], factors[:, k])
        return low, high

    @cached_property
    def everyone(self) -> np.ndarray:
        """Per column, whether it counts all students of a place."""
        groups, names = self.prover.year.groups, len(self.prover.year.names)
        return np.tile([group.dimension == ALL_STUDENTS for group in groups], names)

    def parts(self, free: np.ndarray) -> np.ndarray:
        """Per column the number of its part: no row joins two parts while the columns that are not `free` (-1) stay."""
        some = np.flatnonzero(free)
        rows = abs(self.matrix[:, some])
        row, column = rows.nonzero()
        size = sum(rows.shape)
        graph = sp.coo_array((np.ones(len(row)), (row, rows.shape[0] + column)), (size, size))
        _, labels = connected_components(graph, directed=False)
        _, numbered = np.unique(labels[rows.shape[0] :], return_inverse=True)
        found = np.full(len(free), -1)
        found[some] = numbered
        return found


@functools.cache
def sides(n_low: int, n_high: int, low: int, high: int) -> tuple[tuple[int, int, int], ...]:
    """Of the smallest polygon around all whole students (`n_low` to `n_high`) and successes in a band (in half percents,
    `high` not included): factors of students and of successes and what is added, never negative together."""
    students = range(n_low, n_high + 1)
    above = _below([(n, -(-low * n // WHOLE)) for n in students]) if low > 0 else []
    under = _below([(n, -((high * n - 1) // WHOLE)) for n in students]) if high < WHOLE else []
    return (*above, *((n, -s, added) for n, s, added in under))


def _below(points: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """The sides of the lower hull of points that go to the right."""
    hull: list[tuple[int, int]] = []
    for n, s in points:
        while len(hull) > 1 and (hull[-1][0] - hull[-2][0]) * (s - hull[-2][1]) <= (
            hull[-1][1] - hull[-2][1]
        ) * (n - hull[-2][0]):
            hull.pop()
        hull.append((n, s))
    if len(hull) == 1:
        return [(0, 1, -hull[0][1])]
    found = []
    for (n, s), (to_n, to_s) in itertools.pairwise(hull):
        common = math.gcd(to_n - n, to_s - s)
        run, rise = (to_n - n) // common, (to_s - s) // common
        found.append((-rise, run, rise * n - run * s))
    return found


def tighten(
    low: np.ndarray, high: np.ndarray, at: tuple[np.ndarray, ...], rest: np.ndarray, factor: np.ndarray
) -> None:
    """Bounds of x where rest + factor * x is never negative."""
    up = factor > 0
    np.maximum.at(low, tuple(i[up] for i in at), -(rest[up] // factor[up]))
    down = factor < 0
    np.minimum.at(high, tuple(i[down] for i in at), rest[down] // -factor[down])
