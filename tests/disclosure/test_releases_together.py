"""Several releases of one partner, read together: late and corrected records between them stay nobody's."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from equity_pipeline.disclosure.history import remember, remembered
from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.proof import Proof, prove
from equity_pipeline.disclosure.suppression import X
from equity_pipeline.disclosure.worlds import Prover, Year

DIMENSIONS = pd.DataFrame(
    {"dimension": ["all_students", "homeless", "sex", "race_ethnicity"], "partitioning": "yes", "crosses": None,
     "publish_level": "all"}
)  # fmt: skip
MINIMUM = 10


def students(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    number = 420
    enrolled = random.random(number) < 0.45
    return pd.DataFrame(
        {
            "school": random.choice(["1", "2", "3"], number), "all_students": "all",
            "homeless": random.choice(["yes", "no"], number, p=[0.04, 0.96]),
            "sex": random.choice(["female", "male", "nonbinary"], number, p=[0.49, 0.49, 0.02]),
            "race_ethnicity": random.choice(["asian", "black", "hispanic", "white"], number, p=[0.03, 0.2, 0.37, 0.4]),
            "enrolled": enrolled, "taker": enrolled & (random.random(number) < 0.7),
        }
    )  # fmt: skip


def counted(of: pd.DataFrame) -> pd.DataFrame:
    """One school year's counts of two metrics: takers among the enrolled."""
    frames = []
    places = pd.concat([of, of.assign(school="_all")])
    for dimension in DIMENSIONS["dimension"]:
        groups = places.groupby(["school", dimension], as_index=False)
        sums = groups.agg(n=("sex", "size"), enrolled=("enrolled", "sum"), takers=("taker", "sum"))
        sums = sums.rename(columns={"school": "school_id", dimension: "subgroup"}).assign(dimension=dimension)
        frames.append(sums.assign(metric_id="ap_ib_enrollment", successes=sums["enrolled"]))
        frames.append(sums.assign(metric_id="exam_taken", n=sums["enrolled"], successes=sums["takers"]))
    rows = pd.concat(frames).assign(school_year=2026)
    return rows[[*CELL, "n", "successes"]].sort_values(CELL, ignore_index=True)


@pytest.fixture(scope="module")
def releases() -> list[tuple[pd.DataFrame, Proof]]:
    """The first without those who come late, 2 percent each time; of 1 percent it is corrected whether they enrolled."""
    everyone = students(3)
    random = np.random.default_rng(4)
    came, found, said = random.permutation(len(everyone)), [], []
    for late in (16, 8, 0):
        counts = counted(everyone.iloc[np.sort(came[late:])])
        proof = prove(counts, DIMENSIONS, MINIMUM, earlier=said)
        found.append((counts, proof))
        said = [*said, proof.statement]
        corrected = random.choice(len(everyone), 4, replace=False)
        everyone.loc[corrected, "enrolled"] = ~everyone.loc[corrected, "enrolled"]
        everyone["taker"] &= everyone["enrolled"]
    return found


def spans(last: Proof, years: list[Year]) -> list[slice]:
    """Where the groups of each release lie in the worlds of the last proof: the newest first, then by their counts."""
    true, ends = last.worlds[2026][0], np.cumsum([0, *(len(year.groups) for year in years)])
    orders = [order for order in itertools.permutations(range(len(years)))]
    for order in orders:
        ends = np.cumsum([0, *(len(years[i].groups) for i in order)])
        if all(
            np.array_equal(true[:, a:b], years[i].values)
            for i, a, b in zip(order, ends, ends[1:], strict=False)
        ):
            return [slice(ends[order.index(i)], ends[order.index(i) + 1]) for i in range(len(years))]
    raise AssertionError("the worlds are not of these releases")


