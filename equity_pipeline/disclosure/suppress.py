"""How coarsely each group must be shown, so that no count of any group is left fewer than X + 1 values.

Attack and repair: work out what follows for every count from everything that would be shown, and from what adds up;
where a count is left too few values, show the least useful group that bounds it one step more coarsely; repeat until
none is. Bounds are closed under whole-number interval propagation over all sums at once (`System`).
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.intervals import ROUNDING, UNLIMITED, X, shown
from equity_pipeline.disclosure.model import (
    DISTRICT,
    NESTED,
    POPULATION,
    Group,
    count_name,
    equations,
    is_unknown,
    rest_of,
    rests,
)
from equity_pipeline.domain.errors import DisclosureError

# One more than is promised: bounds of one count at a time miss what whole numbers of several exclude together.
MARGIN = 1
# Every step makes one group coarser, so the repair ends; more rounds than this mean that it can't be done.
ROUNDS = 200
SWEEPS = 1_000


class Cell(NamedTuple):
    """One group's counts in one metric and school year; the group may be a `rest`."""

    school_year: int
    metric_id: str
    group: Group


def protect(counts: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int) -> dict[Cell, dict[str, int]]:
    """What may be shown of each group, and of each rest, as `intervals.shown` says it.

    Args:
        counts: one row per `CELL` with `n` and `successes`, whole numbers; a metric that was not measured has none.
        dimensions: the seed.
        minimum_cell: smallest number of students that is shown.

    Raises:
        DisclosureError: a group with more successes than students, or counts that stay recoverable.
    """
    said: dict[Cell, dict[str, int]] = {}
    for _, of_year in counts.groupby("school_year"):
        said |= _protect_year(System(of_year, dimensions, minimum_cell))
    return said


