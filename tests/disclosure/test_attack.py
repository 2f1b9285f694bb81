"""The attack finds planted leaks, and nothing in a release that was protected."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.disclosure.attack import attack, audit, certificate
from equity_pipeline.disclosure.marts import RESTS_ON, protect_marts
from equity_pipeline.disclosure.model import CELL
from equity_pipeline.domain.errors import DisclosureError
from tests.disclosure import tables

DIMENSIONS = tables.DIMENSIONS


@pytest.fixture(scope="module")
def marts() -> dict[str, pd.DataFrame]:
    return tables.district(seed=4, schools=3, size=500, years=2)


@pytest.fixture(scope="module")
def protected(marts: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return protect_marts(marts, 10, DIMENSIONS)


def write(folder: Path, marts: dict[str, pd.DataFrame]) -> Path:
    (folder / "data").mkdir(parents=True)
    for name, frame in marts.items():
        frame.to_csv(folder / "data" / f"{name}.csv", index=False)
        frame.to_parquet(folder / "data" / f"{name}.parquet", index=False)
    return folder


def kinds(result: object) -> set[str]:
    return {finding.kind for finding in result.findings}


def test_a_protected_release_passes_in_both_formats(tmp_path: Path, protected: dict) -> None:
    result = audit(write(tmp_path, protected), DIMENSIONS, 10)
    assert result.findings == ()
    assert result.passed
    assert result.narrowest >= 1
    cells = protected["gap_metrics"].drop_duplicates(CELL)
    assert result.n_cells == len(cells)
    assert result.n_hidden == cells["suppressed"].sum()
    assert set(result.files) == {f"data/{mart}.{kind}" for mart in protected for kind in ("csv", "parquet")}


def test_hiding_the_small_counts_only_fails(marts: dict, protected: dict) -> None:
    gaps = marts["gap_metrics"].loc[protected["gap_metrics"].index].copy()
    counts = gaps[["n", "successes"]].assign(without=gaps["n"] - gaps["successes"])
    small = (counts < 10).any(axis=1)
    values = [c for c in gaps if c in RESTS_ON or c == "reference_subgroup"]
    gaps.loc[small, values] = None
    gaps = gaps.assign(suppressed=small, suppression_reason=np.where(small, "privacy", None), rate_band=None)
    result = attack({"gap_metrics": gaps}, DIMENSIONS, 10)
    found = [f for f in result.findings if f.kind == "hidden count follows from published ones"]
    assert not result.passed
    assert len(found) > 20


def reveal(protected: pd.DataFrame, truth: pd.DataFrame, rows: pd.Series, columns: list[str]) -> pd.DataFrame:
    leaky = protected.copy()
    for column in columns:
        leaky[column] = leaky[column].where(~rows, truth.loc[leaky.index, column])
    return leaky


def one_cell(frame: pd.DataFrame, choice: pd.Series) -> pd.Series:
    """All rows of the first cell that `choice` finds."""
    assert choice.any()
    first = frame[choice].iloc[0]
    return (frame[CELL] == first[CELL]).all(axis=1)


def complementary(protected: dict, marts: dict) -> pd.Series:
    gaps, truth = protected["gap_metrics"], marts["gap_metrics"].loc[protected["gap_metrics"].index]
    return (
        gaps["suppressed"]
        & (truth["n"] >= 20)
        & (truth["successes"] >= 10)
        & (truth["n"] - truth["successes"] >= 10)
    )


def test_one_complementary_cell_unhidden_is_found_each_time(marts: dict, protected: dict) -> None:
    """Every cell that was hidden for the sake of others is needed by some of them, at least for half of a
    sample."""
    gaps, truth = protected["gap_metrics"], marts["gap_metrics"]
    candidates = gaps[
        complementary(protected, marts) & (gaps["metric_id"] == "course_grade_c_or_better")
    ].drop_duplicates(CELL)
    found = 0
    for _, first in candidates.head(8).iterrows():
        rows = (gaps[CELL] == first[CELL]).all(axis=1)
        leaky = reveal(gaps, truth, rows, ["n", "successes", "rate"])
        leaky.loc[rows, ["suppressed", "suppression_reason"]] = [False, None]
        found += "hidden count follows from published ones" in kinds(
            attack({"gap_metrics": leaky}, DIMENSIONS, 10)
        )
    assert found >= 4


def test_rest_beside_overall_gives_the_unknown_away(marts: dict, protected: dict) -> None:
    """all − group − rest = unknown; none of the three is small."""
    gaps, truth = protected["gap_metrics"], marts["gap_metrics"]
    hidden = gaps[
        gaps["suppressed"] & (gaps["subgroup"] == "unknown") & (gaps["dimension"] == "race_ethnicity")
    ]
    places = set(map(tuple, hidden[["school_year", "metric_id", "school_id"]].to_numpy()))
    here = pd.Series(
        [tuple(v) in places for v in gaps[["school_year", "metric_id", "school_id"]].to_numpy()],
        index=gaps.index,
    )
    rows = (
        here & (gaps["reference"] == "rest") & (gaps["dimension"] == "race_ethnicity") & ~gaps["suppressed"]
    )
    rows &= truth.loc[gaps.index, "reference_n"] > 100
    rows &= gaps.index == gaps.index[rows][0]
    leaky = reveal(gaps, truth, rows, ["reference_n", "reference_successes", "reference_rate"])
    result = attack({"gap_metrics": leaky}, DIMENSIONS, 10)
    assert any(
        f.kind == "hidden count follows from published ones" and f.where.split(":")[0].endswith("unknown")
        for f in result.findings
    )


def test_a_district_row_gives_the_school_away(marts: dict, protected: dict) -> None:
    """The district row of a group hidden at exactly one school, and the schools' rows of all others."""
    gaps, truth = protected["gap_metrics"], marts["gap_metrics"].loc[protected["gap_metrics"].index]
    open_rows = (
        (gaps["metric_id"] == "ap_ib_enrollment")
        & (gaps["subgroup"] == "two_or_more")
        & (gaps["dimension"] == "race_ethnicity")
    )
    rows = open_rows & (gaps["school_id"] != "0000")
    leaky = reveal(gaps, truth, rows, ["n", "successes", "rate"])
    leaky.loc[rows, ["suppressed", "suppression_reason"]] = [False, None]
    school = open_rows & (gaps["school_id"] == "0000")
    leaky.loc[school, [c for c in gaps if c in RESTS_ON]] = None
    leaky.loc[school, ["suppressed", "suppression_reason"]] = [True, "privacy"]
    result = attack({"gap_metrics": leaky}, DIMENSIONS, 10)
    assert any("0000 race_ethnicity two_or_more" in f.where and "follows" in f.kind for f in result.findings)


