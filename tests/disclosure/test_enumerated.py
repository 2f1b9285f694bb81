"""Witness worlds of two metrics, one nested in the other, against enumeration of every whole-number table.

Takers are among the enrolled, and the enrolled among a school's students: for each of two groups that are everyone, all whole
numbers of students, enrolled, takers and passers among these are counted out.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

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
