"""great-tables builders: one chain per table, a fixed `id` each. They return the table as HTML without a style sheet.

The site's one style sheet styles great-tables' classes, so that every table looks the same and weighs little.
"""

from __future__ import annotations

import itertools
import operator
import re

import pandas as pd
from great_tables import GT, from_column, html, nanoplot_options
from markupsafe import Markup, escape

from equity_pipeline.domain import school_years
from equity_pipeline.publishing import words
from equity_pipeline.publishing.context import Labels

_TREND = nanoplot_options(
    data_point_radius=9, data_line_stroke_width=7, data_line_type="straight", data_line_stroke_color="#1f4e79",
    data_point_fill_color="#1f4e79", data_point_stroke_color="#1f4e79", reference_line_color="#5c6670",
    show_data_area=False, show_vertical_guides=False, show_y_axis_guide=False, interactive_data_values=False,
)  # fmt: skip


_HEADS = {"now": "Gap (points)", "interval": "95% interval", "status": "Status", "needed": html("Students<br>needed"), "goal": "Goal",
          "trend": "Trend"}  # fmt: skip


_ORDER = operator.itemgetter("dimension_order", "dimension", "subgroup_order", "subgroup")
_READ = ["school_year", "dimension", "subgroup", "dimension_order", "subgroup_order", "group", "state", "n", "rate", "gap", "gap_low",
         "gap_high", "status", "students_needed", "goal_gap", "on_track"]  # fmt: skip


def status(code: object) -> Markup:
    """A status as symbol and words, with its class for colour; empty where there is none."""
    if not isinstance(code, str):
        return Markup("")
    step = words.STATUSES[code]
    return Markup(
        '<span class="status s-{}"><span class="symbol" aria-hidden="true">{}</span> {}</span>'
    ).format(code, step.symbol, step.words)


def not_shown() -> Markup:
    """An em dash that says `not shown: privacy` to who points at it or listens."""
    return Markup(
        '<span class="void" title="{0}"><span aria-hidden="true">{1}</span><span class="sr">{0}</span></span>'
    ).format(words.HIDDEN_WORDS, words.HIDDEN)


def cell(row: dict | None, *, small: str = "n") -> Markup:
    """One cell of the tracker: the gap in percentage points, or in words why there is none, and the number of students."""
    if row is None:
        return Markup('<span class="void">no data</span>')
    state = row["state"]
    if state == "privacy":
        return not_shown()
    if state == "hidden_comparison":
        return Markup('{}<span class="n">{} of {}</span>').format(
            not_shown(), words.percent(row["rate"]), words.count(row["n"])
        )
    if state in ("not_measured", "no_students", "no_comparison", "few"):
        said = {"not_measured": words.NOT_MEASURED, "no_students": "no students", "no_comparison": "no comparison",
                "few": words.NOT_ENOUGH}[state]  # fmt: skip
        return Markup('<span class="void">{}</span>').format(said)
    under = (
        f"n {words.count(row['n'])}"
        if small == "n"
        else f"{words.percent(row['rate'])} of {words.count(row['n'])}"
    )
    if state in ("reference", "everyone"):
        rate = f"{'rate ' if small == 'rate' else ''}{words.percent(row['rate'])}"
        return Markup('<span class="rate">{}</span><span class="n">n {}</span>').format(
            rate, words.count(row["n"])
        )
    return Markup('<b class="gap">{}</b><span class="n">{}</span>').format(words.points(row["gap"]), under)


def interval(row: dict | None) -> Markup:
    """The 95 % interval of a gap, `−14.2 to −6.1`."""
    if row is None or row["state"] != "gap" or pd.isna(row["gap_low"]):
        return Markup("")
    return Markup('<span class="interval">{} to {}</span>').format(
        words.points(row["gap_low"]), words.points(row["gap_high"])
    )


def goal(row: dict | None) -> Markup:
    """The goal for this gap and, in words, whether the pace reaches it."""
    if row is None or pd.isna(row["goal_gap"]):
        return Markup("")
    pace = "" if pd.isna(row["on_track"]) else ("on track" if row["on_track"] else "not on track yet")
    symbol = {"on track": "✓", "not on track yet": "!"}.get(pace, "")
    return Markup('<b class="gap">{}</b><span class="n"><span aria-hidden="true">{}</span> {}</span>').format(
        words.points(row["goal_gap"]), symbol, pace
    )


def _group(labels: Labels, row: dict) -> Markup:
    if row["state"] == "reference" or row["subgroup"] == labels.reference_subgroup(row["dimension"]):
        return Markup('{}<span class="n">comparison group</span>').format(row["group"])
    return escape(row["group"])


def _status_of(row: dict | None) -> Markup:
    if row is None or row["state"] not in ("gap", "few"):
        return Markup("")
    return status(row["status"]) or not_shown()


def _needed(row: dict | None) -> Markup:
    if row is None or row["state"] != "gap" or pd.isna(row["students_needed"]):
        return Markup("")
    return escape(words.count(row["students_needed"]))


