"""Witness worlds: other counts behind the same release, and the check of them.

A *world* is a whole number for every count of a school year that adds up as an outsider knows it must, and of which the
same would be said. Two worlds that differ by X in a count prove that nobody can narrow it down further. `search` finds them;
nothing is trusted of it: `Prover.consistent` checks each world by whole-number arithmetic and runs the publication function
again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from equity_pipeline.disclosure.model import (
    FORMS,
    GROUP,
    OF_SCHOOLS,
    POPULATION,
    Group,
    count_names,
    equations,
    parts_of,
)
from equity_pipeline.disclosure.publication import C, X, parents, publish

# Above every count.
FAR = 10**6


@dataclass(frozen=True)
class Year:
    """The counts of one school year: `values` by count name × group, -1 where a group has none. A cell is a metric's
    statement about a group, made of the counts `n` and `s` of that group. `sums` × groups: parts less their total, which is
    nothing, or nothing negative where not `equal`; `holds`, by count name × sum, where it is so. `forms` × count names: what
    is never negative in a group."""

    cells: pd.DataFrame
    groups: list[Group]
    names: list[tuple[str, str]]
    values: np.ndarray
    n: np.ndarray
    s: np.ndarray
    group: np.ndarray
    sums: sp.csr_array
    equal: np.ndarray
    holds: np.ndarray
    forms: np.ndarray
    parent: tuple[np.ndarray, np.ndarray]
    people: np.ndarray
    minimum_cell: int

    @classmethod
    def of(cls, counts: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int) -> Year:
        """`counts`: rows of one school year in order, with whole `n` and `successes`."""
        cells = counts.reset_index(drop=True)
        keys = [Group(*key) for key in cells[GROUP].itertuples(index=False)]
        groups = sorted(set(keys))
        place = {group: i for i, group in enumerate(groups)}
        called = count_names(cells)
        names = sorted(set(called.values()))
        number = {name: i for i, name in enumerate(names)}
        group = np.array([place[key] for key in keys], dtype=np.int64)
        n, s = (
            np.array([number[called[m, count]] for m in cells["metric_id"]], dtype=np.int64)
            for count in ("n", "successes")
        )
        values = np.full((len(names), len(groups)), -1, dtype=np.int64)
        values[n, group], values[s, group] = cells["n"].to_numpy(), cells["successes"].to_numpy()
        sums = [(e.total, e.parts, 1) for e in equations(groups, dimensions)]
        parts = [(whole, (part,), -1) for part, whole in parts_of(groups)]
        forms = [{(m, "n"): 1, (m, "successes"): -1} for m in sorted(set(cells["metric_id"]))]
        forms += [form for form in FORMS if all(count in called for count in form)]
        by_name = np.zeros((len(forms), len(names)), dtype=np.int64)
        for i, form in enumerate(forms):
            for count, times in form.items():
                by_name[i, number[called[count]]] += times
        people = cells["people"].to_numpy(np.int64) if "people" in cells else np.full(len(cells), -1)
        rows, equal = _sums([*sums, *parts], place), np.arange(len(sums) + len(parts)) < len(sums)
        return cls(
            cells, groups, names, values, n, s, group, rows, equal, _holds(values, rows, equal), by_name, parents(cells), people,
            minimum_cell,
        )  # fmt: skip

    def within(self, some: np.ndarray) -> tuple[Year, np.ndarray]:
        """The year as it is of some groups alone while all others stay as they are; and which cells are of these."""
        cells, groups = np.flatnonzero(some[self.group]), np.flatnonzero(some)
        sums = sp.csr_array(self.sums[:, groups])
        rows = np.flatnonzero(np.diff(sums.indptr))
        place = np.append(np.cumsum(some[self.group]) - 1, -1)
        of, same = self.parent
        return Year(
            self.cells.iloc[cells].reset_index(drop=True), [self.groups[g] for g in groups], self.names, self.values[:, groups],
            self.n[cells], self.s[cells], (np.cumsum(some) - 1)[self.group[cells]], sp.csr_array(sums[rows]), self.equal[rows],
            self.holds[:, rows], self.forms, (place[of[cells]], same[cells]), self.people[cells], self.minimum_cell,
        ), cells  # fmt: skip

    def publish(self, world: np.ndarray, withheld: np.ndarray) -> pd.DataFrame:
        """What is said of each cell, were the counts those of the world."""
        return publish(
            world[self.n, self.group], world[self.s, self.group], self.minimum_cell,
            people=self.people, parent=self.parent, withheld=withheld,
        )  # fmt: skip


class Seen(NamedTuple):
    """The least and the most of each count that is asked, in the worlds so far."""

    lowest: np.ndarray
    highest: np.ndarray


class Asked(NamedTuple):
    """Counts that must stay open: the number of `cell`, and `students` and `successes` of it, that are added up."""

    cell: np.ndarray
    students: np.ndarray
    successes: np.ndarray

    def of(self, year: Year, world: np.ndarray) -> np.ndarray:
        """The counts in one world."""
        n, s = (world[q[self.cell], year.group[self.cell]] for q in (year.n, year.s))
        counts: np.ndarray = self.students * n + self.successes * s
        return counts


class Prover:
    """Checks worlds of one school year: whether the same is said of them, `withheld` cells being hidden too, and what they prove."""

    def __init__(self, year: Year, withheld: np.ndarray | None = None) -> None:
        self.year = year
        self.withheld = np.zeros(len(year.cells), bool) if withheld is None else withheld
        v = year.values
        self.said = year.publish(v, self.withheld)
        used = (year.forms != 0).astype(int)
        self.form_holds = (used @ (v < 0).astype(int) == 0) & (year.forms @ v >= 0)
        of_everyone = {(metric, "n") for metric in POPULATION}
        self.everyone = np.array([name in of_everyone for name in year.names])

    @cached_property
    def asked(self) -> Asked:
        """What must stay open: the students of a hidden group, and the successes, and the others, of a hidden group or of a
        group that has fewer of them than the minimum cell."""
        year = self.year
        n, s = (year.values[q, year.group] for q in (year.n, year.s))
        hidden, k = self.said["hidden"].to_numpy(), year.minimum_cell
        of_students = ~year.cells["metric_id"].isin(OF_SCHOOLS).to_numpy()
        kinds = [
            (hidden, 1, 0),
            ((hidden | (s < k)) & of_students, 0, 1),
            ((hidden | (n - s < k)) & of_students, 1, -1),
        ]
        cells = [np.flatnonzero(mask) for mask, _, _ in kinds]
        return Asked(
            np.concatenate(cells),
            *(np.repeat([kind[i] for kind in kinds], [len(c) for c in cells]) for i in (1, 2)),
        )

    def widths(self, worlds: list[np.ndarray]) -> np.ndarray:
        """How far the worlds are apart in each count that is asked; worlds without the C students that someone knows of do
        not count for her."""
        seen = self.seen(worlds)
        widths: np.ndarray = seen.highest - seen.lowest
        return widths

    def narrow(self, worlds: list[np.ndarray]) -> np.ndarray:
        """Cells of which some count is not proven to be open, or of which no world has both some who succeed and some others."""
        year = self.year
        narrow = np.zeros(len(year.cells), bool)
        narrow[self.asked.cell[self.widths(worlds) < X]] = True
        return np.flatnonzero(narrow | ~self.mixed(worlds))

    def mixed(self, worlds: list[np.ndarray]) -> np.ndarray:
        """Per cell, whether some world has both students who succeed and others; of facts about schools nothing is asked."""
        year = self.year
        found = year.cells["metric_id"].isin(OF_SCHOOLS).to_numpy(bool)
        for world in worlds:
            n, s = (world[q, year.group] for q in (year.n, year.s))
            found = found | ((s > 0) & (s < n))
        return found

    def consistent(self, world: np.ndarray) -> bool:
        """Whether the same is said of the world and all that adds up adds up in it, for who knows C of each group."""
        year, truth = self.year, self.year.values
        if ((world < 0) != (truth < 0)).any() or (
            world[self.everyone] < np.minimum(truth[self.everyone], 1)
        ).any():
            return False
        for row, true, holds in zip(world, truth, year.holds, strict=True):
            if (year.sums @ (row - true))[holds & year.equal].any() or (
                (year.sums @ row)[holds & ~year.equal] < 0
            ).any():
                return False
        if ((year.forms @ world)[self.form_holds] < 0).any():
            return False
        return year.publish(world, self.withheld).equals(self.said)

    def seen(self, worlds: list[np.ndarray], before: Seen | None = None) -> Seen:
        """The least and the most that each count is in these worlds and those before."""
        values = np.array([self.asked.of(self.year, world) for world in worlds])
        known = np.minimum(self.asked.of(self.year, self.year.values), C)
        lowest = np.where(values >= known, values, FAR).min(axis=0)
        highest = values.max(axis=0)
        if before is not None:
            lowest, highest = np.minimum(lowest, before.lowest), np.maximum(highest, before.highest)
        return Seen(lowest, highest)


def _holds(values: np.ndarray, sums: sp.csr_array, equal: np.ndarray) -> np.ndarray:
    """Count names × sums that are so: a partner's own totals need not add up, and what does not, no outsider can hold against it."""
    touched, found = abs(sums), np.zeros((len(values), sums.shape[0]), bool)
    for number, row in enumerate(values):
        left = sums @ row
        found[number] = (touched @ (row < 0).astype(int) == 0) & np.where(equal, left == 0, left >= 0)
    return found


def _sums(rows: list[tuple[Group, Iterable[Group], int]], place: dict[Group, int]) -> sp.csr_array:
    """Rows of total, parts and sign as a matrix: the parts less the total, times the sign."""
    entries = [
        (i, place[group], sign * times)
        for i, (total, parts, sign) in enumerate(rows)
        for group, times in ((total, -1), *((part, 1) for part in parts))
    ]
    i, j, value = np.array(entries, dtype=np.int64).reshape(-1, 3).T
    return sp.coo_array((value, (i, j)), shape=(len(rows), len(place))).tocsr()
