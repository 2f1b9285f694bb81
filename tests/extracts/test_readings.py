"""Files read block by block come out as files read whole do, whatever the size of a block."""

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equity_pipeline.adapters import readers, records
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.extracts import readings
from equity_pipeline.extracts.intake import load_extracts, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.storage import sealed
from equity_pipeline.storage.home import Home
from tests.extracts.test_replacing import partner
from tests.unmasked import unmasked

ROW = st.tuples(
    st.sampled_from(["2022", "2022", "2023", "soon"]), st.sampled_from(["a", "b", "c", "d", " ", '"e"']),
    st.sampled_from(["9", "10", "11", "97"]),
)  # fmt: skip


def taken_in(folder, files):
    """What stands after taking in: rows by year, quarantined lines by year, and the ledger's counts."""
    home = Home(folder)
    landing = home.landing("test_sd")
    landing.mkdir(parents=True)
    for name, rows in files.items():
        lines = ["school_year,student_id,grade_level", *(",".join(row) for row in rows)]
        (landing / name).write_text("\n".join(lines) + "\n")
    one = partner()
    take_delivery(home, one)
    for year in sorted(Ledger(home).pending("test_sd")):
        load_extracts(home, one, year)

    def found(layer, *columns):
        return {
            path.name: sorted(
                row
                for file in path.glob("*.parquet")
                for row in pl.read_parquet(file, hive_partitioning=False).select(columns).iter_rows()
            )
            for path in (home.root / layer / "students").glob("*/*")
        }

    counts = [
        {k: v for k, v in load.items() if k not in ("sequence",)} for load in Ledger(home).loads("test_sd")
    ]
    return (
        found("extracts", "student_id", "grade_level"),
        found("quarantine", "_file", "_line", "_reason"),
        counts,
    )


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.lists(ROW, min_size=1, max_size=15), min_size=1, max_size=3),
    block=st.sampled_from([3, 30]),
)
def test_small_blocks_and_large_parts_change_nothing(files, block, tmp_path_factory):
    named = {f"students_{site}.csv": rows for site, rows in zip("xyz", files, strict=False)}
    whole = taken_in(tmp_path_factory.mktemp("whole"), named)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "_BLOCK", block)
        patch.setattr(records, "_HEAD", 40)
        patch.setattr(readings, "_STANDS_ALONE", 2)
        patch.setattr(readings, "_AT_ONCE", 1)
        assert taken_in(tmp_path_factory.mktemp("blocks"), named) == whole


@pytest.mark.parametrize("key", [None, "5" * 64], ids=["plain", "sealed"])
def test_a_large_part_with_codes_is_read_as_the_text_that_it_was(key, tmp_path, monkeypatch):
    """Few texts, texts of their own, a column of nothing, and one of which each block has others."""
    if key:
        monkeypatch.setenv(sealed.KEY, key)
    monkeypatch.setattr(readings, "_STANDS_ALONE", 100)
    monkeypatch.setattr(readers, "_BLOCK", 8_000)
    monkeypatch.setattr(records, "_HEAD", 100)
    rows = [(f"s{n}", f"{9 + n % 4:02d}", "FM"[n % 2], f"basis {n // 300}") for n in range(900)]
    home = Home(tmp_path)
    home.landing("test_sd").mkdir(parents=True)
    lines = ["school_year,student_id,grade_level,sex,econ_basis", *(",".join(("2022", *row)) for row in rows)]
    (home.landing("test_sd") / "students.csv").write_text("\n".join(lines))
    take_delivery(home, partner())
    load_extracts(home, partner(), 2022)
    parts = sealed.parquet_of(home.extract("students", "test_sd", 2022))
    assert len(parts) > 2
    tables = [pl.read_parquet(part, hive_partitioning=False) for part in parts]
    assert all(table.schema == EXTRACTS["students"].stored | {"_delivery_id": pl.String} for table in tables)
    table = unmasked(pl.concat(tables))
    read = table.select(
        "student_id", "grade_level", pl.col("sex").str.head(1).str.to_uppercase(), "econ_basis"
    )
    assert sorted(read.rows()) == sorted(rows)
    assert table["races"].null_count() == len(rows)


def test_nothing_of_a_reading_is_left_when_all_is_loaded(tmp_path):
    taken_in(tmp_path, {"students.csv": [("2022", "a", "9")]})
    assert not (tmp_path / "readings" / "test_sd").exists()
