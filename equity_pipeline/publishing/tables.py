"""great-tables builders: one chain per table, a fixed `id` each. They return the table as HTML without a style sheet.

The site's one style sheet styles great-tables' classes, so that every table looks the same and weighs little. Cells come in as
polars text: great-tables writes cell by cell, and into pandas that takes three times as long.
"""

from __future__ import annotations

import itertools
import operator
import re

import polars as pl
from great_tables import GT, html
from markupsafe import Markup, escape

from equity_pipeline.domain import school_years
from equity_pipeline.publishing import charts, words
from equity_pipeline.publishing.context import Labels
from equity_pipeline.publishing.words import ENGLISH, Language

_ORDER = operator.itemgetter("dimension_order", "dimension", "subgroup_order", "subgroup")

# What great-tables writes for other readers than browsers, and header lists that `scope` says as well: half of a table's weight.
_WEIGHT = re.compile(
    r' headers="[^"]*"| (?:rowspan|colspan)="1"| data-quarto-[a-z-]+="[^"]*"| gt_columns_bottom_border'
)
_STUB_ID = re.compile(r' id="[^"]*-stub-\d+"')


def status(code: object, say: Language = ENGLISH) -> Markup:
    """A status as symbol and words, with its class for colour; empty where there is none."""
    if not isinstance(code, str):
        return Markup("")
    step = words.STATUSES[code]
    return Markup(
        '<span class="status s-{}"><span class="symbol" aria-hidden="true">{}</span> {}</span>'
    ).format(code, step.symbol, say(step.words))


def not_shown(say: Language = ENGLISH) -> Markup:
    """An em dash that says `not shown: privacy` to who points at it or listens."""
    return Markup(
        '<span class="void" title="{0}"><span aria-hidden="true">{1}</span><span class="sr">{0}</span></span>'
    ).format(say(words.HIDDEN_WORDS), words.HIDDEN)


def rate_of(row: dict) -> str | None:
    """The band that a rate lies in, or the rate where it is shown as a number."""
    return row["rate_band"] or (None if row["rate"] is None else words.percent(row["rate"]))


def share(row: dict, say: Language = ENGLISH) -> str:
    """`38.1% of 412`, with the range in place of a number that is only known as one."""
    rate = rate_of(row)
    n = row["n_band"] if row["n"] is None else words.count(row["n"])
    return say("{rate} of {n}", rate=rate, n=n) if rate and n else rate or (f"n {n}" if n else "")


def cell(row: dict | None, *, small: str = "n", say: Language = ENGLISH) -> Markup:
    """One cell of the tracker: the gap in percentage points, or in words why there is none, and the number of students."""
    if row is None:
        return Markup('<span class="void">{}</span>').format(say("no data"))
    state = row["state"]
    if state == "privacy":
        return not_shown(say)
    if state == "hidden_comparison":
        return Markup('{}<span class="n">{}</span>').format(not_shown(say), share(row, say))
    if state == "band":
        return Markup('<b class="gap">{}</b><span class="n">{}</span>').format(
            row["gap_band"], share(row, say)
        )
    if state in ("not_measured", "no_students", "no_comparison", "few"):
        said = {"not_measured": words.NOT_MEASURED, "no_students": "no students", "no_comparison": "no comparison",
                "few": words.NOT_ENOUGH}[state]  # fmt: skip
        return Markup('<span class="void">{}</span>').format(say(said))
    n = row["n_band"] if row["n"] is None else words.count(row["n"])
    if state in ("reference", "everyone"):
        rate = rate_of(row)
        return Markup('<span class="rate">{}</span><span class="n">n {}</span>').format(
            say("rate {rate}", rate=rate) if small == "rate" else rate, n
        )
    under = f"n {n}" if small == "n" else share(row, say)
    return Markup('<b class="gap">{}</b><span class="n">{}</span>').format(words.points(row["gap"]), under)


def interval(row: dict | None, say: Language = ENGLISH) -> Markup:
    """The 95 % interval of a gap, `−14.2 to −6.1`."""
    if row is None or row["state"] != "gap" or row["gap_low"] is None:
        return Markup("")
    return Markup('<span class="interval">{}</span>').format(
        say("{low} to {high}", low=words.points(row["gap_low"]), high=words.points(row["gap_high"]))
    )


def goal(row: dict | None, say: Language = ENGLISH) -> Markup:
    """The goal for this gap and, in words, whether the pace reaches it."""
    if row is None or row["goal_gap"] is None:
        return Markup("")
    pace = {None: "", True: "✓ " + say("on track"), False: "! " + say("not on track yet")}[row["on_track"]]
    return Markup('<span class="n">{}</span>').format(
        f"{say('goal')} {words.points(row['goal_gap'])} {pace}".rstrip()
    )


def _group(labels: Labels, row: dict, say: Language) -> Markup:
    name = labels.subgroup(row["dimension"], row["subgroup"], say)
    if row["state"] == "reference" or row["subgroup"] == labels.reference_subgroup(row["dimension"]):
        return Markup('{}<span class="n">{}</span>').format(name, say("comparison group"))
    return escape(name)


def _status_of(row: dict | None, say: Language) -> Markup:
    if row is None or row["state"] not in ("gap", "few", "band"):
        return Markup("")
    return status(row["status"], say) or (Markup("") if row["state"] == "band" else not_shown(say))


def _needed(row: dict | None) -> Markup:
    if row is None or row["state"] != "gap" or row["students_needed"] is None:
        return Markup("")
    return escape(words.count(row["students_needed"]))