PLANTS: dict[str, tuple[str, Callable[[pd.DataFrame], pd.Series], list[str], str]] = {
    "a rate kept": ("gap_metrics", lambda f: f["suppressed"], ["rate"], "value in a suppressed row"),
    "a margin kept": ("gap_metrics", lambda f: f["suppressed"], ["ppg2022_margin"], "value in a suppressed row"),
    "a flag kept": ("gap_metrics", lambda f: f["suppressed"], ["index80_flag"], "value in a suppressed row"),
    "the reason small kept": ("gap_metrics", lambda f: f["suppressed"], ["reason"], "value in a suppressed row"),
    "a gap beside a hidden rate": ("gap_metrics", lambda f: ~f["suppressed"] & f["reference_n"].isna(), ["gap"], "figure beside a hidden count"),
    "a ratio beside a hidden rate": ("gap_metrics", lambda f: ~f["suppressed"] & f["reference_n"].isna(), ["rate_ratio"], "figure beside a hidden count"),
    "students needed kept": ("gap_metrics", lambda f: ~f["suppressed"] & f["reference_n"].isna(), ["students_needed"], "figure beside a hidden count"),
    "seats kept in closure": ("gap_closure", lambda f: f["suppressed"], ["seats_gap"], "value in a suppressed row"),
    "status kept": ("tools_package", lambda f: f["suppressed"], ["status"], "value in a suppressed row"),
    "last year's gap kept": ("gap_closure", lambda f: ~f["suppressed"] & f["prior_gap"].isna(), ["prior_gap"], "figure beside a hidden count"),
    "the change kept": ("gap_closure", lambda f: ~f["suppressed"] & f["gap_change"].isna(), ["gap_change"], "figure beside a hidden count"),
    "the baseline kept": ("gap_closure", lambda f: ~f["suppressed"] & f["baseline_gap"].isna(), ["baseline_gap"], "figure beside a hidden count"),
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_value_is_found(plant: str, marts: dict, protected: dict) -> None:
    mart, where, columns, kind = PLANTS[plant]
    frame = protected[mart]
    truth = marts[mart].loc[frame.index]
    rows = where(frame) & truth[columns[0]].notna()
    rows &= frame.index == frame.index[rows][0]
    leaky = protected | {mart: reveal(frame, truth, rows, columns)}
    assert kind in kinds(attack(leaky, DIMENSIONS, 10))


def test_counts_are_worked_out_of_intervals_beside_a_hidden_reference(marts: dict, protected: dict) -> None:
    gaps, truth = protected["gap_metrics"], marts["gap_metrics"].loc[protected["gap_metrics"].index]
    rows = (
        ~gaps["suppressed"]
        & gaps["reference_n"].isna()
        & (gaps["reference"] == "designated")
        & truth["gap_low"].notna()
    )
    rows &= gaps.index == gaps.index[rows][0]
    leaky = reveal(gaps, truth, rows, ["gap_low", "gap_high"])
    assert "hidden count follows from the figures of its row" in kinds(
        attack({"gap_metrics": leaky}, DIMENSIONS, 10)
    )


def test_a_small_count_shown_is_found(marts: dict, protected: dict) -> None:
    gaps, truth = protected["gap_metrics"], marts["gap_metrics"].loc[protected["gap_metrics"].index]
    rows = one_cell(gaps, gaps["suppressed"] & (truth["n"] >= 10) & (truth["successes"] < 10))
    leaky = reveal(gaps, truth, rows, ["n", "successes"])
    leaky.loc[rows, ["suppressed", "suppression_reason"]] = [False, None]
    assert "published count below the minimum" in kinds(attack({"gap_metrics": leaky}, DIMENSIONS, 10))


def test_a_rank_left_open_and_a_hidden_row_among_ranked_ones_are_found(protected: dict) -> None:
    table = protected["tools_package"]
    open_rank = table.assign(urgency_rank=table["urgency_rank"] + 1)
    assert "a missing rank tells of a hidden row" in kinds(
        attack(protected | {"tools_package": open_rank}, DIMENSIONS, 10)
    )
    shown = table[table["urgency_rank"].notna()].sort_values(["school_year", "urgency_rank"])
    ranked = pd.concat(
        [
            shown.head(3),
            table[table["suppressed"]].head(1).assign(school_year=shown["school_year"].iloc[0]),
            shown.iloc[3:],
        ]
    )
    assert "order tells the rank of a hidden row" in kinds(
        attack(protected | {"tools_package": ranked}, DIMENSIONS, 10)
    )


def test_formats_that_disagree_are_found(tmp_path: Path, protected: dict) -> None:
    folder = write(tmp_path, protected)
    gaps = protected["gap_metrics"].copy()
    gaps.loc[gaps.index[gaps["n"].notna()][0], "metric_version"] = "2"
    gaps.to_csv(folder / "data" / "gap_metrics.csv", index=False)
    assert kinds(audit(folder, DIMENSIONS, 10)) == {"formats disagree"}
    (folder / "data" / "gap_closure.parquet").unlink()
    assert "one format only" in kinds(audit(folder, DIMENSIONS, 10))


def test_a_leak_in_one_format_only_is_found_there(tmp_path: Path, marts: dict, protected: dict) -> None:
    folder = write(tmp_path, protected)
    gaps = protected["gap_metrics"]
    rows = gaps["suppressed"] & marts["gap_metrics"].loc[gaps.index, "rate"].notna()
    reveal(gaps, marts["gap_metrics"], rows, ["rate"]).to_parquet(
        folder / "data" / "gap_metrics.parquet", index=False
    )
    assert "value in a suppressed row" in kinds(audit(folder, DIMENSIONS, 10))


def test_nothing_to_attack_is_not_safe(tmp_path: Path) -> None:
    with pytest.raises(DisclosureError, match="no data/gap_metrics"):
        audit(tmp_path, DIMENSIONS, 10)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gap_metrics.parquet").write_bytes(b"not a table")
    with pytest.raises(DisclosureError, match="can't be read"):
        audit(tmp_path, DIMENSIONS, 10)


def test_the_certificate_says_what_was_attacked_and_is_plain_json(tmp_path: Path, protected: dict) -> None:
    result = audit(write(tmp_path, protected), DIMENSIONS, 10)
    said = json.loads(json.dumps(certificate(result, DIMENSIONS), sort_keys=True))
    assert said["pass"] is True
    assert said["minimum_cell"] == 10
    assert said["attacked"] == result.files
    assert said["hidden"] == result.n_hidden
    assert said["narrowest_interval"] == result.narrowest
    with pytest.raises(DisclosureError, match=r"certificate\.json"):
        audit(tmp_path)
    (tmp_path / "certificate.json").write_text(json.dumps(said))
    assert audit(tmp_path) == result


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.sampled_from([25, 80, 200]), st.sampled_from([5, 10]))
def test_whatever_the_district_what_is_protected_passes(
    seed: int, schools: int, size: int, minimum_cell: int
) -> None:
    made_up = tables.district(seed, schools, size, years=1)
    result = attack(protect_marts(made_up, minimum_cell, DIMENSIONS), DIMENSIONS, minimum_cell)
    assert result.findings == ()
