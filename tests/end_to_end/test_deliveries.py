"""What may happen to a delivery: twice, in another order, corrected, damaged, unknown."""

from __future__ import annotations

import json
import shutil

import pandas as pd

from equity_pipeline.extracts import intake
from equity_pipeline.partners import registry
from equity_pipeline.stewardship.status import latest_release
from equity_pipeline.warehouse.build import build
from tests.end_to_end.conftest import mart, run

PARTNER = "cedar_valley_isd"
SURVEYED = "riverside_usd"
ROSTERS = "lakeview_sd"
COUNTS = "prairie_rose_sd"
YEAR = "2022-23"


def marts(home, partner_id: str) -> dict[str, pd.DataFrame]:
    names = ("gap_metrics", "gap_closure", "access", "success", "tools_package")
    return {name: mart(home, partner_id, name) for name in names}


def test_a_second_run_does_nothing_and_says_so(demo):
    def written():
        return {
            path: path.stat().st_mtime_ns
            for path in demo.home.root.rglob("*")
            if path.is_file()
            and demo.home.dagster not in path.parents
            and demo.home.ledger.name not in path.name
        }

    before = written()
    result = run(demo.home)
    assert result.exit_code == 0
    assert result.output.startswith("nothing new")
    assert written() == before


def test_twice_in_another_order_and_under_another_key_is_the_same_warehouse_and_the_same_release(
    demo, undelivered, tmp_path, monkeypatch
):
    """The files of the later years first, as far as a warehouse, then the others and two of them again under further names. The
    partner has surveys and initiatives: sums over people must not depend on what the people are called."""
    monkeypatch.setenv("EQUITY_KEYS", str(tmp_path / "other_keys"))
    home = undelivered(SURVEYED)
    landing = home.landing(SURVEYED)
    files = sorted(path for path in landing.iterdir() if path.is_file())
    held_back = home.root / "held_back"
    held_back.mkdir()
    early = [
        path
        for path in files
        if any(mark in path.name for mark in ("2021-22", "2122", YEAR, "2223", "schools"))
    ]
    assert early and len(early) < len(files)
    for path in early:
        shutil.move(path, held_back)
    partner = registry.load(home.partner_file(SURVEYED))
    intake.take_delivery(home, partner)
    for year in (2024, 2025, 2026):
        intake.load_extracts(home, partner, year)
    build(home, partner)
    assert set(mart(home, SURVEYED, "gap_metrics")["school_year"]) == {2024, 2025, 2026}
    for path in sorted(held_back.iterdir(), reverse=True):
        shutil.move(path, landing)
    for path in files[-2:]:
        (landing / "again").mkdir(exist_ok=True)
        shutil.copy(path, landing / "again" / path.name)
    result = run(home)
    assert result.exit_code == 0, result.output
    for name, made in marts(home, SURVEYED).items():
        pd.testing.assert_frame_equal(made, mart(demo.home, SURVEYED, name), check_exact=True)
    assert latest_release(home, SURVEYED) == latest_release(demo.home, SURVEYED)


def test_a_correction_changes_its_year_and_the_next_ones_comparison_and_nothing_else(built):
    """The corrected file lacks every tenth class enrollment of 2022-23."""
    home = built(PARTNER)
    before, release = marts(home, PARTNER), latest_release(home, PARTNER)
    landing = home.landing(PARTNER)
    lines = (landing / f"CC_{YEAR}.txt").read_bytes().splitlines(keepends=True)
    (landing / f"CC_{YEAR}_corrected.txt").write_bytes(
        b"".join(line for number, line in enumerate(lines) if number % 10 or not number)
    )

    result = run(home)
    assert result.exit_code == 0, result.output
    assert f"loaded {YEAR} … {YEAR}" in result.output
    after = marts(home, PARTNER)

    def moved(name: str, looks_back: bool = False) -> set[int]:
        both = pd.concat([before[name], after[name]])
        both = both[(both["metric_id"] == "first_time_ap_ib") == looks_back]
        return set(both[~both.duplicated(keep=False)]["school_year"])

    assert moved("gap_metrics") == {2023}
    assert moved("gap_closure") == {2023, 2024}
    # Who takes part for the first time rests on all years before: no year before the corrected one may move.
    assert 2023 in moved("gap_metrics", looks_back=True)
    assert min(moved("gap_metrics", looks_back=True) | moved("gap_closure", looks_back=True)) == 2023

    manifest = json.loads((home.releases(PARTNER) / "latest" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["release_id"] != release
    assert manifest["previous_release"] == release
    changed = (home.releases(PARTNER) / "latest" / "changes.html").read_text(encoding="utf-8")
    assert release in changed and YEAR in changed and "2021-22" not in changed
    assert manifest["held_back"] == {} and manifest["changes"]["restated"] > 100
    assert manifest["changes"]["restated_by_school_year"].keys() <= {"2023", "2024"}


def test_damaged_and_unknown_files_are_named_with_their_line_and_hold_nothing_up(built):
    home = built(ROSTERS)
    release, landing = latest_release(home, ROSTERS), home.landing(ROSTERS)
    header, rows = (landing / "final_grades_2025-26.csv").read_bytes().split(b"\n", 1)
    (landing / "final_grades_2026-27.csv").write_bytes(header.replace(b"Student", b"Pupil") + b"\n" + rows)
    whole = (landing / "roster_2025-26.zip").read_bytes()
    (landing / "roster_2026-27.zip").write_bytes(whole[: len(whole) // 2])
    (landing / "letter to the board.docx").write_bytes(b"nothing of ours")

    result = run(home)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "2 refused, 1 unclaimed" in result.output
    for said in ("final_grades_2026-27.csv, line 1: ", "roster_2026-27.zip: ", "letter to the board.docx: "):
        assert said in result.output
    assert latest_release(home, ROSTERS) == release


def test_a_file_that_fails_does_not_keep_a_good_one_out(demo, undelivered):
    home = undelivered(COUNTS)
    (home.landing(COUNTS) / "equity_counts_2026-27.csv").write_bytes(b"\xff\xfe\x00broken")
    result = run(home)
    assert result.exit_code == 1 and "equity_counts_2026-27.csv" in result.output
    assert latest_release(home, COUNTS)
    assert mart(home, COUNTS, "gap_metrics").equals(mart(demo.home, COUNTS, "gap_metrics"))
