"""What a programme's page is made of: findings in words, tables with pictures in their cells, tiles and time lines, for one template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
import pyarrow as pa
from markupsafe import Markup

from equity_pipeline.domain import intervals, school_years
from equity_pipeline.domain.rows import Row
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import charts, layouts, tables, words
from equity_pipeline.publishing.context import Context
from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes.vocabulary import AT_INCIDENT, Step
from equity_pipeline.publishing.words import ENGLISH, Language

HIDDEN = words.HIDDEN


@dataclass(frozen=True)
class Table:
    """A table: the first cell of a row is its header, a row that is a text is the heading of those under it. `numbers`: positions
    of columns that are set right; `pictures`: of those that hold a picture. Text is escaped, markup stands as it is."""

    caption: str
    columns: list[str]
    rows: Sequence[Sequence[object] | str]
    numbers: frozenset[int] = frozenset()
    pictures: frozenset[int] = frozenset()
    sortable: bool = False

    @property
    def html(self) -> Markup:
        """The table as great-tables lays it out."""
        kinds = tuple(
            "num" if place in self.numbers else "pic" if place in self.pictures else ""
            for place in range(len(self.columns))
        )
        heads = {f"head {place}": name for place, name in enumerate(self.columns)}
        lines = [
            row if isinstance(row, str) else {f"cell {place}": cell for place, cell in enumerate(row)}
            for row in self.rows
        ]
        layout = layouts.plain(kinds, any(isinstance(row, str) for row in self.rows), self.sortable)
        return layouts.fill(layout, lines, caption=self.caption, **heads)


@dataclass(frozen=True)
class Tile:
    """One finding as a card: what it is about, the figure, a picture, a step, and lines of small print."""

    title: str
    figure: str
    unit: str = ""
    picture: Markup | None = None
    step: Step | None = None
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """A section of a page: heading, paragraphs, and whatever of the rest it has. `quotes`: words of the partner's staff, each with who
    said them; `facts`: term and words; `write`: lines to write on, in print. `fold`: what stands for a section that is folded until a reader
    asks for it; paper shows all."""

    id: str
    heading: str
    text: list[object] = field(default_factory=list)
    quotes: list[tuple[str, str]] = field(default_factory=list)
    points: Sequence[str] = ()
    tiles: list[Tile] = field(default_factory=list)
    facts: Sequence[tuple[str, object]] = ()
    picture: Markup | None = None
    picture_title: str = ""
    picture_note: str = ""
    table: Table | None = None
    write: int = 0
    fold: str = ""


@dataclass(frozen=True)
class Answer:
    """What a reader asks first, answered in a few words; `href` leads to where it is shown."""

    href: str
    question: str
    answer: str
    detail: str = ""


def page(
    path: str, kicker: str, title: str, finding: str, lede: str, blocks: Iterable[Block],
    answers: Iterable[Answer] = (), *, paper: str = "",
) -> Page:  # fmt: skip
    """A page of the one layout of all programmes: what it found stands on top. `paper`: how it is printed; each section on a `sheet`
    of its own, or on a `slide`, which lies; or all of it on `one` sheet."""
    return Page(
        path, "programmes/page.html.j2", title,
        {"kicker": kicker, "finding": finding, "lede": lede, "answers": list(answers), "blocks": list(blocks), "paper": paper},
    )  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """What the page builders read: the released tables, the released marts, the labels and the language."""

    context: Context
    frames: dict[str, pd.DataFrame]
    partner: Partner
    say: Language = ENGLISH

    def rows(self, table: str) -> list[Row]:
        """The rows of a programme's table as plain values, in the table's order; none where it is absent."""
        frame = self.context.programmes.get(table)
        return [] if frame is None else pa.Table.from_pandas(frame, preserve_index=False).to_pylist()

    def metric(self, metric_id: str) -> str:
        """The label of a metric; a scale of a survey is called by its construct, and a measure of a plan that is none of ours what the
        plan calls it."""
        if metric_id in set(self.context.labels.metrics["metric_id"]):
            return self.say(self.context.labels.metric(metric_id))
        return words.said(metric_id) if metric_id.islower() else metric_id

    def group(self, row: Row) -> str:
        """The label of a row's subgroup."""
        if row["dimension"] == "disability_at_incident":
            return self.say(AT_INCIDENT[row["subgroup"]])
        return self.context.labels.subgroup(row["dimension"], row["subgroup"], self.say)

    def place(self, school_id: str) -> str:
        """A school's name, or the district."""
        return self.say("District") if school_id == "_all" else self.context.school(school_id)

    def grouped(self, rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
        """The rows by dimension, with its label, in the order of the seeds; without those of whom the group is not known."""
        known = sorted((row for row in rows if row["subgroup"] != "unknown"), key=self._order)
        of: dict[str, list[Row]] = {}
        for row in known:
            of.setdefault(row["dimension"], []).append(row)
        labels = self.context.labels
        return [
            (self.say("Disability on the day of the incident" if dimension == "disability_at_incident" else labels.dimension(dimension)), found)
            for dimension, found in of.items()
        ]  # fmt: skip

    def by_dimension(
        self, rows: Iterable[Row], line: Callable[[Row], list[object]]
    ) -> list[list[object] | str]:
        """A line a group, under the heading of its dimension; all students stand on top, without one."""
        lines: list[list[object] | str] = []
        for label, of in self.grouped(rows):
            if of[0]["dimension"] != "all_students":
                lines.append(label)
            lines += [line(row) for row in of]
        return lines

    def status(self, step: Step) -> Markup:
        """A step as symbol and word."""
        return Markup(
            '<span class="status s-{}"><span class="symbol" aria-hidden="true">{}</span> {}</span>'
        ).format(step.tone, step.symbol, self.say(step.words))

    def share(self, row: Row | None, name: str = "rate") -> str:
        """`23%`, `20 to 25%`, `under 5%`, or an em dash."""
        if row is None or row[f"{name}_low"] is None:
            return HIDDEN
        return self.say.span(*(round(100 * row[f"{name}_{end}"]) for end in ("low", "high")))

    def difference(self, low: float, high: float, other_low: float, other_high: float) -> str:
        """The range of a difference of two shares that are known as bands, in percentage points."""
        ends = [words.points(end) for end in (low - other_high, high - other_low)]
        return ends[0] if ends[0] == ends[1] else self.say("{low} to {high}", low=ends[0], high=ends[1])

    def bar(self, row: Row | None, name: str = "rate", mark: float | None = None) -> Markup:
        """A share in words over its bar."""
        if row is None or row[f"{name}_low"] is None:
            return tables.not_shown(self.say)
        return Markup("<b>{}</b>").format(self.share(row, name)) + charts.meter(
            row[f"{name}_low"], row[f"{name}_high"], mark, "share"
        )

    @cached_property
    def _sorts(self) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
        labels = self.context.labels
        dimensions = dict(zip(labels.dimensions["dimension"], labels.dimensions["sort"], strict=True))
        subgroups = labels.subgroups
        names = zip(subgroups["dimension"], subgroups["subgroup"], subgroups["sort"], strict=True)
        return dimensions, {(dimension, name): sort for dimension, name, sort in names}

    def _order(self, row: Row) -> tuple[int, str, int, str]:
        dimensions, subgroups = self._sorts
        key = (row["dimension"], row["subgroup"])
        return (dimensions.get(key[0], 10**6), key[0], subgroups.get(key, 10**6), key[1])


def under(main: object, small: str) -> Markup:
    """A cell of two lines: what it says, and small print."""
    return Markup("{}{}").format(main, Markup('<span class="n">{}</span>').format(small) if small else "")


def people(number: int | None) -> str:
    """`~410`: numbers of people are rounded."""
    return HIDDEN if number is None else ENGLISH.students(number)


def year(ending: int | None) -> str:
    """A school year in words, nothing where there is none."""
    return "" if ending is None else school_years.label(int(ending))


def middle(row: Row, name: str = "rate") -> float | None:
    """The middle of the range that is released of a share, if any is."""
    return None if row[f"{name}_low"] is None else released_middle(row, name)


def released_middle(row: Row, name: str = "rate") -> float:
    """The middle of the range of a share that is released."""
    return float((row[f"{name}_low"] + row[f"{name}_high"]) / 2)


def apart(row: Row, own: str, other: str) -> tuple[float, float, float, float]:
    """The ends of the two ranges."""
    return tuple(row[f"{name}_{end}"] for name in (own, other) for end in ("low", "high"))


def clearly(row: Row) -> str | None:
    """`more` or `less` where the rate of a group is clearly above or below that of everyone else, `alike` where it is not, None where
    either is hidden: by the 95 % interval of their difference, at those ends of the released ranges that lie nearest."""
    if (
        row["n"] is None
        or row["reference_n"] is None
        or row["rate_low"] is None
        or row["reference_rate_low"] is None
    ):
        return None
    low, high, other_low, other_high = apart(row, "rate", "reference_rate")
    if low > other_high and intervals.newcombe(low, row["n"], other_high, row["reference_n"])[0] > 0:
        return "more"
    if high < other_low and intervals.newcombe(high, row["n"], other_low, row["reference_n"])[1] < 0:
        return "less"
    return "alike"


def scale(rates: Iterable[float | None]) -> float:
    """The top of a scale that begins at 0 and has room for all of these: a tenth, a fifth, a half or the whole."""
    highest = max((rate for rate in rates if rate is not None), default=1.0)
    return next((top for top in (0.1, 0.2, 0.5) if highest <= top), 1.0)