def _protect_year(system: System) -> dict[Cell, dict[str, int]]:
    """No sum joins two school years."""
    for turn in range(ROUNDS):
        said = system.said()
        narrow = system.narrow(said)
        if not narrow:
            return dict(zip(system.cells, said.to_dict("records"), strict=True))
        hidden, direct = said["hidden"].to_numpy(), system.direct(said)
        for variable in narrow:
            system.repair(variable, hidden, direct, 1 + turn * turn // 20)
    raise DisclosureError("a count stays recoverable however coarsely groups are shown; nothing is published")


class System:
    """All counts of a partner, what is shown of them, and what adds up.

    A variable is one count (students, successes or students without) of one group in one metric and school year; one
    number under two names is one variable.
    """

    def __init__(self, counts: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int) -> None:
        self.minimum_cell = minimum_cell
        self.variable: dict[tuple, int] = {}
        true: dict[int, int] = {}
        values: dict[Cell, tuple[int, int]] = {}
        for row in counts.dropna(subset=["n"]).itertuples():
            cell = Cell(int(row.school_year), row.metric_id, Group(row.school_id, row.dimension, row.subgroup))
            values[cell] = int(row.n), int(row.successes)
            if not 0 <= row.successes <= row.n:
                raise DisclosureError("a group has more successes than students; nothing is published")
        years: dict[int, set[Group]] = defaultdict(set)
        for cell in values:
            years[cell.school_year].add(cell.group)
        sums: list[tuple[int, list[int]]] = []
        of_cells: list[tuple[Cell, list[Cell]]] = []
        for cell in sorted(values):
            self._name(cell, values[cell], true, sums)
        one = {cell: pair for cell, pair in sorted(values.items())}
        for year, groups in sorted(years.items()):
            of_rests = {g: parts for g, parts in rests(groups, dimensions).items() if len(parts) > 1}
            for cell in [c for c in one if c.school_year == year and c.group in of_rests]:
                parts = [cell._replace(group=part) for part in of_rests[cell.group]]
                if all(part in one for part in parts):
                    rest = cell._replace(group=rest_of(cell.group))
                    values[rest] = tuple(sum(one[part][i] for part in parts) for i in (0, 1))
                    self._name(rest, values[rest], true, sums)
                    for count in ("n", "successes"):
                        sums.append((self._of(rest, count), [self._of(part, count) for part in parts]))
                    of_cells.append((rest, parts))
            names = sorted({(c.metric_id) for c in one if c.school_year == year})
            for equation in equations(groups, dimensions):
                for metric_id in names:
                    group_cells = [Cell(year, metric_id, g) for g in (equation.total, *equation.parts)]
                    if any(c not in one for c in group_cells):
                        continue
                    added = 0
                    for count in ("n", "successes"):
                        total, *parts = (self._of(c, count) for c in group_cells)
                        # A partner's own totals need not add up; what is not so, no outsider can hold against it.
                        if true[total] == sum(true[part] for part in parts):
                            sums.append((total, parts))
                            added += 1
                    if added == 2:
                        of_cells.append((group_cells[0], group_cells[1:]))
        for cell in sorted(values):
            for (inner, count), (outer, among) in NESTED.items():
                other = cell._replace(metric_id=outer)
                if cell.metric_id == inner and other in values:
                    here, there = self._of(cell, count), self._of(other, among)
                    if true[here] <= true[there]:
                        left = self.variable.setdefault(("outside", *cell), len(self.variable))
                        true[left] = true[there] - true[here]
                        sums.append((there, [here, left]))
        self.cells, self.values = sorted(values), values
        self.n = np.array([self._of(c, "n") for c in self.cells])
        self.s = np.array([self._of(c, "successes") for c in self.cells])
        self.u = np.array([self._of(c, "without") for c in self.cells])
        self.true = np.array([true[i] for i in range(len(self.variable))], dtype=np.int64)
        self.coarser = np.zeros(len(self.cells), dtype=int)
        self.wider = np.zeros(len(self.cells), dtype=int)
        unique = sorted({(total, tuple(sorted(parts))) for total, parts in sums})
        self.total = np.array([total for total, _ in unique], dtype=int)
        self.part = np.array([v for _, parts in unique for v in parts], dtype=int)
        self.of = np.repeat(np.arange(len(unique)), [len(parts) for _, parts in unique])
        index = {cell: i for i, cell in enumerate(self.cells)}
        self.cell_total = np.array([index[total] for total, _ in of_cells], dtype=int)
        self.cell_part = np.array([index[part] for _, parts in of_cells for part in parts], dtype=int)
        self.cell_of = np.repeat(np.arange(len(of_cells)), [len(parts) for _, parts in of_cells])
        self.around: dict[int, set[int]] = defaultdict(set)
        for number, (total, parts) in enumerate(unique):
            for v in (total, *parts):
                self.around[v].add(number)
        self.sums = unique
        self.stated: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self.cells)):
            for v in {self.n[i], self.s[i], self.u[i]}:
                self.stated[int(v)].append(i)

    def _of(self, cell: Cell, count: str) -> int:
        key = (cell.school_year, *count_name(cell.metric_id, count), *cell.group)
        return self.variable.setdefault(key, len(self.variable))

    def _name(self, cell: Cell, pair: tuple[int, int], true: dict[int, int], sums: list) -> None:
        n, s, u = (self._of(cell, count) for count in ("n", "successes", "without"))
        true |= {n: pair[0], s: pair[1], u: pair[0] - pair[1]}
        sums.append((n, [s, u]))

    def said(self) -> pd.DataFrame:
        """What is shown of each cell at its present coarseness."""
        return shown(self.true[self.n], self.true[self.s], self.coarser, self.wider, self.minimum_cell)

    def bounds(self, said: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of each variable that whole numbers and all sums leave."""
        low, high = self.direct(said)
        rate_low = said["low"].to_numpy()
        rate_high = said["high"].to_numpy()
        targets = np.concatenate([self.total, self.part])
        for _ in range(SWEEPS):
            before = low.copy(), high.copy()
            down, up = (
                np.bincount(self.of, bound[self.part], len(self.total)).astype(np.int64) for bound in (low, high)
            )
            np.maximum.at(low, targets, np.concatenate([down, low[self.total][self.of] - (up[self.of] - high[self.part])]))
            np.minimum.at(high, targets, np.concatenate([up, high[self.total][self.of] - (down[self.of] - low[self.part])]))
            self._by_rate(low, high, rate_low, rate_high)
            self._by_excess(low, high, rate_low, rate_high)
            if (low == before[0]).all() and (high == before[1]).all():
                break
        return low, high

    def direct(self, said: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """The bounds that rows state themselves, before anything is added up."""
        low, high = np.zeros(len(self.true), np.int64), np.full(len(self.true), UNLIMITED, np.int64)
        np.maximum.at(low, self.n, said["n_low"].to_numpy())
        np.minimum.at(high, self.n, said["n_high"].to_numpy())
        # A group has a row when it has students.
        present = [i for i, c in enumerate(self.cells) if c.metric_id in POPULATION and self.values[c][0] > 0]
        np.maximum.at(low, self.n[present], 1)
        self._by_rate(low, high, said["low"].to_numpy(), said["high"].to_numpy())
        return low, high

    def _by_rate(self, low: np.ndarray, high: np.ndarray, rate_low: np.ndarray, rate_high: np.ndarray) -> None:
        """Tighten successes by students, and the other way round, where low ≤ 100 s / n < high."""
        open_end = rate_high < 100
        np.maximum.at(low, self.s, -(-rate_low * low[self.n] // 100))
        np.minimum.at(high, self.s, (rate_high * high[self.n] - open_end) // 100)
        np.minimum.at(low, self.s, high[self.s])
        np.maximum.at(low, self.n, -(-(100 * low[self.s] + open_end) // np.maximum(rate_high, 1)))
        some = rate_low > 0
        np.minimum.at(high, self.n[some], 100 * high[self.s[some]] // rate_low[some])
        # u = n - s has the same rows with 100 - rate; the sum n = s + u alone would lose them.
        np.maximum.at(low, self.u, -(-(100 - rate_high) * low[self.n] // 100))
        np.minimum.at(high, self.u, (100 - rate_low) * high[self.n] // 100)

    def _by_excess(self, low: np.ndarray, high: np.ndarray, rate_low: np.ndarray, rate_high: np.ndarray) -> None:
        """Tighten both counts of a group by the rates of those it adds up with.

        For any rate r, 100 s - r n adds up over groups like a count does; r at either end of the total's band is what
        the single counts, each by itself, do not tell.
        """

        def ends(cells: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            n0, n1, s0, s1 = low[self.n[cells]], high[self.n[cells]], low[self.s[cells]], high[self.s[cells]]
            a, b = rate_low[cells] - r, rate_high[cells] - r
            least = np.maximum(100 * s0 - r * n1, a * np.where(a < 0, n1, n0))
            most = np.minimum(100 * s1 - r * n0, b * np.where(b > 0, n1, n0) - (rate_high[cells] < 100))
            return least, most

        part, of = self.cell_part, self.cell_of
        for bound in (rate_low, rate_high):
            r = bound[self.cell_total]
            least, most = ends(part, r[of])
            total = ends(self.cell_total, r)
            all_least, all_most = (np.bincount(of, side, len(r)).astype(np.int64) for side in (least, most))
            least, most = (
                np.maximum(least, total[0][of] - (all_most[of] - most)),
                np.minimum(most, total[1][of] - (all_least[of] - least)),
            )
            n, s, u, rate = self.n[part], self.s[part], self.u[part], r[of]
            np.minimum.at(high, s, (most + rate * high[n]) // 100)
            np.maximum.at(low, s, -(-(least + rate * low[n]) // 100))
            np.minimum.at(high, u, ((100 - rate) * high[n] - least) // 100)
            np.maximum.at(low, u, -(-((100 - rate) * low[n] - most) // 100))
            some = rate > 0
            np.maximum.at(low, n[some], -(-(100 * low[s[some]] - most[some]) // rate[some]))
            np.minimum.at(high, n[some], (100 * high[s[some]] - least[some]) // rate[some])

    def narrow(self, said: pd.DataFrame) -> list[int]:
        """Variables that are left fewer than X + 1 values although nothing but the release bounds them."""
        low, high = self.bounds(said)
        if (low > self.true).any() or (high < self.true).any():
            raise DisclosureError("the attack excludes the true counts, so it is no proof; nothing is published")
        asked = np.unique(np.concatenate([self.n, self.s, self.u]))
        narrow = asked[high[asked] - low[asked] < X + MARGIN]
        if len(narrow) and not hasattr(self, "free"):
            # Small groups, their rows, and that a row of the district stands for those of its schools: hiding more
            # changes nothing about what these tell together.
            small = np.where(self.true[self.n] < self.minimum_cell, self.minimum_cell - 1, UNLIMITED)
            everything_hidden = said.assign(hidden=True, n_low=0, n_high=small, low=0, high=100)
            bare = self.bounds(everything_hidden)
            self.free = bare[1] - bare[0] >= X + MARGIN
        return [int(v) for v in narrow if self.free[v]]

    def repair(self, variable: int, hidden: np.ndarray, direct: tuple[np.ndarray, np.ndarray], groups: int) -> None:
        """Show some groups one step more coarsely: of those that bound the variable, the least useful."""
        own = [i for i in self.stated[variable] if not hidden[i]]
        if not own or direct[1][variable] - direct[0][variable] >= X + MARGIN:
            own = self._nearest_shown(variable, hidden) or own
        if not own:
            raise DisclosureError("a count is recoverable although every group around it is hidden; nothing is published")
        for chosen in sorted(own, key=self._usefulness)[:groups]:
            if self._by_students(chosen):
                self.coarser[chosen] += 1
            else:
                self.wider[chosen] += 1

    def _nearest_shown(self, variable: int, hidden: np.ndarray) -> list[int]:
        """The shown cells of the fewest sums away."""
        seen, edge = {variable}, {variable}
        while edge:
            sums = {number for v in edge for number in self.around[v]}
            edge = {v for number in sums for v in (self.sums[number][0], *self.sums[number][1])} - seen
            seen |= edge
            if found := {i for v in edge for i in self.stated[v] if not hidden[i]}:
                return sorted(found)
        return []

    def _by_students(self, i: int) -> bool:
        """Whether coarser students rather than a wider rate is the next step for a cell: the cheaper one first."""
        return self.coarser[i] < len(ROUNDING) - 1 and self.coarser[i] <= self.wider[i]

    def _usefulness(self, i: int) -> tuple:
        cell = self.cells[i]
        group = cell.group
        return (
            not self._by_students(i),
            group.school_id == DISTRICT,
            "*" not in group.dimension,
            not group.subgroup.startswith("not "),
            not is_unknown(group.subgroup),
            int(self.coarser[i] + self.wider[i]),
            self.values[cell][0],
            cell,
        )
