"""Witness worlds: other counts behind the same release.

A *world* is a whole number for every count of a school year that adds up as an outsider knows it must, and of which the
same would be said. Two worlds that differ by X in a count prove that nobody can narrow it down further. Worlds are found
by linear programs (HiGHS) in steps that keep every sum, starting from the true counts; no solver is trusted for anything:
`Prover.consistent` checks each world by whole-number arithmetic and runs the publication function again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import highspy
import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import CELL, NESTED, POPULATION, Equation, Group, count_name, equations
from equity_pipeline.disclosure.publication import UNLIMITED, WHOLE, C, X, publish

# Rounds of four worlds for each school year.
ROUNDS = 2
# What is proven already still leans a little, so that the rest of a world is not idle.
_IDLE = 1e-3
_NEAR = 1e-6
_FAR = 10**6


@dataclass(frozen=True)
class Proof:
    """What the witness worlds show. `asked`: counts of groups below the minimum cell, their successes and the others, and
    every smaller number of successes or of others, that the worlds must leave open; `apart`: X → how many of them have two
    worlds at least X apart; `worlds`: school year → count name × world × group, to be kept where the marts are kept."""

    asked: int
    apart: dict[int, int]
    worlds: dict[int, np.ndarray]
    groups: int
    sums: int

    def keep(self, file: Path) -> None:
        """Write the worlds, readable by their owner alone: they are counts of students."""
        scratch = file.with_suffix(".tmp.npz")
        np.savez_compressed(scratch, **{str(year): worlds for year, worlds in self.worlds.items()})
        scratch.chmod(0o600)
        scratch.replace(file)

    def summary(self) -> dict[str, object]:
        """For `certificate.json`: no count of a group is in it."""
        return {
            "counts_asked": self.asked,
            "counts_with_two_worlds_at_least_apart": {
                str(x): number for x, number in sorted(self.apart.items())
            },
            "worlds": sum(len(worlds) for worlds in self.worlds.values()),
            "groups": self.groups,
            "sums": self.sums,
            "known_of_a_group": C,
        }


def prove(counts: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int, rounds: int = ROUNDS) -> Proof:
    """Find and check witness worlds for every school year; no sum joins two years.

    Args:
        counts: one row per `CELL` with `n` and `successes`; a metric that was not measured has none.
    """
    known = counts.dropna(subset=["n"]).astype({"n": "int64", "successes": "int64"}).sort_values(CELL)
    asked, apart, worlds, groups, sums = 0, dict.fromkeys((1, 3, X), 0), {}, 0, 0
    for school_year, of_year in known.groupby("school_year"):
        prover = Prover(Year.of(of_year, dimensions, minimum_cell))
        found, widths = prover.search(rounds)
        worlds[int(school_year)] = found
        asked += len(widths)
        groups += len(prover.year.groups)
        sums += len(prover.year.sums)
        for x in apart:
            apart[x] += int((widths >= x).sum())
    return Proof(asked, apart, worlds, groups, sums)


@dataclass(frozen=True)
class Year:
    """The counts of one school year: `values` by count name × group, -1 where a group has none; a cell is a metric's
    statement about a group, made of the counts `n` and `s` of that group."""

    groups: list[Group]
    names: list[tuple[str, str]]
    values: np.ndarray
    n: np.ndarray
    s: np.ndarray
    group: np.ndarray
    sums: list[Equation]
    minimum_cell: int

    @classmethod
    def of(cls, counts: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int) -> Year:
        """`counts`: rows of one school year in order, with whole `n` and `successes`."""
        groups = sorted(
            {
                Group(*key)
                for key in zip(counts["school_id"], counts["dimension"], counts["subgroup"], strict=True)
            }
        )
        place = {group: i for i, group in enumerate(groups)}
        names = sorted(
            {
                count_name(metric, count)
                for metric in counts["metric_id"].unique()
                for count in ("n", "successes")
            }
        )
        number = {name: i for i, name in enumerate(names)}
        metric = counts["metric_id"].to_numpy(object)
        of_n = {m: number[count_name(m, "n")] for m in counts["metric_id"].unique()}
        of_s = {m: number[count_name(m, "successes")] for m in counts["metric_id"].unique()}
        n, s = np.array([of_n[m] for m in metric]), np.array([of_s[m] for m in metric])
        group = np.array(
            [
                place[Group(*key)]
                for key in zip(counts["school_id"], counts["dimension"], counts["subgroup"], strict=True)
            ]
        )
        values = np.full((len(names), len(groups)), -1, dtype=np.int64)
        values[n, group], values[s, group] = counts["n"].to_numpy(), counts["successes"].to_numpy()
        return cls(groups, names, values, n, s, group, equations(groups, dimensions), minimum_cell)


class Prover:
    """Looks for worlds of one school year that the same is said of."""

    def __init__(self, year: Year) -> None:
        self.year = year
        v = year.values
        self.said = publish(v[year.n, year.group], v[year.s, year.group], year.minimum_cell)
        place = {group: i for i, group in enumerate(year.groups)}
        totals = [place[e.total] for e in year.sums]
        parts = [[place[p] for p in e.parts] for e in year.sums]
        # A partner's own totals need not add up; what is not so, no outsider can hold against it.
        self.matrix, self.holds = _matrix(totals, parts, len(year.groups)), []
        for row in v:
            known = np.array(
                [row[t] >= 0 and all(row[p] >= 0 for p in ps) for t, ps in zip(totals, parts, strict=True)]
            )
            self.holds.append(known & (self.matrix @ row == 0))
        self.nested = [
            (year.names.index(inner), year.names.index(outer))
            for inner, outer in ((count_name(*a), count_name(*b)) for a, b in NESTED.items())
            if inner in year.names and outer in year.names
        ]
        self.solvers: dict[bytes, _Solver] = {}
        of_everyone = {count_name(metric, "n") for metric in POPULATION}
        self.everyone = np.array([name in of_everyone for name in year.names])
        self.inside = {(i, o): (v[i] >= 0) & (v[o] >= 0) & (v[i] <= v[o]) for i, o in self.nested}
        moves = self._moves()
        self.sweep = moves + moves[::-1]

    def _moves(self) -> list[list[int]]:
        """Sets of counts that are moved by one and the same number per group: each by itself, students together with those
        of them who succeed, and both ends of a longer chain. Students come before those who succeed."""
        depth = np.zeros(len(self.year.names), dtype=int)
        pairs = sorted(
            set(zip(self.year.n.tolist(), self.year.s.tolist(), strict=True))
            | {(b, a) for a, b in self.nested}
        )
        for _ in self.year.names:
            for n, s in pairs:
                depth[s] = max(depth[s], depth[n] + 1)
        order = sorted(range(len(depth)), key=lambda q: (depth[q], q))
        below = {q: {q} for q in order}
        for q in reversed(order):
            for n, s in pairs:
                if n == q:
                    below[q] |= below[s]
        moves = [[q] for q in order] + [list(pair) for pair in pairs] + [sorted(below[q]) for q in order]
        return [list(m) for m in dict.fromkeys(tuple(m) for m in moves)]

    def room(self, world: np.ndarray, move: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """By how much each group may be moved down and up in all counts of the move at once."""
        year, said = self.year, self.said
        moved = np.isin(np.arange(len(year.names)), move)
        down, up = np.full(len(year.groups), -UNLIMITED), np.full(len(year.groups), UNLIMITED)

        def keep(group: np.ndarray, value: np.ndarray, slope: np.ndarray) -> None:
            some = slope > 0
            np.maximum.at(down, group[some], -(value[some] // slope[some]))
            some = slope < 0
            np.minimum.at(up, group[some], value[some] // -slope[some])

        a, b = moved[year.n].astype(int), moved[year.s].astype(int)
        touched = (a | b).astype(bool)
        g, a, b = year.group[touched], a[touched], b[touched]
        n, s = world[year.n, year.group][touched], world[year.s, year.group][touched]
        n_low, n_high, low, high = (said[c].to_numpy()[touched] for c in ("n_low", "n_high", "low", "high"))
        keep(g, n - n_low, a)
        keep(g, n_high - n, -a)
        keep(g, s, b)
        keep(g, n - s, a - b)
        keep(g, WHOLE * s - low * n, WHOLE * b - low * a)
        keep(g, high * n - WHOLE * s - (high < WHOLE), high * a - WHOLE * b)
        everyone = self.everyone
        if moved[everyone].any():
            for q in np.flatnonzero(everyone & moved):
                there = np.flatnonzero(year.values[q] > 0)
                keep(there, world[q, there] - 1, np.ones(len(there), int))
        for inner, outer in self.nested:
            if moved[inner] or moved[outer]:
                both = np.flatnonzero(self.inside[inner, outer])
                slope = np.full(len(both), int(moved[outer]) - int(moved[inner]))
                keep(both, (world[outer] - world[inner])[both], slope)
        absent = (year.values[move] < 0).any(axis=0)
        down[absent], up[absent] = 0, 0
        return down, up

    def world(self, weights: np.ndarray) -> np.ndarray:
        """A world that leans as far as it can towards the weights of counts and groups."""
        world = self.year.values.copy()
        for move in self.sweep:
            down, up = self.room(world, move)
            holds = np.logical_or.reduce([self.holds[q] for q in move])
            solver = self.solvers.get(holds.tobytes())
            if solver is None:
                solver = self.solvers[holds.tobytes()] = _Solver(self.matrix[holds])
            found = solver.solve(weights[move].sum(axis=0), down, up)
            if found is not None:
                world[move] += found
        return world

    @cached_property
    def asked(self) -> list[tuple[str, np.ndarray]]:
        """What must stay open, as cells: the students of a hidden group, and the successes, and the others, of a hidden
        group or of a group that has fewer of them than the minimum cell. A group without anyone is not asked about."""
        n, s = (self.year.values[q, self.year.group] for q in (self.year.n, self.year.s))
        hidden, some, k = self.said["hidden"].to_numpy(), n > 0, self.year.minimum_cell
        return [("n", hidden & some), ("s", (hidden | (s < k)) & some), ("u", (hidden | (n - s < k)) & some)]

    def search(self, rounds: int) -> tuple[np.ndarray, np.ndarray]:
        """Worlds, and how far apart two of them are in each count that was asked about, for who knows C of its students.

        Each round leans on groups at random: all counts of a group up or down together, then students one way and those who
        succeed the other; what is proven weighs little from then on.
        """
        year = self.year
        random = np.random.default_rng(0)
        last = np.setdiff1d(year.s, year.n)
        against = np.where(np.isin(np.arange(len(year.names)), last), -1.0, 1.0)[:, None]
        worlds, open_ = [year.values], np.ones(year.values.shape)
        for number in range(rounds):
            # Fewer groups at a time later on: those that lean compete for the room that their sums leave.
            few = np.where(random.random(len(year.groups)) < max(0.7**number, 0.1), 1.0, _IDLE)
            side = random.choice([-1.0, 1.0], size=len(year.groups)) * few
            for lean in (1.0, -1.0, against, -against):
                world = self.world(lean * side * open_)
                if self.consistent(world):
                    worlds.append(world)
            widths = self._widths(np.array(worlds))
            open_ = np.full(year.values.shape, _IDLE)
            for (_, cells), width in zip(self.asked, widths, strict=True):
                narrow = cells & (width < X)
                open_[year.n[narrow], year.group[narrow]] = open_[year.s[narrow], year.group[narrow]] = 1
        widths = self._widths(np.array(worlds))
        return np.array(worlds), np.concatenate([w[c] for (_, c), w in zip(self.asked, widths, strict=True)])

    def _widths(self, worlds: np.ndarray) -> list[np.ndarray]:
        """Per cell, how far the worlds are apart in students, successes and others; worlds without the C students that
        someone knows of do not count for her."""
        n, s = (worlds[:, q, self.year.group] for q in (self.year.n, self.year.s))
        result = []
        for values in (n, s, n - s):
            known = np.minimum(values[0], C)
            result.append(values.max(axis=0) - np.where(values >= known, values, _FAR).min(axis=0))
        return result

    def consistent(self, world: np.ndarray) -> bool:
        """Whether the same is said of the world and all that adds up adds up in it, for who knows C of each group."""
        year, truth = self.year, self.year.values
        n, s = world[year.n, year.group], world[year.s, year.group]
        if (s < 0).any() or (s > n).any() or ((world < 0) != (truth < 0)).any():
            return False
        if any((self.matrix[holds] @ row).any() for row, holds in zip(world, self.holds, strict=True)):
            return False
        if (world[self.everyone] < np.minimum(truth[self.everyone], 1)).any():
            return False
        if any((world[i] > world[o])[both].any() for (i, o), both in self.inside.items()):
            return False
        return publish(n, s, year.minimum_cell).equals(self.said)


class _Solver:
    """A linear program whose rows stay while its bounds and weights change."""

    def __init__(self, matrix: np.ndarray) -> None:
        rows, columns = matrix.shape
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = columns, rows
        model.col_cost_ = np.zeros(columns)
        model.col_lower_, model.col_upper_ = np.zeros(columns), np.ones(columns)
        model.row_lower_, model.row_upper_ = np.zeros(rows), np.zeros(rows)
        by_column = [np.flatnonzero(matrix[:, j]) for j in range(columns)]
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = np.cumsum([0, *map(len, by_column)])
        model.a_matrix_.index_ = np.concatenate(by_column) if columns else np.array([], int)
        model.a_matrix_.value_ = np.concatenate([matrix[i, j] for j, i in enumerate(by_column)]).astype(float)
        model.sense_ = highspy.ObjSense.kMaximize
        self.highs = highspy.Highs()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("presolve", "off"),
            ("random_seed", 0),
        ):
            self.highs.setOptionValue(option, value)
        self.highs.passModel(model)
        self.columns = np.arange(columns, dtype=np.int32)

    def solve(self, weights: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
        """Whole numbers within the bounds; None unless the optimum is proven and whole."""
        size = len(self.columns)
        self.highs.changeColsCost(size, self.columns, weights.astype(float))
        self.highs.changeColsBounds(
            size,
            self.columns,
            np.clip(low, -_FAR, _FAR).astype(float),
            np.clip(high, -_FAR, _FAR).astype(float),
        )
        self.highs.run()
        if self.highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        found = np.array(self.highs.getSolution().col_value)
        whole = np.rint(found)
        return whole.astype(np.int64) if np.abs(found - whole).max(initial=0) < _NEAR else None


def _matrix(totals: list[int], parts: list[list[int]], groups: int) -> np.ndarray:
    matrix = np.zeros((len(totals), groups), dtype=np.int64)
    for i, (total, of) in enumerate(zip(totals, parts, strict=True)):
        matrix[i, of] += 1
        matrix[i, total] -= 1
    return matrix
