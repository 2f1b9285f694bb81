"""What is hidden: the small, and enough more. Checked against systems written out here from nothing but the
published rows."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.disclosure.marts import protect_marts
from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.suppress import Protection, suppress
from equity_pipeline.domain.errors import DisclosureError
from tests.disclosure import tables
from tests.disclosure.test_elimination import echelon, in_row_space

DIMENSIONS = pd.DataFrame(
    [
        ("all_students", None, "yes", None, "all"),
        ("race_ethnicity", "white", "yes", None, "all"),
        ("student_of_color", "no", "yes", None, "all"),
        ("homeless", "no", "yes", None, "all"),
        ("race_ethnicity*homeless", "white*no", "yes", "race_ethnicity;homeless", "district"),
    ],
    columns=["dimension", "reference_subgroup", "partitioning", "crosses", "publish_level"],
)
RACES = ["white", "black", "asian", "unknown"]
COLORED = {"white": "no", "unknown": "unknown"}


def small_district(finest: dict[tuple[str, str, str], tuple[int, int]]) -> pd.DataFrame:
    """Cells of metric `m` and year 2026 from the counts of school × race × homeless."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for (school, race, homeless), (n, s) in finest.items():
        for place in (school, "_all"):
            for group in (
                ("all_students", "all"),
                ("race_ethnicity", race),
                ("student_of_color", COLORED.get(race, "yes")),
                ("homeless", homeless),
                *([("race_ethnicity*homeless", f"{race}*{homeless}")] if place == "_all" else []),
            ):
                cell = found.setdefault((place, *group), [0, 0])
                cell[0] += n
                cell[1] += s
    return pd.DataFrame(
        [(2026, "m", *key, n, s) for key, (n, s) in sorted(found.items())], columns=[*CELL, "n", "successes"]
    )


def written_out(cells: pd.DataFrame, shown: set, rest_shown: set) -> tuple[list, Callable]:
    """(statements, what a group and a count are): every published number as a vector over the finest counts,
    for both `n` and `successes`.

    Over the finest cross of school × race × homeless no equation is left to state: every group is a sum of
    them.
    """
    schools = sorted(set(cells["school_id"]) - {"_all"})
    finest = list(itertools.product(schools, RACES, ["yes", "no"], ["n", "s"]))

    def vector(group: tuple, count: str) -> list[int]:
        return [
            int(count == c and holds(group, school, race, homeless)) for school, race, homeless, c in finest
        ]

    statements = []
    for group in shown:
        statements += [vector(group, "n"), vector(group, "s")]
    for place, dimension, subgroup in rest_shown:
        others = [
            g for g in set(map(tuple, cells[["school_id", "dimension", "subgroup"]].to_numpy()))
            if g[:2] == (place, dimension) and g[2] != subgroup and "unknown" not in g[2].split("*")
        ]  # fmt: skip
        for count in "ns":
            statements.append(
                [sum(column) for column in zip(*(vector(g, count) for g in others), strict=True)]
            )
    return statements, vector


def holds(group: tuple[str, str, str], school: str, race: str, homeless: str) -> bool:
    place, dimension, subgroup = group
    if place not in ("_all", school):
        return False
    value = {"all_students": "all", "race_ethnicity": race, "homeless": homeless,
             "student_of_color": COLORED.get(race, "yes"), "race_ethnicity*homeless": f"{race}*{homeless}"}  # fmt: skip
    return value[dimension] == subgroup


@st.composite
def districts(draw: st.DrawFn) -> pd.DataFrame:
    schools = draw(st.sampled_from([["1"], ["1", "2"], ["1", "2", "3"]]))
    sizes = st.sampled_from([0, 1, 3, 6, 12, 20, 45])
    finest = {}
    for key in itertools.product(schools, RACES, ["yes", "no"]):
        n = draw(sizes)
        if n:
            finest[key] = (n, draw(st.integers(0, n)))
    if not finest:
        finest[schools[0], "white", "no"] = (30, 15)
    return small_district(finest)


def groups(cells: set) -> set[tuple[str, str, str]]:
    return {tuple(cell.group) for cell in cells}


@settings(max_examples=40, deadline=None)
@given(districts(), st.sampled_from([3, 5, 10]))
def test_no_hidden_count_is_a_combination_of_published_ones(cells: pd.DataFrame, minimum_cell: int) -> None:
    decided = suppress(cells, DIMENSIONS, minimum_cell)
    statements, vector = written_out(cells, groups(decided.shown), groups(decided.rest_shown))
    span = echelon(statements)
    for group in groups(decided.hidden):
        n, s = vector(group, "n"), vector(group, "s")
        for secret in (n, s, [a - b for a, b in zip(n, s, strict=True)]):
            assert not in_row_space(span, secret)


