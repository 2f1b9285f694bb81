"""Every statistic on random counts, against statsmodels and scipy and against a second reckoning in whole numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_effectsize, proportions_ztest

from tests.end_to_end.truth import recompute

RACES = ("asian", "black", "hispanic", "two_or_more", "white", "unknown")
YEAR = 2030
METRICS = ("ap_ib_enrollment", "suspended_any")  # one of each direction

counts_of_a_group = st.one_of(
    st.integers(0, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    st.integers(0, 4000).flatmap(lambda n: st.tuples(st.just(n), st.sampled_from([0, n, n // 2, n // 3]))),
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
)
place = st.dictionaries(st.sampled_from(RACES), counts_of_a_group, min_size=1)


def rows_of(workshop, places: list[dict[str, tuple[int, int]]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The counts of schools `0`, `1` … and what gap_metrics makes of them."""
    counts = pd.DataFrame(
        [
            (YEAR, str(school), "_all", metric, dimension, subgroup, n, successes)
            for school, groups in enumerate(places)
            for metric in METRICS
            for dimension, subgroup, n, successes in [
                *(("race_ethnicity", race, *of) for race, of in groups.items()),
                ("all_students", "all", *(sum(of[i] for of in groups.values()) for i in (0, 1))),
            ]
        ],
        columns=[
            "school_year",
            "school_id",
            "grade_level",
            "metric_id",
            "dimension",
            "subgroup",
            "n",
            "successes",
        ],
    )
    workshop.connection.register("given_counts", counts)
    workshop.connection.execute(
        "create or replace table intermediate.int_subgroup_counts as select *, cast(null as varchar) as reason, "
        "'students' as counted_from from given_counts"
    )
    workshop.connection.execute(
        f"create or replace table intermediate.int_year_versions as select * replace ({YEAR} as school_year) "
        "from intermediate.int_year_versions limit 1"
    )
    workshop.make("int_references", "int_p_values", "gap_metrics")
    return counts, workshop.frame("select * from marts.gap_metrics")


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(places=st.lists(place, min_size=1, max_size=6))
def test_all_columns_equal_the_second_reckoning(workshop, places):
    counts, actual = rows_of(workshop, places)
    expected = recompute.compare(counts.assign(not_measured=None))
    keys = ["school_id", "metric_id", "dimension", "subgroup", "reference"]
    both = actual.merge(expected, on=keys, how="outer", suffixes=("", "|true"), indicator="side")
    assert set(both["side"]) == {"both"}
    for column in expected.columns.difference(keys):
        if f"{column}|true" not in both:
            continue
        ours, true = both[column], both[f"{column}|true"]
        assert (ours.isna() == true.isna()).all(), column
        told = ours.notna()
        if pd.api.types.is_float_dtype(true.dtype):
            difference = (ours[told].astype(float) - true[told]).abs()
            assert (difference <= 1e-9 * true[told].abs().clip(lower=1)).all(), column
        else:
            assert ours[told].astype(object).tolist() == true[told].astype(object).tolist(), column


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(places=st.lists(place, min_size=1, max_size=4))
def test_intervals_effects_and_p_values_equal_those_of_statsmodels(workshop, places):
    _, rows = rows_of(workshop, places)
    apart = rows[rows["gap_low"].notna()]
    for row in apart.itertuples():
        pair = (row.successes, row.n, row.reference_successes, row.reference_n)
        low, high = confint_proportions_2indep(*pair, method="newcomb", compare="diff")
        assert (row.gap_low, row.gap_high) == pytest.approx((low, high), abs=1e-9)
        assert row.cohens_h == pytest.approx(proportion_effectsize(row.rate, row.reference_rate), abs=1e-9)
        if 0 < row.successes + row.reference_successes < row.n + row.reference_n:
            _, p_value = proportions_ztest([row.successes, row.reference_successes], [row.n, row.reference_n])
            assert row.p_value == pytest.approx(p_value, rel=1e-9, abs=1e-300)
        else:
            assert row.p_value == 1
        if not math.isnan(row.odds_ratio):
            table = [
                [row.successes, row.n - row.successes],
                [row.reference_successes, row.reference_n - row.reference_successes],
            ]
            assert row.odds_ratio == pytest.approx(
                stats.contingency.odds_ratio(table, kind="sample").statistic, rel=1e-9
            )
    assert rows.loc[rows["gap_low"].isna(), "p_value"].isna().all()
    for _, family in rows[rows["p_value"].notna()].groupby(["metric_id", "reference"]):
        _, adjusted, *_ = multipletests(family["p_value"], method="fdr_bh")
        assert family["p_value_adjusted"].to_numpy() == pytest.approx(adjusted, rel=1e-9, abs=1e-300)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(places=st.lists(place, min_size=1, max_size=4))
