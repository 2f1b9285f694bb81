"""The pictures of a page: whether each draws what the data files say, and no other point."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from lxml import html

from equity_pipeline.disclosure.audit.said import Row, Said, has_gap, numbers, points, words, written

_SHAPES = {"grid", "parity", "scale", "goal", "goal-label", "year", "interval", "line", "dot", "value"}
_NEAR = 0.06  # of a pixel
_PERCENTS = re.compile(r"([\d.]+) to ([\d.]+)%|under ([\d.]+)%|([\d.]+)%")
_LAST = re.compile(r"[ ]([+-]?\d+)$|^([+-]?\d+)$")
_PLACE = re.compile(r"[ML]([\d.]+) ([\d.]+)")
_STRAIGHT = re.compile(r"(M[\d.]+ [\d.]+(L[\d.]+ [\d.]+)*)*")
_NUMBER = re.compile(r"[\d.]+")
# Where lines across a chart begin and end, in pixels.
_LEFT, _RIGHT = 30.6, 340.0
_PARTS = re.compile(r"(\d+) of (\d+)")


def near(value: str | float | None, expected: float, tolerance: float = _NEAR) -> bool:
    """Whether an attribute says a number."""
    try:
        return abs(float(str(value).removesuffix("%")) - expected) <= tolerance
    except ValueError:
        return False


def scale_of(drawn: list[dict[int, float]]) -> tuple[float, float]:
    """The least and the most of a small picture: those of all gaps that are drawn with it, and a little beside parity."""
    gaps = [gap for told in drawn for gap in told.values()]
    return min([-0.02, *gaps]), max([0.02, *gaps])


def nano(svg: html.HtmlElement, years: list[int], gaps: dict[int, float], scale: tuple[float, float]) -> bool:
    """Whether the small picture of a row draws its published gaps on the scale of the table, and no other point."""
    told = {at: gaps[year] for at, year in enumerate(years) if year in gaps}
    spoken = [text for at, gap in told.items() for text in (written(years[at]), points(gap))]
    step, (low, high) = 88 / max(1, len(years) - 1), scale
    expected = [(4 + step * at, 3 + 24 * (high - gap) / (high - low)) for at, gap in told.items()]
    parts = {(shape.tag, shape.get("class", "")): shape for shape in svg}
    line, dot, parity = (parts.get(key) for key in (("path", "line"), ("circle", ""), ("path", "parity")))
    if (
        len(svg) != 3
        or line is None
        or dot is None
        or parity is None
        or not expected
        or numbers(svg.get("aria-label", "").rpartition(": ")[2]) != spoken
    ):
        return False
    drawn = re.findall(r"[ML]([\d.]+) ([\d.]+)", line.get("d", ""))
    return (
        len(drawn) == len(expected)
        and all(
            near(a, b)
            for pair, place in zip(drawn, expected, strict=True)
            for a, b in zip(pair, place, strict=True)
        )
        and all(near(dot.get(key), place) for key, place in zip(("cx", "cy"), expected[-1], strict=True))
        and parity.get("d") == f"M0 {3 + 24 * high / (high - low):.1f}H96"
    )


def _line(shape: html.HtmlElement) -> list[tuple[float, float]]:
    """The places that a line goes through, in pixels; empty where its path is no line."""
    path = shape.get("d", "")
    return [(float(x), float(y)) for x, y in _PLACE.findall(path)] if _STRAIGHT.fullmatch(path) else []


def _dots(svg: html.HtmlElement) -> list[tuple[float, float]]:
    """Where the dots of a chart stand, in pixels; nowhere where one does not say it in numbers."""
    places = shapes(svg, "dot", "cx", "cy")
    numeric = all(_NUMBER.fullmatch(end or "") for place in places for end in place)
    return [(float(x), float(y)) if numeric else (math.nan, math.nan) for x, y in places]


def _axis(svg: html.HtmlElement) -> Callable[[float], float] | None:
    """What a height in a chart stands for, by the numbers at its scale, in percent."""
    ticks = [
        (float(t.get("y", "nan")) - 4, float((t.text or "").strip("%").replace("−", "-")))
        for t in svg.find_class("scale")
    ]
    if len(ticks) < 2:
        return None
    (y, value), (other_y, other) = ticks[0], ticks[-1]
    return lambda at: value + (at - y) * (other - value) / (other_y - y)


def shapes(svg: html.HtmlElement, kind: str, *ends: str) -> list[tuple[Any, ...]]:
    """The places of all shapes of a kind: of each the values of these attributes."""
    return [tuple(shape.get(end) for end in ends) for shape in svg.find_class(kind)]


def trend(svg: html.HtmlElement, by_year: dict[int, Row], said: Said) -> bool:
    """Whether a chart draws the published gaps of a group, their intervals and its goal, and nothing else."""
    value = _axis(svg)
    told = {at: by_year[y] for at, y in enumerate(said.years) if has_gap(by_year.get(y))}
    if value is None or {shape.get("class") for shape in svg} - _SHAPES:
        return False
    across = [3.4 * (22 + 65 * (at / (len(said.years) - 1) if len(said.years) > 1 else 0.5)) for at in told]
    dots = _dots(svg)
    heights = [float(tick.get("y", "nan")) - 4 for tick in svg.find_class("scale")]
    ruled, aimed = (
        [_line(shape) for kind in kinds for shape in svg.find_class(kind)]
        for kinds in (("grid", "parity"), ("goal",))
    )
    intervals = [(x, row) for x, row in zip(across, told.values(), strict=True) if row["gap_low"] is not None]
    goals = {100 * row["goal_gap"] for row in told.values() if row["goal_gap"] is not None}
    bars = [_line(shape) for shape in svg.find_class("interval")]
    lines = [place for shape in svg.find_class("line") for place in _line(shape)]
    return (
        numbers(svg.get("aria-label")) == [text for at, row in told.items() for text in (written(said.years[at]), points(row["gap"]))]
        and len(dots) == len(told) and list(map(len, bars)) == [2] * len(intervals)
        and all(
            near(x, place) and _close(y, 100 * row["gap"], value)
            for (x, y), place, row in zip(dots, across, told.values(), strict=True)
        )
        and all(
            near(x, place) and _close(y, 100 * end, value)
            for bar, (place, row) in zip(bars, intervals, strict=True)
            for (x, y), end in zip(bar, (row["gap_low"], row["gap_high"]), strict=True)
        )
        and set(lines) <= set(dots)
        and all([x for x, _ in line] == [_LEFT, _RIGHT] for line in ruled + aimed)
        and all(any(near(y, height) for height in heights) for line in ruled for _, y in line)
        and all(any(_close(y, goal, value) for goal in goals) for line in aimed for _, y in line)
        and {text.text for text in svg.find_class("value")} <= {points(row["gap"]) for row in told.values()}
        and {n for text in svg.find_class("goal-label") for n in numbers(text.text)} <= {points(goal / 100, 1).removesuffix(".0") for goal in goals}
        and {text.text for text in svg.find_class("year")} <= said.written
    )  # fmt: skip


def _close(y: float, told: float, value: Callable[[float], float]) -> bool:
    """Within what a tenth of a pixel stands for on the chart's scale."""
    return abs(value(y) - told) <= abs(value(0.12) - value(0)) + 1e-6


