"""The search for witness worlds, and what is withheld where there are none.

Of many schools, some at a time are searched with the district, on all processors (`_in_blocks`). First `Lean`: worlds that lean on many counts at once, one set of counts after the other over all groups. Then `Aim`, for each
count that is still open: the shortest step from the true counts to where it is X further, which is a linear program (HiGHS) over
the counts that hang together with it. Where there is no such step, the program names what rules it out; of the cells that say so
the one that is missed least is withheld, and the search goes on (`proven`). No solver is trusted: each world is checked
(`worlds`), and what was not found counts as not there.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, NamedTuple

import highspy
import numpy as np
import scipy.sparse as sp

from equity_pipeline.disclosure.known import Known, tighten
from equity_pipeline.disclosure.model import ALL_STUDENTS, DISTRICT
from equity_pipeline.disclosure.suppression import UNLIMITED, C
from equity_pipeline.disclosure.worlds import FAR, Prover, Seen, Year
from equity_pipeline.domain.errors import DisclosureError

_NEAR = 1e-6
# A move that leans costs so much of the weight of one that is wanted.
_IDLE = 0.01
# A count is moved with any choice of its parts where there are no more choices than this.
_MOVES = 24
# Worlds that lean; and how often cells are withheld and the search goes on.
_ROUNDS, _REPAIRS = 24, 100
# So many schools at least are a block, where there are more blocks than one.
_BLOCK = 20
# Beside so many worlds of other blocks a world of a block is tried before it stands alone.
_TRIES = 16
# So many counts are tried again together with everyone's.
_SMALL = 700
# A count that something is said of costs so much more to move than a hidden one, whose steps are mostly whole.
_SAID = 3
# Where some cells must stay told of and this share of the counts is open after the first worlds, it would be given up in the end.
_HOPELESS = 0.25
# How many branches a whole-number program may try.
_BRANCHES = 20


def proven(
    year: Year, withheld: np.ndarray | None = None, least: float = 0
) -> tuple[Prover, list[np.ndarray]]:
    """What may be said of a year, and worlds that prove it; `withheld` cells are hidden whatever is found.

    Raises:
        DisclosureError: some count stays open to nobody but its number, or fewer than `least` cells were told of; nothing may be
            published.
    """
    _enough(Prover(year, withheld), least)
    schools = np.unique([group.school_id for group in year.groups if group.school_id != DISTRICT])
    number = len(schools) // _BLOCK
    if number < 2:
        prover, worlds = Prover(year, withheld), [year.values]
        Lean(Known(prover)).search(worlds, _ROUNDS)
    else:
        prover, worlds = _in_blocks(Prover(year, withheld), [schools[i::number] for i in range(number)])
    if least and (prover.widths(worlds) < prover.wanted).mean() > _HOPELESS:
        raise DisclosureError("too many counts could be worked out; nothing is published")
    prover = _repaired(prover, worlds, least)
    if left := len(prover.narrow(worlds)):
        raise DisclosureError(
            f"{left} groups could be worked out from what others say of them; nothing is published"
        )
    return prover, worlds


def _enough(prover: Prover, least: float) -> None:
    told = int((~prover.said["hidden"].to_numpy() & ~prover.year.past).sum())
    if told < least:
        raise DisclosureError(f"only {told} groups could be told of; nothing is published")


def _repaired(prover: Prover, worlds: list[np.ndarray], least: float = 0) -> Prover:
    """Add worlds, and withhold cells where there are none, until every count has its worlds or nothing more can be withheld."""
    year = prover.year
    price, tried = _prices(year), np.zeros(len(year.cells), np.int64)
    for _ in range(_REPAIRS):
        # What was said less of still holds in every world so far.
        blocked = Aim(Known(prover), worlds).search()
        if least and blocked and not any(len(cells) for _, cells in blocked):
            raise DisclosureError("what was said before tells too much; nothing is published")
        narrow = prover.narrow(worlds)
        tried[narrow] += 1
        withheld = prover.withheld.copy()
        shown = np.flatnonzero(~prover.said["hidden"].to_numpy() & ~prover.past)
        ways = [(cells if len(cells) else shown, int(tried[cell])) for cell, cells in blocked]
        withheld[_cheapest(ways, price)] = True
        if not len(narrow) or (withheld == prover.withheld).all():
            break
        prover = Prover(year, withheld)
        _enough(prover, least)
    return prover


def _in_blocks(prover: Prover, blocks: list[np.ndarray]) -> tuple[Prover, list[np.ndarray]]:
    """The search among the schools of one block at a time, and the district, while all other schools stay as they are. Each
    block is searched by itself, so that what is found is the same on however many processes; then worlds of several blocks are
    laid together where the district still says the same."""
    year, withheld = prover.year, prover.withheld.copy()
    place = np.array([group.school_id for group in year.groups])
    district = place == DISTRICT
    some = [district | np.isin(place, block) for block in blocks]
    parts, cells = zip(*map(year.within, some), strict=True)
    with ProcessPoolExecutor(min(len(blocks), len(os.sched_getaffinity(0))), get_context("spawn")) as pool:
        found = list(pool.map(_of_block, parts, [withheld[of_block] for of_block in cells]))
    for of_block, (_, also) in zip(cells, found, strict=True):
        withheld[of_block] |= also
    prover, worlds = Prover(year, withheld), [year.values]
    part, of_district = year.within(district)
    whole = Prover(part, withheld[of_district])
    for groups, (steps, _) in zip(some, found, strict=True):
        free = iter(worlds[1:])
        for step in steps:
            moved = np.zeros_like(year.values)
            moved[:, groups] = step
            tried = (world for world in itertools.islice(free, _TRIES))
            # Steps of the schools alone never meet.
            alone = not moved[:, district].any()
            beside = next((w for w in tried if alone or whole.consistent((w + moved)[:, district])), None)
            if beside is None:
                worlds.append(year.values + moved)
            else:
                beside += moved
    return prover, [year.values, *filter(prover.consistent, worlds[1:])]


def _of_block(year: Year, withheld: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Steps from the true counts of a block's schools and the district, at first of the schools alone; and what is withheld."""
    schools = np.array([group.school_id != DISTRICT for group in year.groups])
    part, cells = year.within(schools)
    known, found = Known(Prover(part, withheld[cells])), [part.values]
    Lean(known).search(found, _ROUNDS)
    Aim(known, found).search()
    worlds = [year.values.copy() for _ in found]
    for world, of_schools in zip(worlds, found, strict=True):
        world[:, schools] = of_schools
    prover = _repaired(Prover(year, withheld), worlds)
    return [world - year.values for world in worlds[1:]], prover.withheld


