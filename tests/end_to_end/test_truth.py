"""Every number of every mart equals the truth, worked out a second time from the generator's own tables."""

import pandas as pd
import pytest

from tests.end_to_end.conftest import mart
from tests.end_to_end.truth import recompute

PARTNERS = ["riverside_usd", "lakeview_sd", "cedar_valley_isd", "harborview_ps", "prairie_rose_sd"]
CELL = ["school_year", "school_id", "metric_id", "dimension", "subgroup", "reference"]


def assert_equal(actual: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    """The same rows, and in every column of `expected` the same whole numbers, words and blanks, and the same real
    numbers to 1e-9. Says columns, counts and keys of groups; the sample's people are invented."""
    assert not actual.duplicated(keys).any() and not expected.duplicated(keys).any()
    both = actual.merge(expected, on=keys, how="outer", suffixes=("", "|true"), indicator="which")
    odd = both[both["which"] != "both"]
    assert odd.empty, f"{len(odd)} rows on one side only:\n{odd[[*keys, 'which']].head().to_string()}"
    for column in expected.columns.difference(keys):
        ours, true = both[column], both[f"{column}|true"]
        wrong = ours.isna() != true.isna()
        told = ours.notna() & true.notna()
        if pd.api.types.is_float_dtype(true.dtype):
            wrong[told] = (ours[told].astype(float) - true[told].astype(float)).abs() > 1e-9
        else:
            wrong[told] = ours[told].astype(object) != true[told].astype(object)
        shown = both.loc[wrong, [*keys, column, f"{column}|true"]].head().to_string()
        assert not wrong.any(), f"{column}: {wrong.sum()} of {len(both)} rows differ:\n{shown}"


@pytest.fixture(scope="session")
def true_gaps(demo):
    return {
        partner_id: recompute.gap_metrics(district.tables) for partner_id, district in demo.districts.items()
    }


@pytest.fixture(scope="session")
def true_closures(demo, true_gaps):
    return {
        partner_id: recompute.gap_closure(true_gaps[partner_id], district.partner_file)
        for partner_id, district in demo.districts.items()
    }


@pytest.mark.parametrize("partner_id", PARTNERS)
def test_gap_metrics(demo, true_gaps, partner_id):
    actual = mart(demo.home, partner_id, "gap_metrics")
    assert len(actual) > 1_000
    assert_equal(actual, true_gaps[partner_id], [*CELL, "grade_level"])


@pytest.mark.parametrize("partner_id", PARTNERS)
def test_gap_closure(demo, true_closures, partner_id):
    assert_equal(mart(demo.home, partner_id, "gap_closure"), true_closures[partner_id], CELL)


@pytest.mark.parametrize("partner_id", PARTNERS)
@pytest.mark.parametrize("name", ["access", "success", "tools_package"])
def test_marts_for_one_reader_say_what_the_truth_says(demo, true_gaps, true_closures, partner_id, name):
    """These marts choose rows and columns: every figure in them must be the truth's of the same row."""
    gaps, closure = true_gaps[partner_id], true_closures[partner_id]
    figures = gaps[gaps["grade_level"] == "_all"].merge(
        closure[[*CELL, *closure.columns.difference(gaps.columns)]], on=CELL
    )
    actual = mart(demo.home, partner_id, name)
    if "reference" not in actual:
        actual["reference"] = "designated"
    expected = figures[[*CELL, *actual.columns.intersection(figures.columns.difference(CELL))]]
    expected = expected.merge(actual[CELL], on=CELL)
    assert len(expected.columns) > len(CELL) + 5
    assert_equal(actual, expected, CELL)


@pytest.mark.parametrize("partner_id", ["lakeview_sd", "riverside_usd"])
def test_marts_of_programmes_and_of_three_years(demo, true_gaps, true_closures, partner_id):
    gaps, closure, district = true_gaps[partner_id], true_closures[partner_id], demo.districts[partner_id]
    place = ["school_year", "school_id", "dimension", "subgroup"]
    assert_equal(
        mart(demo.home, partner_id, "sustainability"), recompute.sustainability(gaps, closure), place
    )
    for program in ("tools_package", "equity_leader_lab"):
        expected = recompute.clients(gaps, closure, district.partner_file, program)
        assert_equal(mart(demo.home, partner_id, program), expected, [*place, "metric_id"])
    assert_equal(
        mart(demo.home, partner_id, "course_funnel"),
        recompute.course_funnel(district.tables),
        [*place, "step"],
    )


@pytest.mark.parametrize("partner_id", PARTNERS)
def test_no_released_status_says_closed_of_an_open_gap_or_open_of_a_closed_one(demo, partner_id):
    closed = {"closed", "maintained_closed", "reversed"}
    exact = mart(demo.home, partner_id, "gap_closure")[[*CELL, "status"]]
    exact = exact[exact["status"] != "not_measurable"]
    released = pd.read_parquet(demo.home.releases(partner_id) / "latest" / "data" / "gap_closure.parquet")
    released = released[released["status"].notna() & (released["status"] != "not_measurable")]
    both = released.merge(exact, on=CELL, suffixes=("", "|true"))
    assert len(both) > 10
    wrong = both["status"].isin(closed) != both["status|true"].isin(closed)
    assert not wrong.any(), both.loc[wrong, [*CELL, "status", "status|true"]].head().to_string()


@pytest.mark.parametrize("partner_id", PARTNERS)
def test_nearly_all_gaps_between_large_groups_are_released(demo, partner_id):
    """Of one-way gaps with 30 students or more on either side: at the district 97 %, at schools 85 %."""
    exact = mart(demo.home, partner_id, "gap_metrics")
    large = exact[
        (exact["n"] >= 30) & (exact["reference_n"] >= 30) & exact["gap"].notna() & (exact["grade_level"] == "_all")
        & ~exact["dimension"].str.contains("*", regex=False)
    ][CELL]  # fmt: skip
    released = pd.read_parquet(demo.home.releases(partner_id) / "latest" / "data" / "gap_metrics.parquet")
    both = large.merge(released[[*CELL, "gap"]], on=CELL)  # what is not published at all is no part of it
    at_district = both["school_id"] == "_all"
    assert at_district.sum() > 100 and (~at_district).sum() > 100
    assert both["gap"].notna()[at_district].mean() >= 0.97
    assert both["gap"].notna()[~at_district].mean() >= 0.85
