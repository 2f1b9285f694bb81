"""The pages of a release, element by element: what stands in a table, beside it, behind it and in its pictures.

What a rule knows is held against the data files: cells, tallies, cards, charts and their points. Every other number, in a text or in an
attribute, must be one that is said of the page's place. Elements and attributes that no rule knows are findings by themselves.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from lxml import etree, html

from equity_pipeline.disclosure.audit import elements, pictures
from equity_pipeline.disclosure.audit.elements import GEOMETRY, Walk
from equity_pipeline.disclosure.audit.finding import Finding
from equity_pipeline.disclosure.audit.order import Order
from equity_pipeline.disclosure.audit.programmes import Told
from equity_pipeline.disclosure.audit.said import (
    APART,
    CLOSED,
    DAY,
    DISTRICT,
    HIDDEN,
    STATUSES,
    Row,
    Said,
    ends,
    half_up,
    has_gap,
    hidden,
    numbers,
    people,
    percent,
    points,
    rate,
    slug,
    words,
    written,
)
from equity_pipeline.disclosure.audit.tallies import Tallies

_STYLE = re.compile(r"(flex:(?P<tally>\d+)|(width|left):(?P<percent>[\d.]+)%)")
# Numbers of the texts that say how to read the tables: the scale, the interval, the grades, the example of a gap, what reliability
# is usual, and who agrees.
ALWAYS = {"0", "100%", "95%", "9", "12", "−10", "10", "100", "0.7", "4", "5"}
# What is counted of releases and deliveries, and not of students.
_RECORDS = re.compile(r"(rows?|numbers?|more groups?|more gaps?|expected deliver\w+|deliver\w+|files?)$")
# Rows of deliveries: about students in tens, in the sentence in which all are told together, and in tables but for these kinds of data.
_ROWS = re.compile(r"([\d,]+) (?:rows|are in the numbers|were rejected|came more than once)")
_TENS = re.compile(r"0|~[\d,]*0")
_NO_STUDENT = ("Schools", "Courses", "Survey items", "Initiatives")
_RULES = re.compile(r"Rules that changed since then: ")
_FOLLOWS = re.compile(r"(\d[\d,]*) (percentage points|KB|students|more \w+|expected \w+|\w+)")
# Names that a partner gave: of files, and of schools that have none but their id.
_NAMED = re.compile(r"\.\w{2,7}$|^School \S+$")
_STUDENTS = re.compile(r"\d students|~\d")
_COMPARED = re.compile(r"\d+ of \d+ (comparisons|goals?)")
_RANK = re.compile(r"^\s*\d+\. ")
_COLUMNS = ("now", "status", "needed", "interval", "trend")
_FUNNEL = ("ap_ib_enrollment", "course_grade_c_or_better", "exam_taken", "exam_passed_of_takers")


def findings(
    release_dir: Path, said: Said, order: Order, programmes: dict[str, pd.DataFrame], minimum_cell: int
) -> list[Finding]:
    """What the pages say that the data files do not.

    Args:
        programmes: the programmes' tables of the release, by name.

    Raises:
        DisclosureError: a page can't be read; what can't be attacked is not safe.
    """
    found: list[Finding] = []
    pages: dict[str, html.HtmlElement] = {}
    frames: Counter[tuple[Any, ...]] = Counter()
    for path in sorted(release_dir.rglob("*.html")):
        name = path.relative_to(release_dir).as_posix()
        pages[name] = elements.read(name, path.read_bytes())
    site = _Site(said, order, programmes, minimum_cell, release_dir)
    for name, root in pages.items():
        language = root.get("lang", "en")
        for element in root.iter("style", "script"):
            frames[language, element.tag, element.get("type"), element.text] += 1
        if language == "en":
            found += _Page(site, name, root).findings()
        else:
            found += _translated(name, root, pages.get(name.replace(f".{language}.", ".")))
    kinds = Counter((language, tag, kind) for language, tag, kind, _ in frames)
    found += [
        Finding("a script or style unlike the others", "pages", f"{tag} {kind or ''}")
        for (_, tag, kind), n in kinds.items()
        if n > 1
    ]
    return list(dict.fromkeys(found))


def _translated(name: str, root: html.HtmlElement, english: html.HtmlElement | None) -> Iterator[Finding]:
    """A page in a second language is the English one with other words."""

    def shape(page: html.HtmlElement) -> Iterator[tuple[Any, ...]]:
        for element in page.find("body").iter():
            if element.tag == "script":
                continue
            attributes = sorted(
                (key, value if key in GEOMETRY or key in ("class", "style") else sorted(numbers(value)))
                for key, value in element.items()
                if key not in ("href", "hreflang", "lang", "id")
            )
            yield (
                element.tag,
                attributes,
                *(
                    sorted(n.lstrip("0") for n in numbers((text or "").replace(" %", "%")))
                    for text in (element.text, element.tail)
                ),
            )

    if english is None or any(a != b for a, b in itertools.zip_longest(shape(root), shape(english))):
        yield Finding("languages disagree", name, "")


class _Site:
    """What all pages are held against."""

    def __init__(
        self,
        said: Said,
        order: Order,
        programmes: dict[str, pd.DataFrame],
        minimum_cell: int,
        release_dir: Path,
    ) -> None:
        self.said, self.order, self.tallies = said, order, Tallies(said)
        self.minimum_cell = minimum_cell
        self.sizes = {
            f"{max(1, round(p.stat().st_size / 1024)):,}" for p in (release_dir / "data").rglob("*.*")
        }
        self.slugs = {slug(school): school for school in {key[1] for key in said.rows} - {DISTRICT}}
        self.by_label: dict[tuple[str, str, str], list[dict[int, Row]]] = defaultdict(list)
        for (metric, school, dimension, subgroup), by_year in said.rows.items():
            self.by_label[metric, school, said.group(dimension, subgroup)].append(by_year)
        self.metrics = {label: metric for metric, label in said.labels["metric"].items()}
        names = [
            said.partner,
            *said.rules.policy.values(),
            *map(said.school, self.slugs.values()),
            *itertools.chain(*(of.values() for of in said.labels.values())),
        ]
        # Numbers in names and rules, which are the same whatever is counted.
        self.always = (
            ALWAYS
            | said.written
            | {n for name in names for n in numbers(str(name))}
            | {str(minimum_cell), APART}
        )
        self.students = {"100", str(minimum_cell), APART}
        self.told = Told(programmes, said, self.always)

        # By place, the rates and the gaps of the newest year that a sentence may name.
        self.rates: dict[str, set[str]] = defaultdict(set)
        self.gaps: dict[str, set[str]] = defaultdict(set)
        for (_, place, _, _), by_year in said.rows.items():
            row = by_year.get(said.years[-1])
            if row is None:
                continue
            for of in ("rate", "reference_rate"):
                if row[of] is not None:
                    self.rates[place] |= {*rate(row, of), percent(row[of])}
            if row["gap"] is not None:
                self.gaps[place].add(points(row["gap"]).lstrip("−+"))


class _Page(Walk):
    """A page, its place, and its metric where it is about one."""

    def __init__(self, site: _Site, path: str, root: html.HtmlElement) -> None:
        super().__init__(path, root)
        self.site, self.said = site, site.said
        folder, _, name = path.removesuffix(".html").rpartition("/")
        self.school = site.slugs.get(name, DISTRICT) if folder == "schools" else DISTRICT
        self.metric = name if folder == "tables" and name in site.tallies.metrics else None
        self.programme = folder == "programmes"
        self.year = self.said.years[-1]
        self.counted = site.tallies.told_of(self.school, self.metric)
        self.few = f"fewer than {site.minimum_cell}"
        # Cells whose texts were read.
        self.read: set[html.HtmlElement] = set()

    def findings(self) -> list[Finding]:
        """What the page says that the data files do not."""
        body = self.root.find("body")
        for kind, read in (
            ("tracker", self._tracker), ("tools", self._tools), ("tally", self._tally), ("gaps", self._cards), ("funnel", self._funnel),
            ("trends", self._trends), ("plain", self._table),
        ):  # fmt: skip
            for element in body.iter("div", "ul", "ol", "table"):
                if kind in element.get("class", "").split() and not self.programme:
                    read(element)
        if self.programme:
            for table in body.iter("table"):
                self._programme(table)
        self.walk()
        return self.found

    # -- whatever a page is made of

    def attribute(self, element: html.HtmlElement, name: str, value: str) -> None:
        if name == "style":
            said = _STYLE.fullmatch(value)
            if (
                not said
                or said["percent"]
                and not (self.programme and pictures.drawn_beside(element, float(said["percent"])))
            ):
                self.tell("a style that no rule knows", element.tag)
        elif set(numbers(value)) - self.site.always and not (self.programme and self._of_programme(value)):
            self.tell("a number in an attribute", f"{element.tag} {name}")

    def text(self, text: str | None, element: html.HtmlElement) -> None:
        """A number that stands alone must be one that is said of the place."""
        rows = _ROWS.findall(text or "") if self.path == "quality.html" else []
        if any(not number.endswith("0") and number != str(self.site.minimum_cell) for number in rows):
            self.tell("rows counted out loud", element.tag)
        if (
            not text
            or self.path in ("methods.html", "quality.html")
            and not _STUDENTS.search(text)
            or not numbers(text)
        ):
            return
        if element.tag == "bdi" and _NAMED.search(text):
            return
        text = _COMPARED.sub("", DAY.sub("", text))
        left = Counter(numbers(text))
        rates = self.site.rates[self.school]
        of = {
            "percentage points": self.site.gaps[self.school],
            "KB": self.site.sizes,
            "students": self.site.students,
        }
        for number, what in _FOLLOWS.findall(text):
            # How many files or rules a list of them leaves out.
            more_of_a_list = what == "more" and (
                _RULES.match(text) or (element.tag == "li" and element.find("bdi") is not None)
            )
            if number in of.get(what, ()) or _RECORDS.match(what) or more_of_a_list:
                left[number] -= 1
        for number in list((+left).elements()):
            percents = number.endswith("%") or re.search(rf"(?<!\d){re.escape(number)} to ", text)
            if number in self.site.always or number in (rates if percents else self.counted):
                left[number] -= 1
        if any((+left).elements()) and not (self.programme and self._of_programme(text)):
            self.tell("a number that no rule knows", f"{element.tag} {element.get('class', '')}")

    def _of_programme(self, text: str, metric: str | None = None, who: str | None = None) -> bool:
        """Whether the programmes' tables say the numbers of a text. Whole numbers up to those of all groups may count gaps."""
        tokens = numbers(_COMPARED.sub("", DAY.sub("", _RANK.sub("", text))))
        return self.site.told.says(tokens, metric, who)

    def _programme(self, table: html.HtmlElement) -> None:
        """A table of a programme: each line is about the group or the school that it names."""
        caption = words(table.find("caption"))
        metric = next(
            (
                label
                for label in sorted(self.site.metrics, key=len, reverse=True)
                if caption.startswith(label)
            ),
            None,
        )
        for row in (row for row in table.iter("tr") if row.getparent().tag == "tbody"):
            who = (row[0].text or "").strip() or words(row[0])
            for cell in row[1:]:
                for text in cell.itertext():
                    if numbers(text) and not self._of_programme(text, metric, who):
                        self.tell("a figure that the data files do not say", f"{caption} {who}")
                self.read.add(cell)

    def picture(self, svg: html.HtmlElement) -> None:
        """A picture on a programme's page draws what stands in text beside it."""
        row = next((a for a in svg.iterancestors() if a.tag in ("tr", "li", "figure")), None)
        kind = svg.get("class", "")
        right = self.programme and row is not None
        if right and kind == "dumbbell":
            right = pictures.dumbbell(svg, row)
        elif right and kind == "nano":
            who = svg.get("aria-label", "").rpartition(": ")[0]
            metric = next((label for label in self.site.metrics if who.startswith(label + ", ")), "")
            gaps = [
                {year: line["gap"] for year, line in by_year.items() if line["gap"] is not None}
                for school in (DISTRICT, *self.site.slugs.values())
                for by_year in self._rows(
                    self.site.metrics.get(metric), school, who.removeprefix(metric + ", ")
                )
            ]
            right = any(pictures.nano(svg, sorted(told), told, pictures.scale_of([told])) for told in gaps)
        elif right and kind == "trend":
            right = pictures.spoken(svg) and self._of_programme(svg.get("aria-label", ""))
        else:
            right = False
        if not right:
            self.tell("a point of a picture that the data files do not say", kind)

    # -- what is told of one group

    def _rows(
        self, metric: str | None, school: str, label: str, dimension: str | None = None
    ) -> list[dict[int, Row]]:
        """The rows by school year of the groups that are called so."""
        if dimension is None:
            return self.site.by_label.get((metric or "", school, label), [])
        group = self.said.called.get((dimension, label))
        by_year = self.said.rows.get((metric or "", school, *group)) if group else None
        return [by_year] if by_year else []

    def _tracker(self, box: html.HtmlElement) -> None:
        """The groups of one metric at one place through the years, with their trend."""
        self.knows(box)
        name = box.get("id", "")
        metric = name.removesuffix("-crossings")
        heads = [
            head.get("id", "").removeprefix(f"{name}-")
            for row in reversed(list(box.iter("tr")))
            for head in row
            if row.getparent().tag == "thead"
        ]
        columns = [head for head in heads if head in _COLUMNS or head.isdigit()]
        heading, listed, lines = "", [], []
        for row in box.iter("tr"):
            if row.getparent().tag == "thead":
                continue
            if "gt_group_heading_row" in row.get("class", ""):
                heading = words(row)
                continue
            label = (row[0].text or "").strip()
            dimension = (
                self.said.labels["dimension"].get("all_students", "") if heading == "Everyone" else heading
            )
            listed.append(self.said.called.get((str(dimension), label)))
            found = self._rows(metric, self.school, label, dimension)
            if not found or len(row) != len(columns) + 1:
                self.tell("a row of no group", f"{name} {heading} {label}")
            else:
                lines.append(
                    (f"{name} {heading} {label}", found[0], dict(zip(columns, row[1:], strict=True)))
                )
        if not self.site.order.keeps(listed):
            self.tell("an order of its own", name)
        drawn = [{y: row["gap"] for y, row in by_year.items() if has_gap(row)} for _, by_year, _ in lines]
        scale = pictures.scale_of(drawn)
        silent: set[bytes] = set()
        for (where, by_year, cells), gaps in zip(lines, drawn, strict=True):
            for column, cell in cells.items():
                row = by_year.get(int(column) if column.isdigit() else self.year)
                svg = cell.find("svg")
                if column == "trend":
                    right = (
                        svg is None
                        and not len(cell)
                        or svg is not None
                        and pictures.nano(svg, self.said.years, gaps, scale)
                    )
                    wrong = None if right else "a point of a picture that the data files do not say"
                else:
                    wrong = _cell(column, cell, row)
                if wrong:
                    self.tell(wrong, f"{where} {column}")
                elif row is not None and hidden(row) and (column == "now" or column.isdigit()):
                    silent.add(etree.tostring(cell))
        if len(silent) > 1:
            self.tell("more than one mark for what is hidden", name)

    def _tools(self, box: html.HtmlElement) -> None:
        """Last year's status beside this year's, most urgent first."""
        self.knows(box)
        slug = box.get("id", "").removeprefix("tools-")
        school = self.site.slugs.get(slug, DISTRICT)
        ranks: list[int | None] = []
        tally: Counter[str] = Counter()
        for row in (row for row in box.iter("tr") if row.getparent().tag == "tbody"):
            label, small = (row[0].text or "").strip(), words(row[0].find("span"))
            rows = self._rows(self.site.metrics.get(small), school, label)
            statuses = [elements.status(row[at]) for at in (1, 2)]
            right = [
                by_year
                for by_year in rows
                if self._tool(row, by_year.get(self.year - 1), by_year.get(self.year))
            ]
            if not right:
                self.tell("a figure that the data files do not say", f"{slug} {label} {small}")
                continue
            told = right[0][self.year]
            ranks.append(
                self.said.ranks.get(
                    (told["metric_id"], school, told["dimension"], told["subgroup"], self.year)
                )
            )
            was = statuses[0] in CLOSED and statuses[1] not in (None, "not_measurable")
            tally += Counter(
                was=was, still=was and statuses[1] in CLOSED, narrowing=statuses[1] == "narrowing"
            )
        known = [rank for rank in ranks if rank is not None]
        if known != sorted(known) or ranks[len(known) :] != [None] * (len(ranks) - len(known)):
            self.tell("an order of its own", slug)
        lede = box.getparent().find("p")
        counted = [tally["still"], tally["was"]] if tally["was"] else []
        counted += [tally["narrowing"]] if tally["narrowing"] else []
        said = [number for number in numbers(words(lede)) if number not in self.said.written]
        if said not in ([], list(map(str, counted))):
            self.tell("a tally that the data files do not say", slug)
        if lede is not None:
            self.knows(lede)

    def _tool(self, line: html.HtmlElement, before: Row | None, now: Row | None) -> bool:
        if now is None:
            return False
        told = (
            (line[1], before, "gap"),
            (line[2], now, "gap"),
            (line[3], now, "gap_change"),
            (line[4], now, "students_needed"),
        )
        for cell, row, what in told:
            value = None if row is None else row[what]
            said = [] if value is None else [_count(value) if what == "students_needed" else points(value)]
            if numbers(words(cell)) not in ([], said) or elements.status(cell) not in (None, _step(row)):
                return False
        return not numbers(words(line[5]))

    def _tally(self, listed: html.HtmlElement) -> None:
        """The ladder of a place: how many gaps stand on each step."""
        steps = self.site.tallies.steps[self.school, self.metric]
        said, drawn = elements.ladder(listed)
        counted = {status: str(n) for status, n in steps.items() if n}
        if said != counted or drawn != counted:
            self.tell("a tally that the data files do not say")
        self.knows(listed)
        if drawn:
            self.knows(listed.getprevious())

    def _cards(self, listed: html.HtmlElement) -> None:
        """The largest gaps of a metric, the clear ones first, each the largest first."""
        self.knows(listed)
        link = listed.getparent().find("h3/a")
        metric = "" if link is None else link.get("href", "").rpartition("/")[2].removesuffix(".html")
        order = []
        for item in listed:
            label = words(item.find_class("who")[0])
            rows = [by_year.get(self.year) for by_year in self._rows(metric, self.school, label)]
            right = [
                row
                for row in rows
                if row is not None
                and row["gap"] is not None
                and _card(item, row, self.said.labels["subgroup"].values())
            ]
            if not right:
                self.tell("a figure that the data files do not say", f"{metric} {label}")
                continue
            row = right[0]
            clear = row["gap_low"] is None or not row["gap_low"] <= 0 <= row["gap_high"]
            order.append((not clear, -abs(row["gap"])))
        if order != sorted(order):
            self.tell("an order of its own", metric)

    def _funnel(self, table: html.HtmlElement) -> None:
        """Of every 100 students of a group, how many reached each step: products of published rates."""
        self.knows(table)
        for line in (row for row in table.iter("tr") if row.getparent().tag == "tbody"):
            label = (line[0].text or "").strip()
            dimension = (
                "all_students"
                if label == self.said.labels["subgroup"].get(("all_students", "all"))
                else "race_ethnicity"
            )
            heading = self.said.labels["dimension"].get(dimension, dimension)
            rows = [
                next(iter(self._rows(metric, self.school, label, heading)), {}).get(self.year)
                for metric in _FUNNEL
            ]
            told: list[Any] = [None if row is None else row["rate"] for row in rows]
            enrolled, grade, taken, passed = told
            ways = (enrolled,), (enrolled, grade), (enrolled, taken), (enrolled, taken, passed)
            shares = [None if None in way else math.prod(way) for way in ways]
            n = None if rows[0] is None else rows[0]["n"]
            right = numbers(words(line[0].find("span"))) in ([], [] if n is None else [people(n)])
            for cell, share in zip(line[1:], shares, strict=True):
                bar = cell.find("i")
                if bar is None:
                    right &= not numbers(words(cell))
                else:
                    right &= (
                        share is not None
                        and words(cell) == str(round(100 * share))
                        and bar.get("style") == f"width:{100 * share:.1f}%"
                    )
            if not right:
                self.tell("a figure that the data files do not say", f"funnel {label}")

    def _trends(self, box: html.HtmlElement) -> None:
        """Gaps through the years, drawn."""
        for figure in box.iter("figure"):
            caption = figure.find("figcaption")
            label = (caption.find("b").text or "").strip()
            metric = self.metric or self.site.metrics.get(
                words(caption.find("span")).partition(", compared")[0]
            )
            if not any(
                pictures.trend(figure.find("svg"), by_year, self.said)
                for by_year in self._rows(metric, self.school, label)
            ):
                self.tell("a point of a picture that the data files do not say", f"{metric} {label}")
            self.knows(figure)

    # -- tables of few columns

    def _table(self, table: html.HtmlElement) -> None:
        """Tables that name other places or other years than the page's own."""
        heads = [words(head) for head in table.iter("th") if head.get("scope") == "col"]
        read = {
            "School": self._school,
            "Measure": self._unknown,
            "Gap": self._goal,
            "Group": self._changed,
            "Kind of data": self._delivered,
            "Reason": self._rejected,
        }
        line = read.get(heads[0]) if heads else None
        if line is None:
            return
        for row in (row for row in table.iter("tr") if row.getparent().tag == "tbody"):
            right = line(row)
            self.knows(row)
            if not right:
                self.tell("a figure that the data files do not say", words(row[0]))

    def _school(self, row: html.HtmlElement) -> bool:
        """A school, its widest gap, and how many stand where."""
        school = self.site.slugs.get(
            row[0].find("a").get("href", "").rpartition("/")[2].removesuffix(".html"), ""
        )
        steps = {
            STATUSES[code].partition(" ")[2]: n
            for code, n in self.site.tallies.steps[school, None].items()
            if n
        }
        told = (
            {}
            if not row[4].text
            else {words: int(n) for n, _, words in (part.partition(" ") for part in row[4].text.split(", "))}
        )
        small = row[1].find("span")
        if small is None:
            return told == steps and not numbers(words(row[1]))
        found = self._rows(self.site.metrics.get(words(small)), school, (row[1].text or "").strip())
        return told == steps and any(
            words(row[2]) == points(now["gap"]) and elements.status(row[3]) == now["status"]
            for by_year in found
            if (now := by_year.get(self.year)) is not None and now["gap"] is not None
        )

    def _unknown(self, row: html.HtmlElement) -> bool:
        """How many gaps of a metric can't be told, and why."""
        counted = self.site.tallies.groups((DISTRICT, self.site.metrics.get(words(row[0]))))
        return [words(cell) for cell in row[1:5]] == [
            str(counted[kind]) for kind in ("groups", "told", "privacy", "few")
        ] and not (set(numbers(words(row[5]))) - self.said.written)

    def _goal(self, row: html.HtmlElement) -> bool:
        """A goal as it was set, and its gap now."""
        label, small = (row[0].text or "").strip(), row[0].find("span")
        school = next(
            (
                s
                for s in self.site.slugs.values()
                if small.find("bdi") is not None and self.said.school(s) == words(small.find("bdi"))
            ),
            DISTRICT,
        )
        found = self._rows(self.site.metrics.get((small.text or "").removesuffix(", ")), school, label)
        now = [by_year.get(self.year) for by_year in found]
        return not set(numbers(words(row[1]))[1:]) - self.said.written and (
            any(
                _cell("now", row[2], told) is None and elements.status(row[3]) in (None, told["status"])
                for told in now
                if told
            )
            or not numbers(words(row[2]))
        )

    def _changed(self, row: html.HtmlElement) -> bool:
        """What the release before said of a group, in a form that the rules allow, and what this one says."""
        year = next((y for y in self.said.years if written(y) == words(row[1])), 0)
        label, dimension = (row[0].text or "").strip(), words(row[0].find("span"))
        places = (
            [DISTRICT]
            if words(row[2]) == "District"
            else [s for s in self.site.slugs.values() if self.said.school(s) == words(row[2])]
        )
        metric = self.site.metrics.get(words(row[3]))
        now = [
            by_year.get(year) for place in places for by_year in self._rows(metric, place, label, dimension)
        ]
        before = numbers(words(row[4]))
        formed = (
            not before
            or before[-1].startswith("~")
            and before[-1].endswith("0")
            and before[-2].endswith("%")
            and len(before) <= 3
        )
        return formed and any(
            numbers(words(row[5]))
            in ([], [*rate(told), people(told["n"])] if told["rate"] is not None else [])
            for told in now
            if told
        )

    def _delivered(self, row: html.HtmlElement) -> bool:
        """Rows that came: in a form that the rules allow, and the sum is that of the others as they are told."""
        said = [words(cell) for cell in row if cell.get("class") == "num"]
        if not said:
            return True
        few, smallest = self.few, self.site.minimum_cell
        parts = [
            smallest / 2 if one == few else int(one.lstrip("~").replace(",", ""))
            for one in said[1:]
            if self._rounded(one, row[0])
        ]
        if len(parts) < 3 or not self._rounded(said[0], row[0]):
            return False
        if few not in said[1:]:
            return said[0].lstrip("~") == _count(sum(parts))
        return said[0] == (few if sum(parts) == smallest / 2 else people(half_up(int(sum(parts)), -1)))

    def _rejected(self, row: html.HtmlElement) -> bool:
        """How many rows were rejected for a reason, in a form that the rules allow."""
        return self._rounded(words(row[3]), row[1])

    def _rounded(self, said: str, extract: html.HtmlElement) -> bool:
        """Counts of rows about students are told in tens, or that they are few."""
        return (
            bool(_TENS.fullmatch(said))
            or said == self.few
            or words(extract) in _NO_STUDENT
            and said.replace(",", "").isdigit()
        )


