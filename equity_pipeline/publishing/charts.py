"""Inline SVG, in percent across and pixels down, so that a chart fits any width and its dots and letters keep their size.

Made here and not by a library, whose pictures are drawn at one size and shrink with the screen: docs/pages.md says what was measured.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import words


def rates(row: Row) -> Markup:
    """A dumbbell from 0 to 100 %: hollow dot the comparison's rate, full dot the group's, the gap between them; a pale bar where a rate is
    only known as a band."""
    return ranges({"own": _range(row, "rate"), "other": _range(row, "reference_rate")})


def _range(row: Row, name: str) -> tuple[float, float]:
    if not row[f"{name}_band"]:
        return row[name], row[name]
    low, high = words.ends(row[f"{name}_band"], row[name])
    return low / 100, high / 100


def ranges(marks: dict[str, tuple[float, float]], top: float = 1.0) -> Markup:
    """Rates on one line from 0 to `top`, each known as a range: kind of mark (`own`, `other`, `third`) → its ends. Pale bars
    are the ranges, a full dot, a hollow one and a square stand in their middles, a line joins the first with the others.

    The figures stand in text beside it, so it is hidden from screen readers.
    """

    def x(rate: float) -> str:
        return f"{100 * min(rate, top) / top:.2f}%"

    bands = "".join(
        f'<line class="band" x1="{x(low)}" x2="{x(high)}" y1="11" y2="11"/>'
        for low, high in marks.values()
        if low != high
    )
    middles = {kind: x((low + high) / 2) for kind, (low, high) in marks.items()}
    first = next(iter(middles.values()))
    joined = "".join(
        f'<line class="gap" x1="{first}" x2="{middle}" y1="11" y2="11"/>'
        for middle in list(middles.values())[1:]
    )
    dots = "".join(
        f'<rect class="third" x="{middle}" y="6" width="10" height="10" transform="translate(-5)"/>'
        if kind == "third"
        else f'<circle class="{kind}" cx="{middle}" cy="11" r="{6 if kind == "own" else 5.5}"/>'
        for kind, middle in reversed(middles.items())
    )
    return Markup(
        '<svg class="dumbbell" width="100%" height="22" aria-hidden="true" focusable="false">'
        f'{bands}<line class="axis" x1="0" x2="100%" y1="11" y2="11"/>'
        f'<line class="tick" x1="50%" x2="50%" y1="6" y2="16"/>{joined}{dots}</svg>'
    )  # fmt: skip


def meter(low: float, high: float | None = None, mark: float | None = None, kind: str = "") -> Markup:
    """A share from 0 to 1 as a bar, paler up to `high` where it is known as a range only. `mark`: a share to compare it with.

    The figure stands in text beside it, so it is hidden from screen readers.
    """
    pale = (
        "" if high is None or high == low else f'<i class="pale" style="width:{words.percent(high, 1)}"></i>'
    )
    line = "" if mark is None else f'<b style="left:{words.percent(mark, 1)}"></b>'
    return Markup(
        f'<span class="meter {kind}" aria-hidden="true">{pale}<i style="width:{words.percent(low, 1)}"></i>{line}</span>'
    )


def trend(
    labels: list[str],
    gaps: list[float | None],
    intervals: list[tuple[float, float] | None],
    *,
    goal: float | None = None,
    name: str,
    span: tuple[float, float] | None = None,
    height: int = 190,
    goal_label: str = "goal",
    written: Callable[[float], str] = words.points,
    values: list[str] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    beside: Sequence[float | None] = (),
) -> Markup:
    """Gap by school year in percentage points with 95 % intervals, the parity line at 0 and, if there is one, the goal.

    A year without a published gap is left out and the line is broken there. `span`: lowest and highest value of the
    scale, where several pictures share one; a span that begins at 0 stays above it. `written`: how the scale is written,
    `values` what stands above the first and the last interval in place of the number beside its dot. `marks`: a place among the labels (1.5: between the second and the
    third) and a few words for what happened there. `beside`: what the values are compared with, as a second, hollow line.
    """
    known = (
        list(span or ())
        + [v for v in (*gaps, *beside) if v is not None]
        + [v for pair in intervals if pair for v in pair]
    )
    known += [0.0] + ([goal] if goal is not None else [])
    low, high = math.floor(min(known) * 20 - 0.2) / 20, math.ceil(max(known) * 20 + 0.2) / 20
    low = 0.0 if span and span[0] == 0 and min(known) == 0 else low
    top, bottom, left, right = 14 + 15 * len(marks), height - 26, 22.0, 87.0

    def x(position: float) -> float:
        return left + (right - left) * (position / (len(labels) - 1) if len(labels) > 1 else 0.5)

    def y(value: float) -> float:
        return top + (bottom - top) * (high - value) / (high - low)

    parts = []
    step = 0.05 if high - low <= 0.25 else 0.1 if high - low <= 0.6 else 0.2
    for tick in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        value = tick * step
        parts.append(
            f'<line class="{"parity" if tick == 0 else "grid"}" x1="9%" x2="100%" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        parts.append(
            f'<text class="scale" x="8%" y="{y(value) + 4:.1f}">{"0" if tick == 0 else written(value)}</text>'
        )
    if goal is not None:
        newest = next((at for at in reversed(range(len(gaps))) if gaps[at] is not None), None)
        under = -5
        if newest is not None:  # clear of what is written at the newest value
            pair = intervals[newest] if values else None
            value_at = y(pair[1]) - 7 if pair else y(gaps[newest] or 0.0) + 4
            under = max(under, 14, key=lambda shift: abs(y(goal) + shift - value_at))
        parts.append(f'<line class="goal" x1="9%" x2="100%" y1="{y(goal):.1f}" y2="{y(goal):.1f}"/>')
        parts.append(
            f'<text class="goal-label" x="100%" y="{y(goal) + under:.1f}">{escape(goal_label)} {words.goal(goal) if written is words.points else written(goal)}</text>'
        )
    for line, (position, happened) in enumerate(marks):
        place = min(max(x(position), 10.0), 99.0)
        anchor, shift = ("start", 5) if place < 55 else ("end", -5)
        parts.append(
            f'<line class="mark" x1="{place:.2f}%" x2="{place:.2f}%" y1="{15 * line + 3}" y2="{bottom}"/>'
        )
        parts.append(
            f'<text class="mark-label" text-anchor="{anchor}" dx="{shift}" x="{place:.2f}%" y="{15 * line + 12}">{escape(happened)}</text>'
        )
    # More letters would run into each other on a phone.
    every = math.ceil(sum(map(len, labels)) / 35)
    for position, label in enumerate(labels):
        if (len(labels) - 1 - position) % every == 0:
            parts.append(f'<text class="year" x="{x(position):.2f}%" y="{height - 6}">{escape(label)}</text>')
        if pair := intervals[position]:
            parts.append(
                f'<line class="interval" x1="{x(position):.2f}%" x2="{x(position):.2f}%" y1="{y(pair[1]):.1f}" y2="{y(pair[0]):.1f}"/>'
            )
    for role, series in ((' role="presentation"', beside), ("", gaps)):
        drawn = {at: value for at, value in enumerate(series) if value is not None}
        for before, after in itertools.pairwise(drawn):
            if after == before + 1:
                parts.append(
                    f'<line class="line"{role} x1="{x(before):.2f}%" y1="{y(drawn[before]):.1f}" x2="{x(after):.2f}%" y2="{y(drawn[after]):.1f}"/>'
                )
        for at, value in drawn.items():
            parts.append(f'<circle class="dot"{role} cx="{x(at):.2f}%" cy="{y(value):.1f}" r="4.5"/>')
    shown = [at for at, gap in enumerate(gaps) if gap is not None]
    for position in sorted({shown[0], shown[-1]}) if shown else []:
        anchor, shift, line = (
            ("end" if position < shown[-1] else "start"),
            (-10 if position < shown[-1] else 10),
            y(gaps[position] or 0.0) + 4,
        )
        if values and (pair := intervals[position]):  # longer than a number: above its interval
            anchor, shift, line = "middle", 0, y(pair[1]) - 7
        parts.append(
            f'<text class="value" text-anchor="{anchor}" dx="{shift}" x="{x(position):.2f}%" y="{line:.1f}">'
            f"{escape(values[position]) if values else written(gaps[position] or 0.0)}</text>"
        )
    title = escape(name)
    return Markup(
        f'<svg class="trend" width="100%" height="{height}" role="img" aria-label="{title}">{"".join(parts)}</svg>'
    )


def nanoplot(gaps: list[float | None], span: tuple[float, float], name: str) -> Markup:
    """The gaps of a table's row through the years on the table's scale: a line, a dot for the newest, parity dashed.

    As great-tables draws it, at a hundredth of its time (it formats labels that nobody sees with a table each).
    """
    low, high = span
    step = 88 / max(1, len(gaps) - 1)

    places = {
        position: f"{4 + step * position:.1f} {3 + 24 * (high - gap) / (high - low):.1f}"
        for position, gap in enumerate(gaps)
        if gap is not None
    }
    path = "".join(f"{'L' if position - 1 in places else 'M'}{place}" for position, place in places.items())
    dot = places[max(places)].split()
    zero = f"{3 + 24 * high / (high - low):.1f}"
    return Markup(
        f'<svg class="nano" viewBox="0 0 96 30" role="img" aria-label="{escape(name)}"><path class="parity" d="M0 {zero}H96"/>'
        f'<path class="line" d="{path}"/><circle cx="{dot[0]}" cy="{dot[1]}" r="3"/></svg>'
    )
