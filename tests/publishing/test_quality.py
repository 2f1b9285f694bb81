import dataclasses
import datetime as dt

import pandas as pd
import pytest

from equity_pipeline.publishing import quality as account

from .frames import context, partner


def test_few_rows_about_students_are_not_counted_out_loud():
    counts = {"loaded": 6, "rejected": 1, "duplicates": 0}
    quality = pd.DataFrame(
        [
            {"school_year": 2026, "extract": "discipline", "rows_in": 7, **counts},
            {"school_year": 2026, "extract": "schools", "rows_in": 7, **counts},
            {
                "school_year": 2025,
                "extract": "students",
                "rows_in": 10,
                "loaded": 7,
                "rejected": 3,
                "duplicates": 0,
            },
            {
                "school_year": 0,
                "extract": "students",
                "rows_in": 0,
                "loaded": 0,
                "rejected": 0,
                "duplicates": 0,
            },
        ]
    )
    shown = account.shown(quality, 10)
    assert shown["extract"].tolist() == ["discipline", "schools", "students"]
    assert shown.loc[0, ["rows_in", "loaded", "rejected", "duplicates"]].isna().all()
    assert shown["rejected"].tolist()[1:] == [1, 3]


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


def test_the_newest_year_is_told_in_a_sentence_of_the_rows_that_are_counted_out_loud():
    rows = [
        {"school_year": year, "extract": extract, "rows_in": n, "loaded": n - 3, "rejected": 2, "duplicates": 1}
        for year, extract, n in ((2026, "students", 50), (2026, "discipline", 6), (2026, "schools", 5), (2025, "students", 40))
    ]  # fmt: skip
    said = dataclasses.replace(context(), quality=pd.DataFrame(rows))
    assert account.account(said, partner(), [2025, 2026])["now"] == {
        "year": 2026,
        "counts": {"rows": 55, "loaded": 49, "rejected": 4, "duplicates": 2},
    }
