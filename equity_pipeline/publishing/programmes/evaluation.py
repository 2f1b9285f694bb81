"""Evaluation of initiatives: what each design says, the event-study picture, and the verdict in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from markupsafe import Markup, escape

from equity_pipeline.publishing import words
from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes.page import Block, Reader, Table, page, people
from equity_pipeline.publishing.programmes.protect import Released

KICKER = "Equity Implemented Partnership"
TABLES = {
    "initiative_evaluation": Released(
        ("partner_id", "initiative_id", "initiative_name", "focus_area", "strategy_id", "outcome_metric_id", "design", "term", "verdict"),
        indices=dict.fromkeys(("estimate", "estimate_low", "estimate_high", "p_value"), "students_treated"),
        tens={"students_treated": "students_treated", "students_compared": "students_compared"},
    )
}  # fmt: skip
DESIGNS = {
    "pre_post": "Before and after", "difference_in_differences": "Difference in differences",
    "group_time": "Group by group of starters", "baseline": "Alike at the start?",
}  # fmt: skip
TERMS = {
    "change": "change",
    "effect": "effect",
    "average": "average effect since the start",
    "cox_index": "Cox index",
    "hedges_g": "Hedges' g",
}


def pages(reader: Reader) -> Iterator[Page]:
    """One page: a section an initiative."""
    initiatives = defaultdict(list)
    for row in reader.rows("initiative_evaluation"):
        initiatives[row["initiative_id"]].append(row)
    if not initiatives:
        return
    yield page(
        "programmes/evaluation.html", KICKER, "What initiatives changed",
        "Four designs, from the weakest to the strongest, and what each of them can and can't show.",
        [_initiative(reader, rows) for _, rows in sorted(initiatives.items())],
    )  # fmt: skip


def _initiative(reader: Reader, rows: list[dict]) -> Block:
    first = rows[0]
    told = [r for r in rows if r["design"] in DESIGNS and (r["term"] in TERMS)]
    told.sort(key=lambda r: list(DESIGNS).index(r["design"]))
    lines = [[DESIGNS[r["design"]], TERMS[r["term"]], *_said(r), r["verdict"]] for r in told]
    verdict = next(
        (r["verdict"] for r in rows if r["design"] == "difference_in_differences"),
        told[0]["verdict"] if told else "",
    )
    trend = next((r for r in rows if r["term"] == "no trend before" and r["p_value"] is not None), None)
    said = [f"Judged by: {reader.metric(first['outcome_metric_id'])}.", verdict]
    if trend:
        said.append(
            f"Before the start, both sides moving alike has a p-value of {trend['p_value']:.2f}. {trend['verdict']}"
        )
    return Block(
        f"initiative-{first['initiative_id']}".lower(), first["initiative_name"], said,
        Table(f"{first['initiative_name']}, at least {people(first['students_treated'])} students a year, compared with {people(first['students_compared'])}",
              ["Design", "What", "Estimate", "95% interval", "What it can and can't show"], lines, frozenset({2, 3})),
        _picture(rows),
    )  # fmt: skip


def _signed(step: int) -> str:
    return f"{step:+d}".replace("-", "−") if step else "0"


def _said(row: dict) -> tuple[str, str]:
    """Estimate and interval: points for rates, a plain number for an index."""
    if row["estimate"] is None:
        return "—", ""
    if row["design"] == "baseline":
        return f"{row['estimate']:.2f}".replace("-", "−"), ""
    interval = (
        ""
        if row["estimate_low"] is None
        else f"{words.points(row['estimate_low'], 0)} to {words.points(row['estimate_high'], 0)}"
    )
    return f"{words.points(row['estimate'], 0)} points", interval


def _picture(rows: list[dict]) -> Markup | None:
    """The event study: effect by years since the start, 0 in the year before, with intervals."""
    points = {
        int(r["term"]): r
        for r in rows
        if r["design"] == "event_study" and r["term"] != "no trend before" and r["estimate"] is not None
    }
    if not points:
        return None
    steps = sorted({*points, -1})
    ends = [0.0] + [r[e] for r in points.values() for e in ("estimate_low", "estimate_high")]
    low, high, height = min(ends) - 0.02, max(ends) + 0.02, 200

    def x(step: int) -> float:
        return 10 + 84 * (step - steps[0]) / max(1, steps[-1] - steps[0])

    def y(value: float) -> float:
        return 14 + (height - 44) * (high - value) / (high - low)

    parts = [f'<line class="parity" x1="4%" x2="100%" y1="{y(0):.1f}" y2="{y(0):.1f}"/>',
             f'<line class="goal" x1="{(x(-1) + x(0)) / 2 if 0 in steps else x(-1):.2f}%" x2="{(x(-1) + x(0)) / 2 if 0 in steps else x(-1):.2f}%" y1="8" y2="{height - 26}"/>']  # fmt: skip
    for step in steps:
        row = points.get(step)
        parts.append(f'<text class="year" x="{x(step):.2f}%" y="{height - 6}">{_signed(step)}</text>')
        if row:
            parts.append(
                f'<line class="interval" x1="{x(step):.2f}%" x2="{x(step):.2f}%" y1="{y(row["estimate_high"]):.1f}" y2="{y(row["estimate_low"]):.1f}"/>'
            )
        parts.append(
            f'<circle class="dot" cx="{x(step):.2f}%" cy="{y(row["estimate"] if row else 0):.1f}" r="4.5"/>'
        )
    said = ", ".join(
        f"{_signed(step)} years {words.points(points[step]['estimate'], 0)}"
        for step in steps
        if step in points
    )
    name = f"Effect in percentage points by years since the start, the year before it being zero: {said}"
    return Markup(
        f'<svg class="trend" width="100%" height="{height}" role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'
    )