@settings(max_examples=40, deadline=None)
@given(districts(), st.sampled_from([3, 5, 10]))
def test_no_small_count_is_shown_and_every_cell_is_decided(cells: pd.DataFrame, minimum_cell: int) -> None:
    decided = suppress(cells, DIMENSIONS, minimum_cell)
    assert (
        decided.shown | decided.hidden | decided.not_measured
        == decided.shown ^ decided.hidden ^ decided.not_measured
    )
    assert len(decided.shown | decided.hidden) == len(cells)
    counts = {(r.school_id, r.dimension, r.subgroup): (r.n, r.successes) for r in cells.itertuples()}
    for group in groups(decided.shown):
        n, s = counts[group]
        assert min(n, s, n - s) >= minimum_cell
    for place, dimension, subgroup in groups(decided.rest_shown):
        others = [
            c
            for g, c in counts.items()
            if g[:2] == (place, dimension) and g[2] != subgroup and "unknown" not in g[2].split("*")
        ]
        n, s = (sum(c[i] for c in others) for i in (0, 1))
        assert min(n, s, n - s) >= minimum_cell


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.floats(0, 1)), min_size=4, max_size=5), st.integers(2, 3))
def test_every_hidden_count_of_one_school_has_a_second_whole_number_world(
    sizes: list, minimum_cell: int
) -> None:
    """Enumeration of all tables of one school × race that agree with what is shown, successes included."""
    dimensions = DIMENSIONS[DIMENSIONS["dimension"].isin(["all_students", "race_ethnicity"])]
    races = ["white", "black", "asian", "hispanic", "two_or_more"][: len(sizes)]
    truth = {race: (n, round(n * share)) for race, (n, share) in zip(races, sizes, strict=True)}
    total = tuple(map(sum, zip(*truth.values(), strict=True)))
    cells = pd.DataFrame(
        [(2026, "m", "1", "race_ethnicity", race, *c) for race, c in truth.items()]
        + [(2026, "m", "1", "all_students", "all", *total)],
        columns=[*CELL, "n", "successes"],
    )
    decided = suppress(cells, dimensions, minimum_cell)
    shown = {cell.group.subgroup for cell in decided.shown}
    if "all" not in shown:
        return
    hidden = [race for race in races if race not in shown]
    left = [total[i] - sum(truth[race][i] for race in shown - {"all"}) for i in (0, 1)]
    for i, race in enumerate(hidden):
        worlds = set()
        for ns in compositions(left[0], len(hidden)):
            if sum(ns) >= left[1]:
                others = left[0] - ns[i]
                worlds |= {(ns[i], s) for s in range(max(0, left[1] - others), min(ns[i], left[1]) + 1)}
        n, s = truth[race]
        assert (n, s) in worlds
        assert len({w[0] for w in worlds}) > 1
        assert len({w[1] for w in worlds}) > 1
        assert len({w[0] - w[1] for w in worlds}) > 1


def compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    if parts == 0:
        return []
    if parts == 1:
        return [(total,)]
    return [(first, *rest) for first in range(total + 1) for rest in compositions(total - first, parts - 1)]


