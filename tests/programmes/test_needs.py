"""The needs assessment and the plan on the sample partner Riverside, and scores against published examples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from equity_pipeline.domain import reliability
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


def test_perts_composites_as_published(riverside, tmp_path):
    """20, 30 and 40 percent of equally many answers make 30 percent; twice the answers to the first, 27.5: through the mart."""
    workshop = Workshop.open(riverside.warehouse, tmp_path)
    items = [("q1", 0.2), ("q2", 0.3), ("q3", 0.4)]
    responses = pd.DataFrame(
        {"survey_id": survey, "respondent_id": f"{survey}-{item}-{i}", "item_id": item, "response": "6" if i < round(n * share) else "4"}
        for survey, counts in (("even", (100, 100, 100)), ("uneven", (200, 100, 100)))
        for (item, share), n in zip(items, counts, strict=True) for i in range(n)
    ).assign(school_year=2026, respondent_type="staff", school_id="0101")  # fmt: skip
    codebook = pd.DataFrame(
        {"survey_id": survey, "item_id": item} for survey in ("even", "uneven") for item, _ in items
    ).assign(school_year=2026, construct="identity_safety", scale_min=1, scale_max=6, favorable="5;6", reverse="no", instrument="perts")  # fmt: skip
    workshop.fill_raw({"survey_responses": responses, "survey_items": codebook})
    workshop.make("int_survey_scale", "needs_assessment")
    told = workshop.frame(
        "select survey_id, headline_score from marts.needs_assessment where school_id = '_all'"
    )
    assert told.set_index("survey_id")["headline_score"].to_dict() == pytest.approx(
        {"even": 0.30, "uneven": 0.275}
    )


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


def test_alpha_of_a_known_matrix():
    """Two parallel items that correlate 0.5 have alpha 2 * 0.5 / 1.5."""
    x = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1], [1, 1], [-1, -1], [1, 1], [-1, -1]], float)
    assert np.corrcoef(x.T)[0, 1] == pytest.approx(0.5)
    assert reliability.alpha(x) == pytest.approx(2 / 3)
    assert reliability.omega(x) is None


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


def test_problems_are_ranked_by_evidence(riverside):
    mart = riverside.mart("problems_of_practice").sort_values("evidence_rank")
    assert mart["evidence"].is_monotonic_decreasing
    assert mart["problem_id"].iloc[0] == "P1"  # planted: 41 against 74 percent
    closer = 2 * np.arcsin(np.sqrt(mart["rate"])) - 2 * np.arcsin(np.sqrt(mart["reference_rate"]))
    assert mart["evidence"].tolist() == pytest.approx(closer.abs().tolist())


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
    assert list(needs) == ["perceptions", "groups", "responses", "scales"]
    assert needs["perceptions"].table.rows[0][0] == "Fair discipline"
    plan = {block.id: block for block in riverside.pages["programmes/plan.html"].values["blocks"]}
    assert list(plan) == ["steps", "problems", "recommendations"]
    assert plan["problems"].table.rows[0][0].startswith("1. Students do not find discipline fair")
    assert [line[3].split("> ")[-1] for line in plan["steps"].table.rows] == [
        "Overdue</span>",
        "Done</span>",
        "Planned</span>",
    ]