def _ends_beside(element: html.HtmlElement) -> Iterator[tuple[float, float]]:
    """The ranges of percents that stand in text within an element; the ends of a band may be halves, which are written whole."""
    for text in element.itertext():
        for low, high, over, number in _PERCENTS.findall(text):
            if low:
                yield from itertools.product(*(_halves(float(end)) for end in (low, high)))
            elif over:
                yield from ((0.0, end) for end in _halves(float(over)))
            elif "or more" in text:
                yield from ((end, 100.0) for end in _halves(float(number)))
            else:
                yield float(number), float(number)


def _halves(written: float) -> tuple[float, ...]:
    return (written, written - 0.5, written + 0.5) if written <= 2 or written >= 98 else (written,)


def drawn_beside(element: html.HtmlElement, drawn: float) -> bool:
    """Whether a bar ends where a range of percents does that stands beside it, or where so many of so many do."""
    beside = next(
        (a for a in element.iterancestors() if a.tag in ("td", "li") and numbers(words(a)) or a.tag == "tr"),
        None,
    )
    if beside is None:
        return False
    parts = [100 * int(some) / int(of) for some, of in _PARTS.findall(words(beside)) if int(of)]
    return any(abs(drawn - end) <= 0.06 for end in [*itertools.chain(*_ends_beside(beside)), *parts])


def dumbbell(svg: html.HtmlElement, row: html.HtmlElement) -> bool:
    """Whether dots and bars stand where the percents of a row are, on the scale that the head of the column names."""
    table = next((a for a in row.iterancestors("table")), None)
    tops = (
        []
        if table is None
        else [float(n.rstrip("%")) for head in table.find_class("pic") for n in numbers(words(head))[-1:]]
    )
    top = tops[0] if tops else 100.0
    told = _ends_beside(row)
    places = {100 * min(place, top) / top for low, high in told for place in (low, high, (low + high) / 2)}
    marks = [x for kind in ("own", "other") for (x,) in shapes(svg, kind, "cx")] + [
        x for (x,) in shapes(svg, "third", "x")
    ]
    marks += [x for pair in shapes(svg, "band", "x1", "x2") + shapes(svg, "gap", "x1", "x2") for x in pair]
    return all(any(near(x, place, 0.006) for place in places) for x in marks)


def spoken(svg: html.HtmlElement) -> bool:
    """Whether a chart draws what is said in its name: a number, or the middle of a range, to a whole."""
    value = _axis(svg)
    if value is None or {shape.get("class") for shape in svg} - _SHAPES - {
        "mark",
        "mark-label",
        "line beside",
        "dot beside",
    }:
        return False
    said = re.split(r", |: ", svg.get("aria-label", "").replace("−", "-"))
    told = [float(number) for part in said for number in map("".join, _LAST.findall(part))] + [
        sum(pair) / 2 for part in said for pair in _ends_beside(_as_element(part))
    ]
    return all(any(abs(value(y) - number) <= 0.51 for number in [*told, 0.0]) for _, y in _dots(svg))


def _as_element(text: str) -> html.HtmlElement:
    made = html.Element("p")
    made.text = text
    return made
