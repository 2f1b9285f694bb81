"""Witness worlds against enumeration of every whole-number table."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.disclosure import search
from equity_pipeline.disclosure.known import Known, sides
from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.proof import prove
from equity_pipeline.disclosure.search import Aim
from equity_pipeline.disclosure.suppression import WHOLE, C, X, edges, publish
from equity_pipeline.disclosure.worlds import Prover, Year
from equity_pipeline.domain.errors import DisclosureError

DIMENSIONS = pd.DataFrame(
    [("all_students", "yes", None, "all"), ("homeless", "yes", None, "all")],
    columns=["dimension", "partitioning", "crosses", "publish_level"],
)


_MOST = 34


def table(cells: dict[tuple[str, str], tuple[int, int]]) -> pd.DataFrame:
    """Counts of one school, `(homeless)` subgroup → (n, successes), and of everyone in it."""
    everyone = tuple(np.sum(list(cells.values()), axis=0))
    rows = [(2026, "ap_ib_enrollment", "1", "homeless", g, *c) for g, c in cells.items()]
    rows.append((2026, "ap_ib_enrollment", "1", "all_students", "all", *everyone))
    return pd.DataFrame(rows, columns=[*CELL, "n", "successes"]).sort_values(CELL, ignore_index=True)


def every_world(year: Year, withheld: np.ndarray | bool = False) -> np.ndarray:
    """By enumeration: every (n, s) of both groups of the table that makes the same release, world × cell × (n, s). Where
    any number of students would make it, only those up to `_MOST` are tried."""
    held = np.broadcast_to(withheld, len(year.group))
    said = publish(year.values[0][year.group], year.values[1][year.group], year.minimum_cell, withheld=held)
    bounds = [(int(a), min(int(b), _MOST)) for a, b in zip(said["n_low"], said["n_high"], strict=True)]
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
        least = int(year.minimum_cell[cell])
        here = publish(worlds[:, cell, 0], worlds[:, cell, 1], least, withheld=bool(held[cell]))
        alike &= (here == said.iloc[cell]).all(axis=1).to_numpy()
    return worlds[alike]


def test_worlds_are_among_all_worlds_and_prove_all_that_can_be_proven():
    """Of every count that is asked, two worlds that are X apart are found wherever there are two in the enumeration."""
    reached = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        sizes = random.integers(1, 9), random.integers(10, 26)
        counts = table({g: (n, random.integers(0, n + 1)) for g, n in zip(("yes", "no"), sizes, strict=True)})
        year = Year.of(counts, DIMENSIONS, 10)
        prover, found = Prover(year), [year.values]
        Aim(Known(prover), found).search()
        all_worlds = every_world(year)
        listed = {tuple(world.ravel()) for world in all_worlds}
        seen = np.array([np.stack([w[year.n, year.group], w[year.s, year.group]], axis=1) for w in found])
        assert all(tuple(world.ravel()) in listed for world in seen)
        for number, width in enumerate(prover.widths(found)):
            cell, *of = (part[number] for part in prover.asked[:3])
            values = all_worlds[:, cell] @ np.array(of)
            known = min(seen[0, cell] @ np.array(of), C)
            possible = values.max() - values[values >= known].min()
            assert width <= possible
            reached.append(width >= min(possible, X))
    assert len(reached) > 30
    assert np.mean(reached) == 1


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), min_size=2, max_size=2))
def test_what_is_published_of_any_small_table_has_worlds_for_every_count(pairs):
    """And each world makes the same release; what has none is not published."""
    counts = table(
        {g: (max(n, 1), min(s, max(n, 1))) for g, (n, s) in zip(("yes", "no"), pairs, strict=True)}
    )
    try:
        proof = prove(counts, DIMENSIONS, 10)
    except DisclosureError:
        return  # nothing is published
    year = Year.of(counts, DIMENSIONS, 10)
    prover = Prover(year, proof.base["withheld"].to_numpy())
    for world in proof.worlds[2026]:
        assert prover.consistent(world)
    assert proof.narrowest >= X
    assert not len(prover.narrow(list(proof.worlds[2026])))


@settings(max_examples=25)
@given(
    st.lists(
        st.integers(1, 24).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=2, max_size=2
    )
)
def test_the_promise_holds_by_enumeration_of_every_whole_number_table(pairs):
    """Whatever is published of a small table: each count that must stay open lies between the ends that the proof claims, and
    X apart, in tables that an outsider can count out for herself; and every group is mixed in one of them."""
    counts = table(dict(zip(("yes", "no"), pairs, strict=True)))
    try:
        proof = prove(counts, DIMENSIONS, 10)
    except DisclosureError:
        return  # nothing is published
    withheld = proof.base["withheld"].to_numpy()
    year = Year.of(counts, DIMENSIONS, 10)
    prover, found = Prover(year, withheld), list(proof.worlds[2026])
    worlds = every_world(year, withheld)
    listed = {tuple(world.ravel()) for world in worlds}
    for world in found:
        seen = np.stack([world[year.n, year.group], world[year.s, year.group]], axis=1)
        assert seen.max() > _MOST or tuple(seen.ravel()) in listed
    for number, width in enumerate(prover.widths(found)):
        cell, *of = (part[number] for part in prover.asked[:3])
        values = worlds[:, cell] @ np.array(of)
        known = min(
            np.array([year.values[0, year.group[cell]], year.values[1, year.group[cell]]]) @ np.array(of), C
        )
        possible = values.max() - values[values >= known].min()
        assert X <= width
        assert possible >= min(width, X)
    mixed = (worlds[:, :, 1] > 0) & (worlds[:, :, 1] < worlds[:, :, 0])
    assert mixed.any(axis=0).all()


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


def test_a_world_where_nobody_is_or_where_more_succeed_than_there_are_is_no_witness():
    """A count that is there can't be missing, nobody can be fewer than none, and every group that an outsider sees has someone."""
    year = Year.of(table({"yes": (4, 2), "no": (16, 9)}), DIMENSIONS, 10)
    prover, [group] = Prover(year), [i for i, g in enumerate(year.groups) if g.subgroup == "yes"]
    for n, s in ((-1, 2), (4, -1), (0, 0), (1, 2)):
        world = year.values.copy()
        world[:, [group]] = np.array([[n], [s]])
        [everyone] = [i for i, g in enumerate(year.groups) if g.subgroup == "all"]
        world[:, everyone] += world[:, group] - year.values[:, group]
        assert not prover.consistent(world)