def _count(number: float) -> str:
    return f"{int(number):,}"


def _step(row: Row | None) -> str | None:
    """The status of a gap where it is listed by what it asks for: one that can't be told asks for more students."""
    return None if row is None else row["status"] or "not_measurable"


def _cell(column: str, cell: html.HtmlElement, row: Row | None) -> str | None:
    """What is wrong in a cell of a tracker; it may say less than the data files do."""
    said = numbers(words(cell))
    told: dict[str, list[str]] = {name: [] for name in ("n", "rate", "gap", "goal", "interval", "needed")}
    if row is not None:
        for name, of, write in (
            ("n", "n", people),
            ("gap", "gap", points),
            ("needed", "students_needed", _count),
        ):
            told[name] = [] if row[of] is None else [write(row[of])]
        told["rate"] = rate(row)
        told["goal"] = [] if row["goal_gap"] is None else [points(row["goal_gap"], 1).removesuffix(".0")]
        told["interval"] = [] if row["gap_low"] is None else [points(row["gap_low"]), points(row["gap_high"])]
    if column == "status":
        right = said in ([], told["goal"]) and elements.status(cell) in (None, row and row["status"])
    elif column in ("needed", "interval"):
        right = said in ([], told[column])
    else:
        right = said in (
            [],
            told["rate"] + told["n"],
            told["gap"] + told["n"],
            told["gap"] + told["rate"] + told["n"],
        )
    if not right:
        return "a figure that the data files do not say"
    # A goal is the partner's own word, which is told whether its gap is or not.
    marks = [
        "",
        f"— {HIDDEN}",
        f"— {HIDDEN} " + words(cell.find("span[@class='n']")),
        *map("goal {}".format, told["goal"]),
    ]
    if row is not None and hidden(row) and words(cell) not in marks:
        return "more than one mark for what is hidden"
    titles = {element.get("title") for element in cell.iter() if element.get("title")}
    return "a text behind a cell" if titles - {HIDDEN} else None


