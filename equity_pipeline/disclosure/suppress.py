"""What must be hidden: first the small counts, then as much more as it takes that none of them can be worked
out.

The frame is attack and repair: collect the hidden counts that the shown ones pin down
(`_exposed_by_elimination`,
`_exposed_by_bounds`), hide for each the least useful shown group it rests on, repeat until there is none.
Hiding more never makes a hidden
count easier to find, so it ends. A stronger attack only has to name what it exposes and what that rests on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from equity_pipeline.disclosure.elimination import determined
from equity_pipeline.disclosure.model import (
    CELL,
    DISTRICT,
    Equation,
    Group,
    count_name,
    equations,
    everyone,
    is_unknown,
    rest_of,
    rests,
)
from equity_pipeline.domain.errors import DisclosureError

Count = tuple[str, str]


class Cell(NamedTuple):
    """One group's counts in one metric and school year."""

    school_year: int
    metric_id: str
    group: Group


@dataclass(frozen=True)
class Protection:
    """The decision about every cell: shown, hidden or not measured; and which references `rest` may stand
    beside a shown cell."""

    shown: frozenset[Cell]
    hidden: frozenset[Cell]
    not_measured: frozenset[Cell]
    rest_shown: frozenset[Cell]
    small: frozenset[Cell]


def is_small(n: int, successes: int, minimum_cell: int) -> bool:
    """Primary rule: too few students, too few successes or too few without; zeros included."""
    return min(n, successes, n - successes) < minimum_cell


def suppress(cells: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int) -> Protection:
    """Decide what a release may show.

    Args:
        cells: one row per `CELL`, with `n` and `successes`, both null where the metric is not measured.
        dimensions: `dimension`, `partitioning`, `crosses`, `publish_level`.
        minimum_cell: the partner's `privacy.minimum_cell`, students.

    Raises:
        DisclosureError: a cell has impossible counts, or a hidden count can't be protected by hiding more.
    """
    if cells.duplicated(CELL).any():
        raise DisclosureError("a group has two different counts in one metric and year; nothing is published")
    years: dict[int, dict[str, dict[Group, tuple[int, int] | None]]] = defaultdict(lambda: defaultdict(dict))
    for row in cells.itertuples():
        counts = None if pd.isna(row.n) or pd.isna(row.successes) else (int(row.n), int(row.successes))
        if counts and not 0 <= counts[1] <= counts[0]:
            raise DisclosureError("a group has more successes than students; nothing is published")
        years[int(row.school_year)][row.metric_id][Group(row.school_id, row.dimension, row.subgroup)] = counts
    decided: dict[str, set[Cell]] = {name: set() for name in Protection.__dataclass_fields__}
    for school_year, metrics in sorted(years.items()):
        year = _Year(metrics, dimensions, minimum_cell)
        year.protect()
        for name, found in year.decisions().items():
            decided[name] |= {Cell(school_year, metric_id, group) for metric_id, group in found}
    return Protection(**{name: frozenset(found) for name, found in decided.items()})


