"""The tables as great-tables lays them out, cut where a table says something of its own.

A release has hundreds of tables of few shapes, and great-tables takes 20 ms a table; so it lays out one group and one row of each
shape, with the name of a place in every cell, and `fill` repeats them for a table's rows. The site's one style sheet styles great-tables' classes,
so that every table looks the same and weighs little.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from great_tables import GT, html
from markupsafe import Markup, escape

from equity_pipeline.domain import school_years
from equity_pipeline.publishing.words import Language

_ID = "layout-of-a-table"
_PLACE = re.compile("\ue000(.*?)\ue001")
_PARTS = re.compile(
    r'(?P<before>.*<tbody class="gt_table_body">\n)(?P<heading><tr class="gt_group_heading_row">.*?</tr>\n)?(?P<row><tr>.*</tr>\n)(?P<after></tbody>.*)',
    re.DOTALL,
)

# What great-tables writes for other readers than browsers, and header lists that `scope` says as well: half of a table's weight.
_WEIGHT = re.compile(
    r' headers="[^"]*"| (?:rowspan|colspan)="1"| data-quarto-[a-z-]+="[^"]*"| gt_columns_bottom_border|(?<=scope="colgroup") id="[^"]*-heading"| id="[^"]*-stub-\d+"'
)


@dataclass(frozen=True)
class Layout:
    """A table in parts, each with `%(name)s` where a table says something of its own. `heading`: of a group of rows."""

    before: str
    heading: str
    row: str
    after: str


@functools.cache
def tracker(years: tuple[int, ...], trend: bool, say: Language) -> Layout:
    """The gap tracker: groups under a heading each; the latest year first, then the earlier ones."""
    now = ["now", "status", "needed", "interval", *(["trend"] if trend else [])]
    before = [str(year) for year in years[:-1]]
    heads: dict[str, Any] = {"now": say("Gap (points)"), "status": say("Status"), "needed": html(say("Students<br>needed")),
             "interval": say("95% interval"), "trend": say("Trend")}  # fmt: skip
    table = (
        GT(_places(["heading", "group", *now, *before]), rowname_col="group", groupname_col="heading", id=_ID)
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
def tools_package(year: int, say: Language) -> Layout:
    """Last year's status beside this year's."""
    columns = ["group", "before", "now", "change", "needed", "what"]
    table = (
        GT(_places(columns), rowname_col="group", id=_ID)
        .tab_stubhead(say("Group and measure"))
        .fmt_passthrough(columns=columns, escape=False)
        .cols_label(before=school_years.label(year - 1), now=school_years.label(year), change=say("Change (points)"),
                    needed=html(say("Students<br>needed")), what=say("What it asks for"))
        .cols_align("left", columns=["before", "now", "what"])
        .cols_align("right", columns=["change", "needed"])
    )  # fmt: skip
    return _cut(table, "tools")


@functools.cache
def plain(kinds: tuple[str, ...], headed: bool, sortable: bool) -> Layout:
    """A table of few columns, which a phone shows row by row, each cell behind its column's head. `kinds`: of the columns, `num`, `pic` or
    nothing; their heads and cells are `head 0` and `cell 0` and so on."""
    columns = [f"cell {place}" for place in range(len(kinds))]
    numbers = [column for column, kind in zip(columns, kinds, strict=True) if kind == "num"]
    table = (
        GT(_places([*(["heading"] if headed else []), *columns]), rowname_col=columns[0], groupname_col="heading" if headed else None, id=_ID)
        .tab_stubhead(_place("head 0"))
        .fmt_passthrough(columns=columns, escape=False)
        .cols_label({column: _place(f"head {place}") for place, column in enumerate(columns) if place})
        .cols_align("left", columns=columns)
        .cols_align("right", columns=numbers)
    )  # fmt: skip
    made = _cut(table, "plain stack sortable" if sortable else "plain stack")
    before = re.sub(r' id="[^"]*"', "", made.before)
    row = made.row
    for place, kind in enumerate(kinds):
        if kind:
            before, row = (
                re.sub(rf'(<t[hd] class="[^"]*)("[^>]*>%\({name} {place}\)s)', rf"\1 {kind}\2", text)
                for name, text in (("head", before), ("cell", row))
            )
        if place and kind != "pic":
            row = row.replace(f">%(cell {place})s", f' data-label="%(head {place})s">%(cell {place})s')
    return Layout(before, made.heading, row, made.after)


def fill(layout: Layout, lines: Iterable[str | Mapping[str, object]], **said: str) -> Markup:
    """A table of these lines: the heading of a group, or a row's cells by the names of their places. `said`: the table's caption and whatever else
    its layout has a place for; what is no markup is escaped."""
    of_table = {name: escape(text) for name, text in said.items()}
    rows = [
        layout.heading % (of_table | {"heading": escape(line)})
        if isinstance(line, str)
        else layout.row % (of_table | {name: escape(cell) for name, cell in line.items()})
        for line in lines
    ]
    return Markup("".join([layout.before % of_table, *rows, layout.after % of_table]))


def _place(name: str) -> str:
    return f"\ue000{name}\ue001"


def _places(columns: list[str]) -> pl.DataFrame:
    """A row of which every cell says its column. polars, because great-tables writes cell by cell, and into pandas that takes four times as long."""
    return pl.DataFrame({column: [_place(column)] for column in columns})


def _cut(table: GT, kind: str) -> Layout:
    text = re.sub(r"\s*<style>\s*#.*?</style>", "", table.as_raw_html(), count=1, flags=re.DOTALL)
    text = re.sub(r"\n\s*", "\n", _WEIGHT.sub("", text)).replace(_ID, _place("id"))
    name = _place("caption")
    region = f'<div id="{_place("id")}" class="table {kind}" role="region" aria-label="{name}" tabindex="0">'
    text = re.sub(r"^<div [^>]*>", region, text, count=1)
    text = re.sub(r"(<table[^>]*>)", rf"\1<caption><span>{name}</span></caption>", text, count=1)
    parts = _PARTS.fullmatch(_PLACE.sub(r"%(\1)s", text.replace("%", "%%")))
    if parts is None:
        raise ValueError(
            "great-tables lays a table out in another way than before; see publishing/layouts.py"
        )
    return Layout(**parts.groupdict(default=""))