def test_the_smallest_neighbour_at_the_school_goes_and_the_district_stays() -> None:
    people = {
        (school, race, "no"): (n, n // 2)
        for school in ("1", "2", "3")
        for race, n in (("white", 200), ("black", 90 if school == "1" else 60), ("asian", 50))
    }
    people["1", "asian", "no"] = (6, 3)
    decided = suppress(small_district(people), DIMENSIONS, 10)
    hidden = {g for g in groups(decided.hidden) if g[1] == "race_ethnicity"}
    # A rectangle of two schools and two races; of the races that could stand beside, the smaller one.
    assert {g[2] for g in hidden} == {"asian", "black"}
    assert len({g[0] for g in hidden}) == 2
    assert len(hidden) == 4
    assert ("_all", "all_students", "all") in groups(decided.shown)
    assert not {g for g in groups(decided.hidden) if g[0] == "_all" and "*" not in g[1]}


def test_two_hidden_groups_that_have_no_success_between_them_need_a_third() -> None:
    people = {
        ("1", "white", "no"): (90, 40),
        ("1", "black", "no"): (60, 30),
        ("1", "asian", "no"): (20, 0),
        ("1", "unknown", "no"): (15, 0),
    }
    decided = suppress(small_district(people), DIMENSIONS, 10)
    assert len({g for g in groups(decided.hidden) if g[:2] == ("1", "race_ethnicity")}) > 2


def test_students_of_color_do_not_give_away_the_one_race_that_is_hidden() -> None:
    people = {("1", "white", "no"): (90, 40), ("1", "black", "no"): (60, 30), ("1", "asian", "no"): (6, 3)}
    hidden = groups(suppress(small_district(people), DIMENSIONS, 10).hidden)
    # Asian = students of color - black, and all - white - black: both ways are closed.
    assert ("1", "race_ethnicity", "asian") in hidden
    assert ("1", "student_of_color", "yes") in hidden or ("1", "race_ethnicity", "black") in hidden


def test_takers_are_no_way_to_the_share_that_did_not_take() -> None:
    """exam_taken.n is ap_ib_enrollment.successes, its successes are exam_passed_of_takers.n: its difference
    is then no secret."""
    rows = [
        (2026, metric, "1", *group, n, s)
        for group, enrolled, taken, passed in (
            (("all_students", "all"), 400, 300, 150),
            (("homeless", "no"), 360, 290, 140),
            (("homeless", "yes"), 40, 35, 20),
        )
        for metric, n, s in (
            ("ap_ib_enrollment", 2 * enrolled, enrolled),
            ("exam_taken", enrolled, taken),
            ("exam_passed_of_takers", taken, passed),
        )
    ]
    cells = pd.DataFrame(rows, columns=[*CELL, "n", "successes"])
    dimensions = DIMENSIONS[DIMENSIONS["dimension"].isin(["all_students", "homeless"])]
    decided = suppress(cells, dimensions, 10)
    small = {(c.metric_id, c.group.subgroup) for c in decided.small}
    assert small == {("exam_taken", "yes")}
    hidden = {(c.metric_id, c.group.subgroup) for c in decided.hidden}
    assert ("ap_ib_enrollment", "yes") in hidden or ("exam_passed_of_takers", "yes") in hidden


def test_the_order_of_rows_does_not_matter() -> None:
    gaps = tables.district(seed=5, schools=2, size=200, years=1)["gap_metrics"]
    cells = gaps[[*CELL, "n", "successes"]].drop_duplicates()
    first = suppress(cells, tables.DIMENSIONS, 10)
    for seed in range(3):
        order = list(range(len(cells)))
        random.Random(seed).shuffle(order)
        assert suppress(cells.iloc[order], tables.DIMENSIONS.iloc[::-1], 10) == first


def test_one_group_with_two_different_counts_stops_the_release() -> None:
    cells = small_district({("1", "white", "no"): (90, 40)})
    twice = pd.concat([cells, cells.assign(n=91)])
    with pytest.raises(DisclosureError, match="two different counts"):
        suppress(twice, DIMENSIONS, 10)


def test_more_successes_than_students_stop_the_release() -> None:
    with pytest.raises(DisclosureError, match="more successes"):
        suppress(small_district({("1", "white", "no"): (40, 90)}), DIMENSIONS, 10)


def test_what_is_not_measured_is_neither_shown_nor_hidden() -> None:
    cells = small_district({("1", "white", "no"): (90, 40), ("1", "black", "no"): (50, 20)})
    cells = cells.astype({"n": "Int64", "successes": "Int64"})
    cells[["n", "successes"]] = pd.NA
    decided = suppress(cells, DIMENSIONS, 10)
    assert decided == Protection(frozenset(), frozenset(), decided.not_measured, frozenset(), frozenset())
    assert len(decided.not_measured) == len(cells)


def test_a_realistic_district_keeps_its_large_groups() -> None:
    """Four of five district comparisons of two groups of 100 and more stay: hiding everything would be safe
    as well."""
    marts = tables.district(seed=3, schools=4, size=600, years=1)
    before, after = marts["gap_metrics"], protect_marts(marts, 10, tables.DIMENSIONS)["gap_metrics"]
    large = (before["n"] >= 100) & (before["reference_n"] >= 100) & before["gap"].notna()
    large &= (
        (before["school_id"] == "_all")
        & (before["reference"] == "designated")
        & (before["metric_id"] == "ap_ib_enrollment")
    )
    assert large.sum() > 8
    assert after.loc[large, "gap"].notna().mean() >= 0.8


def test_totals_that_a_partner_left_incomplete_do_not_stop_the_release() -> None:
    """Schools without their small groups: the district's group would have to be empty, which no published number says."""
    people = {
        (school, race, "no"): (n, n // 2)
        for school in ("1", "2")
        for race, n in (("white", 90), ("black", 60), ("asian", 6))
    }
    cells = small_district(people)
    partial = cells[(cells["school_id"] == "_all") | (cells["subgroup"] != "asian")]
    decided = suppress(partial, DIMENSIONS, 10)
    assert ("_all", "race_ethnicity", "asian") in groups(decided.hidden)
    assert ("_all", "all_students", "all") in groups(decided.shown)
    assert {g for g in groups(decided.shown) if g[1] == "race_ethnicity"}
