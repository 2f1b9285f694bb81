"""What the numbers rest on: what came, what is missing or overdue, what was refused, replaced or rejected."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Collection
from typing import Any

import pandas as pd

from equity_pipeline.domain import school_years
from equity_pipeline.domain.rows import Row
from equity_pipeline.extracts.resolve import CONFLICT
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing.context import Context

_ABOUT_NO_STUDENT = ("schools", "courses", "survey_items", "initiatives")


def shown(context: Context, minimum_cell: int) -> dict[str, list[Row]]:
    """Counts of rows as they may leave, newest first: `lines` of `QUALITY_COLUMNS`, `reasons` of `REJECTION_COLUMNS`.

    Rows about students are told to the nearest ten, and not counted (None) where they are fewer than the smallest cell. Told
    by themselves are loaded rows, duplicates and the rows of each reason; rejected and delivered ones are worked out from
    these, so that no sum narrows a count down.
    """
    reasons: list[Row] = []
    rejected = collections.defaultdict(list)
    for row in _rows(context.rejections, "reason"):
        told = _told(row["rows"], minimum_cell, row["extract"])
        reasons.append(row | {"rows": told})
        if row["reason"] != CONFLICT:
            rejected[row["school_year"], row["extract"]].append(told)
    lines: list[Row] = []
    for row in _rows(context.quality[context.quality["rows_in"] > 0], "extract"):
        loaded, duplicates = (_told(row[of], minimum_cell, row["extract"]) for of in ("loaded", "duplicates"))
        parts = loaded, _total(rejected[row["school_year"], row["extract"]], minimum_cell), duplicates
        lines.append(
            row
            | {"rows_in": _total(parts, minimum_cell)}
            | dict(zip(("loaded", "rejected", "duplicates"), parts, strict=True))
        )
    return {"lines": lines, "reasons": reasons}


def _rows(frame: pd.DataFrame, last: str) -> list[Row]:
    ordered = frame.astype(object).sort_values(
        ["school_year", "extract", last], ascending=[False, True, True]
    )
    return [{str(name): value for name, value in row.items()} for row in ordered.to_dict("records")]


def _told(count: int, minimum_cell: int, extract: str = "") -> int | None:
    """Each number that is told stands for four counts or more, so the first one may begin below its ten."""
    if extract in _ABOUT_NO_STUDENT or not count:
        return int(count)
    return _to_tens(max(count, minimum_cell + 3)) if count >= minimum_cell else None


def _total(told: Collection[int | None], minimum_cell: int) -> int | None:
    """What counts that are told come to; each that is too few to be told stands for half the smallest cell."""
    known = [count for count in told if count is not None]
    few = len(told) - len(known)
    if few == 1 and not any(known):
        return None
    return _to_tens(sum(known) + few * minimum_cell // 2) if few else sum(known)


def _to_tens(count: int) -> int:
    return (int(count) + 5) // 10 * 10


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
    counts = shown(context, smallest)
    return {**counts, "now": _newest(counts["lines"], smallest), "smallest": smallest, "exact": _ABOUT_NO_STUDENT,
            "missing": missing(context, partner, years), "refused": context.refused, "superseded": context.superseded,
            "as_of": context.as_of}  # fmt: skip


def _newest(lines: list[Row], minimum_cell: int) -> dict[str, Any] | None:
    """The newest school year on file, and about how its rows fared."""
    if not lines:
        return None
    year = lines[0]["school_year"]
    totals = {
        name: _total([line[name] for line in lines if line["school_year"] == year], minimum_cell)
        for name in ("rows_in", "loaded", "rejected", "duplicates")
    }
    return {"year": year, **{name: n if n is None else _told(n, minimum_cell) for name, n in totals.items()}}
