"""The needs assessment and the plan on the sample partner Riverside, and scores against published examples."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from equity_pipeline.sample import programmes as planted
from tests.dbt.workshop import Workshop


@pytest.fixture(scope="module")
def riverside(built):
    return built("riverside_usd")


@pytest.fixture(scope="module")
def answers(riverside):
    """Answers of the needs survey, turned the right way round."""
    rows = riverside.table("survey_responses")
    rows = rows[(rows["survey_id"] == "needs") & rows["response"].notna()].copy()
    turned = rows["item_id"].str.endswith("_3")
    rows["points"] = rows["response"].astype(int).where(~turned, 7 - rows["response"].astype(int))
    rows["favorable"] = rows["points"] >= 5
    rows["construct"] = rows["item_id"].str[:-2]
    return rows


def district(riverside, name):
    mart = riverside.mart(name)
    return mart[(mart["survey_id"] == "needs") & (mart["school_id"] == "_all")]


@pytest.mark.parametrize("who", ["staff", "family"])
def test_scores_of_adults(riverside, answers, who):
    mart = district(riverside, "needs_assessment")
    mart = mart[mart["respondent_type"] == who].set_index("construct")
    of = answers[answers["respondent_type"] == who]
    assert mart["favorable_by_answers"].to_dict() == pytest.approx(
        of.groupby("construct")["favorable"].mean().to_dict()
    )
    per_person = of.groupby(["construct", "respondent_id"]).agg(
        favorable=("favorable", "mean"), points=("points", "mean")
    )
    means = per_person.groupby("construct").mean()
    assert mart["favorable_by_respondents"].to_dict() == pytest.approx(means["favorable"].to_dict())
    assert mart["mean_score"].to_dict() == pytest.approx(means["points"].to_dict())
    assert (mart["headline_score"] == mart["favorable_by_answers"]).all()  # the rule of PERTS


def scored(workshop, answers):
    """The mart's rows of the whole partner by survey, of answers (survey, respondent, item, response, instrument, reverse) on six points."""
    frame = pd.DataFrame(
        answers, columns=["survey_id", "respondent_id", "item_id", "response", "instrument", "reverse"]
    ).assign(school_year=2026, school_id="0101", respondent_type="staff")
    codebook = frame[["survey_id", "item_id", "instrument", "reverse"]].drop_duplicates()
    codebook = codebook.assign(
        school_year=2026, construct="safety", scale_min=1, scale_max=6, favorable="5; 6"
    )
    workshop.fill_raw({"survey_responses": frame, "survey_items": codebook})
    workshop.make(
        "int_student_year", "int_item_answer", "int_survey_scale", "needs_assessment", "survey_item_scores"
    )
    return workshop.frame("from marts.needs_assessment where school_id = '_all'").set_index("survey_id")


@pytest.fixture(scope="module")
def workshop(riverside, tmp_path_factory):
    return Workshop.open(riverside.warehouse, tmp_path_factory.mktemp("scored"))


def test_perts_composites_as_published(workshop):
    """20, 30 and 40 percent of equally many answers make 30 percent; twice the answers to the first, 27.5: through the mart."""
    told = scored(workshop, [
        (survey, f"{item}-{i}", item, "6" if i < round(n * share) else "4", "perts", "no")
        for survey, counts in (("even", (100, 100, 100)), ("uneven", (200, 100, 100)))
        for item, share, n in zip(("q1", "q2", "q3"), (0.2, 0.3, 0.4), counts, strict=True) for i in range(n)
    ])  # fmt: skip
    assert told["headline_score"].to_dict() == pytest.approx({"even": 0.30, "uneven": 0.275}, abs=1e-12)


def test_each_instrument_is_scored_by_its_rules(workshop):
    """PERTS: agree and strongly agree are positive, somewhat agree is not; of a negative item disagree and strongly disagree are.
    CalSCHLS: the mean of those who answered half; EDSCLS: question by question alone."""
    told = scored(workshop, [
        *(("perts", f"p{answer}{reverse}", f"q{reverse}", str(answer), "PERTS", reverse) for answer in range(1, 7) for reverse in ("no", "yes")),
        *(("chks", "whole", f"q{i}", answer, "chks", "no") for i, answer in enumerate("2466")),
        *(("chks", "half", f"q{i}", answer, "chks", "no") for i, answer in enumerate("24")),
        ("chks", "a quarter", "q0", "6", "chks", "no"),
        *(("edscls", "one", f"q{i}", answer, "edscls", "no") for i, answer in enumerate("56")),
        ("edscls", "other", "q0", "1", "edscls", "no"),
    ])  # fmt: skip
    perts, chks, edscls = (told.loc[survey] for survey in ("perts", "chks", "edscls"))
    assert (perts["favorable_answers"], perts["headline_score"]) == (4, pytest.approx(4 / 12))
    assert (chks["respondents"], chks["headline_score"]) == (2, pytest.approx((4.5 + 3) / 2))
    assert edscls["scoring"] == "items_only" and pd.isna(edscls["headline_score"])
    items = workshop.frame("from marts.survey_item_scores where survey_id = 'edscls'").set_index("item_id")
    assert items["favorable_by_respondents"].to_dict() == {"q0": 0.5, "q1": 1.0}


