"""How far items agree, against other ways to the same figure; and of whom it is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.optimize import least_squares
from statsmodels.stats.anova import anova_lm

from equity_pipeline.domain import reliability


@pytest.mark.parametrize("items", [3, 6])
def test_reliability_agrees_with_other_ways_to_it(items):
    """Alpha is Hoyt's: 1 less the ratio of the residual and the persons' mean squares of a two-way analysis of variance by statsmodels.
    Omega's loadings solve the least squares of the correlations beside the diagonal, by scipy."""
    dice = np.random.default_rng(items)
    loadings = np.linspace(0.4, 0.9, items)
    x = dice.normal(size=(400, 1)) * loadings + dice.normal(size=(400, items)) * np.sqrt(1 - loadings**2)
    long = pd.DataFrame(x).stack().rename_axis(["person", "item"]).rename("y").reset_index()
    squares = anova_lm(smf.ols("y ~ C(person) + C(item)", long[long["person"] < 60]).fit())["mean_sq"]
    assert reliability.alpha(x[:60]) == pytest.approx(
        1 - squares["Residual"] / squares["C(person)"], abs=1e-6
    )
    correlations, beside = np.corrcoef(x.T), ~np.eye(items, dtype=bool)
    found = least_squares(lambda of: (correlations - np.outer(of, of))[beside], np.full(items, 0.5), xtol=1e-15, ftol=1e-15, gtol=1e-15).x  # fmt: skip
    omega = found.sum() ** 2 / (found.sum() ** 2 + (1 - found**2).sum())
    assert reliability.omega(x) == pytest.approx(omega, abs=1e-6)


def test_alpha_of_a_known_matrix():
    """Two parallel items that correlate 0.5 have alpha 2 * 0.5 / 1.5."""
    x = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1], [1, 1], [-1, -1], [1, 1], [-1, -1]], float)
    assert np.corrcoef(x.T)[0, 1] == pytest.approx(0.5)
    assert reliability.alpha(x) == pytest.approx(2 / 3)
    assert reliability.omega(x) is None


def scale(people: int, construct: str = "belonging", points: str = "{0};{1};{2}") -> pd.DataFrame:
    """Complete answers to three items, each person's a little different."""
    answers = [points.format(i % 5 + 1, (i + i // 7) % 5 + 1, (i * i) % 5 + 1) for i in range(people)]
    return pd.DataFrame(
        {"school_year": 2026, "survey_id": "s", "respondent_type": "student", "construct": construct, "items": 3, "answers": 3,
         "points": answers}
    )  # fmt: skip


def test_a_scale_is_told_of_from_thirty_complete_answers_on():
    partly = scale(5, "enough").assign(answers=2)
    given = pd.concat([scale(29, "few"), scale(30, "enough"), partly, scale(40, "alike", "3;3;3")])
    told = reliability.reliability(given).set_index("construct")
    assert list(told["respondents"].items()) == [("alike", 40), ("enough", 30), ("few", 29)]
    assert told.loc[["alike", "few"], ["alpha", "omega"]].isna().all(axis=None)
    matrix = np.array([[float(p) for p in text.split(";")] for text in scale(30)["points"]])
    assert told.loc["enough", "alpha"] == pytest.approx(reliability.alpha(matrix))
    assert told.loc["enough", "omega"] == pytest.approx(reliability.omega(matrix))
    assert told.dtypes.astype(str).to_dict() == {
        "school_year": "int32", "survey_id": "string", "respondent_type": "string", "respondents": "int64",
        "alpha": "float64", "omega": "float64",
    }  # fmt: skip


def test_two_items_have_an_alpha_and_a_scale_with_an_item_that_all_answer_alike_has_none():
    two = scale(40, "two", "{0};{1}").assign(items=2, answers=2)
    given = pd.concat([two, scale(40, "one alike", "{0};{1};3"), scale(40, "narrow", "0.{0};0.{1};0.{2}")])
    told = reliability.reliability(given).set_index("construct")
    assert told["alpha"].notna().to_dict() == {"narrow": True, "one alike": False, "two": True}
    assert told["omega"].notna().to_dict() == {"narrow": True, "one alike": False, "two": False}


def test_who_answered_in_which_order_changes_no_bit():
    given = scale(60)
    again = reliability.reliability(given.sample(frac=1, random_state=3))
    pd.testing.assert_frame_equal(again, reliability.reliability(given), check_exact=True)


def test_one_item_or_none_answered_is_no_scale():
    lone = scale(40, points="{0}").assign(items=1, answers=1)
    unanswered = scale(40).assign(points=None)
    assert reliability.reliability(pd.concat([lone, unanswered])).empty


def test_items_without_a_common_factor_have_no_omega():
    """The loadings of such items are not defined; what the library then gives must not be published."""
    x = np.array([[a, b, c] for a in (0.0, 1) for b in (0.0, 1) for c in (0.0, 1)] * 8)
    value = reliability.omega(x)
    assert value is None or 0 <= value < 0.05
