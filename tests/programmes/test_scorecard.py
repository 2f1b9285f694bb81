"""The Opportunity Accelerator's scorecard on the sample partner Cedar Valley, worked out a second time from its true tables."""

from __future__ import annotations

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from equity_pipeline.sample import programmes as planted
from equity_pipeline.warehouse import project
from tests.dbt.workshop import Workshop
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
    people = people.assign(race=np.select(
        [people["hispanic_latino"] == "yes", people["races"] == "BlackOrAfricanAmerican", people["races"] == "White"], ["hispanic", "black", "white"], "other",
    ))[["school_year", "student_id", "economically_disadvantaged", "race"]]  # fmt: skip
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
    assert told["margin_points"] == pytest.approx(100 * margin, abs=1e-6)
    assert margin > 2 * np.sqrt(of["met"].var() / len(of))  # far wider than if students were drawn


def seed_of(name):
    return pd.read_csv(project.FOLDER / "seeds" / "policy" / f"{name}.csv")


def test_students_t_is_that_of_scipy():
    """The seed up to 200 degrees of freedom, at the confidence of the policy; the series past them."""
    seed = seed_of("t_quantiles")
    confidence = float(seed_of("policy").set_index("key")["value"]["confidence_z"])
    level = stats.norm.cdf(confidence)
    assert seed["degrees_of_freedom"].tolist() == list(range(1, 201))
    assert seed["quantile"].tolist() == pytest.approx(
        stats.t.ppf(level, seed["degrees_of_freedom"]), abs=1e-12
    )
    macro = (project.FOLDER / "macros" / "programmes.sql").read_text().partition("{% macro t_quantile(z, df) -%}")[2].partition("{%- endmacro")[0]  # fmt: skip
    statement = macro.replace("{{ z }}", f"cast({confidence} as double)").replace("{{ df }}", "df")
    past = duckdb.sql(f"select df, {statement} as t from range(201, 2000, 17) as of(df)").df()
    assert past["t"].tolist() == pytest.approx(stats.t.ppf(level, past["df"]), abs=1e-8)


# Of the ratings of a class that meets the bar, and of one that does not, the shares that reach it.
REACHED = {
    "assignments": (0.75, 0.25), "instruction": (1.0, 0.0), "expectations": (1.0, 0.0), "engagement": (0.75, 0.30),
}  # fmt: skip


@pytest.mark.parametrize("resource", planted.CLASS_QUALITY)
@pytest.mark.parametrize("who", ["all", "black", "white"])
def test_planted_quality_is_found(cedar, exposures, resource, who):
    """What general and advanced classes are planted to give, weighted by who sits in them, lies within the interval of each group."""
    seats = exposures if resource != "engagement" else cedar.table("experience_samples").merge(
        exposures[["school_year", "student_id", "race"]].drop_duplicates(), on=["school_year", "student_id"]
    ).assign(resource="engagement")  # fmt: skip
    seats = seats[(seats["resource"] == resource) & (seats["school_year"] == 2026)]
    sections = cedar.table("course_enrollments")[["school_year", "school_id", "section_id", "course_id"]].drop_duplicates()  # fmt: skip
    levels = cedar.table("courses")[["school_year", "course_id", "course_level"]].drop_duplicates()
    seats = seats.merge(sections, on=["school_year", "school_id", "section_id"]).merge(levels, on=["school_year", "course_id"])  # fmt: skip
    general, advanced = planted.CLASS_QUALITY[resource]
    met, unmet = REACHED[resource]
    if who != "all":
        seats = seats[seats["race"] == who]
    good = np.where(seats["course_level"].isin(["ap", "honors"]), advanced, general)
    expected = (good * met + (1 - good) * unmet).mean()
    group = ("all_students", "all") if who == "all" else ("race_ethnicity", who)
    told = row(cedar.mart("opportunity_scorecard"), school_year=2026, collection_window="_all", school_id="_all", resource=resource,
               dimension=group[0], subgroup=group[1])  # fmt: skip
    assert told["rate_low"] <= expected <= told["rate_high"]


def test_a_new_bar_holds_from_its_year_on_and_counts_no_rating_twice(cedar, tmp_path):
    """Six classes a year, each rated 4 and 3 of 4: all reach the old bar, half of the ratings the new one."""
    workshop = Workshop.open(cedar.warehouse, tmp_path)
    people = {name: cedar.table(name) for name in ("students", "school_enrollments")}
    enrolled = (
        recompute.population(people)
        .query("school_year in (2025, 2026)")
        .sort_values(["school_year", "student_id"])
    )
    seats = enrolled.groupby("school_year").head(6)[["school_year", "student_id", "school_id"]]
    seats = seats.assign(section_id=[str(section) for section in range(len(seats))])
    strange = seats.assign(
        rating=1,
        observed_on=dt.date(2026, 5, 1),
        resource="instruction",
        instrument="our own form",
        rating_max=3,
    )
    rated = pd.concat(seats.assign(rating=rating, observed_on=dt.date(2026, 3, rating)) for rating in (4, 3))
    workshop.fill_raw(people | {
        "course_enrollments": seats.assign(course_id="c"),
        "class_ratings": pd.concat([
            rated.assign(resource="instruction", instrument="instructional_practice_guide", rating_max=4), strange]),
    })  # fmt: skip
    workshop.connection.execute(
        "insert into policy.scorecard_instruments select * replace "
        "(2026 as first_school_year, 4 as threshold, '2' as threshold_version, 'the uppermost' as source) "
        "from policy.scorecard_instruments where resource = 'instruction'"
    )
    workshop.make(
        "int_student_year",
        "int_scorecard_instrument",
        "int_scorecard_class",
        "opportunity_scorecard",
        "scorecard_measures",
    )
    told = workshop.frame(
        "select observations, rate, threshold_version from marts.opportunity_scorecard "
        "where school_id = '_all' and collection_window = '_all' and dimension = 'all_students' order by school_year"
    )
    assert told["threshold_version"].tolist() == ["1", "2"]
    measures = workshop.frame("from marts.scorecard_measures where school_year = 2026 order by instrument")
    assert measures["threshold_rule"].fillna("").tolist() == [
        "the uppermost",
        "",
    ]  # what no bar is set for is not counted
    assert told["observations"].tolist() == [12, 12] and told["rate"].tolist() == [1.0, 0.5]


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
    assert block.picture_note == "Full dot: the group. Hollow dot: all students."
    assert "programmes/presentation.html" not in cedar.pages


def test_the_page(cedar):
    blocks = {block.id: block for block in cedar.pages["programmes/scorecard.html"].values["blocks"]}
    assert list(blocks) == ["card", "commitments", "groups", "schools", "windows", "bars", "print"]
    assert [line[1].partition("<")[0] for line in blocks["bars"].table.rows] == [
        "Assignment review protocol", "Instructional practice guide", "Experience sampling", "Teacher expectations survey",
    ]  # fmt: skip
    assert [tile.title for tile in blocks["card"].tiles] == [
        "Grade-appropriate assignments", "Strong instruction", "Deep engagement", "High expectations",
    ]  # fmt: skip
    assert "grade-level assignments, every day" in blocks["commitments"].quotes[0][0]
    assert "programmes/needs.html" not in cedar.pages and "programmes/climate.html" not in cedar.pages
