"""Published marts: all rows, rounded base, everything else worked out from it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.marts import BANDS, STATED
from equity_pipeline.disclosure.model import CELL, published
from tests.disclosure.conftest import District

KEY = [*CELL, "reference"]


def test_every_row_stays(district: District, protected: dict[str, pd.DataFrame]) -> None:
    for name, frame in protected.items():
        truth = district.marts[name]
        truth = truth[published(truth, district.dimensions)]
        keys = [c for c in KEY if c in truth]
        assert sorted(map(tuple, frame[keys].to_numpy())) == sorted(map(tuple, truth[keys].to_numpy()))
        assert set(truth.columns) <= set(frame.columns)


def test_counts_are_rounded_down_and_successes_are_never_said(district: District, protected: dict) -> None:
    both = protected["gap_metrics"].merge(district.marts["gap_metrics"].query("grade_level == '_all'"), on=KEY, suffixes=("", "_true"))
    assert both["successes"].isna().all()
    assert both["reference_successes"].isna().all()
    said = both[both["n"].notna()]
    assert (said["n"] % 10 == 0).all()
    assert (said["n"] <= said["n_true"]).all()
    assert (both.loc[both["n"].isna(), "n_true"].fillna(0) < 10).mean() > 0.9
    numbers = both[both["rate"].notna()].astype({"rate": float})
    assert len(numbers) > 100
    assert np.allclose(numbers["rate"], np.floor(100 * numbers["rate_true"] + 1e-9) / 100)
    assert (numbers["n"] >= 600).all()


def test_the_true_gap_lies_in_its_band_or_beside_its_number(district: District, protected: dict) -> None:
    both = protected["gap_metrics"].merge(district.marts["gap_metrics"].query("grade_level == '_all'"), on=KEY, suffixes=("", "_true"))
    same_reference = (both["reference_subgroup"] == both["reference_subgroup_true"]) | both["reference_subgroup"].isna()
    both = both[same_reference & both["gap_true"].notna()]
    numbers = both[both["gap"].notna()]
    assert ((numbers["gap"].astype(float) - numbers["gap_true"]).abs() < 0.01 + 1e-9).all()
    bands = both[both["gap_band"].notna()]
    ends = bands["gap_band"].str.replace("−", "-").str.split(" to ", expand=True).astype(int) / 100
    assert len(bands) > 100
    assert ((ends[0] <= bands["gap_true"] + 0.01) & (bands["gap_true"] <= ends[1] + 0.01)).all()


def test_nothing_but_the_counts_of_the_restricted_marts_goes_in(district: District, protected: dict) -> None:
    """With every other value of every mart replaced, the release is the same."""
    scrambled = {}
    for name, frame in district.marts.items():
        values = [c for c in frame if c not in STATED and c not in ("n", "successes", "reason")]
        other = frame.assign(**{c: pd.Series([None] * len(frame), dtype=frame[c].dtype if frame[c].dtype == object else None) for c in values})
        scrambled[name] = other if name == "gap_metrics" else other.iloc[:0]
    for name, frame in district.protect(**scrambled).items():
        pd.testing.assert_frame_equal(frame, protected[name])


def test_a_suppressed_row_says_nothing_and_gives_one_reason(protected: dict) -> None:
    for frame in protected.values():
        hidden = frame[frame["suppressed"].astype(bool)]
        assert set(hidden["suppression_reason"]) <= {"privacy", "not_measured"}
        values = [c for c in frame if c not in STATED | {"suppressed", "suppression_reason", "reason"}]
        assert hidden[values].isna().all(axis=None)
        assert hidden.loc[hidden["suppression_reason"] == "privacy"].get("reason", pd.Series(dtype=object)).isna().all()


def test_a_gap_is_a_number_a_band_or_hidden_and_never_two_of_these(protected: dict) -> None:
    gaps = protected["gap_metrics"]
    assert not (gaps["gap"].notna() & gaps["gap_band"].notna()).any()
    assert not (gaps["rate"].notna() & gaps["rate_band"].notna()).any()
    assert gaps.loc[gaps["gap_band"].notna(), ["gap_low", "gap_high", "rate_ratio", "odds_ratio"]].isna().all(axis=None)
    assert set(BANDS) <= set(gaps.columns)


def test_a_status_stands_only_where_the_whole_band_has_it(protected: dict) -> None:
    closure = protected["gap_closure"]
    banded = closure[closure["gap_band"].notna()]
    ends = banded["gap_band"].str.replace("−", "-").str.split(" to ", expand=True).astype(int) / 100
    closed = banded["status"].isin(["closed", "maintained_closed"])
    assert ((ends[0] >= -0.02) | (banded["metric_id"] == "") | ~closed).all()
    assert not ((ends[1] < -0.02) & closed).any()
    assert (closure.loc[~closure["suppressed"].astype(bool), "status"].notna()).all()


def test_ranks_have_no_holes(protected: dict) -> None:
    ranks = protected["tools_package"].dropna(subset=["urgency_rank"])
    for _, of_year in ranks.groupby("school_year"):
        assert of_year["urgency_rank"].max() == of_year["urgency_rank"].nunique()


def test_most_gaps_of_large_groups_are_kept(district: District, protected: dict) -> None:
    both = protected["gap_metrics"].merge(district.marts["gap_metrics"].query("grade_level == '_all'"), on=KEY, suffixes=("", "_true"))
    large = both[(both["n_true"] >= 30) & (both["reference_n_true"] >= 30) & ~both["dimension"].str.contains("[*]")]
    kept = large["gap"].notna() | large["gap_band"].notna()
    district_level = large["school_id"] == "_all"
    assert kept[district_level].mean() >= 0.97
    assert kept[~district_level].mean() >= 0.85
