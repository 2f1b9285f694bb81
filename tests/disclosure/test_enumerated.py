"""Witness worlds of two metrics, one nested in the other, against enumeration of every whole-number table.

Takers are among the enrolled, and the enrolled among a school's students: for each of two groups that are everyone, all whole
numbers of students, enrolled, takers and passers among these are counted out.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import scipy.sparse as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from equity_pipeline.disclosure.audit import intervals
from equity_pipeline.disclosure.figures import Rules
from equity_pipeline.disclosure.known import Known
from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.proof import prove
from equity_pipeline.disclosure.search import Aim, Lean
from equity_pipeline.disclosure.suppression import C, X, publish
from equity_pipeline.disclosure.worlds import Prover, Year
from equity_pipeline.domain.errors import DisclosureError
from tests.disclosure.test_worlds import DIMENSIONS

METRICS = ("ap_ib_enrollment", "exam_taken")
# No group here has more students than this.
MOST = 14


def table(groups: dict[str, tuple[int, int, int]]) -> pd.DataFrame:
    """Subgroup → students, enrolled, takers; and everyone."""
    counts = {("homeless", name): np.array(of) for name, of in groups.items()}
    counts["all_students", "all"] = np.sum(list(counts.values()), axis=0)
    rows = [
        (2026, metric, "1", *group, of[number], of[number + 1])
        for group, of in counts.items()
        for number, metric in enumerate(METRICS)
    ]
    return pd.DataFrame(rows, columns=[*CELL, "n", "successes"]).sort_values(CELL, ignore_index=True)


def same_said(counts: np.ndarray, said: pd.DataFrame, of: tuple[int, int]) -> np.ndarray:
    """Of which of many (students, enrolled, takers) of one group the same is said, in the cells of its two metrics."""
    size = len(counts)
    parent = np.concatenate([np.full(size, -1), np.arange(size)])
    made = publish(
        counts[:, :2].T.ravel(), counts[:, 1:].T.ravel(), 10,
        parent=(parent, np.arange(2 * size) >= size), withheld=False,
    )  # fmt: skip
    alike = [
        (made.iloc[start : start + size] == said.iloc[cell]).all(axis=1).to_numpy()
        for start, cell in zip((0, size), of, strict=True)
    ]
    return alike[0] & alike[1]


def every_world(year: Year) -> np.ndarray:
    """World × group × (students, enrolled, takers), of all that make the same release."""
    said = Prover(year).said
    cells = {
        (group, metric): int(np.flatnonzero((year.group == group) & (year.cells["metric_id"] == metric))[0])
        for group in range(len(year.groups))
        for metric in METRICS
    }
    of = [(cells[group, METRICS[0]], cells[group, METRICS[1]]) for group in range(len(year.groups))]
    everyone = next(i for i, group in enumerate(year.groups) if group.subgroup == "all")
    parts = [i for i in range(len(year.groups)) if i != everyone]
    options = np.array([(n, s, t) for n in range(1, MOST + 1) for s in range(n + 1) for t in range(s + 1)])
    possible = [options[same_said(options, said, of[part])] for part in parts]
    first, second = (of_part.ravel() for of_part in np.indices([len(p) for p in possible]))
    worlds = np.zeros((len(first), len(year.groups), 3), np.int64)
    worlds[:, parts[0]], worlds[:, parts[1]] = possible[0][first], possible[1][second]
    worlds[:, everyone] = worlds[:, parts[0]] + worlds[:, parts[1]]
    return worlds[same_said(worlds[:, everyone], said, of[everyone])]


def nested(most: int) -> st.SearchStrategy[tuple[int, int, int]]:
    return st.lists(st.integers(0, most), min_size=3, max_size=3).map(
        lambda of: (max(1, *of), sorted(of)[1], min(of))
    )


@settings(max_examples=12)
@given(nested(8), nested(14))
def test_of_nested_metrics_the_interval_is_that_of_the_enumeration(few, many):
    """Up to X, which is as far as it is looked for; and what is published has worlds in the enumeration for every count."""
    counts = table({"yes": few, "no": many})
    year = Year.of(counts, DIMENSIONS, 10)
    prover, found = Prover(year), [year.values]
    known = Known(prover)
    Lean(known).search(found, 4)
    Aim(known, found).search()
    worlds = every_world(year)
    listed = {world.tobytes() for world in worlds}
    names = [("ap_ib_enrollment", "n"), ("ap_ib_enrollment", "successes"), ("exam_taken", "successes")]
    rows = [year.names.index(name) for name in names]
    within = [world for world in found if world.max() <= MOST]
    assert all(np.ascontiguousarray(world[rows].T).tobytes() in listed for world in within)
    asked, widths = prover.asked, prover.widths(found)
    for cell, students, successes, width in zip(
        asked.cell, asked.students, asked.successes, widths, strict=True
    ):
        n, s = (worlds[:, year.group[cell], rows.index(q[cell])] for q in (year.n, year.s))
        values = students * n + successes * s
        known_of = min(students * counts["n"][cell] + successes * counts["successes"][cell], C)
        possible = values.max() - values[values >= known_of].min()
        assert min(width, X) == min(possible, X)
    for group, count in itertools.product(range(len(year.groups)), range(2)):
        mixed = (
            (worlds[:, group, count + 1] > 0) & (worlds[:, group, count + 1] < worlds[:, group, count])
        ).any()
        cell = np.flatnonzero((year.group == group) & (year.cells["metric_id"] == METRICS[count]))[0]
        assert mixed == prover.mixed(found)[cell]
    try:
        proof = prove(counts, DIMENSIONS, 10)
    except DisclosureError:
        return  # nothing is published
    assert proof.narrowest >= X
    if not proof.base["withheld"].any():
        assert (widths >= X).all()


def as_read(said: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """What the audit reads of each cell in the files of a release."""
    told = said[["n_low", "n_high"]].join(said[["low", "high"]] / 2).astype(float)
    return cells[CELL].join(told.mask(said["hidden"]))


def every_guess(base: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """Of all tables that fit what stands in the files: group and metric → table × (students, successes). Nothing else is known but
    that two groups are everyone, and that takers are the enrolled who take."""
    said = base.set_index(["subgroup", "metric_id"])[["n_low", "n_high", "low", "high"]]
    said = said.fillna({"n_low": 0, "n_high": np.inf, "low": 0, "high": 100})

    def fits(counts: np.ndarray, group: str) -> np.ndarray:
        alike = np.ones(len(counts), bool)
        for number, metric in enumerate(METRICS):
            n, s, of = counts[:, number], counts[:, number + 1], said.loc[(group, metric)]
            under = (100 * s < of["high"] * n) | (of["high"] == 100)
            alike &= (n >= of["n_low"]) & (n <= of["n_high"]) & (100 * s >= of["low"] * n) & under
        return alike

    options = np.array([(n, s, t) for n in range(1, MOST + 1) for s in range(n + 1) for t in range(s + 1)])
    yes, no = (options[fits(options, group)] for group in ("yes", "no"))
    first, second = (of.ravel() for of in np.indices([len(yes), len(no)]))
    both = fits(yes[first] + no[second], "all")
    worlds = {"yes": yes[first[both]], "no": no[second[both]]}
    worlds["all"] = worlds["yes"] + worlds["no"]
    return {
        (group, metric): of[:, number : number + 2]
        for group, of in worlds.items()
        for number, metric in enumerate(METRICS)
    }


@settings(max_examples=20)
@given(nested(4), nested(10), st.integers(1, 9))
def test_the_interval_that_the_audit_works_out_of_a_release_is_that_of_the_enumeration(few, many, apart):
    """Any two numbers are `apart` for the one as they are for the other; so are the ends where they are not."""
    assume(10 <= few[0] + many[0] <= MOST)
    counts = table({"yes": few, "no": many})
    year = Year.of(counts, DIMENSIONS, 10)
    base = as_read(Prover(year).said, year.cells)
    guesses = every_guess(base)
    rules = Rules(DIMENSIONS, {}, frozenset(), {}, pd.DataFrame())
    known = intervals.Year.of(base, rules)
    outer = known.known.bounds
    low, high = known.settled(np.ones(len(known.place), bool), apart)
    for cell, key in enumerate(zip(base["subgroup"], base["metric_id"], strict=True)):
        n, s = guesses[key].T
        for values, at in zip((n, s, n - s), known.columns[:, cell], strict=True):
            assert outer[0][at] <= values.min() <= values.max() <= outer[1][at]
            assert (high[at] - low[at] >= apart) == (values.max() - values.min() >= apart)
            assert values.min() <= low[at] <= high[at] <= values.max() or outer[1][at] - outer[0][at] < apart


def test_what_sums_tell_together_and_none_by_itself_is_settled():
    """Three numbers, every two of which are six: by no sum alone is one of them less open than none to six."""
    six = np.full(3, 6)
    program = intervals.Program(
        sp.csr_array(np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]])),
        six,
        six,
        np.zeros(3, np.int64),
        np.full(3, 9),
    )
    assert (program.bounds[0].tolist(), program.bounds[1].tolist()) == ([0, 0, 0], [6, 6, 6])
    low, high = program.settled(np.arange(3), np.ones(3, bool), 3)
    assert (low.tolist(), high.tolist()) == ([3, 3, 3], [3, 3, 3])
