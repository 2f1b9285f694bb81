"""What a published mart looks like: masks, reasons, types, and no column that no rule knows."""

from __future__ import annotations

import pandas as pd
import pytest

from equity_pipeline.disclosure.marts import RESTS_ON, STATED, protect_marts
from equity_pipeline.domain.errors import DisclosureError
from tests.disclosure import tables

KEYS = ["school_year", "school_id", "metric_id", "dimension", "subgroup", "reference"]


@pytest.fixture(scope="module")
def marts() -> dict[str, pd.DataFrame]:
    return tables.district(seed=2, schools=2, size=250, years=2)


@pytest.fixture(scope="module")
def protected(marts: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return protect_marts(marts, 10, tables.DIMENSIONS)


def publishable(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[~frame["dimension"].str.contains("*", regex=False) | (frame["school_id"] == "_all")]


def test_rows_keys_and_columns_stay(marts: dict, protected: dict) -> None:
    for name, frame in marts.items():
        keys = [key for key in KEYS if key in frame]
        expected = publishable(frame)[keys]
        pd.testing.assert_frame_equal(protected[name][keys], expected)
        assert list(protected[name].columns) == [
            *frame.columns,
            "suppressed",
            "suppression_reason",
            "rate_band",
        ]
    assert len(protected["gap_metrics"]) < len(marts["gap_metrics"])


def test_a_suppressed_row_says_nothing_and_gives_one_reason(protected: dict) -> None:
    for name, frame in protected.items():
        hidden = frame[frame["suppressed"]]
        assert len(hidden)
        values = [column for column in hidden if column in RESTS_ON]
        assert hidden[values].isna().all(axis=None), name
        assert set(hidden["suppression_reason"]) == {"privacy"}
        assert frame.loc[~frame["suppressed"], "suppression_reason"].isna().all()


def test_what_is_shown_is_what_was_there(marts: dict, protected: dict) -> None:
    before, after = publishable(marts["gap_metrics"]), protected["gap_metrics"]
    for column in ("n", "successes", "rate", "reference_n", "gap", "students_needed", "reliable"):
        shown = after[column].notna()
        assert shown.any()
        assert (after.loc[shown, column] == before.loc[shown, column]).all()


def test_a_hidden_reference_takes_the_gap_and_leaves_the_rate(marts: dict, protected: dict) -> None:
    frame = protected["gap_metrics"]
    half = frame[
        ~frame["suppressed"]
        & frame["reference_n"].isna()
        & publishable(marts["gap_metrics"])["reference_n"].notna()
    ]
    assert len(half)
    assert half[["n", "rate"]].notna().all(axis=None)
    gone = [
        "reference_rate",
        "gap",
        "gap_low",
        "gap_high",
        "rate_ratio",
        "odds_ratio",
        "cohens_h",
        "students_needed",
        "reliable",
        "reason",
    ]
    assert half[gone].isna().all(axis=None)


def test_figures_of_another_reference_go_with_it(protected: dict) -> None:
    frame = protected["gap_metrics"]
    keys = [key for key in KEYS if key != "reference"]
    for column, reference in (
        ("ppg2022_flag", "rest"),
        ("representation_index", "overall"),
        ("index80_flag", "highest"),
    ):
        stated = frame[frame["reference"] == reference].set_index(keys)["reference_n"].notna()
        rows = frame[frame[column].notna()].set_index(keys)
        assert len(rows)
        assert stated[rows.index.unique()].all()


def test_a_gap_of_last_year_is_shown_only_where_last_year_shows_it(protected: dict) -> None:
    gaps = protected["gap_metrics"].set_index(KEYS)["gap"]
    closure = protected["gap_closure"]
    for column in ("prior_gap", "gap_change"):
        rows = closure[closure[column].notna()]
        assert len(rows)
        prior = rows.assign(school_year=rows["school_year"] - 1).set_index(KEYS).index
        assert gaps[prior].notna().all()


def test_ranks_have_no_holes(protected: dict) -> None:
    for _, ranks in protected["tools_package"].groupby("school_year")["urgency_rank"]:
        assert sorted(ranks.dropna()) == list(range(1, ranks.notna().sum() + 1))


def test_not_measured_is_told_from_privacy_and_keeps_its_reason(marts: dict) -> None:
    gaps = marts["gap_metrics"].copy()
    exams = gaps["metric_id"].str.startswith("exam") & (gaps["school_year"] == 2025)
    values = [c for c in RESTS_ON if c in gaps and c != "reason"]
    gaps.loc[exams, [*values, "reference_subgroup"]] = None
    gaps.loc[exams, "reason"] = "not_measured: exam_results"
    closure = tables.gap_closure(gaps)
    after = protect_marts({"gap_metrics": gaps, "gap_closure": closure}, 10, tables.DIMENSIONS)
    rows = after["gap_metrics"][exams[after["gap_metrics"].index]]
    assert set(rows["suppression_reason"]) == {"not_measured"}
    assert set(rows["reason"]) == {"not_measured: exam_results"}
    assert rows["suppressed"].all()
    next_year = after["gap_closure"].query(
        "school_year == 2026 and metric_id == 'exam_taken' and not suppressed"
    )
    assert len(next_year)
    assert next_year["prior_gap"].isna().all()
    assert next_year["status"].notna().all()


def test_a_column_without_a_rule_stops_the_release(marts: dict) -> None:
    for name, frame in marts.items():
        wider = marts | {name: frame.assign(mean_score=3.1)}
        with pytest.raises(DisclosureError, match="mean_score"):
            protect_marts(wider, 10, tables.DIMENSIONS)


def test_a_dimension_without_a_row_stops_the_release(marts: dict) -> None:
    fewer = tables.DIMENSIONS[tables.DIMENSIONS["dimension"] != "homeless"]
    with pytest.raises(DisclosureError, match="homeless"):
        protect_marts(marts, 10, fewer)


def test_a_row_that_gap_metrics_does_not_have_stops_the_release(marts: dict) -> None:
    strange = marts["gap_closure"].assign(subgroup="elsewhere")
    with pytest.raises(DisclosureError, match="does not have"):
        protect_marts(marts | {"gap_closure": strange}, 10, tables.DIMENSIONS)


def test_a_reference_that_is_not_the_group_it_names_stops_the_release(marts: dict) -> None:
    gaps = marts["gap_metrics"].copy()
    overall = gaps.index[gaps["reference"] == "overall"][0]
    gaps.loc[overall, "reference_n"] += 1
    with pytest.raises(DisclosureError, match="reference 'overall'"):
        protect_marts({"gap_metrics": gaps}, 10, tables.DIMENSIONS)


def test_shuffled_rows_are_protected_alike(marts: dict, protected: dict) -> None:
    shuffled = {
        name: frame.sample(frac=1, random_state=7) for name, frame in marts.items() if name != "tools_package"
    }
    again = protect_marts(shuffled, 10, tables.DIMENSIONS)
    for name, frame in again.items():
        pd.testing.assert_frame_equal(frame.sort_index(), protected[name])


def test_no_column_is_both_stated_and_ruled() -> None:
    assert not STATED & RESTS_ON.keys()
