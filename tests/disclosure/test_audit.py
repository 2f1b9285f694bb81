"""The audit passes what was protected and finds every planted leak."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from equity_pipeline.disclosure.audit import Reading, attack, audit, certificate
from equity_pipeline.disclosure.figures import CELL
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


def test_a_protected_release_passes_from_its_files(
    tmp_path: Path, protected: Frames, district: District
) -> None:
    result = audit(write(tmp_path, protected), district.rules, 10)
    assert result.findings == ()
    assert result.passed
    assert set(result.files) == {f"data/{mart}.{kind}" for mart in protected for kind in ("csv", "parquet")}


def hidden(frame: pd.DataFrame) -> pd.Series:
    return frame["suppression_reason"] == "privacy"


def told(column: str) -> Callable:
    return lambda frame: frame[column].notna() & (frame[column] != 0)


def put(mart: str, which: Callable, column: str, value: object) -> Callable[[Frames], Frames]:
    """Plant a value in the first row of a kind; `value` may be a function of what stood there."""

    def plant(frames: Frames) -> Frames:
        frame = frames[mart].copy()
        rows = frame.index[which(frame).astype(bool)]
        assert len(rows)
        said = value(frame.loc[rows[0]]) if callable(value) else value
        frame.loc[rows[0], column] = said
        return frames | {mart: frame}

    return plant


def more(column: str, by: float) -> Callable:
    return lambda row: row[column] + by


def extra_column(frames: Frames) -> Frames:
    return frames | {"access": frames["access"].assign(seats=7)}


def extra_row(frames: Frames) -> Frames:
    frame = frames["gap_metrics"]
    return frames | {"gap_metrics": pd.concat([frame, frame.iloc[[0]]], ignore_index=True)}


def every_row(column: str, value: Callable[[pd.Series], object]) -> Callable[[Frames], Frames]:
    """Change one group in all of its rows alike, so that no row contradicts another."""

    def plant(frames: Frames) -> Frames:
        frame = frames["gap_metrics"].copy()
        first = frame[(frame["school_id"] != "_all") & frame["rate_band"].notna() & (frame["n"] > 40)].iloc[0]
        keys = ["school_year", "metric_id", "school_id", "dimension", "subgroup"]
        rows = (frame[keys] == first[keys]).all(axis=1)
        frame.loc[rows, column] = value(first)
        return frames | {"gap_metrics": frame}

    return plant


GAPS, CLOSURE, ACCESS = "gap_metrics", "gap_closure", "access"
PLANTS = {
    "students of a hidden group": put(GAPS, hidden, "n", 7),
    "rate of a hidden group": put(GAPS, hidden, "rate", 0.5),
    "band of a hidden group": put(GAPS, hidden, "rate_band", "20% to 40%"),
    "gap of a hidden group": put(GAPS, hidden, "gap", -0.1),
    "students of a hidden reference": put(GAPS, lambda f: f["reference_n"].isna() & f["n"].notna(), "reference_n", 8),
    "gap of a hidden group in another mart": put(ACCESS, hidden, "gap", -0.1),
    "status of a hidden gap": put(CLOSURE, hidden, "status", "open"),
    "seats of a hidden gap": put(CLOSURE, hidden, "seats_gap", 3),
    "prior gap of a hidden gap": put(CLOSURE, hidden, "prior_gap", -0.2),
    "successes": put(GAPS, told("gap"), "successes", 123),
    "successes of the reference": put(GAPS, told("gap"), "reference_successes", 123),
    "students to the unit": every_row("n", more("n", 3)),
    "one row's students": put(GAPS, told("gap"), "n", more("n", 10)),
    "a rate with one decimal too many": every_row("rate", more("rate", 0.001)),
    "a rate beside its band": put(GAPS, told("rate_band"), "rate", more("rate", 0.01)),
    "a rate of all": every_row("rate", lambda row: 1.0),
    "a rate of none": every_row("rate", lambda row: 0.0),
    "a narrower band": every_row("rate_band", lambda row: "31% to 32%"),
    "a band of the reference": put(GAPS, told("reference_rate_band"), "reference_rate_band", "31% to 32%"),
    "an exact gap": put(GAPS, told("gap"), "gap", more("gap", 0.0004)),
    "an interval of the true gap": put(GAPS, told("gap_low"), "gap_low", more("gap_low", 1e-4)),
    "the other end of it": put(GAPS, told("gap_high"), "gap_high", more("gap_high", -1e-4)),
    "a true ratio": put(GAPS, told("rate_ratio"), "rate_ratio", more("rate_ratio", 1e-5)),
    "true odds": put(GAPS, told("odds_ratio"), "odds_ratio", more("odds_ratio", 1e-5)),
    "a true effect size": put(GAPS, told("cohens_h"), "cohens_h", more("cohens_h", 1e-5)),
    "a true p-value": put(GAPS, told("p_value"), "p_value", more("p_value", -1e-5)),
    "a true representation index": put(GAPS, told("representation_index"), "representation_index", more("representation_index", 1e-5)),
    "a margin of the true n": put(GAPS, told("ppg2017_margin"), "ppg2017_margin", more("ppg2017_margin", 0.001)),
    "a flag of the true rates": put(GAPS, lambda f: f["index80_flag"].notna(), "index80_flag", lambda row: not row["index80_flag"]),
    "students needed of the true gap": put(GAPS, told("students_needed"), "students_needed", more("students_needed", 2)),
    "the true best group": put(GAPS, lambda f: f["reference"] == "highest", "reference_subgroup", "unknown"),
    "a true change": put(CLOSURE, told("gap_change"), "gap_change", more("gap_change", 0.0003)),
    "an interval of a true change": put(CLOSURE, told("gap_change_low"), "gap_change_low", more("gap_change_low", 0.0003)),
    "a true prior gap": put(CLOSURE, told("prior_gap"), "prior_gap", more("prior_gap", 0.0003)),
    "a true status": put(CLOSURE, lambda f: f["status"] == "open", "status", "widening"),
    "a true pace": put(CLOSURE, told("years_to_parity"), "years_to_parity", more("years_to_parity", 0.01)),
    "seats that differ from students needed": put(CLOSURE, told("seats_gap"), "seats_gap", more("seats_gap", 2)),
    "another mart says a rate more finely": put(ACCESS, told("rate"), "rate", more("rate", 0.004)),
    "another mart says another status": put(ACCESS, lambda f: f["status"] == "open", "status", "closed"),
    "a column that no rule knows": extra_column,
    "a row that is there twice": extra_row,
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_leak_is_found(plant: str, protected: Frames, district: District) -> None:
    frames = {name: protected[name] for name in (GAPS, CLOSURE, ACCESS)}
    assert not attack(PLANTS[plant](frames), district.rules, 10).passed


def test_formats_that_disagree_are_found(tmp_path: Path, protected: Frames, district: District) -> None:
    folder = write(tmp_path, protected)
    frame = pd.read_csv(folder / "data/access.csv", dtype=str)
    frame.loc[frame.index[frame["n"].notna()][0], "n"] = "12"
    frame.to_csv(folder / "data/access.csv", index=False)
    assert {f.kind for f in audit(folder, district.rules, 10).findings} == {"formats disagree"}


def test_nothing_to_attack_is_not_safe(tmp_path: Path, district: District) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(DisclosureError, match="no data/gap_metrics"):
        audit(tmp_path, district.rules, 10)


def test_a_table_in_one_format_only_or_that_is_none_is_not_safe(
    tmp_path: Path, protected: Frames, district: District
) -> None:
    folder = write(tmp_path, {name: protected[name].head(50) for name in (GAPS, CLOSURE, ACCESS)})
    csv, parquet = folder / "data/access.csv", folder / "data/access.parquet"
    csv.unlink()
    assert "one format only" in {f.kind for f in audit(folder, district.rules, 10).findings}
    for file in (csv, parquet):
        file.write_bytes(b"\xff\xfe\x00no table")
    with pytest.raises(DisclosureError, match="data/access.parquet can't be read as a table .* not safe"):
        audit(folder, district.rules, 10)
    protected[ACCESS].head(50).to_parquet(parquet)
    with pytest.raises(DisclosureError, match="data/access.csv can't be read as a table .* not safe"):
        audit(folder, district.rules, 10)
    parquet.unlink()
    with pytest.raises(DisclosureError, match="data/access.parquet is missing"):
        audit(folder, district.rules, 10)


@pytest.mark.parametrize("content", [None, "no certificate", "{}", '{"rules": {}, "minimum_cell": 10}'])
def test_a_release_whose_certificate_promises_nothing_is_not_safe(
    content: str | None, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "certificate.json").write_text(content)
    with pytest.raises(
        DisclosureError, match="certificate.json is missing or does not say what was promised"
    ):
        audit(tmp_path)


def test_the_certificate_is_plain_json_and_enough_to_audit_again(
    tmp_path: Path, protected: Frames, district: District
) -> None:
    folder = write(tmp_path, protected)
    said = certificate(audit(folder, district.rules, 10), district.rules, {})
    (folder / "certificate.json").write_text(json.dumps(said))
    assert said["pass"] is True
    assert audit(folder).passed


def corrected(gaps: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """The marts with a few students more, or another outcome, in some of the groups."""
    random = np.random.default_rng(seed)
    cells = gaps.drop_duplicates(CELL)[[*CELL, "n", "successes"]].dropna()
    struck = random.random(len(cells)) < share
    late = random.integers(0, 4, len(cells)) * struck
    passed = np.minimum(random.integers(0, 3, len(cells)) * struck, late)
    moved = cells.assign(late=late, passed=passed).drop(columns=["n", "successes"])
    frame = gaps.merge(moved, on=CELL, how="left")
    frame["n"] += frame.pop("late").astype("Int64").fillna(0)
    frame["successes"] += frame.pop("passed").astype("Int64").fillna(0)
    return frame


def test_three_releases_of_corrected_and_late_records_tell_no_small_change(
    protected: Frames, district: District
) -> None:
    gaps = district.marts["gap_metrics"]
    releases = [protected]
    for seed, share in ((1, 0.01), (2, 0.02)):
        gaps = corrected(gaps, share, seed)
        releases.append(district.protect(gap_metrics=gaps))
    assert not releases[0][GAPS].equals(releases[2][GAPS])
    for now in (1, 2):
        found = attack(releases[now], district.rules, 10, [frames[GAPS] for frames in releases[:now]])
        assert found.findings == ()
        assert found.releases == now + 1


def test_a_release_that_said_exact_numbers_is_held_against_the_next(
    protected: Frames, district: District
) -> None:
    """Had the release before rounded to the next number that is not shared, a change of few would be known."""
    reading = Reading({GAPS: protected[GAPS]}, district.rules, 10)
    reading.read_base()
    before = Reading({GAPS: protected[GAPS]}, district.rules, 10)
    before.read_base()
    shown = before.base.index[before.base["n"].notna()][0]
    before.base.loc[shown, ["n_low", "n_high"]] = before.base.loc[shown, "n_low"] - 2
    reading.check_difference(before)
    before.base.loc[shown, ["n_low", "n_high"]] = reading.base.loc[shown, "n_high"] + 1
    reading.base.loc[shown, "n_low"] = reading.base.loc[shown, "n_high"]
    reading.check_difference(before)
    assert {f.kind for f in reading.findings} == {"two releases tell a change of few students"}


def test_sums_that_tell_a_change_of_few_students_between_two_releases_are_found(
    protected: Frames, district: District
) -> None:
    """Two releases told everyone's and all but one group's students to the unit: the hidden group is what is left over."""
    now, before = (Reading({GAPS: protected[GAPS]}, district.rules, 10) for _ in range(2))
    for reading in (now, before):
        reading.read_base()
    now.check_sums(before)
    assert now.findings == []
    base = now.base
    partitions = base[base["dimension"].isin(district.rules.partitioning) & (base["school_id"] != "_all")]
    place = ["school_year", "metric_id", "school_id", "dimension"]
    hidden = partitions[~partitions["absent"]].groupby(place)["n"].agg(lambda n: n.isna().sum())
    key = hidden.index[hidden == 1][0]
    of = (base[place] == list(key)).all(axis=1)
    everyone = (base[place] == [*key[:3], "all_students"]).all(axis=1)
    true = district.marts[GAPS].drop_duplicates(CELL).set_index(CELL)["n"].astype(float)
    true = true.reindex(pd.MultiIndex.from_frame(base[CELL])).to_numpy()
    parts = of & base["n"].notna()
    for reading, less in ((now, 0), (before, 2)):
        for end in ("n_low", "n_high"):
            reading.base.loc[parts, end] = true[parts]
            reading.base.loc[everyone, end] = true[everyone] - less
    now.check_sums(before)
    found = {(f.kind, f.where.split()[4]) for f in now.findings}
    assert (
        "sums of two releases tell a change of few students",
        base.loc[of & base["n"].isna(), "subgroup"].iloc[0],
    ) in found


def of_hidden(reading: Reading) -> tuple[pd.Series, pd.Series, pd.Series]:
    """A hidden group that is the only one in its dimension and place, and beside it those that are told of, and everyone: rows."""
    base = reading.base
    place = ["school_year", "metric_id", "school_id", "dimension"]
    parts = base[
        base["dimension"].isin(reading.rules.partitioning)
        & (base["metric_id"] == "ap_ib_enrollment")
        & ~base["absent"]
    ]
    silent = parts.groupby(place)["n"].agg(lambda n: n.isna().sum())
    key = [*silent.index[silent == 1][0]]
    of = (base[place] == key).all(axis=1)
    everyone = (base[place] == [*key[:3], "all_students"]).all(axis=1)
    return of & base["n"].isna(), of & base["n"].notna(), everyone


@pytest.mark.parametrize("exactly", [False, True])
def test_hidden_students_that_follow_from_all_others_are_found(
    exactly: bool, protected: Frames, district: District
) -> None:
    """Everyone's students and those of all other groups are told to the unit, in every format alike."""
    reading = Reading({GAPS: protected[GAPS]}, district.rules, 10)
    reading.read_base()
    group, others, everyone = of_hidden(reading)
    true = district.marts[GAPS].drop_duplicates(CELL).set_index(CELL)["n"].astype(float)
    true = true.reindex(pd.MultiIndex.from_frame(reading.base[CELL])).to_numpy()
    for end in ("n_low", "n_high"):
        reading.base.loc[others | everyone, end] = true[others | everyone]
    reading.check_intervals([], exactly)
    found = [f for f in reading.findings if f.kind == "a hidden number can be worked out"]
    where = " ".join(str(reading.base.loc[group, column].iloc[0]) for column in CELL)
    assert f"{where} n" in {f.where for f in found}