class _Year:
    """The groups, equations and masks of one school year. Years share no equation in this version."""

    def __init__(
        self,
        metrics: dict[str, dict[Group, tuple[int, int] | None]],
        dimensions: pd.DataFrame,
        minimum_cell: int,
    ) -> None:
        self.metrics = {
            m: {g: c for g, c in groups.items() if c is not None} for m, groups in sorted(metrics.items())
        }
        self.not_measured = {(m, g) for m, groups in metrics.items() for g, c in groups.items() if c is None}
        self.minimum_cell = minimum_cell
        self.designated = dict(zip(dimensions["dimension"], dimensions["reference_subgroup"], strict=True))
        groups = {group for counts in metrics.values() for group in counts}
        self.rests = rests(groups, dimensions)
        # A rest of one group is that group.
        self.several = {group: others for group, others in self.rests.items() if len(others) > 1}
        self.one_way = {g for g in groups if "*" not in g.dimension}
        self.equations = equations(groups, dimensions)
        self.of_rests = [Equation(rest_of(group), others) for group, others in self.several.items()]
        names = sorted({g for e in self.equations + self.of_rests for g in (e.total, *e.parts)} | groups)
        self.column = {group: number for number, group in enumerate(names)}
        self.names = names
        self.rows = [
            {self.column[e.total]: -1} | {self.column[part]: 1 for part in e.parts}
            for e in self.equations + self.of_rests
        ]
        self.in_equations: dict[Group, list[int]] = defaultdict(list)
        for number, equation in enumerate(self.equations):
            for group in (equation.total, *equation.parts):
                self.in_equations[group].append(number)
        self.counts = {m: (count_name(m, "n"), count_name(m, "successes")) for m in self.metrics}
        self.publishers: dict[Count, list[str]] = defaultdict(list)
        for metric_id, pair in self.counts.items():
            for count in pair:
                self.publishers[count].append(metric_id)
        self.small = {
            (m, g)
            for m, groups in self.metrics.items()
            for g, c in groups.items()
            if is_small(*c, minimum_cell)
        }
        self.hidden = set(self.small)
        self.solved: dict[frozenset[int], dict[int, dict[int, int]]] = {}

    def shown(self, metric_id: str) -> set[Group]:
        return {group for group in self.metrics[metric_id] if (metric_id, group) not in self.hidden}

    def protect(self) -> None:
        while exposed := (self._exposed_by_elimination() or self._exposed_by_bounds()):
            for choices in exposed:
                if not choices:
                    raise DisclosureError(
                        "whole-number bounds give a hidden count away and no shown one bounds it; nothing is published"
                    )
                # Where this round has already hidden one of them, the next round tells whether that was
                # enough.
                if all(self._shown_as(*choice) for choice in choices):
                    self.hidden |= self._shown_as(*min(choices, key=self._usefulness))

    def _shown_as(self, count: Count, group: Group) -> set[tuple[str, Group]]:
        """The shown cells that state this count of the group, or of one that always has the same counts."""
        same = {group}
        for number in self.in_equations[group]:
            if len(self.equations[number].parts) == 1:
                same |= {self.equations[number].total, *self.equations[number].parts}
        cells = {(m, g) for m in self.publishers[count] for g in same if g in self.metrics[m]}
        return cells - self.hidden

    def _usefulness(self, choice: tuple[Count, Group]) -> tuple:
        """Least useful first: school before district, crossing before one-way, those that others are
        compared with last; unknown before
        named; then the fewest cells, the fewest sums left with one hidden part, and the fewest students."""
        count, group = choice
        lost = self._shown_as(count, group)
        compared = {g for _, g in lost if g.subgroup == self.designated.get(g.dimension)}
        return (
            group.school_id == DISTRICT,
            group in self.one_way,
            any(g == everyone(g.school_id) for _, g in lost),
            bool(compared),
            not is_unknown(group.subgroup),
            len(lost),
            self._alone(lost),
            max(self.metrics[metric_id][g][0] for metric_id, g in lost),
            group,
            count,
        )

    def _alone(self, lost: set[tuple[str, Group]]) -> int:
        """How many sums would have one of these cells as their only hidden part: each would need another."""
        return sum(
            not any(
                other != g and ((m, other) in self.hidden or (m, other) in lost)
                for other in (self.equations[e].total, *self.equations[e].parts)
            )
            for m, g in lost
            for e in self.in_equations[g]
        )

    def _known(self) -> dict[Count, set[Group]]:
        """Count → the groups for which some row shows it, under whichever name."""
        return {c: set().union(*(self.shown(m) for m in metrics)) for c, metrics in self.publishers.items()}

    def _exposed_by_elimination(self) -> list[set[tuple[Count, Group]]]:
        """For each hidden count that is a linear combination of shown ones: the shown (count, group) pairs
        it rests on.

        A count that another metric shows under its own name (takers, where the pass rate is hidden) is not
        hidden. n − successes is
        fixed exactly when both are, because no equation ties one count to another.
        """
        known = self._known()
        fixed = {count: self._fixed(known[count]) for count in known}

        def basis(count: Count, group: Group) -> set[tuple[Count, Group]]:
            if group in known[count]:
                return {(count, group)}
            total: dict[int, int] = defaultdict(int)
            for number, factor in fixed[count][self.column[group]].items():
                for column, coefficient in self.rows[number].items():
                    total[column] += factor * coefficient
            used = {self.names[column] for column, factor in total.items() if factor}
            return {(count, g) for g in used & known[count]}

        exposed = []
        for metric_id, group in sorted(self.hidden):
            pair = self.counts[metric_id]
            reached = [c for c in pair if group in known[c] or self.column[group] in fixed[c]]
            deduced = [c for c in reached if group not in known[c]]
            if deduced or len(reached) == 2:
                exposed.append(set().union(*(basis(c, group) for c in deduced or reached)))
        for metric_id, group in sorted(
            (m, g) for m in self.metrics for g in self.several if g in self.metrics[m]
        ):
            rest = rest_of(group)
            if (counts := self._rest_counts(metric_id, group)) is None:
                continue
            pair = self.counts[metric_id]
            reached = [c for c in pair if self.column[rest] in fixed[c]]
            leaks = [
                c for c, value in zip(pair, counts, strict=True) if c in reached and value < self.minimum_cell
            ]
            if not leaks and len(reached) == 2 and counts[0] - counts[1] < self.minimum_cell:
                leaks = reached
            if leaks:
                exposed.append(set().union(*(basis(c, rest) for c in leaks)))
        # What follows from the structure without any published count (a partner's partial totals force a
        # zero) is nothing a release
        # gives away, and hiding more could not change it.
        return [choices for choices in exposed if choices]

    def _fixed(self, known: set[Group]) -> dict[int, dict[int, int]]:
        unknown = frozenset(range(len(self.names))) - {self.column[group] for group in known}
        if unknown not in self.solved:
            self.solved[unknown] = determined(self.rows, unknown)
        return self.solved[unknown]

    def _rest_counts(self, metric_id: str, group: Group) -> tuple[int, int] | None:
        others = [self.metrics[metric_id].get(other) for other in self.rests[group]]
        if not others or None in others:
            return None
        return sum(n for n, _ in others), sum(s for _, s in others)

    def _exposed_by_bounds(self) -> list[set[tuple[Count, Group]]]:
        """The same for hidden counts that sums of whole numbers ≥ 0 with successes ≤ n leave one value."""
        lower: dict[tuple[Count, Group], int] = defaultdict(int)
        upper: dict[tuple[Count, Group], float] = defaultdict(lambda: float("inf"))
        cause: dict[tuple[Count, Group], int] = {}
        sums: list[tuple[tuple[Count, Group], list[tuple[Count, Group]], int | None]] = []
        for metric_id, (n, successes) in self.counts.items():
            without = (metric_id, "without")
            for group, (students, good) in self.metrics[metric_id].items():
                sums.append(((n, group), [(successes, group), (without, group)], None))
                if (metric_id, group) not in self.hidden:
                    for count, value in ((n, students), (successes, good), (without, students - good)):
                        lower[count, group] = upper[count, group] = value
        counts = {
            count for metric_id, pair in self.counts.items() for count in (*pair, (metric_id, "without"))
        }
        for count in sorted(counts):
            for number, equation in enumerate(self.equations):
                sums.append(((count, equation.total), [(count, part) for part in equation.parts], number))
        _propagate(sums, lower, upper, cause)
        known = self._known()
        exposed = []
        for metric_id, group in sorted(self.hidden):
            n, successes = self.counts[metric_id]
            pinned = [
                count
                for count in (n, successes, (metric_id, "without"))
                if lower[count, group] == upper[count, group] and group not in known.get(count, ())
            ]
            if pinned:
                exposed.append(self._around(metric_id, group, [cause.get((c, group)) for c in pinned], known))
        return exposed

    def _around(
        self, metric_id: str, group: Group, causes: Iterable[int | None], known: dict[Count, set[Group]]
    ) -> set[tuple[Count, Group]]:
        """Shown neighbours of a pinned group: in the sums that pinned it, else in any sum it is in, else in
        any sum of those."""
        direct = [number for number in causes if number is not None]
        near = self.in_equations[group]
        wide = [
            n for number in near for part in self.equations[number].parts for n in self.in_equations[part]
        ]
        for numbers in (direct, near, wide):
            groups = {
                g for number in numbers for g in (self.equations[number].total, *self.equations[number].parts)
            }
            if found := {(c, g) for c in self.counts[metric_id] for g in groups & known[c]}:
                return found
        return set()

    def decisions(self) -> dict[str, set[tuple[str, Group]]]:
        """The masks by name, as `Protection` has them."""
        shown = {(m, g) for m in self.metrics for g in self.shown(m)}
        rest_shown = {(m, g) for m, g in shown if self._rest_is_free(m, g)}
        return {
            "shown": shown,
            "hidden": self.hidden,
            "not_measured": self.not_measured,
            "rest_shown": rest_shown,
            "small": self.small,
        }

    def _rest_is_free(self, metric_id: str, group: Group) -> bool:
        """Whether the rest of a shown group is large enough and follows from shown groups anyway, so that
        stating it adds nothing."""
        if group not in self.rests or (counts := self._rest_counts(metric_id, group)) is None:
            return False
        if is_small(*counts, self.minimum_cell):
            return False
        shown = self.shown(metric_id)
        rest = rest_of(group) if group in self.several else self.rests[group][0]
        return rest in shown or (group in self.several and self.column[rest] in self._fixed(shown))


