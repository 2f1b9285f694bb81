"""What the numbers rest on: what came, what is missing or overdue, what was refused, replaced or rejected."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable
from typing import Any

import pandas as pd

from equity_pipeline.domain import school_years
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing.context import QUALITY_COLUMNS, Context

_ABOUT_NO_STUDENT = ("schools", "courses", "survey_items", "initiatives")


def shown(counts: pd.DataFrame, minimum_cell: int) -> pd.DataFrame:
    """The counts of rows as they may leave: rows about students that are fewer than the smallest cell are not counted out
    loud, so their counts are null. Grain: school_year × extract with a row delivered, newest first."""
    numbers = [column for column in QUALITY_COLUMNS if column not in ("school_year", "extract")]
    rows = counts.astype(dict.fromkeys(["school_year", *numbers], "Int64"))
    rows = rows[rows["rows_in"] > 0]
    few = (rows["rows_in"] < minimum_cell) & ~rows["extract"].isin(_ABOUT_NO_STUDENT)
    rows[numbers] = rows[numbers].mask(few, pd.NA)
    return rows.sort_values(["school_year", "extract"], ascending=[False, True], ignore_index=True)


def missing(context: Context, partner: Partner, years: list[int]) -> list[dict[str, Any]]:
    """Expected by the partner file and not on file: `extract`, `school_year`, `due`, `overdue`; newest first.

    A release has no clock, so that the same files give the same bytes: its today is the newest date that a delivery
    states, or the first day of the newest school year on file.
    """
    if not years:
        return []
    today = max(filter(None, (context.as_of, dt.date(years[-1] - 1, 7, 1))))
    rows = context.quality
    loaded = set(rows.loc[rows["loaded"] > 0, ["school_year", "extract"]].itertuples(index=False, name=None))
    return [
        {"extract": extract, "school_year": year, "due": due, "overdue": due < today}
        for year in range(years[-1], partner.first_school_year - 1, -1)
        for extract in sorted(partner.expected)
        if (year, extract) not in loaded
        for due in (school_years.due_date(year, partner.expected[extract]),)
    ]


def account(context: Context, partner: Partner, years: list[int]) -> dict[str, Any]:
    """What the data-quality page says."""
    smallest = partner.privacy.minimum_cell
    lines = shown(context.quality, smallest).to_dict("records")
    small = {(line["school_year"], line["extract"]) for line in lines if pd.isna(line["rows_in"])}
    reasons = [
        row for row in context.rejections.sort_values(["school_year", "extract", "reason"], ascending=[False, True, True]).to_dict("records")
        if (row["school_year"], row["extract"]) not in small
    ]  # fmt: skip
    return {"lines": lines, "now": _newest(lines), "reasons": reasons, "smallest": smallest, "missing": missing(context, partner, years),
            "refused": context.refused, "superseded": context.superseded, "as_of": context.as_of}  # fmt: skip


def _newest(lines: list[dict[Hashable, Any]]) -> dict[str, Any] | None:
    """The newest school year on file, and how its rows fared that are counted out loud."""
    if not lines:
        return None
    year = lines[0]["school_year"]
    told = [line for line in lines if line["school_year"] == year and not pd.isna(line["rows_in"])]
    counts = {name: sum(int(line[name]) for line in told) for name in ("loaded", "rejected", "duplicates")}
    return {"year": year, "counts": {"rows": sum(counts.values()), **counts}}