def test_hidden_takers_that_follow_from_the_enrolled_are_found(district: District) -> None:
    """The students of one metric are the successes of another: two schools and their district, told too finely in the other."""
    cells = [
        (2026, metric, school, "all_students", "all")
        for school in ("_all", "1", "2")
        for metric in ("ap_ib_enrollment", "exam_taken")
    ]
    base = pd.DataFrame(cells, columns=CELL).assign(n_low=np.nan, n_high=np.nan, low=np.nan, high=np.nan)
    base[["n", "absent"]] = np.nan, False
    reading = Reading({GAPS: pd.DataFrame(columns=CELL)}, district.rules, 10)
    # Of a hundred the successes of the district are 57, those of a school of fifty 52 % to 54 %, which is 26.
    for row, said in {0: (100, 100, 57, 58), 2: (50, 50, 51, 53)}.items():
        base.loc[row, ["n_low", "n_high", "low", "high"]] = said
        base.loc[row, "n"] = said[0]
    reading.base = base.astype({"absent": bool})
    reading.check_intervals([], exactly=False)
    found = {f.where for f in reading.findings}
    assert "2026 exam_taken 2 all_students all n" in found  # 57 less 26
    assert "2026 exam_taken 1 all_students all s" not in found
    assert reading.narrowest == 0