def _prices(year: Year) -> np.ndarray:
    """How much each cell is missed: districts, whole dimensions, groups that others are compared with, and many students are
    missed most."""
    cells = year.cells
    crossed = cells["dimension"].str.contains("*", regex=False).to_numpy(bool)
    price = np.sqrt(np.maximum(cells["n"].to_numpy(), 1)) * np.where(crossed, 1, 2)
    prices: np.ndarray = (
        price
        * np.where(cells["school_id"] == DISTRICT, 3, 1)
        * np.where(cells["dimension"] == ALL_STUDENTS, 8, 1)
    )
    return prices


def _cheapest(blocked: list[tuple[np.ndarray, int]], price: np.ndarray) -> list[int]:
    """Cells to be withheld: of each set as many as are wanted, those first that are in many sets and are missed little."""
    left = [(set(cells.tolist()), min(wanted, len(cells))) for cells, wanted in blocked if len(cells)]
    chosen: list[int] = []
    while left:
        times = Counter(cell for cells, _ in left for cell in cells)
        best = max(sorted(times), key=lambda cell: times[cell] / price[cell])
        chosen.append(best)
        left = [(cells - {best}, wanted - (best in cells)) for cells, wanted in left]
        left = [(cells, wanted) for cells, wanted in left if wanted]
    return chosen


