"""Witness worlds: other counts behind the same release, and the check of them.

A *world* is a whole number for every count of a school year that adds up as an outsider knows it must, and of which the
same would be said. Two worlds that differ by X in a count prove that nobody can narrow it down further. `search` finds them;
nothing is trusted of it: `Prover.consistent` checks each world by whole-number arithmetic and runs the publication function
again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from equity_pipeline.disclosure.model import (
    ALL_STUDENTS,
    CELL,
    FORMS,
    GROUP,
    OF_EVERYONE,
    OF_SCHOOLS,
    POPULATION,
    Group,
    count_names,
    equations,
    parts_of,
)
from equity_pipeline.disclosure.suppression import C, X, parents, publish

# Above every count.
FAR = 10**6


@dataclass(frozen=True)
class Year:
    """The counts of one school year: `values` by count name × group, -1 where a group has none. A cell is a metric's
    statement about a group, made of the counts `n` and `s` of that group. `sums` × groups: parts less their total, which is
    nothing, or nothing negative where not `equal`; `holds`, by count name × sum, where it is so. `forms` × count names: what
    is never negative in a group. `pairs` of cells are one cell of a later and of an earlier
    release; `past` cells were said by an earlier one. `public`, by count name × group: numbers of students that anyone knows from
    elsewhere."""

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
    minimum_cell: np.ndarray
    pairs: np.ndarray
    past: np.ndarray
    public: np.ndarray

    @classmethod
    def of(cls, counts: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int) -> Year:
        """`counts`: rows of one school year in order, with whole `n` and `successes`. Of `dimensions` that are `public` (where there
        is such a column), and then of all students, anyone knows how many there are."""
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
        of_everyone = [number[called[metric, "n"]] for metric in OF_EVERYONE if (metric, "n") in called]
        public = set(dimensions.loc[dimensions["public"], "dimension"]) if "public" in dimensions else set()
        known = np.array(
            [g.dimension in public or (g.dimension == ALL_STUDENTS and bool(public)) for g in groups]
        )
        people = cells["people"].to_numpy(np.int64) if "people" in cells else np.full(len(cells), -1)
        rows, equal = _sums([*sums, *parts], place), np.arange(len(sums) + len(parts)) < len(sums)
        return cls(
            cells, groups, names, values, n, s, group, rows, equal, _holds(values, rows, equal), by_name, parents(cells), people,
            np.full(len(cells), minimum_cell), np.zeros((0, 2), np.int64), np.zeros(len(cells), bool),
            known & (values >= 0) & np.isin(np.arange(len(names)), of_everyone)[:, None],
        )  # fmt: skip

    @classmethod
    def joined(cls, years: Sequence[Year]) -> Year:
        """One school year as several releases count it, the newest first. Who reads them all is taken to know which counts are
        the same in two of them: there both are one number."""
        cells = pd.concat([year.cells for year in years], ignore_index=True)
        names = sorted({name for year in years for name in year.names})
        number = {name: i for i, name in enumerate(names)}
        columns = [np.array([number[name] for name in year.names]) for year in years]
        first_cell, first_group = (
            np.cumsum([0, *sizes])
            for sizes in ([len(year.cells) for year in years], [len(year.groups) for year in years])
        )
        values = np.full((len(names), first_group[-1]), -1, np.int64)
        public = np.zeros(values.shape, bool)
        parent_of: list[np.ndarray] = []
        forms: set[tuple[int, ...]] = set()
        for at, year in enumerate(years):
            values[columns[at], first_group[at] : first_group[at + 1]] = year.values
            public[columns[at], first_group[at] : first_group[at + 1]] = year.public
            of, _ = year.parent
            parent_of.append(np.where(of >= 0, of + first_cell[at], -1))
            for form in year.forms:
                spread = np.zeros(len(names), np.int64)
                spread[columns[at]] = form
                forms.add(tuple(spread))
        links, pairs = [], []
        for later, earlier in itertools.combinations(range(len(years)), 2):
            there = {group: i for i, group in enumerate(years[earlier].groups)}
            links += [
                (first_group[later] + i, first_group[earlier] + there[group])
                for i, group in enumerate(years[later].groups) if group in there
            ]  # fmt: skip
            cells_of = [pd.MultiIndex.from_frame(years[at].cells[CELL]) for at in (earlier, later)]
            told = cells_of[0].get_indexer(cells_of[1])
            some = np.flatnonzero(told >= 0)
            pairs.append(np.column_stack([first_cell[later] + some, first_cell[earlier] + told[some]]))
        links_at = np.array(links, np.int64).reshape(-1, 2)
        one = np.ones(len(links_at), np.int64)
        row = np.arange(len(links_at))
        linked = sp.coo_array(
            (np.concatenate([one, -one]), (np.tile(row, 2), links_at.T.ravel())), (len(row), first_group[-1])
        )
        sums = sp.csr_array(sp.vstack([sp.block_diag([year.sums for year in years]), linked]))
        equal = np.concatenate([*(year.equal for year in years), one == 1])
        holds = _holds(values, sums, equal)
        return cls(
            cells, [group for year in years for group in year.groups], names, values,
            np.concatenate([of[year.n] for of, year in zip(columns, years, strict=True)]),
            np.concatenate([of[year.s] for of, year in zip(columns, years, strict=True)]),
            np.concatenate([year.group + first for year, first in zip(years, first_group, strict=False)]), sums, equal, holds,
            np.array(sorted(forms)), (np.concatenate(parent_of), np.concatenate([year.parent[1] for year in years])),
            np.concatenate([year.people for year in years]), np.concatenate([year.minimum_cell for year in years]),
            np.concatenate([np.zeros((0, 2), np.int64), *pairs]), np.arange(len(cells)) >= len(years[0].cells),
            public,
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
            self.holds[:, rows], self.forms, (place[of[cells]], same[cells]), self.people[cells], self.minimum_cell[cells],
            place[self.pairs[np.isin(self.pairs, cells).all(axis=1)]], self.past[cells],
            self.public[:, groups],
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
    """Counts that must stay open: the number of `cell`, and `students` and `successes` of it, that are added up; and of a
    change between releases the cell that is `less`, else -1."""

    cell: np.ndarray
    students: np.ndarray
    successes: np.ndarray
    less: np.ndarray

    def of(self, year: Year, world: np.ndarray) -> np.ndarray:
        """The counts in one world."""
        counts = np.zeros(len(self.cell), np.int64)
        for sign, cells in ((1, self.cell), (-1, self.less)):
            some = np.flatnonzero(cells >= 0)
            cell = cells[some]
            n, s = (world[q[cell], year.group[cell]] for q in (year.n, year.s))
            counts[some] += sign * (self.students[some] * n + self.successes[some] * s)
        return counts

    def terms(self, year: Year) -> sp.csr_array:
        """Asked × counts (names × groups in a row): what is added up."""
        cells, signs = np.stack([self.cell, self.less]), np.array([[1], [-1]])
        there = cells >= 0
        target, cell = np.tile(np.arange(len(self.cell)), (2, 1))[there], cells[there]
        sign = np.broadcast_to(signs, cells.shape)[there]
        columns = [q[cell] * len(year.groups) + year.group[cell] for q in (year.n, year.s)]
        factors = [sign * self.students[target], sign * self.successes[target]]
        entries = (np.concatenate(factors), (np.tile(target, 2), np.concatenate(columns)))
        found = sp.csr_array(sp.coo_array(entries, (len(self.cell), year.values.size)))
        found.eliminate_zeros()
        return found

    def ends(self, year: Year, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most that each can be where counts (names × groups) are `low` to `high`."""
        terms = self.terms(year)
        more, less = terms.maximum(0), terms.minimum(0)
        least = np.where(self.less < 0, 0, -FAR)
        return np.maximum(
            more @ low.ravel() + less @ high.ravel(), least
        ), more @ high.ravel() + less @ low.ravel()


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
    def told(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each cell, whether an earlier release told of the very same number of students, of successes, and of others: hiding it
        now takes nothing back."""
        year, shown = self.year, ~self.said["hidden"].to_numpy()
        n, s = (year.values[q, year.group] for q in (year.n, year.s))
        later, earlier = year.pairs[shown[year.pairs[:, 1]]].T
        found = np.zeros((3, len(year.cells)), bool)
        for told, count in zip(found, (n, s, n - s), strict=True):
            told[later[count[later] == count[earlier]]] = True
        return found[0], found[1], found[2]

    @cached_property
    def past(self) -> np.ndarray:
        """Per cell, whether an earlier release said what it says: that can't be taken back."""
        students, successes, _ = self.told
        found: np.ndarray = self.year.past | (students & successes)
        return found

    @cached_property
    def asked(self) -> Asked:
        """What must stay open: the students of a hidden group that nobody knows from elsewhere, and the successes, and the others, of a hidden group or of a
        group that has fewer of them than the minimum cell."""
        year = self.year
        n, s = (year.values[q, year.group] for q in (year.n, year.s))
        hidden, k = self.said["hidden"].to_numpy(), year.minimum_cell
        of_students = ~year.cells["metric_id"].isin(OF_SCHOOLS).to_numpy()
        public = year.public[year.n, year.group]
        open_n, open_s, open_others = (hidden & ~told for told in self.told)
        kinds = [
            (open_n & ~public, 1, 0),
            ((open_s | (s < k)) & of_students, 0, 1),
            ((open_others | (n - s < k)) & of_students, 1, -1),
        ]
        cells = [np.flatnonzero(mask) for mask, _, _ in kinds]
        less = [np.full(len(found), -1) for found in cells]
        # A change of fewer than the minimum cell, in the direction in which it was.
        later, earlier = year.pairs.T
        for (students, successes), some in (((1, 0), ~public), ((0, 1), of_students), ((1, -1), of_students)):
            change = students * (n[later] - n[earlier]) + successes * (s[later] - s[earlier])
            few = np.flatnonzero((change != 0) & (abs(change) < k[later]) & some[later])
            grew = change[few] > 0
            kinds.append((hidden, students, successes))
            cells.append(np.where(grew, later[few], earlier[few]))
            less.append(np.where(grew, earlier[few], later[few]))
        sizes = [len(found) for found in cells]
        students, successes = (np.repeat([kind[i] for kind in kinds], sizes) for i in (1, 2))
        return Asked(np.concatenate(cells), students, successes, np.concatenate(less))

    @cached_property
    def permitted(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most that every count can be for someone who knows the public numbers of students, what adds up and which
        groups have a student, and has not seen the release: names × groups."""
        year = self.year
        low, high = np.zeros(year.values.shape, np.int64), np.full(year.values.shape, FAR)
        low[self.everyone] = np.minimum(year.values[self.everyone], 1)
        low[year.public] = high[year.public] = year.values[year.public]
        for q in np.flatnonzero(year.public.any(axis=1)):
            rows = year.sums[np.flatnonzero(year.holds[q])]
            equal = year.equal[year.holds[q]]
            left = rows @ year.values[q]
            _carry(rows, np.where(equal, left, 0), np.where(equal, left, FAR), low[q], high[q])
        # Every student whom a metric counts is one of the group; of seats and answers one has several.
        most = high[self.everyone].min(axis=0, initial=FAR)
        students = year.people < 0
        for q in {*year.n[students].tolist(), *year.s[students].tolist()}:
            high[q] = np.maximum(np.minimum(high[q], most), year.values[q])
        return low, high

    @cached_property
    def wanted(self) -> np.ndarray:
        """How far apart the worlds must be in each count that is asked: X, or as far as the public numbers of students permit."""
        low, high = self.asked.ends(self.year, *self.permitted)
        known = np.minimum(self.asked.of(self.year, self.year.values), C)
        wanted: np.ndarray = np.minimum(X, high - np.maximum(low, known))
        return wanted

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
        narrow[self.asked.cell[self.widths(worlds) < self.wanted]] = True
        return np.flatnonzero(narrow | ~self.mixed(worlds))

    def mixed(self, worlds: list[np.ndarray]) -> np.ndarray:
        """Per cell, whether some world has both students who succeed and others; of facts about schools nothing is asked,
        nor of groups that are known to be a single student."""
        year = self.year
        found: np.ndarray = year.cells["metric_id"].isin(OF_SCHOOLS).to_numpy(bool) | (
            self.permitted[1][year.n, year.group] < 2
        )
        for world in worlds:
            n, s = (world[q, year.group] for q in (year.n, year.s))
            found = found | ((s > 0) & (s < n))
        return found

    def consistent(self, world: np.ndarray) -> bool:
        """Whether the same is said of the world and all that adds up adds up in it, for who knows C of each group."""
        year, truth = self.year, self.year.values
        if (
            ((world < 0) != (truth < 0)).any()
            or (world[self.everyone] < np.minimum(truth[self.everyone], 1)).any()
            or (world != truth)[year.public].any()
        ):
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
        known = np.minimum(self.asked.of(self.year, self.year.values), C)
        lowest, highest = before or (np.full(len(known), FAR), np.full(len(known), -FAR))
        for world in worlds:
            value = self.asked.of(self.year, world)
            lowest = np.minimum(lowest, np.where(value >= known, value, FAR))
            highest = np.maximum(highest, value)
        return Seen(lowest, highest)


def _carry(
    rows: sp.csr_array, least: np.ndarray, most: np.ndarray, low: np.ndarray, high: np.ndarray
) -> None:
    """Tighten `low` and `high` of numbers, whose sums `rows` are `least` to `most`, until nothing moves."""
    entries, more, less = rows.tocoo(), rows.maximum(0), rows.minimum(0)
    row, column, up = entries.row, entries.col, entries.data > 0
    while True:
        before = low.sum(), high.sum()
        bottom, top = (more @ low + less @ high)[row], (more @ high + less @ low)[row]
        # What is left for one number when all others of its sum are as small, or as large, as they can be.
        least_here, most_here = (
            least[row] - top + np.where(up, high[column], -low[column]),
            most[row] - bottom + np.where(up, low[column], -high[column]),
        )
        np.maximum.at(low, column, np.where(up, least_here, -most_here))
        np.minimum.at(high, column, np.where(up, most_here, -least_here))
        if (low.sum(), high.sum()) == before:
            return


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
