"""Equity Communities of Practice on the sample partner Harborview: every figure against the generator's own tables."""

from __future__ import annotations

import re

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.proportion import proportion_effectsize as effect_size

from equity_pipeline.publishing.programmes import needs
from equity_pipeline.publishing.programmes.page import Reader
from equity_pipeline.publishing.words import points
from equity_pipeline.sample import programmes as planted
from tests.dbt.workshop import Workshop
from tests.end_to_end.truth import recompute


@pytest.fixture(scope="module")
def harborview(built):
    return built("harborview_ps")


@pytest.fixture(scope="module")
def truth(harborview):
    gaps = harborview.true_gaps
    return gaps[gaps["grade_level"] == "_all"]


def test_climate_compares_each_group_with_everyone_else(harborview, truth):
    mart = harborview.mart("climate")
    keys = ["school_year", "school_id", "metric_id", "dimension", "subgroup"]
    both = mart.merge(truth[truth["reference"] == "rest"], on=keys, suffixes=("", "_true"))
    both = both[both["metric_id"] != "chronically_absent"]  # Ed-Fi states days absent, not days enrolled
    assert len(both) > 500
    for column in ("n", "successes", "reference_n", "reference_successes"):
        assert both[column].equals(both[f"{column}_true"].astype(both[column].dtype)), column


def test_a_risk_ratio_stands_only_where_the_idea_minimums_are_reached(harborview):
    mart = harborview.mart("climate")
    told = mart[mart["risk_ratio"].notna()]
    assert len(told) and (told[["n", "reference_n"]] >= 30).all().all()
    assert (told[["successes", "reference_successes"]] >= 10).all().all()
    black = told[
        (told["school_id"] == "_all") & (told["subgroup"] == "black") & (told["metric_id"] == "referred")
    ]
    assert (black["risk_ratio"] > 1.5).all() and black[
        "risk_ratio"
    ].mean() > 2  # planted: 0.17 against 0.07 to 0.09


def test_students_and_incidents_are_counted_apart(harborview):
    events, students = (
        harborview.table("discipline"),
        recompute.population({name: harborview.table(name) for name in ("students", "school_enrollments")}),
    )
    events = events.merge(
        students[["school_year", "student_id", "hispanic_latino"]], on=["school_year", "student_id"]
    )
    true = events.groupby(["school_year", "action"]).agg(
        students=("student_id", "nunique"), incidents=("incident_id", "nunique")
    )
    mart = harborview.mart("discipline_incidents")
    mart = mart[(mart["dimension"] == "all_students") & (mart["school_id"] == "_all")].set_index(
        ["school_year", "action"]
    )
    assert mart["students"].sort_index().tolist() == true["students"].sort_index().tolist()
    assert mart["incidents"].sort_index().tolist() == true["incidents"].sort_index().tolist()
    assert (mart["incidents"] > mart["students"]).any()


def test_the_status_on_the_day_of_the_incident_is_not_that_of_the_year(built):
    """Riverside states it; students who were found eligible in the course of the year are counted where they were that day."""
    riverside = built("riverside_usd")
    events = riverside.table("discipline")
    people = recompute.population(
        {name: riverside.table(name) for name in ("students", "school_enrollments")}
    )
    events = events.merge(
        people[["school_year", "student_id", "disability_idea"]], on=["school_year", "student_id"]
    )
    true = events.groupby(["school_year", "action", "disability_status"])["incident_id"].nunique()
    mart = riverside.mart("discipline_incidents")
    of_day = mart[(mart["school_id"] == "_all") & (mart["dimension"] == "disability_at_incident")]
    of_day = of_day.set_index(["school_year", "action", "subgroup"])["incidents"]
    assert of_day.to_dict() == true.to_dict()
    newly = events[(events["disability_status"] == "idea") & (events["disability_idea"] != "yes")]
    assert len(newly) > 10
    of_year = mart[
        (mart["school_id"] == "_all") & (mart["dimension"] == "disability_idea") & (mart["subgroup"] == "yes")
    ]
    assert of_day.xs("idea", level="subgroup").sum() - of_year["incidents"].sum() == len(
        newly.drop_duplicates(["school_year", "action", "incident_id"])
    )


def test_the_state_stands_in_for_a_comparison_that_is_too_small(harborview):
    mart = harborview.mart("climate")
    told = mart[(mart["alternate_risk_ratio"].notna()) & (mart["dimension"] == "disability_idea")]
    assert len(told) and set(told["school_year"]) <= {2025, 2026}
    for row in told.to_dict("records"):
        yes, no = planted.STATE_RATES[row["metric_id"]]
        other = yes if row["subgroup"] == "no" else no
        assert row["state_rate"] == pytest.approx(other, abs=1e-5)
        assert row["alternate_risk_ratio"] == pytest.approx(row["rate"] / other, rel=1e-4)
    without = mart[mart["dimension"] == "race_ethnicity"]
    assert without["state_rate"].isna().all() and without["alternate_risk_ratio"].isna().all()