def test_planted_perceptions_are_found(riverside):
    mart = district(riverside, "needs_assessment")
    mart = mart[(mart["dimension"] == "all_students")]
    for construct, shares in planted.PERCEPTIONS.items():
        for who, share in shares.items():
            [row] = mart[(mart["construct"] == construct) & (mart["respondent_type"] == who)].to_dict(
                "records"
            )
            error = np.sqrt(
                share * (1 - share) / row["respondents"]
            )  # answers of a person agree: no more than one each
            assert abs(row["favorable_by_answers"] - share) < 4 * error, (construct, who)
    gaps = district(riverside, "perception_gaps").set_index(["construct", "compared_with"])["perception_gap"]
    assert gaps.idxmin() == ("fair_discipline", "staff")


def test_reliability_is_that_of_the_answers(riverside, answers):
    mart = district(riverside, "needs_assessment")
    [row] = mart[(mart["construct"] == "school_safety") & (mart["respondent_type"] == "staff")].to_dict(
        "records"
    )
    wide = answers[(answers["construct"] == "school_safety") & (answers["respondent_type"] == "staff")]
    wide = wide.pivot(index="respondent_id", columns="item_id", values="points").dropna()
    covariance = np.cov(wide.to_numpy(float).T)
    k = len(covariance)
    assert row["alpha"] == pytest.approx(k / (k - 1) * (1 - np.trace(covariance) / covariance.sum()))
    assert row["alpha_respondents"] == len(wide)
    # Items of equal loadings, as planted: omega and alpha are one.
    assert row["omega"] == pytest.approx(row["alpha"], abs=0.02)


def test_response_rates_and_who_did_not_answer(riverside, answers):
    mart = district(riverside, "survey_response_rates")
    everyone = mart[mart["dimension"] == "all_students"].set_index("respondent_type")
    for who in ("staff", "family"):
        assert everyone.loc[who, "asked"] == 5 * planted.INVITED[who]
        assert (
            everyone.loc[who, "responded"]
            == answers.loc[answers["respondent_type"] == who, "respondent_id"].nunique()
        )
    assert (mart["asked"] == mart["responded"] + mart["did_not_respond"]).all()
    races = mart[mart["dimension"] == "race_ethnicity"]
    assert races["responded"].sum() == everyone.loc["student", "responded"]


def test_problems_are_ranked_by_evidence(riverside, answers):
    """The order of Cohen's h, worked out again from the truth: of what students and staff said, and of the district's gaps."""
    mart = riverside.mart("problems_of_practice").sort_values("evidence_rank")
    shares = answers.groupby(["construct", "respondent_type", "respondent_id"])["favorable"].mean()
    shares = shares.groupby(["construct", "respondent_type"]).mean()
    gaps = riverside.true_gaps
    gaps = gaps[(gaps["school_year"] == 2026) & (gaps["school_id"] == "_all") & (gaps["grade_level"] == "_all")
                & (gaps["reference"] == "designated")].set_index(["metric_id", "dimension", "subgroup"])["cohens_h"]  # fmt: skip

    def h(one, other):
        return abs(2 * np.arcsin(np.sqrt(one)) - 2 * np.arcsin(np.sqrt(other)))

    true = {}
    for row in riverside.table("problems_of_practice").to_dict("records"):
        if isinstance(row["construct"], str):
            of = shares[row["construct"]]
            true[row["problem_id"]] = max(h(of["student"], of[who]) for who in ("staff", "family"))
        else:
            true[row["problem_id"]] = abs(gaps[row["metric_id"], row["dimension"], row["subgroup"]])
    assert mart["problem_id"].tolist() == sorted(true, key=true.get, reverse=True)
    assert mart["problem_id"].iloc[0] == "P1"  # planted: 41 against 74 percent
    # Students of the roster of 2025-26 who had left by its snapshot are in the truth of the survey and not in the mart.
    assert mart["evidence"].tolist() == pytest.approx([true[p] for p in mart["problem_id"]], abs=0.02)


