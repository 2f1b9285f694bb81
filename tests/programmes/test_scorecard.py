"""The Opportunity Accelerator's scorecard on the sample partner Cedar Valley, worked out a second time from its true tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from equity_pipeline.sample import programmes as planted
from tests.end_to_end.truth import recompute

BAR = {"assignments": 2, "instruction": 3, "expectations": 5}


@pytest.fixture(scope="module")
def cedar(built):
    return built("cedar_valley_isd")


@pytest.fixture(scope="module")
def exposures(cedar):
    """One row per student × rated class × resource × window: the class's share of ratings that meet the bar."""
    ratings, seats = cedar.table("class_ratings"), cedar.table("course_enrollments")
    ratings["met"] = ratings["rating"] >= ratings["resource"].map(BAR)
    key = ["school_year", "school_id", "section_id"]
    classes = ratings.groupby([*key, "resource", "window"], as_index=False)["met"].mean()
    people = recompute.population({name: cedar.table(name) for name in ("students", "school_enrollments")})
    seats = seats.loc[seats["dropped"] != "yes", [*key, "student_id"]].drop_duplicates()
    people = people[["school_year", "student_id", "economically_disadvantaged"]]
    return classes.merge(seats, on=key).merge(people, on=["school_year", "student_id"])


def row(mart, **where):
    for name, value in where.items():
        mart = mart[mart[name] == value]
    [one] = mart.to_dict("records")
    return one


@pytest.mark.parametrize("resource", BAR)
@pytest.mark.parametrize("income", ["yes", "no"])
def test_a_share_is_weighted_by_who_sits_in_the_class(cedar, exposures, resource, income):
    mart = cedar.mart("opportunity_scorecard")
    of = exposures[(exposures["resource"] == resource) & (exposures["school_year"] == 2026)]
    of = of[of["economically_disadvantaged"] == income]
    told = row(mart, school_year=2026, collection_window="_all", school_id="_all", resource=resource,
               dimension="economically_disadvantaged", subgroup=income)  # fmt: skip
    assert told["rate"] == pytest.approx(of["met"].mean(), abs=1e-12)
    assert told["seats"] == len(of)
    assert told["classes"] == of["section_id"].nunique()


def test_the_interval_takes_classes_as_drawn(cedar, exposures):
    """The margin is Student's t times the cluster-robust error that statsmodels gives the mean of exposures."""
    mart = cedar.mart("opportunity_scorecard")
    of = exposures[(exposures["resource"] == "instruction") & (exposures["school_year"] == 2026)]
    groups = pd.factorize(of["school_id"] + of["section_id"])[0]
    fitted = sm.OLS(of["met"].to_numpy(float), np.ones(len(of))).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    g = len(set(groups))
    margin = stats.t.ppf(0.975, g - 1) * fitted.bse[0] * np.sqrt(g / (g - 1))
    told = row(
        mart,
        school_year=2026,
        collection_window="_all",
        school_id="_all",
        resource="instruction",
        dimension="all_students",
    )
    assert told["margin_points"] == pytest.approx(100 * margin, rel=1e-4)
    assert margin > 2 * np.sqrt(of["met"].var() / len(of))  # far wider than if students were drawn


def test_planted_quality_is_found(cedar):
    """Classes meet the bar as often as planted, and those in AP and honors classes have more of everything."""
    mart = cedar.mart("opportunity_scorecard")
    for resource, (general, advanced) in planted.CLASS_QUALITY.items():
        told = row(
            mart,
            school_year=2026,
            collection_window="_all",
            school_id="_all",
            resource=resource,
            dimension="all_students",
        )
        if resource in ("instruction", "expectations"):
            assert general - 0.15 < told["rate"] < advanced + 0.15
        assert told["rate_low"] < told["rate"] < told["rate_high"]
    white, black = (
        row(
            mart,
            school_year=2026,
            collection_window="_all",
            school_id="_all",
            resource="assignments",
            dimension="race_ethnicity",
            subgroup=s,
        )
        for s in ("white", "black")
    )
    assert white["rate"] > black["rate"]


