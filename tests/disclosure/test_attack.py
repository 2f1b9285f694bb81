"""The audit passes what was protected and finds every planted leak."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from equity_pipeline.disclosure.attack import attack, audit, certificate
from equity_pipeline.domain.errors import DisclosureError
from equity_pipeline.publishing import datafiles
from tests.disclosure.conftest import District

Frames = dict[str, pd.DataFrame]


def write(folder: Path, marts: Frames) -> Path:
    (folder / "data").mkdir(parents=True)
    for name, frame in marts.items():
        for path, content in datafiles.both(f"data/{name}", frame).items():
            (folder / path).write_bytes(content)
    return folder


def test_a_protected_release_passes_from_its_files(tmp_path: Path, protected: Frames, district: District) -> None:
    result = audit(write(tmp_path, protected), district.dimensions, 10)
    assert result.findings == ()
    assert result.passed
    assert result.narrowest >= 5
    assert set(result.files) == {f"data/{mart}.{kind}" for mart in protected for kind in ("csv", "parquet")}


def hidden(frame: pd.DataFrame) -> pd.Series:
    return frame["suppression_reason"] == "privacy"


def banded(frame: pd.DataFrame) -> pd.Series:
    return frame["gap_band"].notna() & frame["rate_band"].notna()


def numbered(frame: pd.DataFrame) -> pd.Series:
    """A gap that is a number, of a group with another."""
    return frame["gap"].notna() & (frame["gap"] != 0)


def put(mart: str, which: Callable, column: str, value: object) -> Callable[[Frames], Frames]:
    """Plant a value in the first row of a kind; `value` may be a function of what stood there."""

    def plant(frames: Frames) -> Frames:
        frame = frames[mart].copy()
        rows = frame.index[which(frame)]
        assert len(rows)
        said = value(frame.loc[rows[0]]) if callable(value) else value
        frame[column] = frame[column].astype(object)
        frame.loc[rows[0], column] = said
        return frames | {mart: frame}

    return plant


def extra_column(frames: Frames) -> Frames:
    return frames | {"access": frames["access"].assign(seats=7)}


def reversed_rows(frames: Frames) -> Frames:
    return frames | {"gap_metrics": frames["gap_metrics"].iloc[::-1].reset_index(drop=True)}


def ranks_with_a_hole(frames: Frames) -> Frames:
    frame = frames["tools_package"] if len(frames.get("tools_package", [])) else frames["access"]
    return frames | {"tools_package": frame.assign(urgency_rank=pd.Series(range(len(frame)), dtype="Int64") * 2 + 1)}


def extra_row(frames: Frames) -> Frames:
    frame = frames["gap_closure"]
    return frames | {"gap_closure": pd.concat([frame, frame.iloc[[0]].assign(subgroup="someone")], ignore_index=True)}


def exact_rows(column: str, value: Callable[[pd.Series], object]) -> Callable[[Frames], Frames]:
    """Change one group in all of its rows alike, so that no row contradicts another."""

    def plant(frames: Frames) -> Frames:
        frame = frames["gap_metrics"].copy()
        first = frame[banded(frame) & (frame["reference"] == "overall") & (frame["school_id"] != "_all")].iloc[0]
        keys = ["school_year", "metric_id", "school_id", "dimension", "subgroup"]
        rows = (frame[keys] == first[keys]).all(axis=1)
        frame.loc[rows, column] = value(first)
        return {"gap_metrics": frame}

    return plant


PLANTS = {
    "students of a hidden group": put("gap_metrics", hidden, "n", 7),
    "rate of a hidden group": put("gap_metrics", hidden, "rate", 0.5),
    "band of a hidden group": put("gap_metrics", hidden, "rate_band", "20% to 40%"),
    "reason of a hidden group": put("gap_metrics", hidden, "reason", "small"),
    "gap of a hidden group": put("gap_metrics", hidden, "gap", -0.1),
    "gap band of a hidden group": put("gap_metrics", hidden, "gap_band", "−10 to 5"),
    "gap of a hidden group in another mart": put("access", hidden, "gap", -0.1),
    "status of a hidden gap": put("gap_closure", hidden, "status", "open"),
    "seats of a hidden gap": put("gap_closure", hidden, "seats_gap", 3),
    "prior gap of a hidden gap": put("gap_closure", hidden, "prior_gap", -0.2),
    "successes": put("gap_metrics", numbered, "successes", 123),
    "successes of the reference": put("gap_metrics", numbered, "reference_successes", 123),
    "students to the unit": put("gap_metrics", numbered, "n", lambda row: row["n"] + 3),
    "a narrower range of students": put("gap_metrics", banded, "n_band", lambda row: f"{row['n']} to {row['n'] + 1}"),
    "a rate with one decimal too many": put("gap_metrics", numbered, "rate", lambda row: row["rate"] + 0.001),
    "a rate beside its band": put("gap_metrics", banded, "rate", 0.25),
    "a rate of all": put("gap_metrics", numbered, "rate", 1.0),
    "a rate of none": put("gap_metrics", numbered, "rate", 0.0),
    "a narrower band": put("gap_metrics", banded, "rate_band", "31% to 32%"),
    "an exact gap": put("gap_metrics", numbered, "gap", lambda row: row["gap"] + 0.0004),
    "a gap beside its band": put("gap_metrics", banded, "gap", -0.123),
    "a narrower gap band": put("gap_metrics", banded, "gap_band", "−1 to 0"),
    "an interval of the true gap": put("gap_metrics", lambda f: f["gap_low"].notna(), "gap_low", lambda row: row["gap_low"] + 1e-4),
    "an interval beside a band": put("gap_metrics", banded, "gap_high", 0.07),
    "a ratio beside a band": put("gap_metrics", banded, "rate_ratio", 0.81),
    "odds beside a band": put("gap_metrics", banded, "odds_ratio", 0.81),
    "an effect size beside a band": put("gap_metrics", banded, "cohens_h", -0.2),
    "students needed beside a band": put("gap_metrics", banded, "students_needed", 11),
    "students needed of the true gap": put("gap_metrics", lambda f: f["students_needed"] > 3, "students_needed", lambda r: r["students_needed"] + 2),
    "a true change": put("gap_closure", lambda f: f["gap_change"].notna(), "gap_change", lambda row: row["gap_change"] + 0.0003),
    "a true prior gap": put("gap_closure", lambda f: f["prior_gap"].notna(), "prior_gap", lambda row: row["prior_gap"] + 0.0003),
    "a true baseline": put("gap_closure", lambda f: f["gap_band"].notna(), "baseline_gap", -0.1234),
    "seats that differ from students needed": put("gap_closure", lambda f: f["seats_gap"] > 0, "seats_gap", lambda r: r["seats_gap"] + 1),
    "another mart says a rate more finely": put("access", lambda f: f["rate"].notna(), "rate", lambda row: row["rate"] + 0.004),
    "a group below the minimum": put("gap_metrics", banded, "n_band", "3 to 9"),
    "a column that no rule knows": extra_column,
    "rows in the order of what they hide": reversed_rows,
    "a rank left out": ranks_with_a_hole,
    "a row of its own": extra_row,
    "one group's students exactly": exact_rows("n_band", lambda row: f"{row['n']} to {row['n']}"),
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_leak_is_found(plant: str, protected: Frames, district: District) -> None:
    frames = {name: frame for name, frame in protected.items() if name in ("gap_metrics", "gap_closure", "access", "tools_package")}
    assert not attack(PLANTS[plant](frames), district.dimensions, 10).passed


def test_formats_that_disagree_are_found(tmp_path: Path, protected: Frames, district: District) -> None:
    folder = write(tmp_path, protected)
    frame = protected["access"].copy()
    frame.loc[frame.index[frame["n"].notna()][0], "n"] += 10
    frame.to_parquet(folder / "data/access.parquet", index=False)
    assert {f.kind for f in audit(folder, district.dimensions, 10).findings} == {"formats disagree"}


def test_an_earlier_release_that_said_more_is_held_against_this_one(tmp_path: Path, protected: Frames, district: District) -> None:
    finer = exact_rows("n_band", lambda row: f"{row['n']} to {row['n'] + 1}")(protected)
    now, before = write(tmp_path / "now", protected), write(tmp_path / "before", protected | finer)
    assert audit(now, district.dimensions, 10, previous=[now]).passed
    found = audit(now, district.dimensions, 10, previous=[before])
    assert not found.passed
    assert found.releases == 2


def test_nothing_to_attack_is_not_safe(tmp_path: Path, district: District) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(DisclosureError, match="no data/gap_metrics"):
        audit(tmp_path, district.dimensions, 10)


def test_the_certificate_is_plain_json_and_enough_to_audit_again(tmp_path: Path, protected: Frames, district: District) -> None:
    folder = write(tmp_path, protected)
    said = certificate(audit(folder, district.dimensions, 10), district.dimensions)
    (folder / "certificate.json").write_text(json.dumps(said))
    assert said["pass"] is True
    assert audit(folder).passed
