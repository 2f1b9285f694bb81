"""Witness worlds against enumeration of every whole-number table."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.publication import C, X, publish
from equity_pipeline.disclosure.worlds import Prover, Year, prove

DIMENSIONS = pd.DataFrame(
    [("all_students", "yes", None, "all"), ("homeless", "yes", None, "all")],
    columns=["dimension", "partitioning", "crosses", "publish_level"],
)


def table(cells: dict[tuple[str, str], tuple[int, int]]) -> pd.DataFrame:
    """Counts of one school, `(homeless)` subgroup → (n, successes), and of everyone in it."""
    everyone = tuple(np.sum(list(cells.values()), axis=0))
    rows = [(2026, "ap_ib_enrollment", "1", "homeless", g, *c) for g, c in cells.items()]
    rows.append((2026, "ap_ib_enrollment", "1", "all_students", "all", *everyone))
    return pd.DataFrame(rows, columns=[*CELL, "n", "successes"]).sort_values(CELL, ignore_index=True)


def every_world(year: Year) -> np.ndarray:
    """By enumeration: every (n, s) of both groups of the table that makes the same release, world × cell × (n, s)."""
    said = publish(year.values[0][year.group], year.values[1][year.group], year.minimum_cell)
    bounds = [(int(a), int(b)) for a, b in zip(said["n_low"], said["n_high"], strict=True)]
    parts = [i for i, g in enumerate(year.group) if year.groups[g].dimension == "homeless"]
    of_all = next(i for i in range(len(year.group)) if i not in parts)
    options = [
        [(n, s) for n in range(max(low, 1), high + 1) for s in range(n + 1)]
        for low, high in (bounds[i] for i in parts)
    ]
    worlds = np.zeros((np.prod([len(o) for o in options]), len(year.group), 2), dtype=np.int64)
    for number, chosen in enumerate(itertools.product(*options)):
        worlds[number, parts] = chosen
    worlds[:, of_all] = worlds[:, parts].sum(axis=1)
    alike = np.ones(len(worlds), bool)
    for cell in range(len(year.group)):
        here = publish(worlds[:, cell, 0], worlds[:, cell, 1], year.minimum_cell)
        alike &= (here == said.iloc[cell]).all(axis=1).to_numpy()
    return worlds[alike]


def test_worlds_are_among_all_worlds_and_prove_most_of_what_can_be_proven():
    reached = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        sizes = random.integers(1, 9), random.integers(10, 26)
        counts = table({g: (n, random.integers(0, n + 1)) for g, n in zip(("yes", "no"), sizes, strict=True)})
        year = Year.of(counts, DIMENSIONS, 10)
        prover = Prover(year)
        found, _ = prover.search(25)
        all_worlds = every_world(year)
        listed = {tuple(world.ravel()) for world in all_worlds}
        seen = np.array([np.stack([w[year.n, year.group], w[year.s, year.group]], axis=1) for w in found])
        assert all(tuple(world.ravel()) in listed for world in seen)
        for (_, cells), of in zip(prover.asked, np.array([[1, 0], [0, 1], [1, -1]]), strict=True):
            for cell in np.flatnonzero(cells):
                known = min(seen[0, cell] @ of, C)
                width, possible = (
                    values.max() - values[values >= known].min()
                    for values in (seen[:, cell] @ of, all_worlds[:, cell] @ of)
                )
                assert width <= possible
                reached.append(width >= min(possible, X))
    assert len(reached) > 30
    assert np.mean(reached) >= 0.85


def test_a_world_that_breaks_a_sum_or_says_something_else_is_no_witness():
    year = Year.of(table({"yes": (4, 2), "no": (16, 9)}), DIMENSIONS, 10)
    prover = Prover(year)
    assert prover.consistent(year.values)
    for q, g in itertools.product(range(2), range(len(year.groups))):
        world = year.values.copy()
        world[q, g] += 1
        assert not prover.consistent(world)
    # Every group of the same release, one student more everywhere along the sums: said otherwise.
    world = year.values.copy()
    world[:] = world * 3
    assert not prover.consistent(world)


def test_the_proof_counts_what_is_asked_and_says_no_count():
    proof = prove(table({"yes": (4, 2), "no": (40, 22)}), DIMENSIONS, 10)
    # Students, successes and others of the hidden group.
    assert proof.asked == 3
    assert proof.apart == {1: 3, 3: 3, X: 3}
    assert set(proof.summary()) == {
        "counts_asked", "counts_with_two_worlds_at_least_apart", "worlds", "groups", "sums", "known_of_a_group",
    }  # fmt: skip


def test_metrics_that_share_their_students_share_them_in_every_world():
    counts = pd.concat(
        [
            table({"yes": (6, 3), "no": (40, 22)}),
            table({"yes": (3, 2), "no": (22, 15)}).assign(metric_id="exam_taken"),
        ]
    )
    year = Year.of(counts.sort_values(CELL), DIMENSIONS, 10)
    assert len(year.names) == 3  # takers are the successes of enrollment
    found, widths = Prover(year).search(6)
    assert (found >= 0).all()
    assert (widths >= 3).mean() > 0.8
