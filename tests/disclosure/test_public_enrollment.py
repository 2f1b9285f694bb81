"""Releases beside public numbers of students: what is promised to hold for someone who knows these, against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.proof import Proof, prove
from equity_pipeline.disclosure.suppression import C, X, publish
from equity_pipeline.disclosure.worlds import Prover, Year
from equity_pipeline.domain.errors import DisclosureError, EquityError
from equity_pipeline.partners import registry
from equity_pipeline.partners.registry import Privacy
from equity_pipeline.publishing.release import publish as publish_release
from tests.disclosure import test_enumerated as nested
from tests.disclosure import test_worlds as flat
from tests.disclosure.conftest import PARTNER, District

CROSSED = pd.DataFrame(
    [
        ("all_students", "yes", None, "all"), ("homeless", "yes", None, "all"), ("sex", "yes", None, "all"),
        ("homeless*sex", "yes", "homeless;sex", "all"),
    ],
    columns=["dimension", "partitioning", "crosses", "publish_level"],
)  # fmt: skip
PAIRS = [(a, b) for a in ("yes", "no") for b in ("female", "male")]
# Which of the four crossings are in each group.
WITHIN = {
    ("all_students", "all"): [0, 1, 2, 3], ("homeless", "yes"): [0, 1], ("homeless", "no"): [2, 3], ("sex", "female"): [0, 2],
    ("sex", "male"): [1, 3], **{("homeless*sex", f"{a}*{b}"): [i] for i, (a, b) in enumerate(PAIRS)},
}  # fmt: skip


def public(dimensions: pd.DataFrame, *known: str) -> pd.DataFrame:
    return dimensions.assign(public=dimensions["dimension"].isin(known))


def crossed(n: np.ndarray, s: np.ndarray) -> pd.DataFrame:
    """Students and successes of the crossings that there are, and of all that they add up to."""
    rows = [
        (2026, "ap_ib_enrollment", "1", *group, n[of].sum(), s[of].sum())
        for group, of in WITHIN.items()
        if n[of].sum()
    ]
    return pd.DataFrame(rows, columns=[*CELL, "n", "successes"]).sort_values(CELL, ignore_index=True)


def every_table(n: np.ndarray, counts: pd.DataFrame, known: tuple[str, ...]) -> np.ndarray:
    """Table × cell × (n, s): all tables with the public numbers of students of this one, and with someone in the same crossings,
    whatever a release says."""
    guess = np.array([*itertools.product(*(range(n.sum() + 1) if k else (0,) for k in n))])
    fits = ((guess > 0) == (n > 0)).all(axis=1)
    for (dimension, _), of in WITHIN.items():
        if dimension in (*known, "all_students"):
            fits &= guess[:, of].sum(axis=1) == n[of].sum()
    tables = [
        (students, successes)
        for students in guess[fits]
        for successes in itertools.product(*(range(k + 1) for k in students))
    ]
    made = np.array(tables)
    of = [WITHIN[d, s] for d, s in zip(counts["dimension"], counts["subgroup"], strict=True)]
    return np.stack([made[:, :, cells].sum(axis=2) for cells in of], axis=1)


def same_release(tables: np.ndarray, proof: Proof, minimum_cell: int) -> np.ndarray:
    """Of which tables the same is said."""
    alike = np.ones(len(tables), bool)
    base = proof.base.drop(columns="withheld").reset_index(drop=True)
    for cell, withheld in enumerate(proof.base["withheld"]):
        said = publish(tables[:, cell, 0], tables[:, cell, 1], minimum_cell, withheld=bool(withheld))
        alike &= (said == base.iloc[cell]).all(axis=1).to_numpy()
    return alike


def apart(values: np.ndarray, true: int) -> int:
    """How far apart the least and the most are, for someone who knows one of those counted."""
    return int(values.max() - values[values >= min(true, C)].min())


@settings(max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=4, max_size=4), st.lists(st.floats(0, 1), min_size=4, max_size=4))
@pytest.mark.parametrize("known", [("homeless", "sex"), ("homeless",)])
def test_of_crossed_groups_all_stays_open_that_the_public_numbers_leave_open(known, sizes, shares):
    """Some crossings have nobody, so that others follow from the public numbers alone: of these nothing more is promised."""
    n = np.array(sizes)
    assume(n.any())
    counts = crossed(n, np.round(n * np.array(shares)).astype(int))
    try:
        proof = prove(counts, public(CROSSED, *known), 10)
    except DisclosureError:
        return  # nothing is published
    tables = every_table(n, counts, known)
    left = tables[same_release(tables, proof, 10)]
    prover = Prover(Year.of(counts, public(CROSSED, *known), 10), proof.base["withheld"].to_numpy())
    asked = {*zip(prover.asked.cell, prover.asked.students, prover.asked.successes, strict=True)}
    hidden = proof.base["hidden"].to_numpy()
    for cell, dimension in enumerate(counts["dimension"]):
        for of in ((1, 0), (0, 1), (1, -1)):
            if dimension in (*known, "all_students") and of == (1, 0):
                assert (cell, *of) not in asked
                continue
            assert (cell, *of) in asked or not hidden[cell]
            if (cell, *of) in asked:
                true = int(counts.loc[cell, ["n", "successes"]] @ of)
                assert apart(left[:, cell] @ of, true) >= min(apart(tables[:, cell] @ of, true), X)
        if tables[:, cell, 0].max() > 1:
            assert ((left[:, cell, 1] > 0) & (left[:, cell, 1] < left[:, cell, 0])).any()


def test_crossed_groups_are_published_beside_public_numbers():
    """One crossing has nobody, and each of its margins a few students: their crossings follow from these."""
    counts = crossed(np.array([2, 0, 3, 30]), np.array([1, 0, 0, 12]))
    proof = prove(counts, public(CROSSED, "homeless", "sex"), 10)
    assert proof.public == ("homeless", "sex") and proof.limited
    assert not proof.base["hidden"].all()
    assert proof.summary()["counts_limited_by_public_enrollment"] == proof.limited
    assert prove(counts, CROSSED, 10).summary()["public_enrollment"] == []


@settings(max_examples=15)
@given(
    st.lists(
        st.integers(1, 16).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=2, max_size=2
    )
)
@example([(2, 1), (10, 5)])
def test_where_the_total_is_public_all_stays_open_that_it_leaves_open(pairs):
    """Of twelve students, of whom ten or more are told of, someone who knows the total would know that one or two are left."""
    counts = flat.table(dict(zip(("yes", "no"), pairs, strict=True)))
    dimensions = public(flat.DIMENSIONS, "all_students")
    try:
        proof = prove(counts, dimensions, 10)
    except DisclosureError:
        return  # nothing is published
    withheld = proof.base["withheld"].to_numpy()
    year = Year.of(counts, dimensions, 10)
    prover, worlds = Prover(year, withheld), flat.every_world(year, withheld)
    everyone = next(i for i, group in enumerate(year.group) if year.groups[group].dimension == "all_students")
    total = int(counts["n"][everyone])
    worlds = worlds[worlds[:, everyone, 0] == total]
    for cell, *of in zip(*prover.asked[:3], strict=True):
        true = int(counts.loc[cell, ["n", "successes"]] @ of)
        low, high = (1, total - 1) if of == [1, 0] else (min(true, C), total - (cell != everyone))
        assert apart(worlds[:, cell] @ of, true) >= min(X, high - low)
    assert {cell for cell, n, s, _ in zip(*prover.asked, strict=True) if (n, s) == (1, 0)} == {
        cell for cell in np.flatnonzero(proof.base["hidden"]) if cell != everyone
    }


def test_what_is_public_is_hidden_from_who_does_not_know_it():
    """Two groups of a student each are hidden beside ten others of twelve: each would be one to three to who knows no number."""
    counts = flat.table({"yes": (1, 0), "unknown": (1, 1), "no": (10, 5)})
    unread = prove(counts, flat.DIMENSIONS, 10).base["withheld"]
    assert unread.any()
    assert prove(counts, public(flat.DIMENSIONS, "homeless"), 10).base["withheld"][unread].all()


@settings(max_examples=12)
@given(nested.nested(8), nested.nested(14))
def test_of_nested_metrics_all_stays_open_that_the_public_numbers_leave_open(few, many):
    """Enrolled and takers of two groups that are everyone, whose numbers of students are known."""
    counts = nested.table({"yes": few, "no": many})
    dimensions = public(nested.DIMENSIONS, "homeless")
    try:
        proof = prove(counts, dimensions, 10)
    except DisclosureError:
        return  # nothing is published
    if proof.base["withheld"].any():
        return
    year = Year.of(counts, dimensions, 10)
    prover, worlds = Prover(year), nested.every_world(year)
    # Who does not know the public numbers is not told them.
    for world_of, hidden in zip(
        year.group[year.n == 0], proof.base["hidden"].to_numpy()[year.n == 0], strict=True
    ):
        assert not hidden or np.ptp(worlds[:, world_of, 0]) >= X
    students = year.values[year.names.index(("ap_ib_enrollment", "n"))]
    worlds = worlds[(worlds[:, :, 0] == students).all(axis=1)]
    names = [("ap_ib_enrollment", "n"), ("ap_ib_enrollment", "successes"), ("exam_taken", "successes")]
    rows = [year.names.index(name) for name in names]
    for world in proof.worlds[2026]:
        assert (world[rows[0]] == students).all()
    for cell, of_n, of_s in zip(*prover.asked[:3], strict=True):
        n, s = (rows.index(q[cell]) for q in (year.n, year.s))
        assert not (of_s == 0 and n == 0)
        group, size = year.group[cell], int(students[year.group[cell]])
        values = of_n * worlds[:, group, n] + of_s * worlds[:, group, s]
        true = of_n * counts["n"][cell] + of_s * counts["successes"][cell]
        assert apart(values, true) >= min(X, size - min(true, C))
        assert size == 1 or ((worlds[:, group, s] > 0) & (worlds[:, group, s] < worlds[:, group, n])).any()


def test_a_world_with_other_public_numbers_is_no_witness():
    counts = flat.table({"yes": (4, 2), "no": (40, 22)})
    year = Year.of(counts, public(flat.DIMENSIONS, "homeless"), 10)
    [few] = [i for i, group in enumerate(year.groups) if group.subgroup == "yes"]
    [many] = [i for i, group in enumerate(year.groups) if group.subgroup == "no"]
    world = year.values.copy()
    world[:, few] += 1
    world[:, many] -= 1
    assert Prover(Year.of(counts, flat.DIMENSIONS, 10)).consistent(world)
    assert not Prover(year).consistent(world)


def test_what_was_told_before_numbers_became_public_is_proven_beside_them():
    """The same again where that still holds; and not where a cell that is shown would have to be hidden."""
    counts = flat.table({"yes": (4, 2), "no": (40, 22)})
    first = prove(counts, flat.DIMENSIONS, 10)
    known = public(flat.DIMENSIONS, "homeless")
    again = prove(counts, known, 10, earlier=[first.statement], standing=first.statement)
    said = ["hidden", "n", "low", "high"]
    assert again.base[said].equals(first.base[said])
    assert again.narrowest >= X


def test_what_was_told_before_can_be_too_much_beside_public_numbers_and_the_refusal_says_so():
    counts = crossed(np.array([12, 40, 5, 0]), np.array([6, 32, 1, 0]))
    first, known = prove(counts, CROSSED, 10), public(CROSSED, "homeless", "sex")
    assert prove(counts, known, 10).narrowest >= X  # as a first release it can be told
    with pytest.raises(DisclosureError, match=r"2025-26: .*privacy\.public_enrollment` \(homeless, sex\)"):
        prove(counts, known, 10, earlier=[first.statement], standing=first.statement)


def test_a_dimension_that_is_none_is_refused(district: District) -> None:
    """Else a word misspelt would leave the numbers unprotected."""
    who = registry.load_all(district.home)[PARTNER]
    who = who.model_copy(update={"privacy": Privacy(public_enrollment=("race", "sex"))})
    with pytest.raises(
        EquityError,
        match=r"partners/harborview_ps.yml: privacy.public_enrollment: no dimension race; there are all_",
    ):
        publish_release(district.home, who)
