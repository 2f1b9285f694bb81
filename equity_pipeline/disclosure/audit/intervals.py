"""What an outsider can work out of every number that a release hides: the whole numbers that it may be.

Rebuilt from what the rows of `gap_metrics` say and from what anyone knows: what adds up, who is among whom, and that students are whole
and none less than none. No code is shared with the search for witness worlds, which starts from the true counts; here they are unknown.

`Program.bounds` carries bounds from sum to sum until nothing moves. These are outer bounds: the true interval lies within, so what they
find narrow is narrow, and what they find wide may still be narrow. `Year.settled` asks whole-number programs (HiGHS), and every world
that these name is checked by whole-number arithmetic. It is exact of numbers that hang together with no more than `_LARGEST`
others. Of more, each place is settled by itself within the bounds that the sums between places leave: outer bounds again.

A number that an earlier release knew counts for nothing here, nor that someone knows a student; the witness worlds take both in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import highspy
import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from equity_pipeline.disclosure.figures import CELL, Rules
from equity_pipeline.domain.errors import DisclosureError

COUNTS = ("n", "s", "u")  # students, successes, others
_ALL, _DISTRICT = ("all_students", "all"), "_all"
# A hidden group may have any number of students, as far as it alone says.
_ANY = 10**7
_ENDLESS = 10**15
_TURNS = 60
# A program of more numbers takes minutes for all that is asked of it.
_LARGEST = 500
# Programs that lean on many open numbers at once, before each is asked for by itself.
_AT_ONCE = 8
# Every group of them has a row exactly when it has a student.
_EVERYONE = "ap_ib_enrollment"
# Of these an incident at another school counts: schools do not add up to the district. And here a success is a school's, not a student's.
_ELSEWHERE = ("suspended_oss", "suspended_iss", "suspended_any", "referred", "expelled")
OF_SCHOOLS = "courses_offered_access"
# The same students under two names.
_SAME = {
    ("exam_taken", "n"): ("ap_ib_enrollment", "s"),
    ("exam_passed_of_takers", "n"): ("exam_taken", "s"),
    ("exam_passed_of_enrolled", "n"): ("ap_ib_enrollment", "s"),
    ("exam_passed_of_enrolled", "s"): ("exam_passed_of_takers", "s"),
    ("advanced_enrollment", "n"): ("ap_ib_enrollment", "n"),
    ("ap_stem_enrollment", "n"): ("ap_ib_enrollment", "n"),
    ("courses_offered_access", "n"): ("ap_ib_enrollment", "n"),
}
# Left of each sign are never more students of a group than right of it.
_WITHIN = """
course_grade_c_or_better.n < ap_ib_enrollment.s
course_grade_c_or_better.n < course_seats_c_or_better.n
ap_stem_enrollment.s < ap_ib_enrollment.s
ap_ib_enrollment.s < advanced_enrollment.s
ap_ib_enrollment.s < course_completed.n
course_completed.s < ap_ib_enrollment.s
course_completed.n < ap_ib_enrollment.n
chronically_absent.n < ap_ib_enrollment.n
equity_and_excellence.n < ap_ib_enrollment.n
first_time_ap_ib.s < ap_ib_enrollment.s
first_time_ap_ib.u < ap_ib_enrollment.u
ap_potential_enrolled.s < ap_ib_enrollment.s
ap_potential_enrolled.u < ap_ib_enrollment.u
suspended_oss.s < suspended_any.s
suspended_iss.s < suspended_any.s
suspended_any.s < suspended_oss.s + suspended_iss.s
"""
# Coarse group → the finer ones that it is made of; and those that are some of its students.
_MADE_OF = {
    ("student_of_color", "yes"): [
        ("race_ethnicity", race)
        for race in (
            "american_indian_or_alaska_native", "asian", "black", "hispanic", "middle_eastern_or_north_african",
            "native_hawaiian_or_pacific_islander", "two_or_more",
        )
    ],
    ("student_of_color", "no"): [("race_ethnicity", "white")],
    ("student_of_color", "unknown"): [("race_ethnicity", "unknown")],
    ("race_alone_or_in_combination", "hispanic"): [("race_ethnicity", "hispanic")],
    ("english_learner_ever", "unknown"): [("english_learner", "unknown")],
    ("underrepresented", "no"): [
        ("race_ethnicity*economically_disadvantaged", f"{race}*no")
        for race in ("asian", "middle_eastern_or_north_african", "two_or_more", "white")
    ],
}  # fmt: skip
_SOME_OF = {"race_ethnicity": "race_alone_or_in_combination", "english_learner": "english_learner_ever"}


class _Sum(NamedTuple):
    """Groups that add up to `total`, or to no more than that where not `whole`."""

    total: int
    parts: list[int]
    whole: bool
    between_places: bool


@dataclass(frozen=True)
class Program:
    """Whole numbers between `low` and `high`, of which each row of `matrix` adds up to `least` to `most`."""

    matrix: sp.csr_array
    least: np.ndarray
    most: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """`low` and `high` as far as the rows narrow them down, one by one, or until they contradict each other."""
        low, high, matrix = self.low.copy(), self.high.copy(), self.matrix.tocoo()
        row, column, factor = matrix.row, matrix.col, matrix.data
        size, up = abs(factor), factor > 0
        for _ in range(_TURNS):
            before = low.copy(), high.copy()
            ends = factor * low[column], factor * high[column]
            small, large = np.minimum(*ends), np.maximum(*ends)
            total = [np.bincount(row, side, len(self.least)).astype(np.int64)[row] for side in (small, large)]
            most, least = self.most[row] - total[0] + small, self.least[row] - total[1] + large
            np.minimum.at(high, column, np.where(up, most, -least) // size)
            np.maximum.at(low, column, -(np.where(up, -least, most) // size))
            if (low > high).any() or (np.array_equal(low, before[0]) and np.array_equal(high, before[1])):
                break
        return low, high

    def believed(self) -> Program:
        """The program without the rows that contradict what is said: a partner's totals need not add up."""
        low, high = self.bounds
        if (low <= high).all():
            return self
        kept = np.flatnonzero(abs(self.matrix) @ (low > high).astype(np.int64) == 0)
        twice = self.low > self.high  # one number, said to be two
        low, high = np.where(twice, 0, self.low), np.where(twice, _ANY, self.high)
        return Program(self.matrix[kept], self.least[kept], self.most[kept], low, high).believed()

    def parts(self, free: np.ndarray, world: np.ndarray) -> Iterator[tuple[np.ndarray, Program]]:
        """The `free` numbers that hang together, while all others stay as they are in the world."""
        if not free.any():
            return
        some = np.flatnonzero(free)
        matrix = sp.csr_array(self.matrix[:, some])
        left = self.matrix @ np.where(free, 0, world)
        _, label = connected_components(sp.csr_array(abs(matrix.T) @ abs(matrix)), directed=False)
        for number in range(label.max() + 1):
            here = np.flatnonzero(label == number)
            of_part = sp.csr_array(matrix[:, here])
            rows = np.flatnonzero(np.diff(of_part.indptr))
            columns = some[here]
            least, most = (ends[rows] - left[rows] for ends in (self.least, self.most))
            yield (
                columns,
                Program(sp.csr_array(of_part[rows]), least, most, self.low[columns], self.high[columns]),
            )

    def settled(self, wanted: np.ndarray, splits: np.ndarray, apart: int) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most of each number in the worlds that were seen; of one that is `wanted` and less than `apart` apart in
        them there is no world beyond. First it is looked for in small parts, while all but `splits` stay as in some world."""
        nothing, random = np.zeros(len(self.low)), np.random.default_rng(len(self.low))
        begun = self.world(nothing)
        if begun is None:
            return (
                self.low,
                self.high,
            )  # it contradicts itself: some of its sums are not true, so they tell nothing
        lowest, highest = begun.copy(), begun.copy()
        for columns, part in self.parts(splits, begun):
            of_part = np.flatnonzero(np.isin(columns, wanted))
            lowest[columns], highest[columns] = part.seen(of_part, begun[columns], apart, random)
        for one in wanted:
            ways = [(nothing, lowest[one] + apart, _ANY), (nothing, 0, highest[one] - apart)]
            aim = np.where(np.arange(len(nothing)) == one, 1, 0)
            for weights, least, most in (*ways, (aim, 0, _ANY), (-aim, 0, _ANY)):
                if highest[one] - lowest[one] >= apart:
                    break
                world = self.world(weights, one, least, most)
                if world is not None:
                    lowest, highest = np.minimum(lowest, world), np.maximum(highest, world)
        return lowest, highest

    def seen(
        self, wanted: np.ndarray, begun: np.ndarray, apart: int, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most of each number in worlds that lean on those `wanted`, as far as a few of them show."""
        lowest, highest = begun.copy(), begun.copy()
        for _ in range(_AT_ONCE):
            open_ = wanted[(highest - lowest)[wanted] < apart]
            if not len(open_):
                break
            weights = np.zeros(len(begun))
            weights[open_] = random.choice([-1, 1], len(open_))
            world = self.world(weights)
            if world is not None:
                lowest, highest = np.minimum(lowest, world), np.maximum(highest, world)
        return lowest, highest

    @cached_property
    def _highs(self) -> highspy.Highs:
        highs, program, size = highspy.Highs(), highspy.HighsLp(), len(self.low)
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("mip_rel_gap", 0.0),
            ("mip_abs_gap", 0.5),
        ):
            highs.setOptionValue(option, value)
        program.num_col_, program.num_row_ = size, len(self.least)
        program.col_cost_, program.integrality_ = np.zeros(size), [highspy.HighsVarType.kInteger] * size
        program.col_lower_, program.col_upper_ = self.low.astype(float), self.high.astype(float)
        program.row_lower_ = self.least.astype(float)
        program.row_upper_ = np.where(self.most > _ENDLESS // 2, np.inf, self.most.astype(float))
        program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        program.a_matrix_.start_, program.a_matrix_.index_ = self.matrix.indptr, self.matrix.indices
        program.a_matrix_.value_ = self.matrix.data.astype(float)
        highs.passModel(program)
        return highs

    def world(self, weights: np.ndarray, one: int = 0, least: int = 0, most: int = _ANY) -> np.ndarray | None:
        """The world that goes furthest towards the weights and in which a number is `least` to `most`; None where there is none."""
        ends = max(self.low[one], least), min(self.high[one], most)
        if ends[0] > ends[1]:
            return None
        self._highs.changeColsCost(
            len(weights), np.arange(len(weights), dtype=np.int32), -weights.astype(float)
        )
        self._highs.changeColBounds(one, *map(float, ends))
        self._highs.run()
        status, values = self._highs.getModelStatus(), self._highs.getSolution().col_value
        self._highs.changeColBounds(one, float(self.low[one]), float(self.high[one]))
        if status == highspy.HighsModelStatus.kInfeasible:
            return None
        world: np.ndarray = np.rint(np.array(values)).astype(np.int64)
        if status != highspy.HighsModelStatus.kOptimal or not self.holds(world):
            raise DisclosureError("what may be worked out of hidden numbers is not proven; not safe")
        return world

    def holds(self, world: np.ndarray) -> bool:
        """Whether the numbers are a world, by whole-number arithmetic."""
        told = self.matrix @ world
        within = (world >= self.low) & (world <= self.high)
        return bool(within.all() and (told >= self.least).all() and (told <= self.most).all())


@dataclass(frozen=True)
class Year:
    """What is known of a school year. `columns`: `COUNTS` × cells, the number that each is; of each number `place`, its school, and
    whether it counts `everyone` there."""

    cells: pd.DataFrame
    columns: np.ndarray
    place: np.ndarray
    everyone: np.ndarray
    known: Program

    @classmethod
    def of(cls, base: pd.DataFrame, rules: Rules) -> Year:
        """`base`: what is said of the measured cells of one school year: by `CELL`, null where hidden, the lowest and highest number
        of students (`n_low`, `n_high`) and the bounds of the rate in percent (`low`, `high`; the upper one not included under 100)."""
        cells = base.reset_index(drop=True)
        keys = pd.MultiIndex.from_frame(cells[CELL[2:]])
        groups = keys.unique()
        group = groups.get_indexer(keys)
        names: dict[tuple[str, str], int] = {}
        metrics = cells["metric_id"].to_numpy(object)
        measured = set(metrics)

        def number(metric: str, count: str) -> int:
            name = (metric, count)
            while name in _SAME and _SAME[name][0] in measured:
                name = _SAME[name]
            return names.setdefault(name, len(names))

        called = {(m, c): number(m, c) for m in sorted(measured) for c in COUNTS}
        at = np.array([[called[m, c] for m in metrics] for c in COUNTS]) * len(groups) + group
        some, columns = np.unique(at, return_inverse=True)
        columns = columns.reshape(at.shape)
        there = np.full((len(names), len(groups)), -1)
        there.ravel()[some] = np.arange(len(some))
        low, high = np.zeros(len(some), np.int64), np.full(len(some), _ANY)
        n, s, u = columns
        np.maximum.at(low, n, cells["n_low"].fillna(0).to_numpy(np.int64))
        np.minimum.at(high, n, cells["n_high"].fillna(_ANY).to_numpy(np.int64))
        np.maximum.at(low, n, (metrics == _EVERYONE).astype(np.int64))
        rows = _Rows()
        rows.add([n, s, u], [1, -1, -1], 0, 0)
        shown = cells["n_low"].notna().to_numpy()
        ends = [np.rint(2 * cells[end].to_numpy(float)[shown]).astype(np.int64) for end in ("low", "high")]
        rows.add([s[shown], n[shown]], [200, -ends[0]], 0, _ENDLESS)
        rows.add([n[shown], s[shown]], [ends[1], -200], (ends[1] < 200).astype(np.int64), _ENDLESS)
        elsewhere = {called[m, c] for m in measured.intersection(_ELSEWHERE) for c in COUNTS}
        others = [called[m, "u"] for m in measured]
        for total, parts, whole, between in _sums(groups, rules):
            held: np.ndarray = np.all(there[:, [total, *parts]] >= 0, axis=1)
            held[list(elsewhere)] &= not between
            held[others] = False  # follows from the other two
            rows.add(
                [there[held, g] for g in (total, *parts)],
                [1, *[-1] * len(parts)],
                0,
                0 if whole else _ENDLESS,
            )
        for line in _WITHIN.strip().split("\n"):
            words = [word.split(".") for word in line.split() if word not in "<+"]
            of = [there[called[metric, count]] for metric, count in words if (metric, count) in called]
            if len(of) == len(words):
                held = np.all(np.array(of) >= 0, axis=0)
                rows.add([one[held] for one in of], [-1, *[1] * (len(of) - 1)], 0, _ENDLESS)
        matrix, least, most = rows.matrix(len(some))
        place = groups.get_level_values(0).to_numpy(object)[some % len(groups)]
        everyone = groups.get_level_values(1).to_numpy(object)[some % len(groups)] == _ALL[0]
        return cls(cells, columns, place, everyone, Program(matrix, least, most, low, high).believed())

    def settled(self, asked: np.ndarray, apart: int) -> tuple[np.ndarray, np.ndarray]:
        """Per number the least and the most that it may be: of those `asked`, which are open, what was seen in worlds, and where that
        is less than `apart` apart there is no world beyond; of all others, bounds.

        Raises:
            DisclosureError: a program ended without a proof; what is not proven is not safe.
        """
        low, high = self.known.bounds
        lowest, highest = low.copy(), high.copy()
        for columns, part in self._parts():
            wanted = asked[columns] & (part.high - part.low >= apart)
            if wanted.any():
                seen = part.settled(np.flatnonzero(wanted), ~self.everyone[columns], apart)
                for ends, found in zip((lowest, highest), seen, strict=True):
                    ends[columns[wanted]] = found[wanted]
        return lowest, highest

    def _parts(self) -> Iterator[tuple[np.ndarray, Program]]:
        """The open numbers that hang together; where they are too many, those of each place by itself."""
        low, high = self.known.bounds
        known = Program(self.known.matrix, self.known.least, self.known.most, low, high)
        _, place = np.unique(self.place.astype(str), return_inverse=True)
        for columns, part in known.parts(low < high, low):
            if len(columns) <= _LARGEST:
                yield columns, part
                continue
            row, column = part.matrix.nonzero()
            ends = [np.full(len(part.least), start) for start in (len(place), -1)]
            np.minimum.at(ends[0], row, place[columns[column]])
            np.maximum.at(ends[1], row, place[columns[column]])
            here = np.flatnonzero(ends[0] == ends[1])
            alone = Program(part.matrix[here], part.least[here], part.most[here], part.low, part.high)
            yield from (
                (columns[some], of_place) for some, of_place in alone.parts(part.low < part.high, part.low)
            )


def narrowed(base: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """By `CELL` of one school year's `base`, as `Year.of` takes it, the lowest and highest number of each of `COUNTS` (`n_low` …), as far
    as sums narrow them down."""
    year = Year.of(base, rules)
    bounds = {
        f"{count}_{end}": bound[columns]
        for count, columns in zip(COUNTS, year.columns, strict=True)
        for end, bound in zip(("low", "high"), year.known.bounds, strict=True)
    }
    return year.cells[CELL].assign(**bounds)


class _Rows:
    """Rows of a matrix, block by block."""

    def __init__(self) -> None:
        self.entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.ends: list[tuple[np.ndarray, np.ndarray]] = []
        self.size = 0

    def add(
        self, columns: list[np.ndarray], factors: list[np.ndarray | int], least: np.ndarray | int, most: int
    ) -> None:
        """Of each row the columns, their factors, and between which ends the sum is."""
        rows = self.size + np.arange(len(columns[0]))
        for column, factor in zip(columns, factors, strict=True):
            self.entries.append((rows, column, np.broadcast_to(factor, len(rows))))
        self.ends.append((np.broadcast_to(least, len(rows)), np.broadcast_to(most, len(rows))))
        self.size += len(rows)

    def matrix(self, width: int) -> tuple[sp.csr_array, np.ndarray, np.ndarray]:
        row, column, factor = (np.concatenate(of).astype(np.int64) for of in zip(*self.entries, strict=True))
        found = sp.csr_array(sp.coo_array((factor, (row, column)), (self.size, width)))
        found.eliminate_zeros()
        least, most = (np.concatenate(of).astype(np.int64) for of in zip(*self.ends, strict=True))
        return found, least, most


def _sums(groups: pd.MultiIndex, rules: Rules) -> Iterator[_Sum]:
    """What adds up among the groups that have a row; a group without one has no students."""
    place = {group: number for number, group in enumerate(groups)}
    crosses = rules.dimensions.dropna(subset=["crosses"]).set_index("dimension")["crosses"].str.split(";")
    of_schools = {group[1:] for group in place if group[0] != _DISTRICT}
    # Schools do not tell of all groups of these.
    lacking = {group[1] for group in place if group[0] == _DISTRICT and group[1:] not in of_schools}
    by_total: dict[tuple[object, ...], list[int]] = {}
    for (school, dimension, subgroup), number in place.items():
        if school != _DISTRICT:
            by_total.setdefault(("schools", _DISTRICT, dimension, subgroup), []).append(number)
        if dimension in rules.partitioning - {_ALL[0]} and (school == _DISTRICT or dimension not in lacking):
            by_total.setdefault((dimension, school, *_ALL), []).append(number)
        for margin, value in zip(crosses.get(dimension, ()), subgroup.split("*"), strict=False):
            by_total.setdefault((dimension, school, margin, value), []).append(number)
        finer = _MADE_OF.get((dimension, subgroup), [])
        if school == _DISTRICT or len(finer) == 1 or not {one for one, _ in finer} & lacking:
            parts = [place[school, *one] for one in finer if (school, *one) in place]
            by_total.setdefault(("made of", school, dimension, subgroup), []).extend(parts)
        if dimension not in rules.partitioning and (school, *_ALL) in place:
            yield _Sum(place[school, *_ALL], [number], whole=False, between_places=False)
        around = place.get((school, _SOME_OF.get(dimension), subgroup))
        if around is not None and (dimension == "race_ethnicity" or subgroup == "yes"):
            yield _Sum(around, [number], whole=False, between_places=False)
    for (kind, *total), parts in by_total.items():
        if parts and tuple(total) in place:
            yield _Sum(place[tuple(total)], parts, whole=True, between_places=kind == "schools")
