"""Evaluation of initiatives: what each design says, the event-study picture, and the verdict in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from markupsafe import Markup

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import trends, words
from equity_pipeline.publishing.page import Page, slug
from equity_pipeline.publishing.programmes import page as parts
from equity_pipeline.publishing.programmes import vocabulary
from equity_pipeline.publishing.programmes.page import HIDDEN, Answer, Block, Reader, Table
from equity_pipeline.publishing.programmes.protect import Released
from equity_pipeline.publishing.programmes.vocabulary import DESIGNS, TERMS

KICKER = "Equity Implemented Partnership"
TABLES = {
    "initiative_evaluation": Released(
        ("partner_id", "initiative_id", "initiative_name", "focus_area", "strategy_id", "outcome_metric_id", "design", "term", "verdict"),
        indices=dict.fromkeys(("estimate", "estimate_low", "estimate_high", "p_value"), "students_treated"),
        tens={"students_treated": "students_treated", "students_compared": "students_compared"},
    )
}  # fmt: skip


def pages(reader: Reader) -> Iterator[Page]:
    """One page: a section an initiative."""
    say, initiatives = reader.say, defaultdict(list)
    for row in reader.rows("initiative_evaluation"):
        initiatives[row["initiative_id"]].append(row)
    if not initiatives:
        return
    told = sorted(initiatives.values(), key=_first)
    yield parts.page(
        "programmes/evaluation.html", say(KICKER), say("What initiatives changed"),
        _finding(reader, told[0]),
        say("Four designs, from the weakest to the strongest, and what each of them can and can’t show."),
        [_initiative(reader, rows) for rows in told],
        [
            Answer(f"#{anchor(rows[0]['initiative_id'])}", rows[0]["initiative_name"], _change(reader, rows), reader.status(_evidence(rows)))
            for rows in told[:4]
        ],
    )  # fmt: skip


def _clear(row: Row | None) -> bool:
    """Whether the interval of the change leaves out zero."""
    return (
        row is not None and row["estimate_low"] is not None and row["estimate_low"] * row["estimate_high"] > 0
    )


def _first(rows: list[Row]) -> tuple[object, ...]:
    """Initiatives whose change can be told from chance come first, the larger change before the smaller."""
    row = _compared(rows)
    return (
        not _clear(row),
        -abs(row["estimate"] or 0) if row and row["estimate"] is not None else 0,
        rows[0]["initiative_id"],
    )


def _finding(reader: Reader, rows: list[Row]) -> str:
    if not _clear(_compared(rows)):
        return reader.say("No change can be told from chance yet")
    return reader.say(
        "{initiative}: {change}", initiative=rows[0]["initiative_name"], change=_change(reader, rows)
    )


def anchor(initiative_id: str) -> str:
    """Where an initiative stands on the page."""
    return f"initiative-{slug(initiative_id.lower())}"


def _compared(rows: list[Row]) -> Row | None:
    return next((row for row in rows if row["design"] == "difference_in_differences"), None)


def _evidence(rows: list[Row]) -> vocabulary.Step:
    """How strong the strongest design is, by its verdict."""
    row = _compared(rows)
    if row is None or row["estimate"] is None:
        return vocabulary.EVIDENCE["none"]
    return vocabulary.EVIDENCE["weak" if row["verdict"].startswith("Weak") else "fair"]


def _change(reader: Reader, rows: list[Row]) -> str:
    row = _compared(rows)
    if row is None or row["estimate"] is None:
        return HIDDEN
    change = reader.say(
        "{points} points in “{measure}”",
        points=words.points(row["estimate"]),
        measure=reader.metric(row["outcome_metric_id"]),
    )
    return change if row["estimate_low"] is None else f"{change} ({_interval(reader, row)})"


def _interval(reader: Reader, row: Row) -> str:
    if row["estimate_low"] is None:
        return ""
    return reader.say(
        "{low} to {high}", low=words.points(row["estimate_low"]), high=words.points(row["estimate_high"])
    )


def _initiative(reader: Reader, rows: list[Row]) -> Block:
    say, first = reader.say, rows[0]
    told = [r for r in rows if r["design"] in DESIGNS and r["term"] in TERMS]
    told.sort(key=lambda r: list(DESIGNS).index(r["design"]))
    lines = [
        [say(DESIGNS[r["design"]]), say(TERMS[r["term"]]), *_said(reader, r), r["verdict"]] for r in told
    ]
    compared = _compared(rows) or (told[0] if told else None)
    trend = next((r for r in rows if r["term"] == "no trend before" and r["p_value"] is not None), None)
    facts = [
        (say("Judged by"), reader.metric(first["outcome_metric_id"])),
        (say("Change"), parts.under(Markup("<b>{}</b>").format(_change(reader, rows)), say("beside those who were not part of it"))),
        (say("Verdict"), parts.under(reader.status(_evidence(rows)), compared["verdict"] if compared else "")),
        (say("Students"), say("at least {treated} a year, compared with {others}", treated=parts.people(first["students_treated"]),
                              others=parts.people(first["students_compared"]))),
    ]  # fmt: skip
    if trend:
        facts.append((say("Before the start"), parts.under(
            say("both sides moving alike has a p-value of {p}", p=f"{trend['p_value']:.2f}"), trend["verdict"])))  # fmt: skip
    picture = _picture(reader, rows)
    return Block(
        anchor(first["initiative_id"]), first["initiative_name"], facts=facts, picture=picture,
        picture_title=say("Percentage points beside those who were not part of it, by years since the start") if picture else "",
        table=Table(say("What each design says about {initiative}", initiative=first["initiative_name"]), [say("Design"), say("What"), say("Estimate"), say("95% interval"), say("What it can and can’t show")],
                    lines, frozenset({2, 3})) if lines else None,
    )  # fmt: skip


def _said(reader: Reader, row: Row) -> tuple[str, str]:
    """Estimate and interval: points for rates, a plain number for an index."""
    if row["estimate"] is None:
        return HIDDEN, ""
    if row["design"] == "baseline":
        return f"{row['estimate']:.2f}".replace("-", "−"), ""
    return reader.say("{points} points", points=words.points(row["estimate"])), _interval(reader, row)


def _picture(reader: Reader, rows: list[Row]) -> Markup | None:
    """The event study: effect by years since the start, 0 in the year before, with intervals."""
    points = {
        int(r["term"]): r
        for r in rows
        if r["design"] == "event_study" and r["term"] != "no trend before" and r["estimate"] is not None
    }
    if not points:
        return None
    steps = list(range(min(*points, -1), max(*points, -1) + 1))
    labels = [f"{step:+d}".replace("-", "−") if step else "0" for step in steps]
    values = [0.0 if step == -1 else points[step]["estimate"] if step in points else None for step in steps]
    spoken = ", ".join(
        f"{label}: {words.points(value)}"
        for label, value in zip(labels, values, strict=True)
        if value is not None
    )
    return trends.trend(
        labels, values, [(points[s]["estimate_low"], points[s]["estimate_high"]) if s in points else None for s in steps],
        name=reader.say("Effect in percentage points by years since the start, the year before it being zero: {said}", said=spoken),
        marks=[(steps.index(-1) + 0.5, reader.say("start"))] if max(steps) > -1 else [], height=230,
    )  # fmt: skip
