"""Whatever a file holds, no row is lost: random clean rows among bad and repeated ones come out clean and whole."""

import csv
import datetime as dt
import io
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.extracts.intake import load_extracts, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage.home import Home
from tests.unmasked import unmasked

HEADER = ("school_year", "student_id", "school_id", "entry_date", "exit_date", "is_primary")
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=4
)
DAY = st.dates(dt.date(2020, 7, 1), dt.date(2023, 6, 30))


@st.composite
def clean_row(draw):
    entry, exit_ = sorted([draw(DAY), draw(DAY)])
    return (
        str(draw(st.sampled_from([2022, 2023]))), draw(TEXT), draw(TEXT), str(entry), draw(st.sampled_from(["", str(exit_)])),
        draw(st.sampled_from(["", "yes", "no", "unknown"])),
    )  # fmt: skip


def spoilt(row, how):
    """A row with one thing wrong, and whether its school year is still readable."""
    year, student, school, entry, exit_, primary = row
    return {
        "no student": (year, " ", school, entry, exit_, primary),
        "no date": (year, student, school, "15.8.2022", exit_, primary),
        "exit first": (year, student, school, entry, "1999-01-01", primary),
        "wrong flag": (year, student, school, entry, exit_, "maybe"),
        "wrong year": ("2022-24", student, school, entry, exit_, primary),
        "short": (year, student),
        "long": (*row, "more"),
    }[how]


FAULTS = ("no student", "no date", "exit first", "wrong flag", "wrong year", "short", "long")


@settings(max_examples=40)
@given(
    clean=st.lists(clean_row(), min_size=1, max_size=8, unique_by=lambda row: row[:4]),
    bad=st.lists(st.tuples(st.integers(0, 7), st.sampled_from(FAULTS)), max_size=6),
    repeated=st.lists(st.integers(0, 7), max_size=4),
    randomness=st.randoms(use_true_random=False),
)
def test_rows_in_are_loaded_rejected_or_duplicates_and_what_is_loaded_is_the_original(
    clean, bad, repeated, randomness
):
    rows = [
        *clean,
        *(spoilt(clean[i % len(clean)], how) for i, how in bad),
        *(clean[i % len(clean)] for i in repeated),
    ]
    # The first record must fit the header, or the file as a whole would rightly be refused when no other does.
    rest = rows[1:]
    randomness.shuffle(rest)
    out = io.StringIO(newline="")
    csv.writer(out).writerows([HEADER, rows[0], *rest])

    partner = Partner(
        partner_id="test_sd", name="Test", state="CA", timezone="America/Los_Angeles", first_school_year="2020-21",
        sources=[{"name": "own", "format": "canonical", "files": ["*"]}],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        landing = home.landing("test_sd")
        landing.mkdir(parents=True)
        (landing / "school_enrollments.csv").write_bytes(out.getvalue().encode())
        [result] = take_delivery(home, partner)
        assert result.status == "accepted", result.message
        for year in sorted(Ledger(home).pending("test_sd")):
            load_extracts(home, partner, year)

        counts = Ledger(home).counts("test_sd")
        assert counts["rows_in"] == counts["records"] == len(rows)
        assert (counts["loaded"], counts["rejected"], counts["duplicates"]) == (
            len(clean),
            len(bad),
            len(repeated),
        )

        loaded = {}
        for path in sorted((home.root / "extracts").glob("school_enrollments/*/*/*.parquet")):
            year = path.parent.name.removeprefix("school_year=")
            for row in unmasked(pl.read_parquet(path, hive_partitioning=False)).iter_rows(named=True):
                loaded[year, *(str(row[c] or "") for c in HEADER[1:])] = row["_delivery_id"]
        assert set(loaded) == set(clean)

        lines = [
            line
            for path in (home.root / "quarantine").rglob("*.parquet")
            for line in pl.read_parquet(path, hive_partitioning=False)["_line"]
        ]
        assert len(lines) == len(set(lines)) == len(bad)


@settings(max_examples=25)
@given(
    truth=st.dictionaries(
        TEXT,
        st.tuples(
            st.sampled_from(["09", "10", "11", "12"]),
            st.sampled_from([None, "yes", "no", "unknown"]),
            st.sampled_from([None, "female", "male", "unknown"]),
        ),
        min_size=1,
        max_size=8,
    ),
    hidden=st.lists(
        st.tuples(st.integers(0, 7), st.sampled_from(["homeless", "sex"]), st.booleans()), max_size=12
    ),
    both=st.lists(st.integers(0, 7), max_size=6),
)
def test_two_halves_of_a_table_merge_into_the_whole(truth, hidden, both):
    """Each fact is told by the first source, the second or both, and comes out as told."""
    columns = ("school_year", "student_id", "grade_level", "homeless", "sex")
    first = {
        student: dict(zip(columns, ("2022", student, *facts), strict=True))
        for student, facts in truth.items()
    }
    second = {student: dict(row) for student, row in first.items()}
    students = list(truth)
    for position, column, in_first in hidden:
        student = students[position % len(students)]
        mine, other = (first, second) if in_first else (second, first)
        if other[student][column] not in (None, "unknown"):
            mine[student][column] = None
    partner = Partner(
        partner_id="test_sd", name="Test", state="CA", timezone="America/Los_Angeles", first_school_year="2020-21",
        sources=[{"name": name, "format": "canonical", "files": [f"{name}_*"]} for name in ("one", "two")],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        landing = home.landing("test_sd")
        landing.mkdir(parents=True)
        second = {
            student: row
            for i, (student, row) in enumerate(second.items())
            if i in both or row != first[student]
        }
        for name, rows in (("one", first), ("two", second)):
            if rows:
                # In another order of columns, because the same bytes twice are one delivery.
                order = columns if name == "one" else columns[::-1]
                pl.DataFrame(list(rows.values()), schema=dict.fromkeys(columns, pl.String)).select(
                    order
                ).write_csv(landing / f"{name}_students.csv")
        assert {result.status for result in take_delivery(home, partner)} == {"accepted"}
        [load] = load_extracts(home, partner, 2022)
        assert (load.rejected, load.duplicates, load.loaded) == (0, 0, len(first) + len(second))
        stored = unmasked(pl.read_parquet(load.path / "part-0.parquet", hive_partitioning=False))
        assert {row[0]: row[1:] for row in stored.select(columns[1:]).iter_rows()} == truth
