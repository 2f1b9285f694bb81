"""Witness worlds: other counts behind the same release.

A *world* is a whole number for every count of a school year that adds up as an outsider knows it must, and of which the
same would be said. Two worlds that differ by X in a count prove that nobody can narrow it down further. Worlds are found
by linear programs (HiGHS) in steps that keep every sum, starting from the true counts; no solver is trusted for anything:
`Prover.consistent` checks each world by whole-number arithmetic and runs the publication function again. Where no two
worlds are found, a cell beside is withheld and the search goes on (`prove`); what is published is what is proven.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import highspy
import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from equity_pipeline.disclosure.model import (
    AMONG,
    CELL,
    DISTRICT,
    FORMS,
    GROUP,
    OF_SCHOOLS,
    POPULATION,
    Group,
    count_names,
    equations,
    parts_of,
)
from equity_pipeline.disclosure.publication import UNLIMITED, WHOLE, C, X, parents, publish
from equity_pipeline.domain.errors import DisclosureError

_NEAR = 1e-6
_FAR = 10**6
_LARGE = 10**15
_EVERYONE = "all_students"
# A move costs so much of the weight of one that is wanted, and of a count that is gained.
_IDLE, _STILL = 0.01, 0.001
# A count is moved with any choice of its parts where there are no more choices than this.
_MOVES = 24
# Rounds of the search at first, and after cells were withheld; and how often that is done.
_ROUNDS, _MORE, _REPAIRS = 12, 4, 40
# Counts of what a metric's students are among, and everyone's, are withheld only where that often others did not do.
# At last it is any cell of these metrics.
_NEAREST, _SPARED, _ANYWHERE = 2, 6, 9
# Counts that are gained whole or not at all; more of them at once take too long.
_FEW = 8
# Turns of the whole-number programs at first, and after that; and how many counts are in one.
_LIFTS, _LAST, _PROGRAM = 3, 2, 2_000
# How many branches such a program may try: for many counts at once, and for a single one that nothing else reached.
_HASTE, _PATIENCE = 5, 500
# So often are cells beside one withheld before a program is spent on it alone.
_STUBBORN = 5


@dataclass(frozen=True)
class Proof:
    """What may be published, and why. `base`: by `CELL`, what is said of each measured cell (`publish`), and whether it was
    `withheld` for the sake of others. `asked`: counts of hidden groups, their successes and the others, and every smaller
    number of successes or of others of the groups that are shown; `apart`: X → how many of them have two worlds at least X
    apart; `narrowest`: the least distance; `worlds`: school year → world × count name × group, the true counts first."""

    base: pd.DataFrame
    asked: int
    apart: dict[int, int]
    narrowest: int
    worlds: dict[int, np.ndarray]
    groups: int
    sums: int

    def keep(self, file: Path) -> None:
        """Write the worlds, readable by their owner alone: they are counts of students."""
        scratch = file.with_suffix(".tmp.npz")
        held = {
            f"withheld_{year}": of["withheld"].to_numpy() for year, of in self.base.groupby("school_year")
        }
        arrays: dict[str, Any] = {str(year): worlds for year, worlds in self.worlds.items()} | held
        np.savez_compressed(scratch, **arrays)
        scratch.chmod(0o600)
        scratch.replace(file)

    def summary(self) -> dict[str, object]:
        """For `certificate.json`: no count of a group is in it."""
        return {
            "counts_asked": self.asked,
            "counts_with_two_worlds_at_least_apart": {
                str(x): number for x, number in sorted(self.apart.items())
            },
            "narrowest_interval": self.narrowest,
            "apart_at_least": X,
            "cells": len(self.base),
            "cells_withheld_for_others": int(self.base["withheld"].sum()),
            "worlds": sum(len(worlds) for worlds in self.worlds.values()),
            "groups": self.groups,
            "sums": self.sums,
            "known_of_a_group": C,
        }


def prove(
    counts: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int, kept: Path | None = None
) -> Proof:
    """Find what may be published: witness worlds for every count that must stay open, in every school year; no sum joins two
    years. Where there are none, cells beside it are withheld.

    Args:
        counts: one row per `CELL` with `n` and `successes`; a metric that was not measured has none. `people`, where it
            is there: how many are behind seats or answers, -1 where the students themselves are counted.
        kept: worlds of an earlier proof, used for the years whose counts are the same.

    Raises:
        DisclosureError: some count stays open to nobody but its number; nothing may be published.
    """
    known = counts.dropna(subset=["n"]).astype({"n": "int64", "successes": "int64"}).sort_values(CELL)
    # Where nothing was measured there is nothing to say, in the same columns.
    nothing = publish(np.zeros(0, np.int64), np.zeros(0, np.int64), minimum_cell).assign(withheld=False)
    bases = [nothing.set_index(pd.MultiIndex.from_frame(known[CELL][:0]))]
    widths, worlds, groups, sums = [], {}, 0, 0
    for school_year in sorted({int(one) for one in known["school_year"]}):
        of_year = known[known["school_year"] == school_year]
        year = Year.of(of_year, dimensions, minimum_cell)
        prover, found = _again(year, school_year, kept) or _proven(year)
        worlds[school_year] = np.array(found)
        widths.append(prover.widths(found))
        bases.append(
            prover.said.assign(withheld=prover.withheld).set_index(pd.MultiIndex.from_frame(year.cells[CELL]))
        )
        groups, sums = groups + len(year.groups), sums + year.sums.shape[0]
    width = np.concatenate([*widths, np.zeros(0, np.int64)])
    return Proof(
        pd.concat(bases), len(width), {x: int((width >= x).sum()) for x in (1, 3, 5)}, int(width.min(initial=_FAR)), worlds, groups, sums
    )  # fmt: skip


def _again(year: Year, school_year: int, kept: Path | None) -> tuple[Prover, list[np.ndarray]] | None:
    """The kept worlds, where they are of these counts and prove what must be proven."""
    if kept is None or not kept.is_file():
        return None
    with np.load(kept) as file:
        worlds = file.get(str(school_year), np.zeros((1, 0)))
        withheld = file.get(f"withheld_{school_year}", np.zeros(0, bool))
    if not np.array_equal(worlds[0], year.values) or len(withheld) != len(year.cells):
        return None
    prover, found = Prover(year, withheld), list(worlds)
    return (prover, found) if all(map(prover.consistent, found)) and not len(prover.narrow(found)) else None


def _proven(year: Year) -> tuple[Prover, list[np.ndarray]]:
    prover, worlds = Prover(year), [year.values]
    prover.search(worlds, _ROUNDS)
    prover.lift(worlds, _LIFTS)
    prover.lift(worlds, _LAST, together=True)
    tried = np.zeros(len(year.cells), np.int64)
    for _ in range(_REPAIRS):
        narrow = prover.narrow(worlds)
        if not len(narrow):
            return prover, worlds
        withheld = prover.withheld | prover.beside(narrow, tried[narrow])
        tried[narrow] += 1
        prover = Prover(year, withheld)
        # What was said less of still holds in every world so far.
        prover.search(worlds, _MORE)
        prover.lift(worlds, _LAST)
        left = prover.narrow(worlds)
        prover.reach(worlds, left[tried[left] >= _STUBBORN])
    raise DisclosureError(
        f"{len(prover.narrow(worlds))} groups could be worked out from what others say of them; nothing is published"
    )


@dataclass(frozen=True)
class Year:
    """The counts of one school year: `values` by count name × group, -1 where a group has none. A cell is a metric's
    statement about a group, made of the counts `n` and `s` of that group. `sums` × groups: of every count nothing is left
    over, or nothing negative where not `equal`. `forms` × count names: what is never negative in a group."""

    cells: pd.DataFrame
    groups: list[Group]
    names: list[tuple[str, str]]
    values: np.ndarray
    n: np.ndarray
    s: np.ndarray
    group: np.ndarray
    sums: sp.csr_array
    equal: np.ndarray
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
        return cls(
            cells, groups, names, values, n, s, group, _sums([*sums, *parts], place), np.arange(len(sums) + len(parts)) < len(sums),
            by_name, parents(cells), people, minimum_cell,
        )  # fmt: skip

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
    """Looks for worlds of one school year that the same is said of, `withheld` cells being hidden too."""

    def __init__(self, year: Year, withheld: np.ndarray | None = None) -> None:
        self.year = year
        self.withheld = np.zeros(len(year.cells), bool) if withheld is None else withheld
        v = year.values
        self.said = year.publish(v, self.withheld)
        # A partner's own totals need not add up; what is not so, no outsider can hold against it.
        there = v >= 0
        touched = abs(year.sums)
        self.holds = []
        for row, known in zip(v, there, strict=True):
            left = year.sums @ row
            self.holds.append(
                (touched @ (~known).astype(int) == 0) & np.where(year.equal, left == 0, left >= 0)
            )
        used = (year.forms != 0).astype(int)
        self.form_holds = (used @ (~there).astype(int) == 0) & (year.forms @ v >= 0)
        of_everyone = {(metric, "n") for metric in POPULATION}
        self.everyone = np.array([name in of_everyone for name in year.names])
        self.solvers: dict[bytes, _Solver] = {}

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
        for row, holds in zip(world, self.holds, strict=True):
            left = (year.sums @ row)[holds]
            if (left < 0).any() or left[year.equal[holds]].any():
                return False
        if ((year.forms @ world)[self.form_holds] < 0).any():
            return False
        return year.publish(world, self.withheld).equals(self.said)

    # -- the search: one set of counts after the other over all groups, by steps that keep every sum

    @cached_property
    def moves(self) -> list[_Move]:
        """Sets of counts that are moved by one and the same number per group: a count with some, with all or with none of the
        counts that are parts of it, and with parts of those."""
        pairs = {(int(f.argmax()), int(f.argmin())) for f in self.year.forms if sorted(f[f != 0]) == [-1, 1]}
        size = len(self.year.names)
        below = np.eye(size, dtype=np.int64)
        for outer, inner in pairs - {(b, a) for a, b in pairs}:
            below[outer, inner] = 1
        for _ in range(size):
            below = (below @ below > 0).astype(np.int64)
        strict = below - np.eye(size, dtype=np.int64)
        next_below = (strict > 0) & (strict @ strict == 0)

        @cache
        def with_parts(q: int) -> list[tuple[int, ...]]:
            of_each = [[(), *with_parts(int(part))] for part in np.flatnonzero(next_below[q])]
            chosen: Iterable[Sequence[tuple[int, ...]]] = itertools.product(*of_each)
            if np.prod([len(choices) for choices in of_each]) > _MOVES:
                none = [()] * len(of_each)
                chosen = [none, [choices[-1] for choices in of_each]]
                chosen += [
                    [*none[:i], way, *none[i + 1 :]] for i, ways in enumerate(of_each) for way in ways[1:]
                ]
            return [tuple(sorted({q, *itertools.chain(*parts)})) for parts in chosen]

        order = sorted(range(size), key=lambda q: (-below[q].sum(), q))
        listed = [
            self._move(list(move)) for move in dict.fromkeys(move for q in order for move in with_parts(q))
        ]
        return listed + listed[::-1]

    def _move(self, names: list[int]) -> _Move:
        year, moved = self.year, np.zeros(len(self.year.names), np.int64)
        moved[names] = 1
        forms: list[tuple[np.ndarray, ...]] = []
        for at, factors, groups, added in self.forms:
            slope = (factors * moved[at]).sum(axis=1)
            some = np.flatnonzero(slope)
            if len(some):
                forms.append((at[some], factors[some], groups[some], added[some], slope[some]))
        rows = np.flatnonzero(np.logical_or.reduce([self.holds[q] for q in names]))
        if rows.tobytes() not in self.solvers:
            self.solvers[rows.tobytes()] = _Solver(year.sums[rows], year.equal[rows])
        parts = rows[~year.equal[rows]]
        free = np.array([~self.holds[q][parts] for q in names]).T
        return _Move(
            names,
            forms,
            np.any(year.values[names] < 0, axis=0),
            self.solvers[rows.tobytes()],
            year.sums[parts],
            free,
        )

    def lean(self, weights: np.ndarray) -> np.ndarray:
        """A world that leans as far as it can towards the weights of counts and groups, and stays as it is elsewhere."""
        world = self.year.values.copy()
        for move in self.moves:
            weight = weights[move.names].sum(axis=0)
            if not weight.any():
                continue
            found = move.solver.solve(weight, *self.room(world, move), move.left(world))
            if found is not None:
                world[move.names] += found
        return world

    def room(self, world: np.ndarray, move: _Move) -> tuple[np.ndarray, np.ndarray]:
        """By how much each group may be moved down and up in all counts of the move at once."""
        least, most = self.bounds
        down = (least[move.names] - world[move.names]).max(axis=0)
        up = (most[move.names] - world[move.names]).min(axis=0)
        for names, factors, groups, added, slope in move.forms:
            left = (world[names, groups[:, None]] * factors).sum(axis=1) + added
            _tighten(down, up, (groups,), left, slope)
        return np.where(move.absent, 0, down), np.where(move.absent, 0, up)

    def search(self, worlds: list[np.ndarray], rounds: int) -> None:
        """Add worlds until every count that is asked has two that are X apart, or the rounds are over.

        Each round leans on counts that are still open: up where only that can lead far enough, down where only that can, and
        else either way by lot.
        """
        year, asked = self.year, self.asked
        group, n, s = year.group[asked.cell], year.n[asked.cell], year.s[asked.cell]
        hidden = self.said["hidden"].to_numpy()[asked.cell]
        random = self.random()
        seen = self.seen(worlds)
        for number in range(rounds):
            open_ = seen.highest - seen.lowest < X
            if not open_.any():
                break
            coin = random.random((2, len(year.groups)))[:, group] < 0.5
            sign = self.direction(seen, coin[0] if number % 2 == 0 else random.random(len(open_)) < 0.5)
            # All of a small group can't succeed and fail at once.
            rising = hidden & (sign > 0) & (asked.successes != 0)
            picked = open_ & ~(rising & (coin[1] == (asked.successes > 0)))
            if number % 4 >= 2:
                picked &= random.random(len(open_)) < 0.5
            pull = sign * picked * random.uniform(0.5, 1.5, len(open_))
            weights = np.zeros(year.values.shape)
            np.add.at(weights, (n, group), pull * ((asked.successes == 0) | rising))
            np.add.at(weights, (s, group), pull * asked.successes)
            world = self.lean(weights)
            if (world != year.values).any() and self.consistent(world):
                worlds.append(world)
                seen = self.seen([world], seen)

    def random(self) -> np.random.Generator:
        """A lot that is drawn by the counts themselves, which no outsider has."""
        return np.random.default_rng(list(hashlib.sha256(self.year.values.tobytes()).digest()))

    def seen(self, worlds: list[np.ndarray], before: Seen | None = None) -> Seen:
        """The least and the most that each count is in these worlds and those before."""
        values = np.array([self.asked.of(self.year, world) for world in worlds])
        known = np.minimum(self.asked.of(self.year, self.year.values), C)
        lowest = np.where(values >= known, values, _FAR).min(axis=0)
        highest = values.max(axis=0)
        if before is not None:
            lowest, highest = np.minimum(lowest, before.lowest), np.maximum(highest, before.highest)
        return Seen(lowest, highest)

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most that each count that is asked can be, as far as its own group tells."""
        year, asked = self.year, self.asked
        (n_low, s_low), (n_high, s_high) = (
            [bound[q[asked.cell], year.group[asked.cell]] for q in (year.n, year.s)] for bound in self.bounds
        )
        kinds = [asked.successes == 0, asked.students == 0]
        return np.select(kinds, [n_low, s_low], 0), np.select(kinds, [n_high, s_high], n_high - s_low)

    def direction(self, seen: Seen, coin: np.ndarray) -> np.ndarray:
        """1 or -1 for each count: where X may still be found, and by lot where both ways lead there."""
        known = np.minimum(self.asked.of(self.year, self.year.values), C)
        bottom, top = np.maximum(self.ends[0], known), self.ends[1]
        up, down = top - seen.lowest >= X, seen.highest - bottom >= X
        return np.where(up & ~down, 1, np.where(down & ~up, -1, np.where(coin, 1, -1)))

    def lift(self, worlds: list[np.ndarray], turns: int, together: bool = False) -> None:
        """Add worlds that as many of the counts that are still open as can be reach X in, by whole-number programs over all counts
        of some places and the district: one for each family of groups (`families`), or for all of them `together`."""
        year, random = self.year, self.random()
        place = np.array([group.school_id for group in year.groups], dtype=object)
        seen, mixed = self.seen(worlds), self.mixed(worlds)
        for _ in range(turns):
            open_ = np.flatnonzero(seen.highest - seen.lowest < X)
            where = year.group[np.append(self.asked.cell[open_], np.flatnonzero(~mixed))]
            before = len(worlds)
            sign = self.direction(seen, random.random(len(self.asked.cell)) < 0.5)
            families = [np.ones(len(place), bool)] if together and len(where) else self.families(where)
            for groups in itertools.chain(*(self._programs(family, place, where) for family in families)):
                inside = open_[np.isin(year.group[self.asked.cell[open_]], groups)]
                plain = np.flatnonzero(~mixed & np.isin(year.group, groups))
                world = self._lifted(groups, inside, sign[inside], seen, plain)
                if world is not None and self.consistent(world):
                    worlds.append(world)
                    seen, mixed = self.seen([world], seen), mixed | self.mixed([world])
            if len(worlds) == before:
                return

    def families(self, where: np.ndarray) -> list[np.ndarray]:
        """Per family with one of `where`, whether each group is in it: no sum joins two families while everyone's counts stay."""
        everyone = np.array([group.dimension == _EVERYONE for group in self.year.groups])
        if everyone[where].any():
            return [np.ones(len(everyone), bool)]
        joined = abs(self.year.sums) @ sp.diags_array((~everyone).astype(int), dtype=int)
        _, family = connected_components(joined.T @ joined, directed=False)
        return [(family == one) & ~everyone for one in np.unique(family[where])]

    def _programs(self, family: np.ndarray, place: np.ndarray, where: np.ndarray) -> Iterator[np.ndarray]:
        """The family's groups in the district and in some of the schools of `where`, as many as one program takes."""
        schools = sorted(set(place[where][family[where]]) - {DISTRICT}) or sorted(set(place) - {DISTRICT})[:1]
        largest = max([(family & (place == school)).sum() for school in schools], default=1)
        size = max(1, _PROGRAM // max(1, len(self.year.names) * largest))
        for first in range(0, max(1, len(schools)), size):
            yield np.flatnonzero(family & np.isin(place, [DISTRICT, *schools[first : first + size]]))

    def reach(self, worlds: list[np.ndarray], cells: np.ndarray) -> None:
        """Add worlds for the few cells that are left, with a whole-number program for each of their counts alone, which moves
        all places and may take longer."""
        nothing, groups = np.zeros(0, np.int64), np.arange(len(self.year.groups))
        for cell in cells:
            of_cell = np.flatnonzero(self.asked.cell == cell)
            ways = [(np.array([i]), np.array([sign]), nothing) for i in of_cell for sign in (1, -1)]
            for asked, sign, plain in [*ways, (nothing, nothing, np.array([cell]))]:
                seen = self.seen(worlds)
                if len(asked) and (seen.highest - seen.lowest)[asked[0]] >= X:
                    continue
                if len(plain) and self.mixed(worlds)[cell]:
                    continue
                world = self._lifted(groups, asked, sign, seen, plain, patient=True)
                if world is not None and self.consistent(world):
                    worlds.append(world)

    def _lifted(
        self,
        groups: np.ndarray,
        asked: np.ndarray,
        sign: np.ndarray,
        seen: Seen,
        plain: np.ndarray,
        patient: bool = False,
    ) -> np.ndarray | None:
        """A world in which as many of the counts as can be go the way of the sign, so far that they are X from what was seen,
        and as many as can be of the plain cells have one who succeeds and one who does not; the other groups being true."""
        year, names = self.year, len(self.year.names)
        matrix, low, high, least, most, column = self.system(groups)
        size, reached = names * len(groups), len(asked)
        gained = reached + len(plain)
        ones = np.ones(len(plain), np.int64)
        # A row for each: from where a count can be to where it shall be, if it is gained.
        cell = np.concatenate([self.asked.cell[asked], plain, plain])
        students = np.concatenate([sign * self.asked.students[asked], 0 * ones, ones])
        successes = np.concatenate([sign * self.asked.successes[asked], ones, -ones])
        start = np.append(
            np.where(sign > 0, self.ends[0][asked], -np.minimum(self.ends[1][asked], _FAR)),
            [0 * ones, 0 * ones],
        )
        goal = np.append(np.where(sign > 0, seen.lowest[asked] + X, X - seen.highest[asked]), [ones, ones])
        gain = size + np.append(np.arange(gained), np.arange(reached, gained))
        columns = np.concatenate([*(column[q[cell], year.group[cell]] for q in (year.n, year.s)), gain])
        factors = np.concatenate([students, successes, start - goal])
        rows = sp.coo_array(
            (factors, (np.tile(np.arange(len(cell)), 3), columns)), shape=(len(cell), size + gained)
        )
        wider = sp.csr_array(sp.hstack([matrix, sp.csr_array((matrix.shape[0], gained))]))
        rows = sp.csr_array(sp.vstack([wider, sp.csr_array(rows)]))
        low, high = np.append(low, np.zeros(gained)), np.append(high, np.ones(gained))
        least, most = np.append(least, start), np.append(most, np.full(len(cell), np.inf))
        true = np.append(np.where(year.values < 0, 0, year.values)[:, groups].ravel(), np.zeros(gained))
        if not patient:
            # Most groups can stay: only those that a program without whole numbers moves are free in the one with them.
            moved = self._moved(rows, low, high, least, most, true, size)
            free = np.append(np.tile(moved.reshape(names, -1).any(axis=0), names), np.ones(gained, bool))
            low, high = (np.where(free, bound, true) for bound in (low, high))
        highs = _highs(
            rows,
            low,
            high,
            least,
            most,
            whole=size + (gained if gained <= _FEW else 0),
            nodes=_PATIENCE if patient else _HASTE,
        )
        highs.changeColsCost(gained, np.arange(size, size + gained, dtype=np.int32), np.ones(gained))
        solution = highspy.HighsSolution()
        solution.col_value = true.astype(float).tolist()
        highs.setSolution(solution)
        highs.run()
        found = highs.getSolution()
        if not found.value_valid:
            return None
        world = year.values.copy()
        moved = np.rint(np.array(found.col_value)[:size]).astype(np.int64).reshape(names, len(groups))
        world[:, groups] = np.where(year.values[:, groups] < 0, -1, moved)
        return world

    @staticmethod
    def _moved(
        rows: sp.csr_array,
        low: np.ndarray,
        high: np.ndarray,
        least: np.ndarray,
        most: np.ndarray,
        true: np.ndarray,
        size: int,
    ) -> np.ndarray:
        """Which of the first columns (`size`) a linear program moves, that moves few and by little where nothing is gained."""
        here, gained = rows @ true, len(true) - size
        wide = sp.csr_array(sp.hstack([rows[:, :size], -rows[:, :size], rows[:, size:]]))
        room = np.concatenate([(high - true)[:size], (true - low)[:size], np.ones(gained)])
        highs = _highs(wide, np.zeros(len(room)), room, least - here, most - here)
        highs.setOptionValue("presolve", "on")
        weight = np.append(np.full(2 * size, -_STILL), np.ones(gained))
        highs.changeColsCost(len(room), np.arange(len(room), dtype=np.int32), weight)
        highs.run()
        found = np.array(highs.getSolution().col_value)
        moved: np.ndarray = found[:size] + found[size : 2 * size] > _NEAR
        return moved

    def system(
        self, groups: np.ndarray
    ) -> tuple[sp.csr_array, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What all counts of these groups must keep while those of the others are true: a matrix, the least and the most of
        every count and of every row, and the column of a count name and group."""
        year, names = self.year, len(self.year.names)
        column = np.full(year.values.shape, -1)
        column[:, groups] = np.arange(names * len(groups)).reshape(names, len(groups))
        true = np.where(column >= 0, 0, year.values)
        absent = (year.values[:, groups] < 0).ravel()
        low, high = (np.where(absent, 0, np.minimum(bound[:, groups].ravel(), _FAR)) for bound in self.bounds)
        rows, columns, factors, least, most = [], [], [], [], []
        sums = year.sums[:, groups].tocoo()
        for q in range(names):
            kept = self.holds[q][sums.row]
            of, index = np.unique(sums.row[kept], return_inverse=True)
            left = -(year.sums[of] @ true[q])
            rows.append(index)
            columns.append(column[q, groups[sums.col[kept]]])
            factors.append(sums.data[kept])
            least.append(left)
            most.append(np.where(year.equal[of], left, np.inf))
        for count, times, at, added in self.forms:
            some = column[count[:, 0], at] >= 0
            count, times, at = count[some], times[some], at[some]
            rows.append(np.repeat(np.arange(len(at)), count.shape[1]))
            columns.append(column[count, at[:, None]].ravel())
            factors.append(times.ravel())
            least.append(-added[some])
            most.append(np.full(len(at), np.inf))
        start = np.cumsum([0, *map(len, least)])
        row = np.concatenate([index + first for index, first in zip(rows, start, strict=False)])
        shape = (start[-1], names * len(groups))
        matrix = sp.csr_array(
            sp.coo_array((np.concatenate(factors), (row, np.concatenate(columns))), shape=shape)
        )
        return matrix, low, high, np.concatenate(least), np.concatenate(most), column

    @cached_property
    def forms(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """All that is never negative within a group: count names and factors (one column each), groups, and what is added."""
        year = self.year
        listed = []
        for form, holds in zip(year.forms, self.form_holds, strict=True):
            names, groups = np.flatnonzero(form), np.flatnonzero(holds)
            listed.append(
                (
                    np.tile(names, (len(groups), 1)),
                    np.tile(form[names], (len(groups), 1)),
                    groups,
                    np.zeros(len(groups), int),
                )
            )
        low, high = (self.said[c].to_numpy() for c in ("low", "high"))
        both = np.column_stack([year.n, year.s])
        whole = np.full(len(low), WHOLE)
        for factors, added, some in (
            (np.column_stack([-low, whole]), np.zeros(len(low), int), low > 0),
            (np.column_stack([high, -whole]), np.full(len(low), -1), high < WHOLE),
        ):
            listed.append((both[some], factors[some], year.group[some], added[some]))
        return [form for form in listed if len(form[2])]

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most that every count can be, by what is said of it and by what it is more or less than."""
        year = self.year
        low, high = np.zeros(year.values.shape, np.int64), np.full(year.values.shape, UNLIMITED)
        low[self.everyone] = np.minimum(year.values[self.everyone], 1)
        np.maximum.at(low, (year.n, year.group), self.said["n_low"].to_numpy())
        np.minimum.at(high, (year.n, year.group), self.said["n_high"].to_numpy())
        for _ in range(4):
            for names, factors, groups, added in self.forms:
                most = (
                    np.where(factors > 0, high[names, groups[:, None]], low[names, groups[:, None]]) * factors
                )
                total = np.minimum(most.sum(axis=1) + added, _LARGE)
                for k in range(names.shape[1]):
                    rest, factor = total - most[:, k], factors[:, k]
                    _tighten(low, high, (names[:, k], groups), rest, factor)
        return low, high

    # -- what is done where the search fails

    def beside(self, cells: np.ndarray, tried: np.ndarray) -> np.ndarray:
        """For each cell whose counts are too narrow, the shown cell that adds up with it and is missed least; the more, the
        more often it was tried. Dear are districts, whole dimensions, groups that others are compared with, and many students."""
        year = self.year
        shown = ~self.said["hidden"].to_numpy()
        dimension = year.cells["dimension"].to_numpy(object)
        students = year.cells["n"].to_numpy()
        crossed = np.array(["*" in d for d in dimension])
        price = students * np.where(crossed, 1, 4) * np.where(year.cells["school_id"] == DISTRICT, 8, 1)
        price = price * np.where(dimension == _EVERYONE, 64, 1)
        by_metric = year.cells.groupby("metric_id").indices
        found = np.zeros(len(shown), bool)
        links = (abs(year.sums).T @ abs(year.sums)).tocsr()
        for cell, times in zip(cells, tried, strict=True):
            if shown[cell]:
                found[cell] = True
                continue
            near = links[[year.group[cell]]].indices
            metrics = [year.cells["metric_id"].iloc[cell]]
            while times >= _NEAREST and AMONG.get(metrics[-1]) in by_metric:
                metrics.append(AMONG[metrics[-1]])
            of_metric = np.concatenate([by_metric[metric] for metric in metrics])
            mine = of_metric[(np.isin(year.group[of_metric], near) | (times >= _ANYWHERE)) & shown[of_metric]]
            if times < _SPARED:
                mine = mine[dimension[mine] != _EVERYONE]
            found[mine[np.lexsort((mine, price[mine]))][: times + 1]] = True
        return found


@dataclass(frozen=True)
class _Move:
    """Counts (`names`) that are moved by one and the same number per group. `forms`: what is never negative in a group, as
    `Prover.forms`, and by how much the move adds to it; `absent`: groups that have not all of the counts; `parts`: sums of
    which something may be left over, `free` of them (sums × names) do not hold of a count."""

    names: list[int]
    forms: list[tuple[np.ndarray, ...]]
    absent: np.ndarray
    solver: _Solver
    parts: sp.csr_array
    free: np.ndarray

    def left(self, world: np.ndarray) -> np.ndarray:
        """What is left over of each of `parts` in the count that has least."""
        least: np.ndarray = np.where(self.free, _FAR, self.parts @ world[self.names].T).min(axis=1)
        return least


class _Solver:
    """A linear program whose rows stay while its bounds and weights change: by how much each group is moved up, and down."""

    def __init__(self, sums: sp.csr_array, equal: np.ndarray) -> None:
        rows, columns = sums.shape
        nothing, still = np.zeros(rows), np.zeros(2 * columns)
        self.highs = _highs(sp.csr_array(sp.hstack([sums, -sums])), still, still, nothing, nothing)
        self.columns, self.rows = (
            np.arange(2 * columns, dtype=np.int32),
            np.flatnonzero(~equal).astype(np.int32),
        )

    def solve(
        self, weights: np.ndarray, down: np.ndarray, up: np.ndarray, left: np.ndarray
    ) -> np.ndarray | None:
        """Whole moves within the bounds, with weight or as short as can be; None unless the optimum is proven and whole."""
        size = len(weights)
        cost = np.concatenate([weights, -weights]) - _IDLE
        room = np.minimum(np.concatenate([up, -down]), _FAR).astype(float)
        self.highs.changeColsCost(2 * size, self.columns, cost)
        self.highs.changeColsBounds(2 * size, self.columns, np.zeros(2 * size), room)
        least, most = -left.astype(float), np.full(len(left), np.inf)
        self.highs.changeRowsBounds(len(self.rows), self.rows, least, most)  # type: ignore[attr-defined]  # not in its stubs
        self.highs.run()
        if self.highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        found = np.array(self.highs.getSolution().col_value)
        moved = found[:size] - found[size:]
        whole = np.rint(moved)
        return whole.astype(np.int64) if np.abs(moved - whole).max(initial=0) < _NEAR else None


def _tighten(
    low: np.ndarray, high: np.ndarray, at: tuple[np.ndarray, ...], rest: np.ndarray, factor: np.ndarray
) -> None:
    """Bounds of x where rest + factor * x is never negative."""
    up = factor > 0
    np.maximum.at(low, tuple(i[up] for i in at), -(rest[up] // factor[up]))
    down = factor < 0
    np.minimum.at(high, tuple(i[down] for i in at), rest[down] // -factor[down])


def _highs(
    matrix: sp.csr_array,
    low: np.ndarray,
    high: np.ndarray,
    least: np.ndarray,
    most: np.ndarray,
    whole: int = 0,
    nodes: int = _HASTE,
) -> highspy.Highs:
    """A maximisation without weights yet: `least` <= matrix @ x <= `most` and `low` <= x <= `high`, the first ones (`whole`)
    in whole numbers."""
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = matrix.shape
    model.col_cost_ = np.zeros(matrix.shape[1])
    model.col_lower_, model.col_upper_ = low.astype(float), high.astype(float)
    model.row_lower_, model.row_upper_ = least.astype(float), most.astype(float)
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr, matrix.indices
    model.a_matrix_.value_ = matrix.data.astype(float)
    model.sense_ = highspy.ObjSense.kMaximize
    options: dict[str, Any] = {
        "output_flag": False,
        "threads": 1,
        "random_seed": 0,
        "presolve": "on" if whole else "off",
    }
    if whole:
        kinds = [highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous]
        model.integrality_ = [kinds[0]] * whole + [kinds[1]] * (matrix.shape[1] - whole)
        # A limit of time would make the result hang on the machine. Cuts are what takes long: few are kept, and not for long.
        options |= {"mip_rel_gap": 0.1, "mip_max_nodes": nodes, "mip_heuristic_effort": 0.1}
        options |= {"mip_pool_age_limit": 1, "mip_pool_soft_limit": 100}
    highs = highspy.Highs()
    for option, value in options.items():
        highs.setOptionValue(option, value)
    highs.passModel(model)
    return highs


def _sums(rows: list[tuple[Group, Iterable[Group], int]], place: dict[Group, int]) -> sp.csr_array:
    """Rows of total, parts and sign as a matrix: the parts less the total, times the sign."""
    entries = [
        (i, place[group], sign * times)
        for i, (total, parts, sign) in enumerate(rows)
        for group, times in ((total, -1), *((part, 1) for part in parts))
    ]
    i, j, value = np.array(entries, dtype=np.int64).reshape(-1, 3).T
    return sp.coo_array((value, (i, j)), shape=(len(rows), len(place))).tocsr()
