"""What a programme's page is made of: words, tables of text and pictures, for one template."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa
from markupsafe import Markup, escape

from equity_pipeline.domain import school_years
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import words
from equity_pipeline.publishing.context import Context
from equity_pipeline.publishing.page import Page

HIDDEN = "—"


@dataclass(frozen=True)
class Table:
    """A table of text: the first cell of a row is its header. `numbers`: positions of columns that are set right."""

    caption: str
    columns: list[str]
    rows: list[list[object]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Block:
    """A section of a page: heading, paragraphs, and a table or a picture or both."""

    id: str
    heading: str
    text: list[str] = field(default_factory=list)
    table: Table | None = None
    picture: Markup | None = None


def page(path: str, kicker: str, title: str, lede: str, blocks: Iterable[Block], **values: object) -> Page:
    """A page of the one layout of all programmes."""
    return Page(
        path,
        "programmes/page.html.j2",
        title,
        {"kicker": kicker, "lede": lede, "blocks": list(blocks)} | values,
    )


@dataclass(frozen=True)
class Reader:
    """What the page builders read: the released tables, the released marts, and the labels."""

    context: Context
    frames: dict[str, pd.DataFrame]
    partner: Partner

    def rows(self, table: str) -> list[dict]:
        """The rows of a programme's table as plain values, in the table's order; none where it is absent."""
        frame = self.context.programmes.get(table)
        return [] if frame is None else pa.Table.from_pandas(frame, preserve_index=False).to_pylist()

    def metric(self, metric_id: str) -> str:
        """A plan may name a measure that is none of ours: it is called what the plan calls it."""
        known = metric_id in set(self.context.labels.metrics["metric_id"])
        return self.context.labels.metric(metric_id) if known else metric_id

    def group(self, row: dict) -> str:
        return self.context.labels.subgroup(row["dimension"], row["subgroup"])

    def place(self, school_id: str) -> str:
        return "District" if school_id == "_all" else self.context.school(school_id)


def share(row: dict, name: str = "rate") -> str:
    """`23%`, `20% to 25%`, `under 5%`, or an em dash."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low is None:
        return HIDDEN
    low, high = round(100 * low), round(100 * high)
    if low == high:
        return f"{low}%"
    return f"under {high}%" if low == 0 else f"{low}% or more" if high == 100 else f"{low}% to {high}%"


def difference(low: float, high: float, other_low: float, other_high: float) -> str:
    """The range of a difference of two shares that are known as bands, in percentage points."""
    ends = [round(100 * (low - other_high)), round(100 * (high - other_low))]
    said = [f"{end:+d}".replace("-", "−") if end else "0" for end in ends]
    return said[0] if ends[0] == ends[1] else f"{said[0]} to {said[1]}"


def people(number: int | None) -> str:
    return HIDDEN if number is None else words.count(number)


def date(day: object) -> str:
    """`15 January 2026`, or nothing."""
    return "" if day is None else f"{day.day} {day:%B %Y}"


def year(ending: int | None) -> str:
    return "" if ending is None else school_years.label(int(ending))


def timeline(
    years: list[int], spans: list[tuple[float, float] | None], marks: list[tuple[int, str]], name: str
) -> Markup:
    """A rate by school year as the range that is known of it, and what happened in a year as a labelled line.

    `marks`: school year and a few words; the scale starts at 0.
    """
    known = [end for span in spans if span for end in span]
    top = max([*known, 0.05]) * 1.15
    left, right, height = 12.0, 96.0, 170

    def x(school_year: int) -> float:
        return left + (right - left) * ((school_year - years[0]) / max(1, len(years) - 1))

    def y(value: float) -> float:
        return 22 + (height - 50) * (1 - value / top)

    parts = [f'<line class="parity" x1="{left - 3}%" x2="100%" y1="{y(0):.1f}" y2="{y(0):.1f}"/>']
    for school_year, words_ in marks:
        if school_year in years:
            parts.append(
                f'<line class="goal" x1="{x(school_year):.2f}%" x2="{x(school_year):.2f}%" y1="18" y2="{y(0):.1f}"/>'
            )
            parts.append(f'<text class="goal-label" x="{x(school_year):.2f}%" y="12">{escape(words_)}</text>')
    middles = [None if span is None else sum(span) / 2 for span in spans]
    for position, (school_year, span) in enumerate(zip(years, spans, strict=True)):
        parts.append(
            f'<text class="year" x="{x(school_year):.2f}%" y="{height - 8}">{school_years.label(school_year)}</text>'
        )
        if span is None:
            continue
        if position and middles[position - 1] is not None:
            parts.append(f'<line class="line" x1="{x(years[position - 1]):.2f}%" y1="{y(middles[position - 1]):.1f}" '
                         f'x2="{x(school_year):.2f}%" y2="{y(middles[position]):.1f}"/>')  # fmt: skip
        parts.append(
            f'<line class="interval" x1="{x(school_year):.2f}%" x2="{x(school_year):.2f}%" y1="{y(span[1]) - 2:.1f}" y2="{y(span[0]) + 2:.1f}"/>'
        )
        parts.append(f'<text class="value" text-anchor="middle" x="{x(school_year):.2f}%" y="{y(span[1]) - 8:.1f}">'
                     f"{share({'r_low': span[0], 'r_high': span[1]}, 'r')}</text>")  # fmt: skip
    return Markup(
        f'<svg class="trend" width="100%" height="{height}" role="img" aria-label="{escape(name)}">{"".join(parts)}</svg>'
    )
