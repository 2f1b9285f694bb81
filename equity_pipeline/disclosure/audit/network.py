"""The roll-up of the network, held against the releases that it names: it may say nothing but what those say, or what anyone
can count in them. Its tables are read row by row; elsewhere on the page stands no number but of the years, rules and names."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from lxml import html

from equity_pipeline.disclosure.audit import elements
from equity_pipeline.disclosure.audit.finding import Finding
from equity_pipeline.disclosure.audit.said import (
    APART,
    CLOSED,
    DAY,
    DISTRICT,
    STATUSES,
    Said,
    numbers,
    percent,
    points,
    slug,
    words,
    written,
)
from equity_pipeline.disclosure.audit.tallies import REPEATED, Tallies

PAGE = "index.html"
_OPEN = ("open", "narrowing", "widening", "reopened")
_LISTED = 10  # so many of a client's gaps stand on the page, the others on its own
# What no partner counts, and the names and days that a line may have.
_NAMES = ("partner_id", "name", "state", "program", "school_year", "closed_share")


@dataclass(frozen=True)
class Partner:
    """What a partner's release says, as far as the network may repeat it. `said`: of its newest year; `tools`: the rows of
    `tools_package`."""

    partner_id: str
    said: Said
    tools: pd.DataFrame

    @cached_property
    def _tallies(self) -> Tallies:
        return Tallies(self.said)

    @property
    def smallest_portfolio(self) -> int:
        """Among how many partners the partner's rules allow a comparison; 0 where they say nothing of it."""
        return int(self.said.rules.policy.get("portfolio_smallest_partners", 0))

    def steps(self, school: str = DISTRICT) -> Counter[str]:
        """How many gaps of a place stand on each step."""
        return self._tallies.steps[school, None]

    @property
    def share(self) -> float | None:
        """The share of the district's gaps that is closed."""
        steps = self.steps()
        return sum(steps[code] for code in CLOSED) / steps.total() if steps.total() else None

    @cached_property
    def told(self) -> pd.DataFrame:
        """The rows of this year of the Tools Package of which a status is told, of the district where that is the client."""
        rows = self.tools[self.tools["school_year"] == self.said.years[-1]]
        if (rows["school_id"] == DISTRICT).any():
            rows = rows[rows["school_id"] == DISTRICT]
        kept = [
            "*" not in dimension and dimension not in REPEATED and subgroup != "unknown"
            for dimension, subgroup in zip(rows["dimension"], rows["subgroup"], strict=True)
        ]
        rows = rows[kept]
        told = rows["gap"].notna() & ~rows["suppressed"].astype(bool) & rows["status"].notna()
        rows = rows[told & (rows["status"] != "not_measurable").fillna(False).astype(bool)]
        return rows.sort_values(["urgency_rank", "school_id", "metric_id", "dimension", "subgroup"])

    @cached_property
    def counted(self) -> Counter[str]:
        """How many of these were closed (`was`) and are (`still`), are newly (`newly`), and stand on each step."""
        pairs = list(zip(self.told["prior_status"], self.told["status"], strict=True))
        was = [now for before, now in pairs if before in CLOSED]
        newly = sum(before in _OPEN and now in CLOSED for before, now in pairs)
        of = Counter(was=len(was), still=sum(now in CLOSED for now in was), newly=newly)
        return of + Counter(now for _, now in pairs)

    @cached_property
    def urgent(self) -> pd.DataFrame:
        """The rows that need eyes first."""
        status, prior = self.told["status"], self.told["prior_status"]
        return self.told[status.isin(("reopened", "widening")) | prior.isin(CLOSED) & (status == "open")]


def findings(
    page: bytes, tables: Mapping[str, pd.DataFrame], partners: Mapping[str, Partner]
) -> list[Finding]:
    """What the roll-up says that the releases do not.

    Args:
        page: the page, as it lies in the folder.
        tables: its data files by name.
        partners: those whose releases it says it was made of.

    Raises:
        DisclosureError: the page can't be read; what can't be attacked is not safe.
    """
    shares = [share for partner in partners.values() if (share := partner.share) is not None]
    asked = max((partner.smallest_portfolio for partner in partners.values()), default=0)
    middle = statistics.median(shares) if asked and len(shares) >= asked else None
    return [
        *_repeated(tables["tools_package"], partners.values()),
        *_portfolio(tables["portfolio"], partners),
        *_Page(elements.read(PAGE, page), partners, middle).findings(),
    ]