def _tracker_lines(rows: list[dict], labels: Labels, years: list[int], say: Language) -> list[dict[str, str]]:
    """One line per group, in the order of the seeds: HTML cells."""
    gaps = [row["gap"] for row in rows if row["state"] == "gap"]
    span = (min([-0.02, *gaps]), max([0.02, *gaps]))
    lines = []
    for _, of_group in itertools.groupby(sorted(rows, key=_ORDER), key=_ORDER):
        by_year = {row["school_year"]: row for row in of_group}
        now = by_year.get(years[-1])
        told = [row["gap"] if (row := by_year.get(y)) and row["state"] == "gap" else None for y in years]
        spoken = ", ".join(
            f"{school_years.label(y)} {words.points(g)}"
            for y, g in zip(years, told, strict=True)
            if g is not None
        )
        any_row = now or by_year[max(by_year)]
        lines.append(
            {
                "dimension": say("Everyone") if any_row["dimension"] == "all_students" else say(labels.dimension(any_row["dimension"])),
                "group": _group(labels, any_row, say),
                "now": cell(now, small="rate", say=say),
                "status": _status_of(now, say) + goal(now, say),
                "needed": _needed(now),
                "interval": interval(now, say),
                "trend": charts.nanoplot(told, span, f"{say('Gap in percentage points')}: {spoken}")
                if len(spoken.split(", ")) > 1 else "",
                **{str(year): cell(by_year.get(year), say=say) for year in years[:-1]},
            }
        )  # fmt: skip
    return lines


def gap_tracker(
    rows: list[dict], labels: Labels, *, id: str, caption: str, years: list[int], say: Language = ENGLISH
) -> Markup:
    """The gap tracker of one metric at one place: groups by dimension; the latest year first, then the earlier ones.

    `rows`: `tracker.view` of one metric × school. Grain of the table: one line per group.
    """
    lines = _tracker_lines(rows, labels, years, say)
    before = [str(year) for year in years[:-1]]
    shown = [
        "now",
        "status",
        "needed",
        "interval",
        *(["trend"] if any(line["trend"] for line in lines) else []),
    ]
    table = (
        GT(_frame(lines, ["dimension", "group", *shown, *before]), rowname_col="group", groupname_col="dimension", id=id)
        .tab_stubhead(say("Group"))
        .tab_spanner(say("Now: {year}", year=school_years.label(years[-1])), columns=shown, id="now")
        .fmt_passthrough(columns=["group", *shown, *before], escape=False)
        .cols_label(**{name: head for name, head in _heads(say).items() if name in shown},
                    **{year: school_years.label(int(year)) for year in before})
        .cols_align("right", columns=["now", "interval", "needed", *before])
        .cols_align("left", columns="status")
    )  # fmt: skip
    return dress(table.as_raw_html(), caption, "tracker")


def _heads(say: Language) -> dict[str, object]:
    return {"now": say("Gap (points)"), "status": say("Status"), "needed": html(say("Students<br>needed")),
            "interval": say("95% interval"), "trend": say("Trend")}  # fmt: skip


def _frame(lines: list[dict[str, str]], columns: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {c: [str(line[c]) for line in lines] for c in columns}, schema=dict.fromkeys(columns, pl.String)
    )


def dress(table: str, caption: str, kind: str = "") -> Markup:
    """great-tables' HTML with a caption, a scroll region that the keyboard reaches, and without its style sheet."""
    table = re.sub(r"\s*<style>\s*#.*?</style>", "", table, count=1, flags=re.DOTALL)
    table = _STUB_ID.sub("", _WEIGHT.sub("", table))
    table = re.sub(r"\n\s*", "\n", table)
    label = escape(caption)
    table = re.sub(
        r'^<div id="([^"]*)"[^>]*>',
        rf'<div id="\1" class="{f"table {kind}".strip()}" role="region" aria-label="{label}" tabindex="0">',
        table,
        count=1,
    )
    return Markup(re.sub(r"(<table[^>]*>)", rf"\1<caption><span>{label}</span></caption>", table, count=1))


def tools_package(rows: list[dict], *, id: str, caption: str) -> Markup:
    """Last year's status beside this year's, most urgent first: did what was closed stay closed, and what does it ask for?

    `rows`: measured gaps of one year in order, with `group`, `measure`, both statuses and gaps. Grain of the table: one line per
    metric × group.
    """
    year = int(rows[0]["school_year"])
    lines = [
        {
            "group": Markup('{}<span class="n">{}</span>').format(row["group"], row["measure"]),
            "before": _then(row["prior_status"], row["prior_gap"]),
            "now": _then(row["status"], row["gap"]),
            "change": Markup("") if row["gap_change"] is None else Markup('<b class="gap">{}</b>').format(words.points(row["gap_change"])),
            "needed": _needed(row),
            "what": escape(row["what_to_do"]) if isinstance(row["what_to_do"], str) else Markup(""),
        }
        for row in rows
    ]  # fmt: skip
    table = (
        GT(_frame(lines, list(lines[0])), rowname_col="group", id=id)
        .tab_stubhead("Group and measure")
        .fmt_passthrough(columns=["group", "before", "now", "change", "needed", "what"], escape=False)
        .cols_label(before=school_years.label(year - 1), now=school_years.label(year), change="Change (points)",
                    needed=html("Students<br>needed"), what="What it asks for")
        .cols_align("left", columns=["before", "now", "what"])
        .cols_align("right", columns=["change", "needed"])
    )  # fmt: skip
    return dress(table.as_raw_html(), caption, "tools")


def _then(code: object, gap: object) -> Markup:
    return Markup('{}<span class="n">{}</span>').format(
        status(code) or Markup('<span class="void">no status</span>'),
        "" if gap is None else words.points(gap),
    )