def _has_line(trend: dict[str, list]) -> bool:
    return len(trend["val"]) > 1


def _tracker_frame(rows: pd.DataFrame, labels: Labels, years: list[int]) -> pd.DataFrame:
    """One line per group, in the order of the seeds: HTML cells, and for the trend the gaps with None for a gap year."""
    lines = []
    ordered = sorted(rows[_READ].to_dict("records"), key=_ORDER)
    for _, of_group in itertools.groupby(ordered, key=_ORDER):
        by_year = {int(row["school_year"]): row for row in of_group}
        now = by_year.get(years[-1])
        told = [by_year[y] if y in by_year and by_year[y]["state"] == "gap" else None for y in years]
        gaps = [None if row is None else round(100 * float(row["gap"]), 1) for row in told]
        shown = [(y, row) for y, row in zip(years, told, strict=True) if row is not None]
        any_row = now or by_year[max(by_year)]
        lines.append(
            {
                "dimension": "Everyone"
                if any_row["dimension"] == "all_students"
                else labels.dimension(any_row["dimension"]),
                "group": _group(labels, any_row),
                "now": cell(now, small="rate"),
                "interval": interval(now),
                "status": _status_of(now),
                "needed": _needed(now),
                "goal": goal(now),
                "trend": {"val": gaps if len(shown) > 1 else [None]},
                "trend_alt": "Gap in percentage points: "
                + ", ".join(f"{school_years.label(y)} {words.points(row['gap'])}" for y, row in shown),
                **{str(year): cell(by_year.get(year)) for year in years[:-1]},
            }
        )
    return pd.DataFrame(lines)


def gap_tracker(rows: pd.DataFrame, labels: Labels, *, id: str, caption: str, years: list[int]) -> Markup:
    """The gap tracker of one metric at one place: groups by dimension; the latest year first, then the earlier ones.

    `rows`: `tracker.view` of one metric × school. Grain of the table: one line per group.
    """
    frame = _tracker_frame(rows, labels, years)
    current, before = (
        ["now", "status", "needed", "interval", "goal", "trend"],
        [str(year) for year in years[:-1]],
    )
    absent = [column for column, has in (("goal", (frame["goal"] != "").any()), ("trend", frame["trend"].map(_has_line).any()))
              if not has]  # fmt: skip
    table = (
        GT(frame[["dimension", "group", *current, *before, "trend_alt"]], rowname_col="group", groupname_col="dimension", id=id)
        .cols_hide(["trend_alt", *absent])
        .tab_stubhead("Group")
        .tab_spanner(f"Now: {school_years.label(years[-1])}", columns=current)
        .fmt_passthrough(columns=["group", *current[:-1], *before], escape=False)
        .fmt_nanoplot(columns="trend", reference_line=0, autoscale=True, expand_y=[0.0], plot_height="2.6em",
                      options=_TREND, alt=from_column("trend_alt"))
        .cols_label(**_HEADS, **{year: school_years.label(int(year)) for year in before})
        .cols_align("right", columns=["now", "interval", "needed", "goal", *before])
        .cols_align("left", columns="status")
        .cols_align("center", columns="trend")
    )  # fmt: skip
    return dress(table.as_raw_html(), caption, "tracker")


def dress(table: str, caption: str, kind: str = "") -> Markup:
    """great-tables' HTML with a caption, a scroll region that the keyboard reaches, and without its style sheet."""
    table = re.sub(r"\s*<style>\s*#.*?</style>", "", table, count=1, flags=re.DOTALL)
    label = escape(caption)
    table = re.sub(
        r'^<div id="([^"]*)"[^>]*>',
        rf'<div id="\1" class="{f"table {kind}".strip()}" role="region" aria-label="{label}" tabindex="0">',
        table,
        count=1,
    )
    return Markup(re.sub(r"(<table[^>]*>)", rf"\1<caption><span>{label}</span></caption>", table, count=1))


def tools_package(rows: pd.DataFrame, *, id: str, caption: str) -> Markup:
    """Last year's status beside this year's, most urgent first: did what was closed stay closed, and what does it ask for?

    `rows`: measured gaps of one year in order, with `group`, `measure`, both statuses and gaps. Grain of the table: one line per
    metric × group.
    """
    year = int(rows["school_year"].iloc[0])
    lines = [
        {
            "group": Markup('{}<span class="n">{}</span>').format(row["group"], row["measure"]),
            "before": _then(row["prior_status"], row["prior_gap"]),
            "now": _then(row["status"], row["gap"]),
            "change": Markup("") if pd.isna(row["gap_change"]) else Markup('<b class="gap">{}</b>').format(words.points(row["gap_change"])),
            "needed": _needed(row),
            "what": escape(row["what_to_do"]) if isinstance(row["what_to_do"], str) else Markup(""),
        }
        for row in rows.to_dict("records")
    ]  # fmt: skip
    table = (
        GT(pd.DataFrame(lines), rowname_col="group", id=id)
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
        "" if pd.isna(gap) else words.points(gap),
    )
