"""Published marts: all rows, a rounded base, everything else worked out from it."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from equity_pipeline.disclosure.derive import Derivation
from equity_pipeline.disclosure.figures import compared
from equity_pipeline.disclosure.marts import BANDS, STATED, protect_marts, published_counts
from equity_pipeline.disclosure.model import CELL, published
from equity_pipeline.disclosure.proof import prove
from equity_pipeline.disclosure.worlds import Prover, Year
from equity_pipeline.domain.errors import DisclosureError
from equity_pipeline.publishing import contracts
from tests.disclosure.conftest import PARTNER, District

KEY = [*CELL, "reference"]


def beside_the_truth(district: District, protected: dict) -> pd.DataFrame:
    truth = district.marts["gap_metrics"].query("grade_level == '_all'")
    return protected["gap_metrics"].merge(truth, on=KEY, suffixes=("", "_true"))


def test_every_row_stays(district: District, protected: dict[str, pd.DataFrame]) -> None:
    for name in ("gap_metrics", "gap_closure", "access", "success"):
        truth = district.marts[name]
        truth = truth[published(truth, district.dimensions)]
        keys = [c for c in KEY if c in truth]
        said = protected[name][keys].to_numpy()
        assert sorted(map(tuple, said)) == sorted(map(tuple, truth[keys].to_numpy()))
        assert set(truth.columns) <= set(protected[name].columns)


def test_counts_are_rounded_and_successes_are_never_said(district: District, protected: dict) -> None:
    both = beside_the_truth(district, protected)
    assert both[["successes", "reference_successes"]].isna().all(axis=None)
    said = both[both["n"].notna()]
    assert ((said["n"] - said["n_true"]).abs() <= 5).mean() > 0.95
    assert (said["n"] % 10 == 0).all()
    assert (said["n_true"] >= 10).all()
    assert (said["rate"] - said["rate_true"]).abs().max() <= 0.26


def test_nothing_but_the_counts_of_the_restricted_marts_goes_in(district: District, protected: dict) -> None:
    """With every other value of every mart replaced, the release is the same."""
    scrambled = {}
    for name, frame in district.marts.items():
        values = [c for c in frame if c not in STATED and c not in ("n", "successes", "reason")]
        emptied = frame.assign(
            **{c: pd.Series([None] * len(frame), index=frame.index, dtype=object) for c in values}
        )
        scrambled[name] = emptied if name == "gap_metrics" else frame.iloc[:0]
    for name, frame in district.protect(**scrambled).items():
        pd.testing.assert_frame_equal(frame, protected[name])


def test_every_witness_world_makes_the_same_release(district: District, protected: dict) -> None:
    """The release is a function of its base and of what is withheld: other students behind it change nothing that is said."""
    gaps = district.marts["gap_metrics"]
    proof = district.proof(gaps)
    cells = published_counts(gaps, district.dimensions).dropna(subset=["n"]).sort_values(CELL)
    for school_year, worlds in proof.worlds.items():
        true = cells[cells["school_year"] == school_year].astype({"n": "int64", "successes": "int64"})
        year = Year.of(true, district.dimensions, 10)
        said = proof.base[proof.base.index.get_level_values("school_year") == school_year]
        for world in (worlds[1], worlds[-1]):
            other = true.assign(n=world[year.n, year.group], successes=world[year.s, year.group])
            assert (other["n"] != true["n"]).any()
            made = Prover(Year.of(other, district.dimensions, 10), said["withheld"].to_numpy()).said
            pd.testing.assert_frame_equal(made, said.drop(columns="withheld").reset_index(drop=True))


def test_a_suppressed_row_says_nothing_and_gives_one_reason(protected: dict) -> None:
    for frame in protected.values():
        hidden = frame[frame["suppressed"].astype(bool)]
        assert set(hidden["suppression_reason"]) <= {"privacy", "not_measured"}
        values = [c for c in frame if c not in STATED | {"suppressed", "suppression_reason", "reason"}]
        assert hidden[values].isna().all(axis=None)
        assert (
            hidden.loc[hidden["suppression_reason"] == "privacy"]
            .get("reason", pd.Series(dtype=object))
            .isna()
            .all()
        )
        assert set(BANDS) <= set(frame.columns)


def test_intervals_are_wider_than_sampling_alone_makes_them(district: District, protected: dict) -> None:
    both = beside_the_truth(district, protected)
    told = both[both["gap_low"].notna() & both["gap_low_true"].notna() & (both["n_true"] >= 30)]
    width, true = (told[f"gap_high{t}"] - told[f"gap_low{t}"] for t in ("", "_true"))
    assert (width > true).mean() > 0.9
    inside = (told["gap_low"] <= told["gap_true"]) & (told["gap_true"] <= told["gap_high"])
    assert inside.mean() > 0.97


@pytest.mark.parametrize(
    ("metric", "rates", "width", "larger"),
    [
        ("exam_taken", (0.80, 0.70), (0.02, 0.02), 0.0),
        ("exam_taken", (0.80, 0.79), (0.02, 0.10), 0.03),  # 84 % may be the highest, not 81 %
        ("exam_taken", (0.80, None), (0.02, None), np.inf),
        ("suspended_any", (0.10, 0.11), (0.02, 0.10), 0.03),  # 6 % may be the best, not 9 %
    ],
)
def test_a_gap_to_the_best_is_larger_where_another_group_may_be_the_best(
    district: District, metric, rates, width, larger
) -> None:
    """A status that holds anywhere in the bands rests on it: closed is said of no gap that may be open."""
    place = {"school_year": 2026, "metric_id": metric, "school_id": "_all", "dimension": "sex"}
    base = pd.DataFrame(
        {"subgroup": ["female", "male"], "n": 100.0, "p": rates, "width": width}, dtype=object
    ).assign(**place)
    base = base.astype({"n": float, "p": float, "width": float})
    base.loc[base["p"].isna(), "n"] = np.nan
    pairs = compared(base, district.rules).set_index(["subgroup", "reference"])
    best = pairs.loc[("female", "highest")]
    assert best["name"] == "female"
    assert best["doubt_below"] - best["doubt_above"] == pytest.approx(larger)
    rest = pairs.loc[("female", "rest")]
    assert (rest["doubt_below"] == rest["doubt_above"]) == pd.notna(rates[1])


def test_most_gaps_of_large_groups_are_kept(district: District, protected: dict) -> None:
    both = beside_the_truth(district, protected)
    large = both[
        (both["n_true"] >= 30) & (both["reference_n_true"] >= 30) & ~both["dimension"].str.contains("[*]")
    ]
    large = large[large["gap_true"].notna()]
    at_district = large["school_id"] == "_all"
    assert large["gap"].notna()[at_district].mean() >= 0.97
    assert large["gap"].notna()[~at_district].mean() >= 0.85


def test_a_year_that_is_held_back_is_published_as_it_was(district: District, protected: dict) -> None:
    """Not one value of any mart is of the new counts, and the year before is what it was as well."""
    gaps = district.marts["gap_metrics"].copy()
    first = district.proof(gaps)
    few = (gaps["school_year"] == 2026) & (gaps["school_id"] == "_all") & (gaps["successes"] > 30)
    gaps.loc[few, ["n", "successes"]] -= 9
    gaps.loc[gaps["n"].isna() & (gaps["school_year"] == 2026), "reason"] = "not_measured: something else"
    kept = district.home.root / "witness.npz"
    counts = published_counts(gaps, district.dimensions)
    proof = prove(counts, district.dimensions, 10, kept, [first.statement], first.statement)
    assert proof.held == (2026,) and few.sum() > 20
    frames = protect_marts(district.marts, proof, Derivation(district.home.warehouse(PARTNER)))
    for name, frame in protected.items():
        pd.testing.assert_frame_equal(contracts.check(name, frames[name]), frame)


def test_counts_that_cannot_be_and_groups_that_no_rule_names_are_not_published(district: District) -> None:
    gaps = district.marts["gap_metrics"]
    with pytest.raises(DisclosureError, match="more successes than students"):
        published_counts(gaps.assign(successes=gaps["n"] + 1), district.dimensions)
    fewer = district.dimensions.assign(dimension=district.dimensions["dimension"].replace("sex", "gender"))
    known = published(gaps, district.dimensions) & (gaps["dimension"] == "sex")
    assert known.any()
    with pytest.raises(DisclosureError, match="without a row in the seed dimensions: sex"):
        published_counts(gaps[known], fewer)


def test_a_warehouse_that_does_not_say_how_it_was_built_is_not_published(tmp_path) -> None:
    duckdb.connect(tmp_path / "warehouse.duckdb").close()
    with pytest.raises(DisclosureError, match="does not hold the SQL"):
        Derivation(tmp_path / "warehouse.duckdb")


def test_what_cannot_be_worked_out_from_published_counts_quotes_no_value(district: District) -> None:
    derivation = Derivation(district.home.warehouse(PARTNER))
    derivation.sql["gap_metrics"] = ("marts", "select cast('Kanari' as integer) as n")
    with pytest.raises(DisclosureError, match="gap_metrics can't be worked out") as told:
        derivation.run("gap_metrics")
    assert "Kanari" not in str(told.value)
