"""The tables as great-tables lays them out, cut where a table says something of its own.

A release has hundreds of tables of few shapes, and great-tables takes 20 ms a table; so it renders each shape once, with the name of a place
in every cell, and `fill` puts a table's cells there. The site's one style sheet styles great-tables' classes, so that every
table looks the same and weighs little.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from great_tables import GT, html
from markupsafe import Markup, escape

from equity_pipeline.domain import school_years
from equity_pipeline.publishing.words import Language

_ID = "layout-of-a-table"
_PLACE = re.compile("\ue000(.*?)\ue001")

# What great-tables writes for other readers than browsers, and header lists that `scope` says as well: half of a table's weight.
_WEIGHT = re.compile(
    r' headers="[^"]*"| (?:rowspan|colspan)="1"| data-quarto-[a-z-]+="[^"]*"| gt_columns_bottom_border| id="[^"]*-stub-\d+"'
)


@functools.cache
def tracker(groups: tuple[int, ...], years: tuple[int, ...], trend: bool, say: Language) -> list[str]:
    """The gap tracker: groups of so many rows under a heading each; the latest year first, then the earlier ones."""
    now = ["now", "status", "needed", "interval", *(["trend"] if trend else [])]
    before = [str(year) for year in years[:-1]]
    heads: dict[str, Any] = {"now": say("Gap (points)"), "status": say("Status"), "needed": html(say("Students<br>needed")),
             "interval": say("95% interval"), "trend": say("Trend")}  # fmt: skip
    table = (
        GT(_places(groups, ["group", *now, *before]), rowname_col="group", groupname_col="heading", id=_ID)
        .tab_stubhead(say("Group"))
        .tab_spanner(say("Now: {year}", year=school_years.label(years[-1])), columns=now, id="now")
        .fmt_passthrough(columns=["group", *now, *before], escape=False)
        .cols_label({name: heads[name] for name in now} | {year: school_years.label(int(year)) for year in before})
        .cols_align("right", columns=["now", "interval", "needed", *before])
        .cols_align("left", columns="status")
    )  # fmt: skip
    # Five years fit a laptop: there the page scrolls and not the table.
    return _cut(table, "tracker fits" if len(years) <= 5 else "tracker")


@functools.cache
def tools_package(rows: int, year: int, say: Language) -> list[str]:
    """Last year's status beside this year's."""
    columns = ["group", "before", "now", "change", "needed", "what"]
    table = (
        GT(_places((rows,), columns).drop("heading"), rowname_col="group", id=_ID)
        .tab_stubhead(say("Group and measure"))
        .fmt_passthrough(columns=columns, escape=False)
        .cols_label(before=school_years.label(year - 1), now=school_years.label(year), change=say("Change (points)"),
                    needed=html(say("Students<br>needed")), what=say("What it asks for"))
        .cols_align("left", columns=["before", "now", "what"])
        .cols_align("right", columns=["change", "needed"])
    )  # fmt: skip
    return _cut(table, "tools")


def fill(layout: list[str], lines: Sequence[Mapping[str, str]], *, id: str, caption: str) -> Markup:
    """A table: `lines` in the order of the layout's rows, each cell HTML by the name of its column, the heading of a group in its first
    line; with a caption and a scroll region that the keyboard reaches."""
    cells = {f"{column} {number}": cell for number, line in enumerate(lines) for column, cell in line.items()}
    said = cells | {"id": escape(id), "caption": escape(caption)}
    return Markup("".join(str(said[part]) if odd % 2 else part for odd, part in enumerate(layout)))


def _place(name: object) -> str:
    return f"\ue000{name}\ue001"


def _places(groups: tuple[int, ...], columns: list[str]) -> pl.DataFrame:
    """Every cell says its column and row; a heading the first row of its group. polars, because great-tables writes cell by cell, and
    into pandas that takes four times as long."""
    rows = range(sum(groups))
    first = [sum(groups[:number]) for number, size in enumerate(groups) for _ in range(size)]
    named = {"heading": [_place(f"heading {row}") for row in first]}
    return pl.DataFrame(named | {c: [_place(f"{c} {row}") for row in rows] for c in columns})


def _cut(table: GT, kind: str) -> list[str]:
    text = re.sub(r"\s*<style>\s*#.*?</style>", "", table.as_raw_html(), count=1, flags=re.DOTALL)
    text = re.sub(r"\n\s*", "\n", _WEIGHT.sub("", text)).replace(_ID, _place("id"))
    name = _place("caption")
    region = f'<div id="{_place("id")}" class="table {kind}" role="region" aria-label="{name}" tabindex="0">'
    text = re.sub(r"^<div [^>]*>", region, text, count=1)
    return _PLACE.split(
        re.sub(r"(<table[^>]*>)", rf"\1<caption><span>{name}</span></caption>", text, count=1)
    )
