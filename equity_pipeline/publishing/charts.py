"""The small marks within tables and cards, as inline SVG: in percent across and pixels down, so that they fit any cell and keep their size.

A release has hundreds of them: docs/pages.md says what libraries take for one. Charts with axes are `trends.py`.
"""

from __future__ import annotations

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