def test_scales_of_the_climate_survey_stand_by_group(built):
    """What a needs assessment asks stands there, and barriers beside access."""
    riverside = built("riverside_usd")
    blocks = {block.id: block for block in riverside.pages["programmes/climate.html"].values["blocks"]}
    assert [name for name in blocks if name.startswith("survey-")] == ["survey-fall_climate"]
    table = blocks["survey-fall_climate"].table
    assert table.columns[1:] == ["Belonging", "Expectations"] and "Race/ethnicity" in table.rows
    released = riverside.released["needs_assessment"].set_index(
        ["survey_id", "school_year", "school_id", "respondent_type", "construct", "dimension", "subgroup"]
    )
    row = released.loc[("fall_climate", 2026, "_all", "student", "belonging", "all_students", "all")]
    assert f"{row['favorable_high']:.0%}" in table.rows[0][1]


def test_planted_climate_is_found_by_group(harborview):
    """Black students feel less connected than others, as planted, within what so many answers can tell."""
    mart = harborview.mart("needs_assessment")
    mart = mart[(mart["survey_id"] == "connectedness") & (mart["school_id"] == "_all")]
    at = mart.set_index(["construct", "dimension", "subgroup"])
    for construct, (items, of_black, of_others) in planted.CLIMATE.items():
        for group, share in (("black", of_black), ("white", of_others)):
            row = at.loc[(construct, "race_ethnicity", group)]
            assert (row["scoring"], row["items"]) == ("mean_score", items)
            assert abs(row["favorable_by_answers"] - share) < 4 * (share * (1 - share) / row["respondents"]) ** 0.5  # fmt: skip
    assert at.loc[("school_connectedness", "race_ethnicity", "black"), "mean_score"] < at.loc[("school_connectedness", "race_ethnicity", "white"), "mean_score"]  # fmt: skip


def test_areas_are_ranked_by_their_widest_clear_gap(harborview, truth):
    area = {"chronically_absent": "engagement"} | dict.fromkeys(recompute.ACTIONS, "discipline")
    one_way = ["race_ethnicity", "economically_disadvantaged", "english_learner", "disability_idea", "sex"]
    clear = truth[
        (truth["reference"] == "designated")
        & truth["dimension"].isin(one_way)
        & truth["reliable"].astype(bool)
    ]
    clear = clear[(clear["metric_id"] != "chronically_absent") & (clear["subgroup"] != "unknown")]
    lower = clear["metric_id"].isin(recompute.LOWER_IS_BETTER)
    clear = clear[(lower & (clear["gap_low"] > 0)) | (~lower & (clear["gap_high"] < 0))]
    clear = clear.assign(area=clear["metric_id"].map(area).fillna("academics"), h=clear["cohens_h"].abs())
    mart = harborview.mart("focus_areas")
    mart = mart[~mart["focus_area"].isin(["engagement", "school_culture"])]
    for (year, school), of in mart.groupby(["school_year", "school_id"]):
        here = clear[(clear["school_year"] == year) & (clear["school_id"] == school)]
        widest = here.groupby("area")["h"].max().sort_values(ascending=False)
        ranked = of.sort_values("evidence_rank")
        assert ranked["focus_area"].tolist()[: len(widest)] == widest.index.tolist()
        counted = dict(zip(ranked["focus_area"], ranked["clear_gaps"], strict=True))
        assert {a: n for a, n in counted.items() if n} == here.groupby("area").size().to_dict()