class Lean:
    """Looks for worlds that lean as far as they can towards many counts, one set of counts after the other over all groups."""

    def __init__(self, known: Known) -> None:
        self.known, self.prover, self.year = known, known.prover, known.prover.year
        self.solvers: dict[bytes, _Solver] = {}

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
        for at, factors, groups, added, _ in self.known.forms:
            slope = (factors * moved[at]).sum(axis=1)
            some = np.flatnonzero(slope)
            if len(some):
                forms.append((at[some], factors[some], groups[some], added[some], slope[some]))
        rows = np.flatnonzero(np.logical_or.reduce([self.year.holds[q] for q in names]))
        if rows.tobytes() not in self.solvers:
            self.solvers[rows.tobytes()] = _Solver(year.sums[rows], year.equal[rows])
        parts = rows[~year.equal[rows]]
        free = np.array([~self.year.holds[q][parts] for q in names]).T
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
        least, most = self.known.bounds
        down = (least[move.names] - world[move.names]).max(axis=0)
        up = (most[move.names] - world[move.names]).min(axis=0)
        for names, factors, groups, added, slope in move.forms:
            left = (world[names, groups[:, None]] * factors).sum(axis=1) + added
            tighten(down, up, (groups,), left, slope)
        return np.where(move.absent, 0, down), np.where(move.absent, 0, up)

    def search(self, worlds: list[np.ndarray], rounds: int) -> None:
        """Add worlds until every count that is asked has two that are X apart, or the rounds are over.

        Each round leans on counts that are still open: up where only that can lead far enough, down where only that can, and
        else either way by lot.
        """
        year, asked = self.year, self.prover.asked
        group, n, s = year.group[asked.cell], year.n[asked.cell], year.s[asked.cell]
        hidden = self.prover.said["hidden"].to_numpy()[asked.cell] & (asked.less < 0)
        changes = np.flatnonzero(asked.less >= 0)
        random = self.random()
        seen = self.prover.seen(worlds)
        for number in range(rounds):
            open_ = seen.highest - seen.lowest < self.prover.wanted
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
            less = year.group[asked.less[changes]], -pull[changes]
            np.add.at(
                weights, (year.n[asked.less[changes]], less[0]), less[1] * (asked.successes[changes] == 0)
            )
            np.add.at(weights, (year.s[asked.less[changes]], less[0]), less[1] * asked.successes[changes])
            world = self.lean(weights)
            if (world != year.values).any() and self.prover.consistent(world):
                worlds.append(world)
                seen = self.prover.seen([world], seen)

    def random(self) -> np.random.Generator:
        """A lot that is drawn by the counts themselves, which no outsider has."""
        return np.random.default_rng(list(hashlib.sha256(self.year.values.tobytes()).digest()))

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most that each count that is asked can be, as far as its own group tells."""
        return self.prover.asked.ends(self.year, *self.known.bounds)

    def direction(self, seen: Seen, coin: np.ndarray) -> np.ndarray:
        """1 or -1 for each count: where X may still be found, and by lot where both ways lead there."""
        known = np.minimum(self.prover.asked.of(self.year, self.year.values), C)
        bottom, top = np.maximum(self.ends[0], known), self.ends[1]
        wanted = self.prover.wanted
        up, down = top - seen.lowest >= wanted, seen.highest - bottom >= wanted
        return np.where(up & ~down, 1, np.where(down & ~up, -1, np.where(coin, 1, -1)))


@dataclass(frozen=True)
class _Move:
    """Counts (`names`) that are moved by one and the same number per group. `forms`: what is never negative in a group, as
    `Known.forms`, and by how much the move adds to it; `absent`: groups that have not all of the counts; `parts`: sums of
    which something may be left over, `free` of them (sums × names) do not hold of a count."""

    names: list[int]
    forms: list[tuple[np.ndarray, ...]]
    absent: np.ndarray
    solver: _Solver
    parts: sp.csr_array
    free: np.ndarray

    def left(self, world: np.ndarray) -> np.ndarray:
        """What is left over of each of `parts` in the count that has least."""
        least: np.ndarray = np.where(self.free, FAR, self.parts @ world[self.names].T).min(axis=1)
        return least


class _Solver:
    """A linear program whose rows stay while its bounds and weights change: by how much each group is moved up, and down."""

    def __init__(self, sums: sp.csr_array, equal: np.ndarray) -> None:
        rows, columns = sums.shape
        self.highs = _highs(sums, np.zeros(2 * columns), np.zeros(rows), np.zeros(rows), np.ones(columns))
        self.columns, self.rows = (
            np.arange(2 * columns, dtype=np.int32),
            np.flatnonzero(~equal).astype(np.int32),
        )

    def solve(
        self, weights: np.ndarray, down: np.ndarray, up: np.ndarray, left: np.ndarray
    ) -> np.ndarray | None:
        """Whole moves within the bounds, with weight or as short as can be; None unless the optimum is proven and whole."""
        size = len(weights)
        cost = _IDLE - np.concatenate([weights, -weights])
        room = np.minimum(np.concatenate([up, -down]), FAR).astype(float)
        self.highs.changeColsCost(2 * size, self.columns, cost)
        self.highs.changeColsBounds(2 * size, self.columns, np.zeros(2 * size), room)
        least, most = -left.astype(float), np.full(len(left), np.inf)
        self.highs.changeRowsBounds(len(self.rows), self.rows, least, most)
        self.highs.run()
        if self.highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        found = np.array(self.highs.getSolution().col_value)
        moved = found[:size] - found[size:]
        whole = np.rint(moved)
        return whole.astype(np.int64) if np.abs(moved - whole).max(initial=0) < _NEAR else None


class Bound(NamedTuple):
    """What a step is to do: the column `at` of `Known`, or its row (`row`), changes by `low` to `high`."""

    row: bool
    at: int
    low: float
    high: float


class Aim:
    """Looks for a world for each count that is still open in `worlds`, one by one, and adds what it finds to them."""

    def __init__(self, known: Known, worlds: list[np.ndarray]) -> None:
        self.known, self.prover, self.worlds = known, known.prover, worlds
        year, self.asked = self.prover.year, self.prover.asked
        self.truth = self.asked.of(year, year.values)
        self.least = np.minimum(self.truth, C)
        self.lowest, self.highest = self.prover.seen(worlds)
        self.mixed = self.prover.mixed(worlds)
        self.column = np.where(self.asked.successes == 0, known.n[self.asked.cell], known.s[self.asked.cell])

    def search(self) -> list[tuple[int, np.ndarray]]:
        """For each count that stays open, and each cell that stays without a mixed world, its cell and those cells of which one
        must say less, where it is known which."""
        # Counts that are asked have their numbers, and cells that are to be mixed the numbers after them.
        open_ = np.append(np.flatnonzero(~self._done()), len(self.truth) + np.flatnonzero(~self.mixed))
        past, hidden = self.prover.past, self.prover.said["hidden"].to_numpy()
        blocked: dict[int, np.ndarray] = {}
        # Where no cell that is shown is in the way, small ones are, which may be withheld as large ones are: then they need not be few.
        small: dict[int, np.ndarray] = {}
        for free in (self.known.there & ~self.known.everyone, self.known.there):
            number, parts, by_part = self.known.parts(free), [], defaultdict(list)
            for target in open_.tolist():
                by_part[int(number[self._column(target)])].append(target)
            for of, targets in sorted(by_part.items()):
                if of < 0:
                    continue
                part = _Part(self.known, np.flatnonzero(number == of))
                parts.append(part)
                # What is blocked while everyone's counts stay is tried with them too where that does not take long.
                for target in targets if len(part.columns) <= _SMALL else sorted(set(targets) - set(blocked)):
                    cells = self._reach(part, target)
                    cells = cells[~past[cells]]
                    told = cells[~hidden[cells]]
                    if len(told):
                        blocked.setdefault(target, told)
                    elif len(cells):
                        small.setdefault(target, cells)
            self._collect(parts)
            open_ = np.array([target for target in open_.tolist() if not self._proven(target)], np.int64)
        nothing = np.zeros(0, np.int64)
        return [
            (self._cell(target), blocked.get(target, small.get(target, nothing))) for target in open_.tolist()
        ]

    def _proven(self, target: int) -> bool:
        asked = len(self.truth)
        return bool(self._done()[target] if target < asked else self.mixed[target - asked])

    def _done(self) -> np.ndarray:
        done: np.ndarray = self.highest - self.lowest >= self.prover.wanted
        return done

    def _cell(self, target: int) -> int:
        asked = len(self.truth)
        return int(self.asked.cell[target]) if target < asked else target - asked

    def _column(self, target: int) -> int:
        asked = len(self.truth)
        return int(self.column[target] if target < asked else self.known.s[target - asked])

    def _reach(self, part: _Part, target: int) -> np.ndarray:
        """Prove the count; else the cells that are in the way."""
        blocked = [np.zeros(0, np.int64)]
        for bounds in self._ways(target):
            step, cells = part.step(bounds)
            if step is None:
                blocked.append(cells)
            else:
                self._take(part, step)
        return np.unique(np.concatenate(blocked if not self._proven(target) else blocked[:1]))

    def _ways(self, target: int) -> Iterator[list[Bound]]:
        """What steps could prove the count, the next one by what was found of those before: X up, X down, and some of it up
        and the rest down."""
        known, cell = self.known, self._cell(target)
        if target >= len(self.truth):
            if not self.mixed[cell]:
                students, successes = known.true[known.n[cell]], known.true[known.s[cell]]
                yield [
                    Bound(False, int(known.s[cell]), 1 - successes, np.inf),
                    Bound(True, int(known.others[cell]), 1 - (students - successes), np.inf),
                ]
            return
        changed = known.change[target] >= 0
        row = bool(changed or (self.asked.students[target] and self.asked.successes[target]))
        at = int(known.change[target] if changed else known.others[cell] if row else self.column[target])
        truth, least, apart = self.truth[target], self.least[target], int(self.prover.wanted[target])

        def up(amount: int) -> list[Bound]:
            return [Bound(row, at, amount, np.inf)]

        def down() -> Iterator[list[Bound]]:
            goal = self.highest[target] - apart
            if goal >= least and not self._proven(target):
                yield [Bound(row, at, -np.inf, goal - truth)]

        if not self._proven(target):
            yield up(self.lowest[target] + apart - truth)
        yield from down()
        for goal in range(self.highest[target] + 1, self.lowest[target] + apart):
            if self._proven(target) or goal > self.highest[target] + 1:
                break
            yield up(goal - truth)
            yield from down()

    def _take(self, part: _Part, step: np.ndarray) -> None:
        """See the counts where they are after a step, and keep it as one of the part's or together with others."""
        asked, cells = part.asked, part.cells
        before = ~self._done()[asked]
        value, mixed = self._after(part, step)
        rises = before & (value > self.highest[asked])
        falls = before & (value < self.lowest[asked]) & (value >= self.least[asked])
        mixes = mixed & ~self.mixed[cells]
        for kept in part.kept:
            both = kept.step + step
            if not part.fits(both):
                continue
            now, mixed = self._after(part, both)
            if (
                (now >= np.where(rises, np.maximum(kept.low, value), kept.low)).all()
                and (now <= np.where(falls, np.minimum(kept.high, value), kept.high)).all()
                and (now >= self.least[asked])[falls].all()
                and mixed[kept.mixed | mixes].all()
            ):
                break
        else:
            kept = _Kept(
                np.zeros_like(step),
                np.full(len(asked), -FAR),
                np.full(len(asked), FAR),
                np.zeros(len(cells), bool),
            )
            part.kept.append(kept)
        kept.step += step
        kept.low[rises], kept.high[falls] = value[rises], value[falls]
        kept.low[falls] = np.maximum(kept.low, self.least[asked])[falls]
        kept.mixed |= mixes
        self.highest[asked[rises]], self.lowest[asked[falls]] = value[rises], value[falls]
        self.mixed[cells[mixes]] = True

    def _after(self, part: _Part, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The counts that are asked of a part, and which of its cells are mixed, after a step."""
        change = np.append(step, 0)
        n, s = (change[part.place[q]] for q in (self.known.n, self.known.s))
        true = self.known.true
        value = self.truth[part.asked] + part.terms @ step
        successes = true[self.known.s[part.cells]] + s[part.cells]
        return value, (successes > 0) & (successes < true[self.known.n[part.cells]] + n[part.cells])

    def _collect(self, parts: list[_Part]) -> None:
        """Worlds of the steps that are kept: one of each part in each world, for no row joins two parts."""
        shape = self.prover.year.values.shape
        for number in range(max((len(part.kept) for part in parts), default=0)):
            world = self.known.true.copy()
            for part in parts:
                if number < len(part.kept):
                    world[part.columns] += part.kept[number].step
            world = np.where(self.known.there, world, -1).reshape(shape)
            if self.prover.consistent(world):
                self.worlds.append(world)


@dataclass
class _Kept:
    """A step, and what it is kept for: the least and the most of the counts that are asked, and cells that it mixes."""

    step: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mixed: np.ndarray


class _Part:
    """Counts that hang together while all others are true, and the steps from there that are kept. `columns` of `Known`;
    `place`: of each column of it the place here, or -1; `asked`: numbers of the counts that are asked, `cells`: those whose
    successes are here."""

    def __init__(self, known: Known, columns: np.ndarray) -> None:
        self.known, self.columns, size = known, columns, len(columns)
        matrix = sp.csr_array(known.matrix[:, columns])
        self.rows = np.flatnonzero(np.diff(matrix.indptr))
        self.matrix = sp.csr_array(matrix[self.rows])
        here = known.matrix[self.rows] @ known.true
        self.least, self.most = known.least[self.rows] - here, known.most[self.rows] - here
        self.low, self.high = (bound[columns] - known.true[columns] for bound in (known.low, known.high))
        self.place = np.full(len(known.true), -1)
        self.place[columns] = np.arange(size)
        self.row = np.full(len(known.least), -1)
        self.row[self.rows] = np.arange(len(self.rows))
        terms = sp.csr_array(known.terms[:, columns])
        self.asked = np.flatnonzero(np.diff(terms.indptr))
        self.terms = sp.csr_array(terms[self.asked])
        self.cells = np.flatnonzero(self.place[known.s] >= 0)
        self.kept: list[_Kept] = []
        shown = ~known.prover.said["hidden"].to_numpy()
        said = np.isin(columns, [*known.n[shown], *known.s[shown]])
        self.room, self.cost = np.append(self.high, -self.low), np.where(said, _SAID, 1)
        self.highs = _highs(self.matrix, self.room, self.least, self.most, self.cost)

    def fits(self, step: np.ndarray) -> bool:
        """Whether all rows hold after a step."""
        if (step < self.low).any() or (step > self.high).any():
            return False
        moved = self.matrix @ step
        return bool((moved >= self.least).all() and (moved <= self.most).all())

    def step(self, bounds: list[Bound]) -> tuple[np.ndarray | None, np.ndarray]:
        """The shortest whole step that does what it is to do; or none, and the cells that are in its way."""
        size, highs, nothing = len(self.columns), self.highs, np.zeros(0, np.int64)
        least, most, start, room = (
            np.array(bound, dtype=float) for bound in (self.least, self.most, np.zeros(2 * size), self.room)
        )
        for bound in bounds:
            if bound.row:
                at = self.row[bound.at]
                least[at], most[at] = max(least[at], bound.low), min(most[at], bound.high)
            else:
                at = self.place[bound.at]
                if bound.low > self.high[at] or bound.high < self.low[at]:
                    return None, self._saying(self.columns[[at]])
                start[[at, size + at]] = max(bound.low, 0), max(-bound.high, 0)
                room[[at, size + at]] = (
                    max(min(room[at], bound.high), 0),
                    max(min(room[size + at], -bound.low), 0),
                )
        if (least > most).any():
            return None, nothing
        rows = np.flatnonzero((least != self.least) | (most != self.most))
        columns = np.flatnonzero((start != 0) | (room != self.room))
        for row in rows.tolist():
            highs.changeRowBounds(row, least[row], most[row])
        for column in columns.tolist():
            highs.changeColBounds(column, start[column], room[column])
        highs.clearSolver()
        highs.run()
        status, found = highs.getModelStatus(), highs.getSolution()
        solved = status == highspy.HighsModelStatus.kOptimal
        # What rules a step out, or what it runs into where it is not whole.
        if solved:
            weights = np.array(found.row_dual)
        else:
            _, given, ray = highs.getDualRay()
            weights = np.array(ray) if given else np.zeros(len(self.rows))
        for row in rows.tolist():
            highs.changeRowBounds(row, self.least[row], self.most[row])
        for column in columns.tolist():
            highs.changeColBounds(column, 0.0, float(self.room[column]))
        if not solved:
            return None, self._blocking(weights)
        both = np.array(found.col_value)
        step = both[:size] - both[size:]
        whole = np.rint(step).astype(np.int64)
        if np.abs(step - whole).max(initial=0) < _NEAR and self.fits(whole):
            return whole, nothing
        groups = self.columns % len(self.known.prover.year.groups)
        near = np.isin(groups, groups[np.abs(step) > _NEAR])
        for some in (np.flatnonzero(near), np.arange(size)):
            tried = self._whole(some, least, most, start, room)
            if tried is not None:
                return tried, nothing
        return None, self._blocking(weights)

    def _whole(
        self, some: np.ndarray, least: np.ndarray, most: np.ndarray, start: np.ndarray, room: np.ndarray
    ) -> np.ndarray | None:
        """A step in whole numbers of some of the columns, by a few branches."""
        size = len(self.columns)
        matrix = sp.csr_array(self.matrix[:, some])
        rows = np.flatnonzero(np.diff(matrix.indptr))
        both = np.append(some, size + some)
        if np.delete(start, both).any():
            return None
        highs = _highs(
            matrix[rows], room[both], least[rows], most[rows], self.cost[some], start[both], whole=True
        )
        highs.run()
        found = highs.getSolution()
        if not found.value_valid:
            return None
        moved = np.rint(found.col_value).astype(np.int64)
        step = np.zeros(size, np.int64)
        step[some] = moved[: len(some)] - moved[len(some) :]
        return step if self.fits(step) else None

    def _blocking(self, weights: np.ndarray) -> np.ndarray:
        """The cells that say what rows and bounds say that have a weight."""
        cells = self.known.cell[self.rows[np.abs(weights) > _NEAR]]
        columns = self.columns[np.abs(self.matrix.T @ weights) > _NEAR]
        blocking: np.ndarray = np.union1d(cells[cells >= 0], self._saying(columns))
        return blocking

    def _saying(self, columns: np.ndarray) -> np.ndarray:
        """The cells that say how many students are in these columns; of small ones that they are few."""
        says = self.known.prover.said["n_high"].to_numpy() < UNLIMITED
        return np.flatnonzero(says & np.isin(self.known.n, columns))


class _Highs(highspy.Highs):
    """HiGHS, with the signatures that its stubs leave out."""

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

        def changeRowsBounds(
            self, number: int, rows: np.ndarray, least: np.ndarray, most: np.ndarray
        ) -> highspy.HighsStatus: ...

        def getDualRay(self) -> tuple[highspy.HighsStatus, bool, np.ndarray]: ...


def _highs(
    matrix: sp.csr_array,
    room: np.ndarray,
    least: np.ndarray,
    most: np.ndarray,
    cost: np.ndarray,
    start: np.ndarray | None = None,
    whole: bool = False,
) -> _Highs:
    """The cheapest step: each column up, and then each down, by `start` to `room`; its rows are between `least` and `most`."""
    model, both = highspy.HighsLp(), sp.csr_array(sp.hstack([matrix, -matrix]))
    model.num_row_, model.num_col_ = both.shape
    model.col_cost_ = np.tile(cost.astype(float), 2)
    model.col_lower_ = np.zeros(both.shape[1]) if start is None else start
    model.col_upper_ = room.astype(float)
    model.row_lower_, model.row_upper_ = least.astype(float), most.astype(float)
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_, model.a_matrix_.index_ = both.indptr, both.indices
    model.a_matrix_.value_ = both.data.astype(float)
    options: dict[str, Any] = {"output_flag": False, "threads": 1, "random_seed": 0, "presolve": "off"}
    options |= {"simplex_scale_strategy": 0}
    if whole:
        model.integrality_ = [highspy.HighsVarType.kInteger] * both.shape[1]
        # A limit of time would make the result hang on the machine. The first step that is found will do.
        options |= {"presolve": "on", "mip_rel_gap": 10.0, "mip_max_nodes": _BRANCHES}
        options |= {"mip_heuristic_effort": 0.1, "mip_heuristic_run_feasibility_jump": False}
    highs = _Highs()
    for option, value in options.items():
        highs.setOptionValue(option, value)
    highs.passModel(model)
    return highs