def _propagate(sums, lower, upper, cause) -> None:
    """Tighten integer bounds over `total = sum(parts)` until nothing moves. A sum that the bounds contradict
    is left out."""
    touching = defaultdict(list)
    for number, (total, parts, _) in enumerate(sums):
        for count in (total, *parts):
            touching[count].append(number)
    queue, queued = list(range(len(sums))), set(range(len(sums)))
    position = 0
    # Totals that do not add up let bounds creep for ever; wherever it stops, a bound is sound.
    while position < min(len(queue), 200 * len(sums)):
        number = queue[position]
        position += 1
        queued.discard(number)
        total, parts, label = sums[number]
        low, high = sum(lower[p] for p in parts), sum(upper[p] for p in parts)
        if low > upper[total] or high < lower[total]:
            continue
        moves = [(total, low, high)]
        for part in parts:
            rest_high = (
                high - upper[part] if high != float("inf") else sum(upper[p] for p in parts if p != part)
            )
            moves.append((part, lower[total] - rest_high, upper[total] - (low - lower[part])))
        for count, new_low, new_high in moves:
            if new_low > upper[count] or new_high < lower[count]:
                continue
            if new_low > lower[count] or new_high < upper[count]:
                lower[count], upper[count] = max(lower[count], new_low), min(upper[count], new_high)
                if label is not None:
                    cause[count] = label
                for other in touching[count]:
                    if other not in queued:
                        queued.add(other)
                        queue.append(other)
