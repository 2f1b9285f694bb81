"""Action For Equity on Riverside: voice, beliefs, eligibility and the leader lab say what the marts say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from equity_pipeline.publishing.programmes import TABLES, equity
from equity_pipeline.publishing.programmes.protect import Released, Share, released, withheld
from equity_pipeline.sample import programmes as planted
from tests.end_to_end.truth import recompute


@pytest.fixture(scope="module")
def riverside(built):
    return built("riverside_usd")


@pytest.fixture(scope="module")
def blocks(riverside):
    return {
        block.id: block for block in riverside.pages["programmes/action_for_equity.html"].values["blocks"]
    }


def test_the_phase_comes_first(blocks):
    assert next(iter(blocks)) == "phase"
    phases = [line[1] for line in blocks["phase"].table.rows]
    assert phases[0] == "Access" and phases == sorted(phases)


def test_a_school_in_a_phase_of_its_own_shows_what_that_phase_asks(riverside, blocks):
    rows = blocks["schools"].table.rows
    assert rows[0] == "King High School: 2025-26 Experience Success"
    assert {line[1] for line in rows[1:]} == {"Success"}
    phases = riverside.mart("access").query("school_year == 2026").groupby("school_id")["phase"].first()
    assert phases["0104"] == "success" and set(phases.drop("0104")) == {"access"}


def test_voice_stands_beside_access(riverside, blocks):
    mart = riverside.mart("student_voice")
    mart = mart[
        (mart["school_year"] == 2026) & (mart["school_id"] == "_all") & (mart["dimension"] == "all_students")
    ]
    responses, items = riverside.table("survey_responses"), riverside.table("survey_items")
    asked = responses[
        (responses["school_year"] == 2026)
        & (responses["respondent_type"] == "student")
        & responses["response"].notna()
    ]
    asked = asked.merge(items[["survey_id", "item_id", "construct"]], on=["survey_id", "item_id"])
    people = recompute.population({n: riverside.table(n) for n in ("students", "school_enrollments")})
    asked = asked[asked["student_id"].isin(people.loc[people["school_year"] == 2026, "student_id"])]
    true = asked.groupby("construct")["respondent_id"].nunique()
    assert mart.groupby("construct")["respondents"].sum().to_dict() == true.to_dict()
    assert (mart["access_successes"] <= mart["access_n"]).all()
    # What the needs assessment asks stands there.
    assert [line for line in blocks["voice"].table.rows if isinstance(line, str)] == [
        "Belonging", "Expectations", "Trusted adult",
    ]  # fmt: skip


def test_what_stands_in_the_way_is_found_in_its_order(riverside, blocks):
    """Planted shares within what so many answers can tell, and the ranking of those in no AP course exact."""
    mart = riverside.mart("student_voice")
    mart = mart[
        (mart["school_id"] == "_all") & (mart["dimension"] == "all_students") & (mart["school_year"] == 2026)
    ]
    at = mart.set_index(["construct", "course_experience"])
    for construct, shares in planted.VOICES.items():
        for which, share in zip(("no_ap_ib", "ap_ib"), shares, strict=True):
            row = at.loc[(construct, which)]
            said = row["favorable_by_respondents"]
            named = said if construct == "trusted_adult" else 1 - said
            assert abs(named - share) < 4 * np.sqrt(share * (1 - share) / row["respondents"]), (
                construct,
                which,
            )
    ranked = sorted(
        (c for c in planted.VOICES if c.startswith("barrier_")), key=lambda c: -planted.VOICES[c][0]
    )
    assert blocks["barriers"].table.columns[1:] == [
        construct.removeprefix("barrier_").replace("_", " ").capitalize() for construct in ranked
    ]
    assert "Trusted adult" in {line for line in blocks["voice"].table.rows if isinstance(line, str)}


def test_staff_beliefs(blocks):
    assert "Fair discipline" in {line[0] for line in blocks["beliefs"].table.rows}


def test_eligibility_needs_every_gap_closed_or_narrowing():
    rows = [
        ("a", "race_ethnicity", "black", "closed"), ("a", "race_ethnicity", "hispanic", "narrowing"),
        ("b", "race_ethnicity", "black", "closed"), ("b", "economically_disadvantaged", "yes", "open"),
        ("c", "race_ethnicity", "black", "not_measurable"),
        ("d", "sex", "female", "open"), ("d", "race_ethnicity", "black", "maintained_closed"),
    ]  # fmt: skip
    closure = pd.DataFrame(rows, columns=["school_id", "dimension", "subgroup", "status"]).assign(
        school_year=2026, metric_id="ap_ib_enrollment", reference="designated"
    )
    told = equity.eligibility(
        pd.concat([closure, closure.assign(school_year=2025, status="widening")])
    ).set_index("school_id")
    assert told["eligible"].to_dict() == {"a": True, "b": False, "d": True}
    assert told["gaps"].to_dict() == {"a": 2, "b": 2, "d": 1}


def test_the_lab_shows_the_gap_before_and_since(riverside, blocks):
    """Every policy of every team, against the gaps worked out again from the truth."""
    gaps = riverside.true_gaps
    gaps = gaps[(gaps["reference"] == "designated") & (gaps["grade_level"] == "_all")]
    gaps = gaps.set_index(["metric_id", "dimension", "subgroup", "school_id", "school_year"])["gap"]
    mart = riverside.mart("leader_lab_policies")
    assert len(mart) == 4 and mart["team_id"].nunique() == 3
    for row in mart.to_dict("records"):
        about = (row["metric_id"], row["dimension"], row["subgroup"], row["school_id"])
        adopted = row["adopted_on"].year + (row["adopted_on"].month >= 7)
        assert row["adopted_school_year"] == adopted
        assert row["gap_before"] == pytest.approx(gaps[(*about, adopted - 1)])
        assert row["latest_gap"] == pytest.approx(gaps[(*about, 2026)])
    lines = blocks["lab"].table.rows
    assert [line for line in lines if isinstance(line, str)] == [
        "LAB-1, Ramona High School", "LAB-2, Poly High School", "LAB-3, Arlington High School",
    ]  # fmt: skip
    assert lines[1][0].startswith("Every tenth grader")


def test_a_rule_lets_nothing_out_that_it_does_not_name():
    frame = pd.DataFrame(
        {
            "place": ["a", "b", "c"],
            "n": [5, 40, 1000],
            "s": [5, 10, 333],
            "mean": [1.11, 2.22, 3.33],
            "secret": [1, 2, 3],
        }
    )
    told = released(frame, Released(("place",), (Share("rate", "n", "s"),), means={"mean": "n"}), 10, 5)
    assert list(told) == ["place", "n", "rate_low", "rate_high", "mean", "suppressed"]
    assert told["suppressed"].tolist() == [True, False, False]
    assert told["n"].tolist()[1:] == [40, 1000] and pd.isna(told["mean"][0]) and told["mean"][1] == 2.2
    assert (told["rate_low"][2], told["rate_high"][2]) == (0.33, 0.33)


def test_nothing_is_told_here_that_the_gap_tables_hide():
    about = ("school_year", "school_id", "dimension", "subgroup")
    rule = Released(about, (Share("rate", "n", "s"), Share("reference_rate", "reference_n", "r", "rest")))
    keys = pd.DataFrame(
        {"school_year": 2026, "school_id": "_all", "dimension": "sex", "subgroup": ["a", "b", "c", "d"]}
    )
    table = keys.assign(n=[40, 60, 90, 30], rate_low=0.1, rate_high=0.2, reference_n=[100, 100, 100, 100], reference_rate_low=0.1,
                        reference_rate_high=0.2, suppressed=False)  # fmt: skip
    gaps = pd.concat(
        keys.assign(metric_id="ap_ib_enrollment", reference=reference, n=[None, 50, 90, 30], reference_n=[100, None, 50, 100],
                    rate=None, rate_band=None, reference_rate=None, reference_rate_band=None,
                    suppression_reason=["privacy", None, None, "not_measured"])
        for reference in ("overall", "rest")
    )  # fmt: skip
    told = withheld(table, rule, gaps)
    assert told["n"].tolist()[1:] == [50, 90, 30] and pd.isna(told["n"][0]) and pd.isna(told["rate_low"][0])
    assert told["suppressed"].tolist() == [True, False, False, False]
    assert (
        pd.isna(told["reference_n"][1])
        and pd.isna(told["reference_rate_low"][1])
        and told["rate_low"][1] == 0.1
    )
    assert told["reference_n"][2] == 50 and told["reference_n"][3] == 100


def test_of_a_metric_of_the_gap_tables_their_numbers_are_told_and_no_others():
    """Each share by the year, the place and the group that it is about: before and since, and whom a group is compared with."""
    group = {"dimension": "sex", "subgroup": "a"}
    gaps = pd.DataFrame(
        [
            {"school_year": year, "school_id": "_all", **group, "metric_id": metric, "reference": reference,
             "n": None if hidden else 60, "rate": None if hidden else 0.27, "rate_band": None if hidden else "19% to 35%",
             "reference_n": 70, "reference_rate": 0.9, "reference_rate_band": "80% or more",
             "suppression_reason": "privacy" if hidden else None}
            for year in (2025, 2026)
            for metric in ("ap_ib_enrollment", "exam_taken")
            for reference in ("overall", "designated")
            for hidden in [year == 2026 and metric == "exam_taken"]
        ]
    )  # fmt: skip
    banded = {"n": 60, "low": 0.2, "high": 0.3}

    def told(name: str, row: dict, *shares: str) -> list:
        rule = TABLES[name]
        said = {
            column: banded[end]
            for share in rule.shares
            for column, end in zip(share.columns, banded, strict=True)
        }
        table = pd.DataFrame([dict.fromkeys(rule.about) | group | row | said | {"suppressed": False}])
        table = withheld(table.astype({share.n: "Int64" for share in rule.shares}), rule, gaps)
        of = {share.name: share for share in rule.shares}
        return [[None if pd.isna(x) else x for x in table[of[share].columns].iloc[0]] for share in shares]

    cycle = {
        "metric_id": "exam_taken",
        "school_id": "_all",
        "start_school_year": 2026,
        "latest_school_year": 2026,
    }
    since, before = told("cycles_of_inquiry", cycle, "latest_rate", "baseline_rate")
    assert since == [None] * 3 and before == [60, 0.19, 0.35]
    # A metric that the gap tables do not tell of keeps its own band.
    [before] = told("cycles_of_inquiry", cycle | {"metric_id": "suspended_any"}, "baseline_rate")
    assert before == [60, 0.2, 0.3]
    problem = {"metric_id": "exam_taken", "school_year": 2025, "evidence_reason": "gap"}
    assert told("problems_of_practice", problem, "rate", "reference_rate") == [[60, 0.19, 0.35], [70, 0.8, 1]]
    # Its evidence is what people see: the numbers are of no metric.
    assert told("problems_of_practice", problem | {"evidence_reason": "students and staff"}, "rate") == [
        [60, 0.2, 0.3]
    ]
    area = {"metric_id": "exam_taken", "school_year": 2026, "school_id": "_all"}
    assert told("focus_areas", area, "rate") == [[None] * 3]
