"""The needs assessment and the plan on the sample partner Riverside, and scores against published examples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from equity_pipeline.domain import reliability
from equity_pipeline.sample import programmes as planted
from equity_pipeline.warehouse import project


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


@pytest.mark.parametrize(("n", "score"), [((100, 100, 100), 0.30), ((200, 100, 100), 0.275)])
def test_perts_composites_as_published(built, n, score):
    """20, 30 and 40 percent of equally many answers make 30 percent; twice the answers to the first, 27.5."""
    import duckdb

    rows = [(f"p{item}{i}", f"q{item}", i < round(count * share)) for item, (count, share) in enumerate(zip(n, (0.2, 0.3, 0.4), strict=True))
            for i in range(count)]  # fmt: skip
    con = duckdb.connect()
    con.execute("create table answers (respondent_id varchar, item varchar, favorable boolean)")
    con.executemany("insert into answers values (?, ?, ?)", rows)
    # The two sums of the mart, on one respondent an answer.
    [(composite,)] = con.execute(
        "select sum(favorable_answers) / sum(answers) from (select respondent_id, count(*) as answers, "
        "sum(favorable::int) as favorable_answers from answers group by all)"
    ).fetchall()
    assert composite == pytest.approx(score)
    sql = (project.FOLDER / "models/marts/programmes/needs_assessment.sql").read_text()
    assert "divide('scores.favorable_answers', 'scores.answers')" in sql


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
