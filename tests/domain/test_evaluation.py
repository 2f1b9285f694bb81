"""Estimates against planted truth, against an independent fit of statsmodels, and against hand arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats

from equity_pipeline.domain import evaluation


@pytest.fixture(scope="module")
def panel():
    """Sixty units, five years, two starts, a few rows missing, weights; the effect is -0.1, then -0.2 from the second year on."""
    dice = np.random.default_rng(11)
    rows = []
    for unit in range(60):
        start = 2024 if unit < 15 else 2025 if unit < 30 else None
        level = dice.normal(0.4, 0.05)
        for year in range(2022, 2027):
            effect = 0.0 if start is None or year < start else -0.1 * min(year - start + 1, 2)
            n = int(dice.integers(80, 120))
            rate = np.clip(level + 0.01 * (year - 2022) + effect + dice.normal(0, 0.02), 0, 1)
            if dice.random() > 0.05:
                rows.append(("I", f"u{unit:02d}", year, n, round(n * rate), start))
    frame = pd.DataFrame(
        rows, columns=["initiative_id", "unit", "school_year", "n", "successes", "first_school_year"]
    )
    return frame.assign(assigned=frame["unit"], first_school_year=frame["first_school_year"].astype("Int64"))


@pytest.fixture
def told(panel):
    return evaluation.evaluate(panel).set_index(["design", "term"])


def fitted_by_statsmodels(panel, formula):
    """A model with a dummy for every unit and year, errors clustered by unit."""
    data = panel.assign(y=panel["successes"] / panel["n"], start=panel["first_school_year"].astype(float))
    data["post"] = (data["school_year"] >= data["start"]).astype(float)
    for start in (2024, 2025):
        for year in range(2022, 2027):
            data[f"g{start}t{year}"] = ((data["start"] == start) & (data["school_year"] == year)).astype(
                float
            )
    for step in (-3, -2, 0, 1, 2):
        data[f"e{step + 5}"] = (data["school_year"] - data["start"] == step).astype(float)
    groups = pd.factorize(data["unit"])[0]
    return smf.wls(f"y ~ {formula}", data, weights=data["n"]).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}, use_t=True
    )


def independent(panel, formula, term):
    fitted = fitted_by_statsmodels(panel, f"{formula} + C(unit) + C(school_year)")
    return fitted.params[term], fitted.bse[term]


CELLS = [f"g{g}t{t}" for g in (2024, 2025) for t in range(2022, 2027) if t != g - 1]


@pytest.mark.parametrize(
    ("design", "term", "formula", "theirs"),
    [
        ("difference_in_differences", "effect", "post", "post"),
        *(
            ("event_study", f"{step:+d}", "e2 + e3 + e5 + e6 + e7", f"e{step + 5}")
            for step in (-3, -2, 0, 1, 2)
        ),
        *(("group_time", f"{c[1:5]} in {c[6:]}", " + ".join(CELLS), c) for c in CELLS),
    ],
)
def test_estimates_and_errors_agree_with_another_library(panel, told, design, term, formula, theirs):
    estimate, error = independent(panel, formula, theirs)
    row = told.loc[(design, term)]
    assert row["estimate"] == pytest.approx(estimate, abs=1e-6)
    assert row["standard_error"] == pytest.approx(error, abs=1e-6)


def test_the_change_of_those_who_took_part_agrees_with_another_library(panel, told):
    """Before and after: those who ever start, against themselves. Units lie within clusters: their levels are taken out beforehand
    (Frisch, Waugh and Lovell) and are no parameters of the clustered error."""
    treated = panel[panel["first_school_year"].notna()]
    post = treated["school_year"] >= treated["first_school_year"]
    both = post.groupby(treated["unit"])
    treated = treated.assign(y=treated["successes"] / treated["n"], post=post.astype(float))
    treated = treated[both.transform("any") & ~both.transform("all")]
    students = treated["n"].groupby(treated["unit"]).transform("sum")
    y, x = (
        treated[c] - (treated[c] * treated["n"]).groupby(treated["unit"]).transform("sum") / students
        for c in ("y", "post")
    )
    fitted = sm.WLS(y, x, weights=treated["n"]).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(treated["unit"])[0], "use_correction": True}
    )
    row = told.loc[("pre_post", "change")]
    assert row["estimate"] == pytest.approx(fitted.params.iloc[0], abs=1e-6)
    assert row["standard_error"] == pytest.approx(fitted.bse.iloc[0], abs=1e-6)


def test_the_average_effect_and_the_test_of_no_trend_agree_with_another_library(panel, told):
    fitted = fitted_by_statsmodels(panel, " + ".join(CELLS) + " + C(unit) + C(school_year)")
    since = [c for c in CELLS if c[6:] >= c[1:5]]
    started = panel["first_school_year"].astype(float)
    students = [
        panel.loc[(started == int(c[1:5])) & (panel["school_year"] == int(c[6:])), "n"].sum() for c in since
    ]
    weights = np.zeros(len(fitted.params))
    weights[[fitted.params.index.get_loc(c) for c in since]] = np.array(students) / sum(students)
    average, theirs = told.loc[("group_time", "average")], fitted.t_test(weights)
    assert average["estimate"] == pytest.approx(theirs.effect[0], abs=1e-6)
    assert average["standard_error"] == pytest.approx(theirs.sd[0, 0], abs=1e-6)
    assert [average["estimate_low"], average["estimate_high"]] == pytest.approx(
        theirs.conf_int()[0], abs=1e-6
    )
    assert average["p_value"] == pytest.approx(float(theirs.pvalue), rel=1e-3)
    steps = fitted_by_statsmodels(panel, "e2 + e3 + e5 + e6 + e7 + C(unit) + C(school_year)")
    trend = steps.f_test("e2 = 0, e3 = 0")
    assert told.loc[("event_study", "no trend before"), "p_value"] == pytest.approx(
        float(trend.pvalue), abs=1e-6
    )


def test_names_of_units_change_no_bit(panel, told):
    units = panel["unit"].unique()
    names = dict(zip(units, np.random.default_rng(5).permutation(units), strict=True))
    renamed = panel.assign(unit=panel["unit"].map(names), assigned=panel["assigned"].map(names))
    again = evaluation.evaluate(renamed).set_index(["design", "term"])
    pd.testing.assert_frame_equal(again, told, check_exact=True)


def test_names_of_sections_change_no_bit_and_errors_are_clustered_by_them(panel):
    """Six students of a section each, two of them alike in all that is known: whatever they and their sections are called."""
    number = panel["unit"].str[1:].astype(int)
    twins = panel[number % 6 == 0].assign(unit=lambda frame: frame["unit"] + "b")
    both = pd.concat(
        [
            panel.assign(assigned="s" + (number // 6).astype(str)),
            twins.assign(assigned=lambda f: "s" + (f["unit"].str[1:3].astype(int) // 6).astype(str)),
        ]
    )
    given = both.reset_index(drop=True)
    told = evaluation.evaluate(given)
    assert set(told["clusters"].dropna()) == {5, 10}
    for seed in (1, 2):
        dice = np.random.default_rng(seed)
        called = {
            column: dict(zip(names, dice.permutation(names), strict=True))
            for column in ("unit", "assigned") if len(names := given[column].unique())
        }  # fmt: skip
        renamed = given.assign(**{column: given[column].map(names) for column, names in called.items()})
        shuffled = renamed.sample(frac=1, random_state=seed)
        pd.testing.assert_frame_equal(evaluation.evaluate(shuffled), told, check_exact=True)


def test_planted_effects_lie_within_their_intervals(told):
    for (design, term), row in told.iterrows():
        if design == "group_time" and term != "average":
            start, year = int(term[:4]), int(term[-4:])
            true = 0.0 if year < start else -0.1 * min(year - start + 1, 2)
            assert row["estimate_low"] - 0.01 <= true <= row["estimate_high"] + 0.01, term
    average = told.loc[("group_time", "average")]
    assert average["estimate_low"] <= -0.16 <= average["estimate_high"]
    assert told.loc[("event_study", "no trend before"), "p_value"] > 0.05
    assert average["verdict"].startswith("Fair evidence")


def test_a_trend_before_the_start_is_weak_evidence(panel):
    drifting = panel.copy()
    treated = drifting["first_school_year"].notna()
    drift = 0.04 * (drifting["school_year"] - 2022) * drifting["n"] * treated
    drifting["successes"] = (drifting["successes"] + drift).round()
    told = evaluation.evaluate(drifting).set_index(["design", "term"])
    assert told.loc[("event_study", "no trend before"), "p_value"] < 0.05
    assert "drifting apart" in told.loc[("difference_in_differences", "effect"), "verdict"]


def test_few_units_and_no_comparison_are_said(panel):
    few = panel[panel["unit"].isin(["u00", "u01", "u40", "u41", "u42"])]
    told = evaluation.evaluate(few).set_index(["design", "term"])
    assert "too few units" in told.loc[("difference_in_differences", "effect"), "verdict"]
    alone = evaluation.evaluate(panel[panel["first_school_year"] == 2024])
    assert set(alone["design"]) == {"pre_post"} and "nobody is compared" in alone["verdict"].iloc[0]
    never = evaluation.evaluate(panel[(panel["first_school_year"] == 2024) & (panel["school_year"] < 2024)])
    assert never["estimate"].isna().all() and "no year before" in never["verdict"].iloc[0]


def test_baseline_indices():
    """15 against 40 percent is the worked example of the reference: -0.806."""
    assert evaluation.cox_index(15, 100, 40, 100) == pytest.approx(-0.806, abs=5e-4)
    assert evaluation.cox_index(0, 100, 40, 100) is None
    one, other = np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 4, 5])
    assert evaluation.hedges_g(one, other) == pytest.approx(-1 / math.sqrt(5 / 3) * (1 - 3 / 23))
    assert evaluation.hedges_g(one, np.array([1.0])) is None and evaluation.hedges_g(one * 0, one * 0) is None
    unequal = np.array([0.41, 0.38, 0.52, 0.47, 0.44, 0.39, 0.60])
    t = stats.ttest_ind(one, unequal).statistic
    g = t * math.sqrt(1 / len(one) + 1 / len(unequal)) * (1 - 3 / (4 * (len(one) + len(unequal)) - 9))
    assert evaluation.hedges_g(one, unequal) == pytest.approx(g, abs=1e-6)
    counts = pd.DataFrame({"y": [1, 0, 1, 0], "treated": [1, 1, 0, 0], "n": [37, 83, 51, 49]})
    logit = smf.glm("y ~ treated", counts, family=sm.families.Binomial(), freq_weights=counts["n"]).fit()
    assert evaluation.cox_index(37, 120, 51, 100) == pytest.approx(logit.params["treated"] / 1.65, abs=1e-6)


def test_sizes_are_those_of_who_was_followed_in_the_year_with_fewest_students(panel, told):
    start = panel["first_school_year"].astype(float).fillna(2024)
    sides = (panel["school_year"] < start, panel["school_year"] >= start)
    seen = np.logical_and(*(side.groupby(panel["unit"]).transform("any") for side in sides))
    for name, treated in (("treated", True), ("compared", False)):
        of = panel[seen & (panel["first_school_year"].notna() == treated)]
        assert set(told[f"units_{name}"]) == {of["unit"].nunique()}
        assert set(told[f"students_{name}"]) == {of.groupby("school_year")["n"].sum().min()}
    assert set(told["clusters"].dropna()) == {30, 60} and told.loc[("pre_post", "change"), "clusters"] == 30


def test_both_sides_are_compared_in_the_last_year_before_the_first_start(panel, told):
    then = panel[panel["school_year"] == 2023].assign(y=panel["successes"] / panel["n"])
    treated = then["first_school_year"].notna()
    g = evaluation.hedges_g(then.loc[treated, "y"].to_numpy(), then.loc[~treated, "y"].to_numpy())
    assert told.loc[("baseline", "hedges_g"), "estimate"] == pytest.approx(g)
    students = panel.assign(successes=(panel["successes"] > 42).astype(int), n=1)
    then = students[students["school_year"] == 2023]
    [one, other] = (then.loc[side, "successes"] for side in (treated[then.index], ~treated[then.index]))
    said = evaluation.evaluate(students).set_index(["design", "term"])
    assert said.loc[("baseline", "cox_index"), "estimate"] == pytest.approx(
        evaluation.cox_index(one.sum(), len(one), other.sum(), len(other))
    )


@pytest.mark.parametrize(
    ("index", "said"),
    [(None, "can't be compared"), (0.0, "were alike"), (-0.05, "were alike"), (0.06, "differed somewhat"),
     (-0.25, "differed somewhat"), (0.26, "differed a lot"), (-0.8, "differed a lot")],
)  # fmt: skip
def test_how_alike_both_sides_were_is_said_by_the_bounds_of_what_works_clearinghouse(index, said):
    assert said in evaluation._equivalence(index)


def test_with_one_year_before_the_start_nobody_can_see_whether_both_sides_moved_alike(panel):
    """And where nothing is told of the years before, the rest is told all the same."""
    short = panel[
        panel["school_year"].between(2023, 2024) & (panel["first_school_year"].fillna(2024) == 2024)
    ]
    told = evaluation.evaluate(short).set_index(["design", "term"])
    verdict = told.loc[("difference_in_differences", "effect"), "verdict"]
    assert "too few years before the start" in verdict and "drifting" not in verdict
    assert ("event_study", "no trend before") not in told.index
    assert told.loc[("group_time", "average"), "estimate"] == pytest.approx(
        told.loc[("event_study", "+0"), "estimate"]
    )


def test_initiatives_stand_by_name_and_columns_have_their_types(panel):
    other = panel.assign(initiative_id="A")
    told = evaluation.evaluate(pd.concat([panel, other]))
    assert told["initiative_id"].is_monotonic_increasing and set(told["initiative_id"]) == {"A", "I"}
    assert told.columns.tolist() == evaluation.COLUMNS
    kinds = told.dtypes.astype(str).to_dict()
    assert set(map(kinds.get, evaluation.COLUMNS[3:8])) == {"float64"}
    assert set(map(kinds.get, evaluation.COLUMNS[8:13])) == {"Int64"}
    assert {kinds[c] for c in ("initiative_id", "design", "term", "verdict")} == {"string"}
    assert evaluation.evaluate(panel.iloc[:0]).columns.tolist() == evaluation.COLUMNS