def test_whole_number_columns_equal_counting_by_hand(workshop, places):
    _, rows = rows_of(workshop, places)
    for row in rows.itertuples():
        better = 1 if row.metric_id == "ap_ib_enrollment" else -1
        if pd.isna(row.reference_n) or 0 in (row.n, row.reference_n):
            assert pd.isna(row.students_needed) and pd.isna(row.gap)
            continue
        reference = Fraction(int(row.reference_successes), int(row.reference_n))
        n, successes = int(row.n), int(row.successes)
        needed = next(
            k for k in range(n + 1)
            if better * Fraction(successes + better * k, n) >= better * reference
        )  # fmt: skip
        assert row.students_needed == needed
    for (school, metric), of in rows[rows["dimension"] == "race_ethnicity"].groupby(
        ["school_id", "metric_id"]
    ):
        better = 1 if metric == "ap_ib_enrollment" else -1
        groups = {
            race: Fraction(successes, n) for race, (n, successes) in places[int(school)].items()
            if race != "unknown" and n >= 10
        }  # fmt: skip
        named = set(of.loc[of["reference"] == "highest", "reference_subgroup"].dropna())
        best = {min(groups, key=lambda race: (-better * groups[race], race))} if groups else set()
        assert named == best


def test_rates_of_nought_and_one_one_group_only_ties_and_a_small_reference(workshop):
    places = [
        {"black": (20, 0), "white": (20, 20)},
        {"black": (20, 0), "white": (20, 0)},
        {"black": (20, 5)},
        {"hispanic": (12, 6), "asian": (20, 10), "white": (40, 10)},
        {"black": (50, 10), "white": (9, 9)},
        {"black": (0, 0), "white": (30, 3)},
    ]
    _, rows = rows_of(workshop, places)
    rows = rows[(rows["metric_id"] == "ap_ib_enrollment") & (rows["dimension"] == "race_ethnicity")]
    rows = rows.set_index(["school_id", "subgroup", "reference"])
    apart = rows.loc[("0", "black", "designated")]
    assert apart["gap"] == -1 and apart["rate_ratio"] == 0 and apart["parity_index_adjusted"] == 0
    assert np.isnan(apart["odds_ratio"]) and apart["p_value"] < 1e-9 and apart["gap_low"] == -1
    same = rows.loc[("1", "black", "designated")]
    assert (
        same["gap"] == 0
        and same["p_value"] == 1
        and np.isnan(same["rate_ratio"])
        and same["students_needed"] == 0
    )
    alone = rows.loc[("2", "black")]
    assert alone.loc["rest", "reason"] == alone.loc["designated", "reason"] == "reference_not_available"
    assert alone.loc["highest", "reference_subgroup"] == "black" and np.isnan(alone.loc["highest", "gap_low"])
    assert set(rows.loc["3"].xs("highest", level="reference")["reference_subgroup"]) == {"asian"}
    small = rows.loc[("4", "black", "designated")]
    assert small["reason"] == "small" and not small["reliable"] and small["gap"] == pytest.approx(-0.8)
    assert rows.loc[("4", "black", "highest"), "reference_subgroup"] == "black"
    nobody = rows.loc[("5", "black", "designated")]
    assert nobody["reason"] == "no_students" and pd.isna(nobody["rate"]) and np.isnan(nobody["p_value"])


def test_the_risk_ratio_is_of_discipline_and_says_which_size_is_missed(workshop):
    _, rows = rows_of(workshop, [
        {"black": (100, 30), "white": (200, 20)}, {"black": (29, 12), "white": (200, 20)},
        {"black": (100, 9), "white": (200, 20)}, {"black": (100, 30), "white": (200, 9)},
        {"black": (100, 30), "white": (29, 12)},
    ])  # fmt: skip
    black = rows[(rows["subgroup"] == "black") & (rows["reference"] == "rest")]
    discipline = black[black["metric_id"] == "suspended_any"].sort_values("school_id")
    assert (
        discipline["risk_ratio"].tolist()[0] == pytest.approx(3.0)
        and discipline["risk_ratio"].isna().tolist()[1:] == [True] * 4
    )
    assert discipline["risk_ratio_reason"].fillna("").tolist() == [
        "", "group_n_too_small", "group_cell_too_small", "comparison_cell_too_small", "comparison_n_too_small",
    ]  # fmt: skip
    assert discipline["alternate_risk_ratio_reason"].tolist() == [
        "not_needed", "group_n_too_small", "group_cell_too_small", "state_counts_not_provided", "state_counts_not_provided",
    ]  # fmt: skip
    assert discipline["alternate_risk_ratio"].isna().all()
    others = rows[(rows["metric_id"] == "ap_ib_enrollment") | (rows["reference"] != "rest")]
    assert others[["risk_ratio", "risk_ratio_reason", "alternate_risk_ratio_reason"]].isna().all(axis=None)