def test_engagement_is_what_students_said_themselves(cedar):
    samples = cedar.table("experience_samples")
    people = recompute.population({name: cedar.table(name) for name in ("students", "school_enrollments")})
    samples = samples.merge(people[["school_year", "student_id"]], on=["school_year", "student_id"])
    true = (samples["rating"] >= 3).groupby(samples["school_year"]).mean()
    mart = cedar.mart("opportunity_scorecard")
    for year in (2025, 2026):
        told = row(
            mart,
            school_year=year,
            collection_window="_all",
            school_id="_all",
            resource="engagement",
            dimension="all_students",
        )
        assert told["rate"] == pytest.approx(true[year]) and told["method"] == "own_answers"


def test_goals_windows_versions_and_commitments(cedar):
    mart = cedar.mart("opportunity_scorecard")
    assert set(mart["collection_window"]) == {"_all", "fall", "spring"}
    assert mart[["instrument_version", "threshold_version", "metric_id"]].notna().all().all()
    with_goal = mart[mart["goal_rate"].notna()]
    assert set(with_goal["school_id"]) == {"_all"} and set(with_goal["dimension"]) == {
        "all_students",
        "student_of_color",
    }
    assert (with_goal["goal_met"].astype(bool) == (with_goal["rate"] >= with_goal["goal_rate"])).all()
    commitments = cedar.mart("equity_commitments").set_index("commitment_id")
    assert commitments["is_overdue"].to_dict() == {"S1": False, "K1": False, "K2": False}


def test_fewer_than_five_classes_say_nothing(cedar):
    """Where a teacher could be known, neither share nor margin leaves."""
    mart, released = cedar.mart("opportunity_scorecard"), cedar.released["opportunity_scorecard"]
    keys = ["school_year", "collection_window", "school_id", "resource", "dimension", "subgroup"]
    both = released.merge(mart, on=keys, suffixes=("", "_true"))
    few = (both["classes_true"] < 5) | (both["students"] < 10)
    assert few.any() and both.loc[few, ["share_low", "margin_points", "classes"]].isna().all().all()
    assert both.loc[~few, "share_low"].notna().all()
    assert not {"met", "rate", "rate_low", "students", "observations"} & set(released)


def test_a_cycle_is_tied_to_a_resource_by_its_metric_id(cedar):
    """The cycle about strong instruction shows the scorecard's share of its group, before it began and since."""
    [cycle] = cedar.mart("scorecard_cycles").to_dict("records")
    of = cedar.mart("opportunity_scorecard")
    of = of[
        (of["metric_id"] == "strong_instruction")
        & (of["school_id"] == "_all")
        & (of["collection_window"] == "_all")
    ]
    rate = of[(of["dimension"] == "student_of_color") & (of["subgroup"] == "yes")].set_index("school_year")[
        "rate"
    ]
    assert cycle["metric_id"] == "strong_instruction" and cycle["latest_school_year"] == 2026
    assert (cycle["baseline_rate"], cycle["latest_rate"]) == pytest.approx((rate[2025], rate[2026]))
    assert cycle["target_met"] == (rate[2026] >= 0.40)
    assert cedar.mart("cycles_of_inquiry").empty
    [block] = cedar.pages["programmes/cycles.html"].values["blocks"]
    assert block.picture_title.startswith("Strong instruction") and "A1 begins" in block.picture
    assert "programmes/presentation.html" not in cedar.pages


def test_the_page(cedar):
    blocks = {block.id: block for block in cedar.pages["programmes/scorecard.html"].values["blocks"]}
    assert list(blocks) == ["card", "groups", "schools", "windows", "commitments"]
    assert [tile.title for tile in blocks["card"].tiles] == [
        "Grade-appropriate assignments", "Strong instruction", "Deep engagement", "High expectations",
    ]  # fmt: skip
    assert "grade-level assignments, every day" in blocks["commitments"].quotes[0][0]
    assert "programmes/needs.html" not in cedar.pages and "programmes/climate.html" not in cedar.pages
