"""Charts through the years, drawn by matplotlib and dressed by the site's style sheet."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from lxml import etree
from markupsafe import Markup, escape

from equity_pipeline.publishing import words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Pixels: as wide as a phone's page. A wider page has several side by side.
_WIDTH, _LEFT, _BELOW = 340, 30.6, 26
_SVG = "{http://www.w3.org/2000/svg}"
_KIND = re.compile(r"[a-z -]+")
_ANCHOR = re.compile(r"text-anchor: (\w+)")


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
    from matplotlib import rc_context  # takes a third of a second, so only who draws waits for it
    from matplotlib.figure import Figure

    pairs = [(at, *ends) for at, ends in enumerate(intervals) if ends]
    shown = [at for at, gap in enumerate(gaps) if gap is not None]
    drawn = [v for v in (*gaps, *beside, goal, *(v for _, *ends in pairs for v in ends)) if v is not None]
    low, high, ticks = _scale(drawn, span)
    across = len(labels) - 1
    room = 0.2 * across or 0.5  # for the number beside the first and the last
    above = 14 + 15 * len(marks)
    tall = height - above - _BELOW

    said: list[str] = []

    def write(kind: str, place: tuple[float, float], by: tuple[float, float], text: str) -> None:
        """Text so many pixels to the right of a place and above it; it ends there if it stands on its left or is a goal."""
        align = "right" if by[0] < 0 or kind == "goal-label" else "left" if by[0] else "center"
        # A number is drawn in place of the words: matplotlib warns of each letter that its own font lacks.
        axes.annotate(
            str(len(said)), place, by, textcoords="offset points", ha=align, gid=kind, annotation_clip=False
        )
        said.append(text)

    with rc_context({"svg.fonttype": "none"}):
        figure = Figure((_WIDTH / 72, height / 72), dpi=72)  # a point is a pixel
        axes = figure.add_axes((_LEFT / _WIDTH, _BELOW / height, 1 - _LEFT / _WIDTH, tall / height))
        axes.set_axis_off()
        axes.set(xlim=(-room, across + room), ylim=(low, high))
        for tick in ticks:
            axes.axhline(tick, gid="grid" if tick else "parity")
            write("scale", (-room, tick), (-3, -4), written(tick) if tick else "0")
        for at in range(across, -1, -math.ceil(sum(map(len, labels)) / 35)):  # more would run into each other
            write("year", (at, low), (0, -20), labels[at])
        if pairs:
            axes.vlines(*zip(*pairs, strict=True), gid="interval")
        for kind, series in ((" beside", beside), ("", gaps)):
            places = [math.nan if value is None else value for value in series]
            axes.plot(places, gid=f"line{kind}")
            axes.plot(places, "o", gid=f"dot{kind}")
        for line, (place, happened) in enumerate(marks):
            at, up = min(max(place, -room), across + room), above - 15 * line
            axes.axvline(at, ymax=(tall + up - 3) / tall, clip_on=False, gid="mark")
            write("mark-label", (at, high), (5 if at < 0.7 * across else -5, up - 12), happened)
        newest = 0.0
        for at in dict.fromkeys(shown[:: len(shown) - 1 or 1]):
            value, ends = gaps[at] or 0.0, intervals[at]
            if values and ends:  # longer than a number: above its interval
                newest, by = ends[1], (0, 7)
            else:
                newest, by = value, (-10 if at < shown[-1] else 10, -4)
            write("value", (at, newest), by, values[at] if values else written(value))
        if goal is not None:
            axes.axhline(goal, gid="goal")
            below = newest > goal - 4 * (high - low) / tall  # clear of what is written at the newest value
            text = f"{goal_label} {words.goal(goal) if written is words.points else written(goal)}"
            write("goal-label", (across + room, goal), (0, -14 if below else 5), text)
        shapes = "".join(_shapes(figure, said))
    return Markup(
        f'<svg class="trend" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(name)}">{shapes}</svg>'
    )


def _scale(drawn: list[float], span: tuple[float, float] | None) -> tuple[float, float, list[float]]:
    """Lowest and highest value of the scale, with parity in it, and its ticks in round numbers."""
    drawn = [*drawn, *(span or ()), 0.0]
    low, high = math.floor(min(drawn) * 20 - 0.2) / 20, math.ceil(max(drawn) * 20 + 0.2) / 20
    low = 0.0 if span and span[0] == 0 and min(drawn) == 0 else low
    step = 0.05 if high - low <= 0.25 else 0.1 if high - low <= 0.6 else 0.2
    ticks = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return low, high, [step * tick for tick in ticks]


def _shapes(figure: Figure, said: list[str]) -> Iterator[str]:
    """Each shape with its kind as its class. matplotlib's ids repeat in the pictures of a page, and what it says of colors and letters is
    the style sheet's to say."""
    svg = io.BytesIO()
    figure.savefig(svg, format="svg", transparent=True)
    for group in etree.fromstring(svg.getvalue()).iter(f"{_SVG}g"):
        if not _KIND.fullmatch(group.get("id", "")):
            continue
        kind = f'class="{group.get("id")}"'
        for shape in group.iter(f"{_SVG}path", f"{_SVG}use", f"{_SVG}text"):
            x, y = (_pixels(shape.get(end, "")) for end in "xy")
            if shape.tag == f"{_SVG}use":
                yield f'<circle {kind} cx="{x}" cy="{y}" r="4.5"/>'
            elif shape.tag == f"{_SVG}text":
                anchor = _ANCHOR.search(shape.get("style", ""))
                yield f'<text {kind} text-anchor="{anchor[1] if anchor else "start"}" x="{x}" y="{y}">{escape(said[int(shape.text)])}</text>'
            elif shape.getparent() is group:  # and no definition of a dot
                yield f'<path {kind} d="{_pixels(shape.get("d", ""))}"/>'


def _pixels(places: str) -> str:
    """Places to a hundredth of a pixel."""
    return (
        "".join(part if part.isalpha() else f"{float(part):.2f} " for part in places.split())
        .replace(" L", "L")
        .replace(" M", "M")
        .strip()
    )