def test_school_culture_is_ranked_by_the_scales_of_the_climate_survey(harborview):
    """Every scale and group against its reference again, with the interval of statsmodels; and all areas stand by their widest clear gap."""
    areas = harborview.mart("focus_areas")
    areas = areas[(areas["school_year"] == 2026) & (areas["school_id"] == "_all")].sort_values(
        "evidence_rank"
    )
    assert set(areas["focus_area"]) == {"academics", "discipline", "school_culture", "engagement"}
    clear = areas[areas["clear_gaps"] > 0]
    assert clear["cohens_h"].abs().is_monotonic_decreasing and clear.index.tolist() == areas.index[: len(clear)].tolist()  # fmt: skip
    scales = harborview.mart("needs_assessment")
    scales = scales[(scales["school_year"] == 2026) & (scales["school_id"] == "_all")].set_index(["construct", "dimension", "subgroup"])  # fmt: skip
    references = {"race_ethnicity": "white", "economically_disadvantaged": "no", "english_learner": "no", "disability_idea": "no", "sex": "male"}  # fmt: skip
    found, measured = {}, 0
    for (construct, dimension, subgroup), own in scales.iterrows():
        if dimension not in references or subgroup in ("unknown", references[dimension]):
            continue
        other, measured = scales.loc[(construct, dimension, references[dimension])], measured + 1
        high = confint_proportions_2indep(own["favorable_respondents"], own["respondents"], other["favorable_respondents"],
                                          other["respondents"], method="newcomb")[1]  # fmt: skip
        if min(own["respondents"], other["respondents"]) >= 10 and high < 0:
            found[construct, dimension, subgroup] = abs(effect_size(own["favorable_by_respondents"], other["favorable_by_respondents"]))  # fmt: skip
    [culture] = areas[areas["focus_area"] == "school_culture"].to_dict("records")
    assert (culture["measured_gaps"], culture["clear_gaps"]) == (measured, len(found))
    widest = max(found, key=found.get)
    assert (culture["metric_id"], culture["dimension"], culture["subgroup"]) == widest == ("school_connectedness", "race_ethnicity", "black")  # fmt: skip
    assert abs(culture["cohens_h"]) == pytest.approx(found[widest], abs=1e-6)


def test_a_cycle_is_tied_to_the_rate_it_is_about(harborview, truth):
    mart = harborview.mart("cycles_of_inquiry").set_index("cycle_id")
    rate = truth[(truth["reference"] == "overall") & (truth["school_id"] == "_all")].set_index(
        ["metric_id", "dimension", "subgroup", "school_year"]
    )["rate"]
    black = ("suspended_any", "race_ethnicity", "black")
    assert mart.loc["C1", "baseline_rate"] == pytest.approx(rate[(*black, 2024)])
    assert mart.loc["C1", "latest_rate"] == pytest.approx(rate[(*black, 2025)])
    assert mart.loc["C2", "latest_rate"] == pytest.approx(rate[(*black, 2026)])
    assert (
        mart["target_met"].tolist()
        == (mart["latest_rate"] <= mart["target_rate"])
        .where(mart["metric_id"] == "suspended_any", mart["latest_rate"] >= mart["target_rate"])
        .tolist()
    )
    assert mart["decision"].fillna("").to_dict() == {"C1": "adapt", "C2": "", "C3": "abandon"}


def test_pages_and_packs(harborview):
    assert {"programmes/climate.html", "programmes/cycles.html", "programmes/presentation.html", "programmes/pack_students.html",
            "programmes/pack_staff.html", "programmes/pack_parents.html"} <= set(harborview.pages)  # fmt: skip
    assert harborview.pages["programmes/climate.html"].values["blocks"][-1].id == "packs"
    minimum = harborview.context.minimum_cell
    for name in ("students", "staff", "parents"):
        blocks = {b.id: b for b in harborview.pages[f"programmes/pack_{name}.html"].values["blocks"]}
        assert blocks.pop("survey-connectedness").table.rows
        for block in blocks.values():
            rows = [row for row in block.table.rows if isinstance(row, list)] if block.table else []
            assert all(
                int(re.search(r"n ~([\d,]+)", row[2])[1].replace(",", "")) >= 2 * minimum for row in rows
            )


def test_a_group_stands_in_the_survey_of_a_pack_only_where_enough_of_it_answered(harborview):
    answered = harborview.released["needs_assessment"]
    answered = answered[(answered["school_id"] == "_all") & (answered["construct"] == "caring_adults") & ~answered["suppressed"]]  # fmt: skip
    reader = Reader(harborview.context, {}, harborview.partner)
    fewest = int(answered["respondents"].median())
    kept = answered[(answered["respondents"] >= fewest) & (answered["subgroup"] != "unknown")]
    [block] = needs.climate_surveys(reader, fewest)
    shown = [row[0] for row in block.table.rows if isinstance(row, list)]
    labels = harborview.context.labels
    assert sorted(shown) == sorted(labels.subgroup(d, g) for d, g in zip(kept["dimension"], kept["subgroup"], strict=True))  # fmt: skip
    assert len(kept) < len(answered)


def test_a_cycle_stands_on_the_time_line_of_its_gap(harborview):
    """The group and whom it is compared with, in every year that is released, as the released tables say them."""
    blocks = {b.id: b for b in harborview.pages["programmes/cycles.html"].values["blocks"]}
    discipline, access = blocks["cycle-c1"], blocks["cycle-c3"]
    assert "C1 begins" in discipline.picture and "Adapt" in discipline.picture
    for picture in (discipline.picture, access.picture):
        assert picture.count('class="dot" cx') == picture.count('class="dot beside" cx') == 5
    assert (
        discipline.picture_note.endswith("everyone else.") and access.picture_note == "Full dot: the group. Hollow dot: White."
    )  # fmt: skip
    facts = dict(access.facts)
    gaps = harborview.mart("gap_metrics")
    gaps = gaps[(gaps["metric_id"] == "ap_ib_enrollment") & (gaps["dimension"] == "race_ethnicity") & (gaps["subgroup"] == "hispanic")
                & (gaps["reference"] == "designated") & (gaps["school_id"] == "_all") & (gaps["grade_level"] == "_all")]  # fmt: skip
    gaps = gaps.set_index("school_year")["gap"]
    assert facts["Gap"] == f"{points(gaps[2023])} before, {points(gaps[2024])} since, in points from White"