def _repeated(rows: pd.DataFrame, partners: Iterable[Partner]) -> Iterator[Finding]:
    """Every row of the clients' table is one of a partner's release, and stands there once."""

    def lines(frame: pd.DataFrame) -> Counter[tuple[str, ...]]:
        columns = sorted(frame.columns)
        return Counter(zip(*(frame[column].astype("string").fillna("") for column in columns), strict=True))

    released = [partner.tools for partner in partners if not partner.tools.empty]
    if any(set(frame.columns) != set(rows.columns) for frame in released):
        yield Finding("a column that no release has", "tools_package", "")
    elif lines(rows) != sum((lines(frame) for frame in released), Counter()):
        yield Finding("a row that no release has", "tools_package", "")


def _portfolio(rows: pd.DataFrame, partners: Mapping[str, Partner]) -> Iterator[Finding]:
    """One line a partner: how many gaps of its district stand where."""
    steps = [code for code in STATUSES if code != "not_measurable"]
    if len(rows) and set(rows.columns) != {*_NAMES, *steps}:
        yield Finding("a column that no rule knows", "portfolio", "")
        return
    if sorted(rows.get("partner_id", ())) != sorted(partners):
        yield Finding("a row that no release has", "portfolio", "")
        return
    for row in rows.to_dict("records"):
        partner = partners[row["partner_id"]]
        share = None if pd.isna(row["closed_share"]) else float(row["closed_share"])
        right = share == partner.share and row["school_year"] == partner.said.years[-1]
        if not right or {code: row[code] for code in steps if row[code]} != dict(partner.steps()):
            yield Finding("a tally that the releases do not say", "portfolio", row["partner_id"])


class _Page(elements.Walk):
    """The page of the network."""

    def __init__(self, root: html.HtmlElement, partners: Mapping[str, Partner], middle: float | None) -> None:
        super().__init__(PAGE, root)
        self.partners, self.middle = partners, middle
        self.clients = {p.partner_id: p for p in partners.values() if (p.tools["school_year"] == p.said.years[-1]).any()}  # fmt: skip
        names = [
            name for p in partners.values() for name in (p.said.partner, *p.said.labels["school"].values())
        ]
        self.always = {APART}.union(*(p.said.written for p in partners.values())) | {
            n for name in names for n in numbers(name)
        }

    def findings(self) -> list[Finding]:
        """What the page says that the releases do not."""
        read = {"Client": self._client, "School": self._lab, "Partner": self._partner}
        for table in self.root.iter("table"):
            heads = [words(head) for head in table.iter("th") if head.get("scope") == "col"]
            line = read.get(heads[0]) if heads else None
            for row in (row for row in table.iter("tr") if row.getparent().tag == "tbody"):
                if line is not None and "Due" not in heads:
                    if not line(row):
                        self.tell("a figure that the releases do not say", words(row[0]))
                    self.knows(row)
        for section in self.root.iter("section"):
            partner = self.clients.get(section.get("aria-labelledby", "").removeprefix("c-"))
            if partner is not None:
                self._section(section, partner)
        title = self.root.find(".//h1")
        still, was = (sum(p.counted[code] for p in self.clients.values()) for code in ("still", "was"))
        told = [still, was, len(self.clients)] if was else [len(self.clients)]
        if numbers(words(title)) not in ([], [f"{number:,}" for number in told]):
            self.tell("a tally that the releases do not say", "the title")
        self.knows(title)
        if self.middle is not None:
            self.always.add(percent(self.middle))
        self.walk()
        return self.found

    # -- lines of the tables

    def _client(self, row: html.HtmlElement) -> bool:
        """A client, its year, how many gaps were closed, are still, are newly, and how many stand on four steps."""
        link = row[0].find("a").get("href", "")
        partner = self.clients.get(link.removeprefix("#c-").removeprefix("../../").partition("/")[0])
        if partner is None:
            return False
        counted = partner.counted
        codes = ("was", "still", "newly", "reopened", "widening", "open", "narrowing")
        told = [
            numbers(words(cell)) == [str(counted[code])] for cell, code in zip(row[2:], codes, strict=True)
        ]
        share = counted["still"] / counted["was"] if counted["was"] else None
        return all(told) and self._years(row[1], partner) and _drawn(row, share, None)

    def _lab(self, row: html.HtmlElement) -> bool:
        """A school of an Equity Leader Lab, or a district, and how many of its gaps stand where."""
        partner_id, _, path = row[0].find("a").get("href", "").removeprefix("../../").partition("/latest/")
        partner = self.partners.get(partner_id)
        if partner is None:
            return False
        of = {slug(school): school for school in {key[1] for key in partner.said.rows} - {DISTRICT}}
        school = of.get(path.removeprefix("schools/").removesuffix(".html"), DISTRICT)
        # Of a school without a page nothing is counted.
        told = _ladder(row[3])
        return told in (Counter(), partner.steps(school)) and self._years(row[2], partner)

    def _partner(self, row: html.HtmlElement) -> bool:
        """A partner, its programs, its year, how much of its gaps is closed where partners are compared, and where they stand."""
        partner = self.partners.get(row[0].find("a").get("href", "").removeprefix("../../").partition("/")[0])
        if partner is None or numbers(words(row[1])):
            return False
        share = partner.share if self.middle is not None else None
        shown = [] if share is None else [percent(share)]
        compared = row[3] if len(row) == 5 else None
        return (
            _ladder(row[-1]) == partner.steps()
            and self._years(row[2], partner)
            and (compared is None or numbers(words(compared)) == shown)
            and _drawn(row, share, self.middle)
        )

    def _years(self, cell: html.HtmlElement, partner: Partner) -> bool:
        """The partner's newest year, and perhaps one that others have released."""
        first, *others = numbers(words(cell))
        return first == written(partner.said.years[-1]) and set(others) <= self.always

    # -- what stands of one client

    def _section(self, section: html.HtmlElement, partner: Partner) -> None:
        counted = partner.counted
        for listed in section.find_class("tally"):
            steps = {code: str(counted[code]) for code in STATUSES if counted[code]}
            if elements.ladder(listed) != (steps, steps):
                self.tell("a tally that the releases do not say", partner.partner_id)
            self.knows(listed.getparent())
        lines = [row for row in section.iter("tr") if row.getparent().tag == "tbody"]
        expected = [_line(row) for row in partner.urgent.head(_LISTED).to_dict("records")]
        if [_shown(row) for row in lines] != expected:
            self.tell("a figure that the releases do not say", partner.partner_id)
        for row in lines:
            self.knows(row)
        for more in section.find_class("more"):
            if numbers(words(more)) != [str(len(partner.urgent) - _LISTED)]:
                self.tell("a tally that the releases do not say", partner.partner_id)
            self.knows(more)

    # -- whatever else is there

    def attribute(self, element: html.HtmlElement, name: str, value: str) -> None:
        """No number but of years and names; the lengths of bars are read with their lines."""
        if name == "style":
            if element not in self.known:
                self.tell("a style that no rule knows", element.tag)
        elif set(numbers(value)) - self.always:
            self.tell("a number in an attribute", f"{element.tag} {name}")

    def picture(self, svg: html.HtmlElement) -> None:
        """The network draws bars alone."""
        self.tell("a point of a picture that the releases do not say", svg.get("class", ""))

    def text(self, text: str | None, element: html.HtmlElement) -> None:
        """No number but of years, names and rules."""
        if text and set(numbers(DAY.sub("", text))) - self.always:
            self.tell("a number that no rule knows", f"{element.tag} {element.get('class', '')}")