def test_no_change_of_few_students_follows_from_comparing_three_releases(releases):
    """By the worlds alone: every one makes all three releases, and every change of fewer than ten students is in two of them X
    apart, also among those in which it is no fewer than one."""
    years = [Year.of(counts, DIMENSIONS, MINIMUM) for counts, _ in releases]
    last = releases[-1][1]
    assert last.releases == 3
    at, worlds = spans(last, years), last.worlds[2026]
    for (_, proof), year, span in zip(releases, years, at, strict=True):
        withheld = proof.base["withheld"].to_numpy(bool)
        assert all(Prover(year, withheld).consistent(world[:, span]) for world in worlds)
    asked = 0
    for one, other in itertools.combinations(range(3), 2):
        groups = [{group: i for i, group in enumerate(years[r].groups)} for r in (one, other)]
        both = sorted(groups[0].keys() & groups[1].keys())
        a, b = (
            worlds[:, :, at[r]][:, :, [of[g] for g in both]]
            for r, of in zip((one, other), groups, strict=True)
        )
        names = years[0].names
        n, s, t = (
            names.index(name)
            for name in (
                ("ap_ib_enrollment", "n"),
                ("ap_ib_enrollment", "successes"),
                ("exam_taken", "successes"),
            )
        )
        for count in ((n, None), (s, None), (t, None), (n, s), (s, t)):
            change = b[:, count[0]] - a[:, count[0]]
            if count[1] is not None:
                change = change - (b[:, count[1]] - a[:, count[1]])
            few = (change[0] != 0) & (abs(change[0]) < MINIMUM)
            change = np.where(change[0] > 0, change, -change)[:, few]
            least = np.where(change >= 1, change, 10**6).min(axis=0)
            assert (change.max(axis=0) - least >= X).all()
            asked += few.sum()
    assert asked > 100


def test_unchanged_counts_are_one_number_in_all_releases(releases):
    years = [Year.of(counts, DIMENSIONS, MINIMUM) for counts, _ in releases]
    last = releases[-1][1]
    at, worlds = spans(last, years), last.worlds[2026]
    a, b = (years[r].values for r in (1, 2))
    assert years[1].groups == years[2].groups
    same = a == b
    assert 0.1 < same.mean() < 0.9
    assert all((world[:, at[1]][same] == world[:, at[2]][same]).all() for world in worlds)


def test_what_was_hidden_stays_hidden_while_few_have_changed(releases):
    frozen = 0
    for (before, proof), (now, later) in itertools.combinations(releases, 2):
        old, new = (counts.set_index(CELL)["n"] for counts in (before, now))
        hidden = proof.base["hidden"].rename_axis(CELL)
        few = (new - old).abs() < MINIMUM
        cells = hidden.index[hidden].intersection(few.index[few])
        assert later.base["hidden"].reindex(cells).all()
        frozen += len(cells)
    assert frozen


@pytest.fixture(scope="module")
def weekly(tmp_path_factory) -> list[tuple[pd.DataFrame, Proof]]:
    """A release every week, with 1 percent come late and of 1 percent corrected whether they enrolled."""
    kept = tmp_path_factory.mktemp("weekly") / "witness.npz"
    everyone, random = students(3), np.random.default_rng(4)
    came, found, said = random.permutation(len(everyone)), [], []
    for late in range(36, -1, -4):
        counts = counted(everyone.iloc[np.sort(came[late:])])
        proof = prove(counts, DIMENSIONS, MINIMUM, kept, said, said[-1] if said else None)
        proof.keep(kept)
        found.append((counts, proof))
        said = [*said, proof.statement]
        corrected = random.choice(len(everyone), 4, replace=False)
        everyone.loc[corrected, "enrolled"] = ~everyone.loc[corrected, "enrolled"]
        everyone["taker"] &= everyone["enrolled"]
    return found


def test_a_district_that_corrects_its_files_every_week_can_publish_every_week(weekly):
    """Every release is proven together with all different ones before it, and most groups stay told of."""
    told = [int((~proof.base["hidden"]).sum()) for _, proof in weekly]
    different: list[pd.DataFrame] = []
    for _, proof in weekly:
        assert proof.asked == proof.apart[X]
        if not proof.held:
            different.append(proof.statement)
        assert proof.summary()["releases_joined"] == len(different)
    assert 3 <= len(different) < len(weekly)
    assert min(told) >= 0.75 * told[0]