def test_the_presentation_says_on_each_sheet_what_it_shows(harborview):
    blocks = harborview.pages["programmes/presentation.html"].values["blocks"]
    assert (blocks[0].id, blocks[-1].id) == ("focus", "recommended")
    told = next(b for b in blocks if b.id == "referred")
    assert told.heading.startswith("Referred to the office: Black")
    groups = [row for row in told.table.rows if isinstance(row, list)]
    assert len(groups) > 1 and all("more often" in row[-1] or "less often" in row[-1] for row in groups[1:])
    assert [row[2].split("> ")[-1] for row in blocks[-1].table.rows] == ["Abandon</span>", "Adapt</span>", "Not decided yet</span>"]  # fmt: skip


def test_nothing_exact_leaves(harborview):
    frame, mart = harborview.released["climate"], harborview.mart("climate")
    assert not {"successes", "rate", "risk_ratio", "reference_successes"} & set(frame)
    keys = ["school_year", "school_id", "metric_id", "dimension", "subgroup"]
    both = frame.merge(mart, on=keys, suffixes=("", "_true"))
    small = both["n_true"] < harborview.context.minimum_cell
    assert both.loc[small, "n"].isna().all() and both.loc[small, "suppressed"].all()
    shown = both[both["n"].notna()]
    assert (shown["n"] % 10 == 0).all()
    inside = (shown["rate"] >= shown["rate_low"] - 1e-9) & (shown["rate"] <= shown["rate_high"] + 0.01)
    assert inside.all()
    # A rate of fewer than 600 students is a band, wide enough for several numbers of them.
    width = (shown["rate_high"] - shown["rate_low"]) * shown["n_true"]
    assert (width[shown["n_true"] < 600] > 3).all()


def test_the_alternate_risk_ratio_takes_the_state_where_the_district_compares_with_too_few(
    harborview, tmp_path
):
    """Black students are compared with everyone else of the state: 30 of 100 there, not in the district. With nobody there
    nothing can be compared."""
    workshop = Workshop.open(harborview.warehouse, tmp_path)
    con = workshop.connection
    con.execute(
        "insert into raw.state_counts (partner_id, school_year, metric_id, dimension, subgroup, n, successes) values "
        "('harborview_ps', 2026, 'referred', 'race_ethnicity', 'black', 500, 400), "
        "('harborview_ps', 2026, 'referred', 'race_ethnicity', 'white', 900, 290), "
        "('harborview_ps', 2026, 'referred', 'race_ethnicity', 'asian', 100, 10), "
        "('harborview_ps', 2026, 'referred', 'race_ethnicity', 'unknown', 100, 100), "
        "('harborview_ps', 2026, 'suspended_any', 'race_ethnicity', 'black', 500, 40), "
        "('harborview_ps', 2026, 'suspended_any', 'race_ethnicity', 'white', 900, 0)"
    )
    con.execute(
        "update intermediate.int_references set rest_n = 20, rest_successes = 12 "
        "where metric_id in ('referred', 'suspended_any') and school_id = '_all' and subgroup = 'black' and school_year >= 2025"
    )
    workshop.make("int_state_rest", "gap_metrics", "climate")
    told = workshop.frame(
        "select school_year, rate, alternate_risk_ratio, alternate_risk_ratio_reason from marts.climate "
        "where school_id = '_all' and metric_id = 'referred' and subgroup = 'black' and school_year >= 2025 order by 1"
    )
    assert told["alternate_risk_ratio_reason"].fillna("").tolist() == ["state_counts_not_provided", ""]
    assert told["alternate_risk_ratio"][1] == pytest.approx(told["rate"][1] / 0.3)
    nobody = workshop.frame(
        "select alternate_risk_ratio, alternate_risk_ratio_reason from marts.gap_metrics where reference = 'rest' and school_year = 2026 "
        "and school_id = '_all' and grade_level = '_all' and metric_id = 'suspended_any' and dimension = 'race_ethnicity' and subgroup = 'black'"
    )
    assert nobody["alternate_risk_ratio"].isna().all()
    assert nobody["alternate_risk_ratio_reason"].tolist() == ["comparison_cell_too_small"]