def _card(item: html.HtmlElement, row: Row, names: Iterable[str]) -> bool:
    """Whether a card says the gap as the data files do: in points, as rates, as status, as students and as a picture.

    Args:
        names: those of all groups; "Section 504" has a number of its own.
    """
    foot, svg = item.find_class("foot")[0], item.find("svg")
    rates = [ends(row, of) for of in ("rate", "reference_rate")]
    middles = [sum(of) / 2 for of in rates]
    named = {n for name in names for n in numbers(name)}
    spans = rate(row) + rate(row, "reference_rate")
    needed = [_count(row["students_needed"])] if row["students_needed"] else []
    said, *allowed = (
        Counter(n for n in told if n not in named) for told in (numbers(words(foot)), spans, spans + needed)
    )
    bands = [(low, high) for low, high in rates if low != high]
    return (
        words(item.find_class("pp")[0]).split()[0] == points(row["gap"])
        and elements.status(foot) == row["status"]
        and said in allowed
        and [pictures.near(x, middle, 0.006) for (x,), middle in zip(pictures.shapes(svg, "own", "cx"), middles[:1], strict=True)] == [True]
        and [pictures.near(x, middle, 0.006) for (x,), middle in zip(pictures.shapes(svg, "other", "cx"), middles[1:], strict=True)] == [True]
        and len(pictures.shapes(svg, "band", "x1")) == len(bands)
        and all(pictures.near(a, low, 0.006) and pictures.near(b, high, 0.006) for (a, b), (low, high) in zip(pictures.shapes(svg, "band", "x1", "x2"), bands, strict=True))
    )  # fmt: skip
