"""The tables of gaps: what stands in each cell. `layouts` says how they are laid out."""

from __future__ import annotations

import itertools
import operator

from markupsafe import Markup, escape

from equity_pipeline.domain import school_years
from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import charts, layouts, words
from equity_pipeline.publishing.context import Labels
from equity_pipeline.publishing.words import ENGLISH, Language

_ORDER = operator.itemgetter("dimension_order", "dimension", "subgroup_order", "subgroup")


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


def share(row: Row, say: Language = ENGLISH) -> str:
    """`38% of ~410`, `20 to 40% of ~60`."""
    return say(
        "{rate} of {count}", rate=say.rate(row["rate"], row["rate_band"]), count=say.students(row["n"])
    )


def cell(row: Row | None, *, small: str = "n", say: Language = ENGLISH) -> Markup:
    """One cell of the tracker: the gap in percentage points, or in words why there is none, and the number of students."""
    if row is None:
        return Markup('<span class="void">{}</span>').format(say("no data"))
    state = row["state"]
    if state == "privacy":
        return not_shown(say)
    if state == "hidden_comparison":
        return Markup('{}<span class="n">{}</span>').format(not_shown(say), share(row, say))
    if state in ("not_measured", "no_students", "no_comparison", "few"):
        said = {"not_measured": words.NOT_MEASURED, "no_students": "no students", "no_comparison": "no comparison",
                "few": words.NOT_ENOUGH}[state]  # fmt: skip
        return Markup('<span class="void">{}</span>').format(say(said))
    n = say.students(row["n"])
    if state in ("reference", "everyone"):
        rate = say.rate(row["rate"], row["rate_band"])
        return Markup('<span class="rate">{}</span><span class="n">n {}</span>').format(
            say("rate {rate}", rate=rate) if small == "rate" else rate, n
        )
    under = f"n {n}" if small == "n" else share(row, say)
    return Markup('<b class="gap">{}</b><span class="n">{}</span>').format(words.points(row["gap"]), under)


def interval(row: Row | None, say: Language = ENGLISH) -> Markup:
    """The 95 % interval of a gap, `−14.2 to −6.1`."""
    if row is None or row["state"] != "gap" or row["gap_low"] is None:
        return Markup("")
    return Markup('<span class="interval">{}</span>').format(
        say("{low} to {high}", low=words.points(row["gap_low"]), high=words.points(row["gap_high"]))
    )


def goal(row: Row | None, say: Language = ENGLISH) -> Markup:
    """The goal for this gap and, in words, whether the pace reaches it."""
    if row is None or row["goal_gap"] is None:
        return Markup("")
    pace = {None: "", True: "✓ " + say("on track"), False: "! " + say("not on track yet")}[row["on_track"]]
    return Markup('<span class="n">{}</span>').format(
        f"{say('goal')} {words.goal(row['goal_gap'])} {pace}".rstrip()
    )


def _group(labels: Labels, row: Row, say: Language) -> Markup:
    name = labels.subgroup(row["dimension"], row["subgroup"], say)
    if row["state"] == "reference" or row["subgroup"] == labels.reference_subgroup(row["dimension"]):
        return Markup('{}<span class="n">{}</span>').format(name, say("comparison group"))
    return escape(name)


def _status_of(row: Row | None, say: Language) -> Markup:
    if row is None or row["state"] not in ("gap", "few"):
        return Markup("")
    return status(row["status"], say) or not_shown(say)


def _needed(row: Row | None) -> Markup:
    if row is None or row["state"] != "gap" or row["students_needed"] is None:
        return Markup("")
    return escape(words.count(row["students_needed"]))


def _tracker_lines(rows: list[Row], labels: Labels, years: list[int], say: Language) -> list[dict[str, str]]:
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
                "heading": escape(say("Everyone")) if any_row["dimension"] == "all_students" else escape(say(labels.dimension(any_row["dimension"]))),
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
    rows: list[Row], labels: Labels, *, id: str, caption: str, years: list[int], say: Language = ENGLISH
) -> Markup:
    """The gap tracker of one metric at one place: groups by dimension; the latest year first, then the earlier ones.

    `rows`: `tracker.view` of one metric × school. Grain of the table: one line per group.
    """
    lines = _tracker_lines(rows, labels, years, say)
    layout = layouts.tracker(tuple(years), any(line["trend"] for line in lines), say)
    headed: list[str | dict[str, str]] = []
    for heading, of in itertools.groupby(lines, key=operator.itemgetter("heading")):
        headed += [heading, *of]
    return layouts.fill(layout, headed, id=id, caption=caption)


def tools_package(rows: list[Row], *, id: str, caption: str, say: Language = ENGLISH) -> Markup:
    """Last year's status beside this year's, most urgent first: did what was closed stay closed, and what does it ask for?

    `rows`: measured gaps of one year in order, with `group`, `measure`, both statuses and gaps. Grain of the table: one line per
    metric × group.
    """
    year = int(rows[0]["school_year"])
    lines = [
        {
            "group": Markup('{}<span class="n">{}</span>').format(row["group"], row["measure"]),
            "before": _then(row["prior_status"], row["prior_gap"], say),
            "now": _then(row["status"], row["gap"], say),
            "change": Markup("") if row["gap_change"] is None else Markup('<b class="gap">{}</b>').format(words.points(row["gap_change"])),
            "needed": _needed(row),
            "what": escape(row["what_to_do"]) if isinstance(row["what_to_do"], str) else Markup(""),
        }
        for row in rows
    ]  # fmt: skip
    return layouts.fill(layouts.tools_package(year, say), lines, id=id, caption=caption)


def _then(code: str | None, gap: float | None, say: Language) -> Markup:
    return Markup('{}<span class="n">{}</span>').format(
        status(code, say) or Markup('<span class="void">{}</span>').format(say("no status")),
        "" if gap is None else words.points(gap),
    )