def _drawn(row: html.HtmlElement, share: float | None, mark: float | None) -> bool:
    """Whether a line's bar is as long as its share, with the mark where the middle of all is."""
    styles = [element.get("style") for element in row.iter() if element.get("style")]
    bar = [] if share is None else [f"width:{percent(share, 1)}"]
    return styles in ([], bar + ([] if mark is None or share is None else [f"left:{percent(mark, 1)}"]))


def _ladder(cell: html.HtmlElement) -> Counter[str]:
    """How many gaps a line says stand on each step."""
    codes = {of.partition(" ")[2]: code for code, of in STATUSES.items()}
    parts = [part.partition(" ") for part in words(cell).split(", ")]
    return Counter({codes.get(of, "?"): int(n) for n, _, of in parts if n.isdigit()})


def _line(row: Mapping[Hashable, Any]) -> tuple[object, ...]:
    """A row of the Tools Package as the page has to write it: measure, statuses, gaps, change, students needed."""
    gaps = [row["prior_gap"], row["gap"], row["gap_change"]]
    told = [[] if pd.isna(gap) else [points(float(gap))] for gap in gaps]
    needed = [] if pd.isna(row["seats_gap"]) else [f"{int(row['seats_gap']):,}"]
    before = None if pd.isna(row["prior_status"]) else row["prior_status"]
    return row["metric_label"], before, row["status"], *told, needed, []


def _shown(row: html.HtmlElement) -> tuple[object, ...]:
    """The same of a line of the page."""
    before, now, change, needed, what = row[1:6]
    return (
        words(row[0].find("span")), elements.status(before), elements.status(now),
        numbers(words(before)), numbers(words(now)), numbers(words(change)), numbers(words(needed)), numbers(words(what)),
    )  # fmt: skip
