import dataclasses
import datetime as dt
import itertools
from collections import Counter, defaultdict

import pandas as pd
import pytest

from equity_pipeline.extracts.resolve import CONFLICT
from equity_pipeline.publishing import quality as account
from equity_pipeline.publishing.context import QUALITY_COLUMNS, REJECTION_COLUMNS

from .frames import context, partner


def context_of(rows, rejections=()):
    """`rows`: school year, extract, loaded, duplicates; `rejections`: school year, extract, reason, rows."""
    rejected = Counter()
    for year, extract, reason, n in rejections:
        rejected[year, extract] += n if reason != CONFLICT else 0
    quality = [
        (year, extract, loaded + rejected[year, extract] + twice, loaded, rejected[year, extract], twice)
        for year, extract, loaded, twice in rows
    ]
    return dataclasses.replace(
        context(),
        quality=pd.DataFrame(quality, columns=QUALITY_COLUMNS),
        rejections=pd.DataFrame(rejections, columns=REJECTION_COLUMNS),
    )


def test_rows_about_students_are_told_in_tens_and_few_are_not_counted_out_loud():
    said = context_of(
        [(2026, "discipline", 6, 0), (2026, "schools", 6, 0), (2025, "students", 417, 13), (0, "students", 0, 0)],
        [(2026, "schools", "no name", 1), (2025, "students", "no grade", 3), (2025, "students", "no school", 17),
         (2025, "students", CONFLICT, 11)],
    )  # fmt: skip
    shown = account.shown(said, 10)
    told = {
        (line["school_year"], line["extract"]): [line[name] for name in QUALITY_COLUMNS[2:]]
        for line in shown["lines"]
    }
    assert told == {
        (2026, "discipline"): [None, None, 0, 0], (2026, "schools"): [7, 6, 1, 0], (2025, "students"): [460, 420, 30, 10],
    }  # fmt: skip
    assert [*told] == [(2026, "discipline"), (2026, "schools"), (2025, "students")]
    assert [(row["reason"], row["rows"]) for row in shown["reasons"]] == [
        ("no name", 1), (CONFLICT, 10), ("no grade", None), ("no school", 20),
    ]  # fmt: skip


@pytest.mark.parametrize("minimum_cell", [5, 10, 14])
def test_no_count_of_rows_about_students_is_narrowed_down_by_what_is_told_beside_it(minimum_cell):
    """Of all ways to come to what is told, no count but zero is within two of one number. A unit of few rows each."""
    counts = [0, 1, 2, 4, 5, 8, 9, 10, 11, 13, 14, 15, 16, 24]
    ways = [way for way in itertools.product(counts, repeat=4) if any(way)]
    rows = [(number, "students", way[0], way[1]) for number, way in enumerate(ways)]
    reasons = [
        (number, "students", reason, n)
        for number, way in enumerate(ways)
        for reason, n in zip("ab", way[2:], strict=True)
        if n
    ]
    shown = account.shown(context_of(rows, reasons), minimum_cell)
    because = {(row["school_year"], row["reason"]): row["rows"] for row in shown["reasons"]}
    of = defaultdict(list)
    for line in shown["lines"]:
        number = line["school_year"]
        told = (
            *(line[name] for name in QUALITY_COLUMNS[2:]),
            because.get((number, "a"), 0),
            because.get((number, "b"), 0),
        )
        loaded, twice, *rejected = ways[number]
        of[told].append((sum(ways[number]), loaded, sum(rejected), twice, *rejected))
    for told, true in of.items():
        for column in zip(*true, strict=True):
            assert max(column) - min(column) >= 3 or max(column) == 0, told


@pytest.mark.parametrize(
    ("as_of", "overdue"),
    [
        (None, {("exam_results", 2022), ("discipline", 2025)}),
        (dt.date(2025, 11, 3), {("exam_results", 2022), ("discipline", 2025), ("discipline", 2026)}),
    ],
)
def test_expected_data_is_overdue_when_its_day_lies_before_the_newest_date_on_file(as_of, overdue):
    who = partner(
        first_school_year="2021-22",
        expected={"exam_results": "08-15", "discipline": "10-20", "students": "10-15"},
    )
    said = dataclasses.replace(context(), as_of=as_of)
    lines = account.missing(said, who, [2022, 2023, 2024, 2025, 2026])
    assert {(line["extract"], line["school_year"]) for line in lines} == {("exam_results", 2022)} | {
        ("discipline", year) for year in range(2022, 2027)
    }
    late = {(line["extract"], line["school_year"]) for line in lines if line["overdue"]}
    assert overdue <= late
    assert (("discipline", 2026) in late) == (as_of is not None), (
        "its day, 2025-10-20, is not over on 2025-07-01"
    )


def test_the_newest_year_is_told_in_a_sentence_that_adds_up_what_is_told():
    said = context_of(
        [
            (2026, "students", 414, 0),
            (2026, "discipline", 6, 2),
            (2026, "schools", 5, 1),
            (2025, "students", 40, 0),
        ],
        [(2026, "students", "no grade", 3)],
    )
    assert account.account(said, partner(), [2025, 2026])["now"] == {
        "year": 2026, "rows_in": 440, "loaded": 420, "rejected": None, "duplicates": 10,
    }  # fmt: skip
    assert account.account(context_of([]), partner(), [2026])["now"] is None