def test_a_year_that_is_held_back_is_said_again_to_the_last_count(weekly):
    """And what was said is no older than it must be: with changes of fewer than ten it is held back, and else not for long."""
    held = 0
    for (_, before), (counts, proof) in itertools.pairwise(weekly):
        both = counts.merge(before.statement, on=CELL, how="outer", suffixes=("", "_before")).fillna(0)
        change = max((both[c] - both[f"{c}_before"]).abs().max() for c in ("n", "successes"))
        assert 0 < change < 2 * MINIMUM
        if change < MINIMUM:
            assert proof.held
        if proof.held:
            pd.testing.assert_frame_equal(proof.statement, before.statement)
            pd.testing.assert_frame_equal(proof.base, before.base)
            held += 1
        else:
            now = proof.statement.set_index(CELL)[["n", "successes"]].astype("int64")
            pd.testing.assert_frame_equal(now, counts.set_index(CELL)[["n", "successes"]])
    assert held


def test_held_back_on_what_stands_where_a_later_release_was_withdrawn(weekly):
    """The withdrawn one is known to those who read it, so it is in the proof; what is said again is what stands."""
    first, second = [proof.statement for _, proof in weekly if not proof.held][:2]
    last = next(counts for counts, proof in weekly if proof.statement is second)
    few = last.assign(successes=last["successes"] - (last["successes"] == last["successes"].max()))
    for standing, released in ((second, second), (first, None)):
        proof = prove(few, DIMENSIONS, MINIMUM, earlier=[first, second], standing=standing)
        assert proof.releases == 1 + len({id(first), id(second)} - {id(released)})
        assert (proof.held == (2026,)) == (released is not None)
        if released is not None:
            assert proof.statement[["n", "successes"]].equals(released[["n", "successes"]])


def test_another_minimum_cell_is_not_held_back(weekly):
    _, first = weekly[0]
    counts, _ = weekly[1]
    proof = prove(counts, DIMENSIONS, 2 * MINIMUM, earlier=[first.statement], standing=first.statement)
    assert not proof.held and set(proof.statement["minimum_cell"]) == {2 * MINIMUM}


def test_kept_worlds_prove_a_release_beside_the_earlier_ones_again(releases, tmp_path):
    """And the release itself, which is among those published when it is proven again, adds nothing."""
    counts, proof = releases[-1]
    kept = tmp_path / "witness.npz"
    proof.keep(kept)
    earlier = [of.statement for _, of in releases]
    again = prove(counts, DIMENSIONS, MINIMUM, kept, earlier)
    pd.testing.assert_frame_equal(again.base, proof.base)
    assert again.asked == proof.asked
    # Without what was said before they are worlds of something else.
    assert prove(counts, DIMENSIONS, MINIMUM, kept).asked < proof.asked


def test_statements_are_kept_by_release_and_forgotten_with_it(releases, tmp_path):
    folder, made = tmp_path / "said", [tmp_path / str(number) for number in range(3)]
    for release, (_, proof) in zip(made, releases, strict=True):
        (release / "data").mkdir(parents=True)
        (release / "data" / "gap_metrics.parquet").write_bytes(release.name.encode())
        remember(folder, release, proof.statement)
    assert {file.stat().st_mode & 0o077 for file in folder.iterdir()} == {0}
    found = remembered(folder, made)
    assert [*found] == ["0", "1", "2"]
    counts, proof = releases[2]
    for statement, (_, of) in zip(found.values(), releases, strict=True):
        pd.testing.assert_frame_equal(statement, of.statement, check_dtype=False)
    again = prove(counts, DIMENSIONS, MINIMUM, earlier=[*found.values()][:2])
    pd.testing.assert_frame_equal(again.base, proof.base)
    remember(folder, made[0], proof.statement)
    assert len(list(folder.iterdir())) == 3, "a release that comes back has its place"
    assert len(remembered(folder, made[1:])) == 2
    assert len(list(folder.iterdir())) == 2
