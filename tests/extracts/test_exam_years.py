"""A datafile of AP results repeats what its students did in earlier years: it never stands for those years alone."""

from __future__ import annotations

import itertools

import polars as pl
import pytest

from equity_pipeline.extracts.intake import load_extracts, take_delivery
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage.home import Home
from tests.unmasked import unmasked

PARTNER = Partner(
    partner_id="test_sd", name="Test", state="CA", timezone="UTC", first_school_year="2020-21",
    sources=[{"name": "ap", "format": "college_board_ap", "files": ["*"]}],
)  # fmt: skip
SLOTS = [f"{part} {slot}" for slot in ("01", "02") for part in ("Admin Year", "Exam Code", "Exam Grade")]


def datafile(*records: str) -> str:
    return ",".join(["Student Identifier", *SLOTS]) + "\n" + "".join(f"{r}\n" for r in records)


WHOLE_2024 = datafile("a,24,20,3,,,", "b,24,20,4,,,", "c,24,20,2,,,")
WHOLE_2025 = datafile("a,25,66,5,24,20,3", "d,25,66,1,,,")
CORRECTED_2025 = datafile("a,25,66,5,24,20,3", "d,25,66,2,,,")
FILES = {"ap_2024.csv": WHOLE_2024, "ap_2025.csv": WHOLE_2025, "ap_2025_corrected.csv": CORRECTED_2025}


def stored(home: Home, year: int) -> list[tuple]:
    path = home.extract("exam_results", "test_sd", year) / "part-0.parquet"
    rows = unmasked(pl.read_parquet(path, hive_partitioning=False))
    return rows.select("student_id", "exam_code", "score").rows()


@pytest.mark.parametrize("order", list(itertools.permutations(["ap_2024.csv", "ap_2025.csv"])))
def test_a_part_of_an_earlier_year_adds_to_the_whole(tmp_path, order):
    home = Home(tmp_path)
    home.landing("test_sd").mkdir(parents=True)
    for name in order:
        (home.landing("test_sd") / name).write_text(FILES[name])
        take_delivery(home, PARTNER)
    (load,) = load_extracts(home, PARTNER, 2024)
    assert stored(home, 2024) == [("a", "20", 3), ("b", "20", 4), ("c", "20", 2)]
    assert (load.rows_in, load.loaded, load.duplicates, load.superseded) == (4, 3, 1, 0)


def test_a_corrected_file_of_the_same_year_replaces_the_first(tmp_path):
    home = Home(tmp_path)
    home.landing("test_sd").mkdir(parents=True)
    for name, text in FILES.items():
        (home.landing("test_sd") / name).write_text(text)
    take_delivery(home, PARTNER)
    for year in (2024, 2025):
        loads = load_extracts(home, PARTNER, year)
    assert stored(home, 2025) == [("a", "66", 5), ("d", "66", 2)]
    assert loads[0].superseded == 1
    assert stored(home, 2024) == [("a", "20", 3), ("b", "20", 4), ("c", "20", 2)]


def test_without_a_year_in_the_name_the_content_says_it(tmp_path):
    home = Home(tmp_path)
    home.landing("test_sd").mkdir(parents=True)
    for name, text in {"ap scores.csv": WHOLE_2024, "ap scores (1).csv": WHOLE_2025}.items():
        (home.landing("test_sd") / name).write_text(text)
    take_delivery(home, PARTNER)
    load_extracts(home, PARTNER, 2024)
    assert stored(home, 2024) == [("a", "20", 3), ("b", "20", 4), ("c", "20", 2)]