def test_feedback_by_stakeholder_group(riverside):
    mart = riverside.mart("recommendations").set_index(["recommendation_id", "stakeholder_group"])
    for recommendation, groups in planted.FEEDBACK.items():
        for group, (supports, _) in groups.items():
            row = mart.loc[(recommendation, group)]
            assert row["feedback_answers"] == len(supports)
            assert row["mean_support"] == pytest.approx(np.mean(supports))
            assert row["supporters"] == sum(s >= 4 for s in supports)
    assert mart["evidence_tier"].notna().all()
    released = riverside.released["recommendations"].set_index(["recommendation_id", "stakeholder_group"])
    assert pd.isna(released.loc[("R3", "leaders"), "support_low"]) and pd.isna(
        released.loc[("R3", "leaders"), "mean_support"]
    )
    assert "themes" not in released


def test_the_plan_knows_what_is_overdue(riverside):
    """By the newest day that the data knows, the end of 2025-26; no clock."""
    assert riverside.mart("implementation_plan").set_index("step_id")["is_overdue"].to_dict() == {
        "A1": False,
        "A2": True,
        "A3": False,
    }
    assert "decided_by" not in riverside.released["implementation_plan"]


def test_pages(riverside):
    needs = {block.id: block for block in riverside.pages["programmes/needs.html"].values["blocks"]}
    assert list(needs) == ["perceptions", "groups", "responses", "scales", "items"]
    asked = [row[0] for row in needs["items"].table.rows if isinstance(row, list)]
    assert (
        len(asked) == 3 * len(planted.PERCEPTIONS)
        and asked[0] == "Culturally responsive teaching, question 1"
    )
    bold = [[str(cell).startswith("<b>") for cell in row[3:6]] for row in needs["scales"].table.rows]
    assert {tuple(row) for row in bold} == {(False, True, False)}  # PERTS: by answers
    apart = sorted(
        planted.PERCEPTIONS,
        key=lambda of: planted.PERCEPTIONS[of]["student"] - planted.PERCEPTIONS[of]["staff"],
    )
    assert [row[0] for row in needs["perceptions"].table.rows] == [
        of.replace("_", " ").capitalize() for of in apart
    ]
    plan = {block.id: block for block in riverside.pages["programmes/plan.html"].values["blocks"]}
    assert list(plan) == ["steps", "problems", "recommendations", "library"]
    assert plan["problems"].table.rows[0][0].startswith("1. Students do not find discipline fair")
    assert [line[3].split("> ")[-1] for line in plan["steps"].table.rows] == [
        "Overdue</span>",
        "Done</span>",
        "Planned</span>",
    ]


def test_the_library_says_what_is_recommended_and_tried(riverside):
    mart = riverside.mart("strategy_library").set_index("strategy_id")
    true = riverside.table("strategies").set_index("strategy_id")
    assert mart[["evidence_tier", "evidence_source"]].to_dict() == true[["evidence_tier", "evidence_source"]].loc[mart.index].to_dict()  # fmt: skip
    assert mart.loc["mentoring", ["recommended_in", "tried_in"]].tolist() == ["R1", "MENTOR"]
    assert mart.loc["early_warning", ["recommended_in", "tried_in"]].isna().all()
    blocks = {block.id: block for block in riverside.pages["programmes/plan.html"].values["blocks"]}
    lines = blocks["library"].table.rows
    assert [line for line in lines if isinstance(line, str)] == ["Academics", "Discipline", "School culture", "Engagement"]  # fmt: skip
    tried = next(line for line in lines if "Check and Connect" in line[0])
    assert tried[3] == '<a href="evaluation.html#initiative-mentor">Attendance mentoring</a>'


def test_a_scale_without_a_score_of_its_own_shows_its_questions_alone(riverside):
    tables = dict(riverside.released)
    tables["needs_assessment"] = tables["needs_assessment"].assign(scoring="items_only")
    page = riverside.rendered(tables)["programmes/needs.html"]
    scales = page.partition('id="scales"')[2].partition("</section>")[0]
    assert "%" not in re.sub(r"<p.*?</p>", "", scales) and 'id="items"' in page


def test_without_invitations_the_newest_survey_of_students_and_adults_is_the_needs_assessment(riverside):
    tables = dict(riverside.released)
    rates = tables["survey_response_rates"]
    tables["survey_response_rates"] = rates[rates["respondent_type"] == "student"]
    newest = tables["perception_gaps"].query("school_id == '_all' and not suppressed")
    newest = newest[newest["school_year"] == 2026]["survey_id"].max()
    page = riverside.rendered(tables)["programmes/needs.html"]
    assert f"Survey {newest}, 2025-26" in page