def test_where_the_search_comes_to_its_end_nothing_is_published(monkeypatch):
    monkeypatch.setattr(search, "_REPAIRS", 0)
    monkeypatch.setattr(search, "_ROUNDS", 0)
    with pytest.raises(DisclosureError, match="^1 groups could be worked out .* nothing is published$"):
        prove(table({"yes": (4, 2), "no": (40, 22)}), DIMENSIONS, 10)


def district(schools: int, seed: int = 0) -> pd.DataFrame:
    """Counts of some schools with a few homeless students each, and of their district."""
    random = np.random.default_rng(seed)
    frames = []
    for school in range(schools):
        few, many = int(random.integers(2, 9)), int(random.integers(30, 60))
        of = table(
            {"yes": (few, int(random.integers(few + 1))), "no": (many, int(random.integers(8, many - 8)))}
        )
        frames.append(of.assign(school_id=str(school)))
    counts = pd.concat(frames)
    key = [c for c in CELL if c != "school_id"]
    whole = counts.groupby(key, as_index=False)[["n", "successes"]].sum().assign(school_id="_all")
    return pd.concat([counts, whole])[[*CELL, "n", "successes"]].sort_values(CELL, ignore_index=True)


def test_many_schools_are_searched_in_blocks_and_alike_on_any_number_of_processes(monkeypatch):
    counts = district(6)
    year = Year.of(counts, DIMENSIONS, 10)
    monkeypatch.setattr(search, "_BLOCK", 2)
    found = []
    for processes in ({0}, {0, 1}):
        monkeypatch.setattr(search.os, "sched_getaffinity", lambda _, p=processes: p)
        found.append(search.proven(year))
    (prover, worlds), (other, again) = found
    assert (prover.withheld == other.withheld).all()
    assert len(worlds) == len(again)
    assert all(map(np.array_equal, worlds, again))
    assert all(map(prover.consistent, worlds))
    assert not len(prover.narrow(worlds))
    # Worlds of several blocks are laid together: some world differs from the truth in schools of all three.
    moved = [
        {year.groups[g].school_id for g in np.flatnonzero((w != year.values).any(axis=0))} for w in worlds
    ]
    assert any({"0", "1", "2"} <= of for of in moved)


def test_a_year_within_some_groups_holds_what_the_others_leave_it():
    """The sums of the groups outside stay: what is moved inside must add up to nothing."""
    year = Year.of(district(3), DIMENSIONS, 10)
    inside = np.array([group.school_id in ("0", "1") for group in year.groups])
    part, cells = year.within(inside)
    assert [year.cells["school_id"][c] for c in cells] == part.cells["school_id"].tolist()
    prover = Prover(part)
    assert prover.consistent(part.values)
    yes = [i for i, group in enumerate(part.groups) if group.subgroup == "yes"]
    no = [i for i, group in enumerate(part.groups) if group.subgroup == "no"]
    world = part.values.copy()
    n = part.names.index(("ap_ib_enrollment", "n"))
    world[n, [yes[0], no[1]]] += 1
    world[n, [yes[1], no[0]]] -= 1
    assert prover.consistent(world)
    world[n, yes[0]] -= 1
    assert not prover.consistent(world)


def test_a_witness_of_other_counts_or_that_proves_nothing_is_not_used(tmp_path):
    counts, kept = table({"yes": (6, 3), "no": (40, 22)}), tmp_path / "witness.npz"
    proof = prove(counts, DIMENSIONS, 10)
    for spoilt in (
        {"2026": proof.worlds[2026][:1]},  # the true counts alone
        {"2026": np.concatenate([proof.worlds[2026][:1], proof.worlds[2026][1:] + 1])},  # of no sum
        {},
    ):
        withheld = {"withheld_2026": proof.base["withheld"].to_numpy()} if spoilt else {}
        np.savez_compressed(kept, **spoilt, **withheld)
        again = prove(counts, DIMENSIONS, 10, kept)
        pd.testing.assert_frame_equal(again.base, proof.base)
        assert again.apart == proof.apart


def test_the_proof_counts_what_is_asked_and_says_no_count():
    proof = prove(table({"yes": (4, 2), "no": (40, 22)}), DIMENSIONS, 10)
    # Students, successes and others of the hidden group.
    assert proof.asked == 3
    assert proof.apart[X] == 3
    assert proof.summary()["narrowest_interval"] >= X
    assert not set(proof.summary()) & {"n", "successes", "base"}


def test_every_count_of_a_release_is_proven_and_kept_worlds_prove_it_again(tmp_path):
    counts = pd.concat(
        [
            table({"yes": (6, 3), "no": (40, 22)}),
            table({"yes": (3, 2), "no": (22, 15)}).assign(metric_id="exam_taken"),
        ]
    )
    proof = prove(counts, DIMENSIONS, 10)
    assert proof.apart[X] == proof.asked
    proof.keep(tmp_path / "witness.npz")
    again = prove(counts, DIMENSIONS, 10, tmp_path / "witness.npz")
    pd.testing.assert_frame_equal(again.base, proof.base)
    assert (tmp_path / "witness.npz").stat().st_mode & 0o077 == 0
    changed = prove(counts.assign(n=counts["n"] + 1), DIMENSIONS, 10, tmp_path / "witness.npz")
    assert not np.array_equal(changed.worlds[2026][0], proof.worlds[2026][0])


def test_metrics_that_share_their_students_share_them_in_every_world():
    counts = pd.concat(
        [
            table({"yes": (6, 3), "no": (40, 22)}),
            table({"yes": (3, 2), "no": (22, 15)}).assign(metric_id="exam_taken"),
        ]
    )
    year = Year.of(counts.sort_values(CELL), DIMENSIONS, 10)
    assert len(year.names) == 3  # takers are the successes of enrollment
    # Counts delivered by a partner that are not the same have names of their own.
    other = counts.assign(n=counts["n"] + (counts["metric_id"] == "exam_taken"))
    assert len(Year.of(other.sort_values(CELL), DIMENSIONS, 10).names) == 4


def test_takers_are_hidden_by_what_is_said_of_enrollment_not_by_their_number():
    """Were takers hidden by their number, the mark would say that fewer than ten of the enrolled took the exam."""
    n, s = np.array([17, 9]), np.array([9, 4])
    parent = np.array([-1, 0]), np.array([False, True])
    said = publish(n, s, 10, parent=parent)
    assert said["hidden"].tolist() == [False, True]
    more = publish(np.array([17, 12]), np.array([12, 4]), 10, parent=parent)
    assert more["hidden"].tolist() == [False, True]
    assert said.loc[1, ["n_low", "n_high"]].tolist() == more.loc[1, ["n_low", "n_high"]].tolist()


@pytest.mark.parametrize("least", [10, 35, 95, 705])
def test_the_sides_of_a_band_hold_the_numbers_that_are_in_it_and_no_others(least):
    """And they cut as close as sides can: on each lie two whole points of the band."""
    students, successes = np.mgrid[least : least + 10, 0 : least + 11]
    for low, high in itertools.pairwise(edges(least, 10)):
        inside = (successes <= students) & (WHOLE * successes >= low * students)
        inside &= (WHOLE * successes < high * students) | (high == WHOLE)
        found = successes <= students
        for n, s, added in sides(least, least + 9, low, high):
            value = n * students + s * successes + added
            found &= value >= 0
            assert ((value == 0) & inside).sum() >= 2
        assert (found == inside).all()
