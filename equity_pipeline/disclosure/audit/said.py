"""What the data files say of each group, in the numbers that a reader may be shown of it, written as readers write them."""

from __future__ import annotations

import hashlib
import html
import math
import re
from collections import defaultdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from lxml.html import HtmlElement

from equity_pipeline.disclosure.figures import CELL, PAIR, Rules

# A school year, or a number with what is written around it.
NUMBER = re.compile(r"(?<!\d)\d{4}-\d\d(?!\d)|~?[+−]?\d+(?:,\d{3})*(?:\.\d+)?%?")
DAY = re.compile(
    r"\d{1,2} (January|February|March|April|May|June|July|August|September|October|November|December) \d{4}|\d{4}-\d\d-\d\d"
)
# How far apart two numbers are that a hidden one may be, as it is promised.
APART = "3"
_FIGURES = ["reference_subgroup", "n", "rate", "reference_rate", "gap", "gap_low", "gap_high", "students_needed", "reason",
            "rate_band", "reference_rate_band", "suppression_reason", "reliable"]  # fmt: skip
_CHANGES = ["gap_change", "status", "goal_gap", "leveled_down"]
DISTRICT = "_all"
# What is said of a group in a school year: column → value, None where there is none.
Row = dict[str, Any]
CLOSED = ("closed", "maintained_closed", "reversed")
# Status → how it is written.
STATUSES = {
    "reopened": "↺ reopened", "widening": "←→ widening", "open": "● open", "narrowing": "→← narrowing", "closed": "✓ closed",
    "maintained_closed": "✓✓ stays closed", "reversed": "⇄ reversed", "not_measurable": "? not enough data",
}  # fmt: skip
HIDDEN = "not shown: privacy"
_KEPT_FROM_RUNNING = re.compile(r"(^|;)'(?=[\s\"']*[=+\-@＝＋－＠﹢﹣﹦﹫])")
_BRAND = re.compile(r'<div class="brand"><a [^>]*><bdi>(.*?)</bdi>')


def _as_shown(name: str) -> str:
    """A name without the apostrophes that keep spreadsheets from running it: data files have them, pages and workbook not."""
    return _KEPT_FROM_RUNNING.sub(r"\1", name)


def partner_name(release_dir: Path) -> str:
    """The partner's name, as every page begins with it; empty where there is no page."""
    page = release_dir / "index.html"
    found = _BRAND.search(page.read_text(encoding="utf-8")) if page.exists() else None
    return html.unescape(found[1]) if found else ""


def slug(identifier: str) -> str:
    """The file name of a school's page."""
    if identifier != "index" and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", identifier):
        return identifier
    plain = re.sub(r"[^a-z0-9]+", "-", identifier.lower()).strip("-")[:30]
    return f"{plain or 'x'}-{hashlib.sha256(identifier.encode()).hexdigest()[:8]}"


def numbers(text: str | None) -> list[str]:
    """The numbers of a text, in their order."""
    return list(_numbers(text)) if text else []


@lru_cache(maxsize=20_000)  # the cells of a release's tables say few different things, many times
def _numbers(text: str) -> tuple[str, ...]:
    return tuple(NUMBER.findall(text))


def words(element: HtmlElement | None) -> str:
    """The text of an element and of all in it."""
    return "" if element is None else " ".join(" ".join(element.itertext()).split())


def half_up(value: float, digits: int = 0) -> float:
    """Rounded as readers do it by hand; the binary noise of a rate is cut off before."""
    scale = 10**digits
    return math.copysign(math.floor(round(abs(value) * scale, 9) + 0.5) / scale, value)


def points(value: float, digits: int = 0) -> str:
    """A difference of rates in percentage points, with its sign."""
    rounded = half_up(100 * value, digits)
    return f"{'−' if rounded < 0 else '+' if rounded > 0 else ''}{abs(rounded):.{digits}f}"


def percent(rate: float, digits: int = 0) -> str:
    """A rate in percents, whole ones as a rule."""
    return f"{half_up(100 * rate, digits):.{digits}f}%"


def people(number: float) -> str:
    """A rounded number of people."""
    return f"~{int(number):,}"


def span(low: float, high: float) -> list[str]:
    """The numbers of a range of percents."""
    first, last = (f"{round(end, 6):g}" for end in (low, high))
    if first == last:
        return [f"{first}%"]
    return [f"{last}%"] if first == "0" else [f"{first}%"] if last == "100" else [first, f"{last}%"]


def written(year: int) -> str:
    """A school year, by the year it ends in."""
    return f"{year - 1}-{year % 100:02d}"


def rate(row: Row, of: str = "rate") -> list[str]:
    """The numbers in which a published rate is written: a percent, or the ends of its band."""
    if row[of] is None:
        return []
    return span(*ends(row, of))


def ends(row: Row, of: str = "rate") -> tuple[float, float]:
    """The percents between which a published rate lies; of a whole percent that percent twice."""
    band = row[f"{of}_band"]
    if band is None:
        return (half_up(100 * row[of]),) * 2
    told = [float(end) for end in re.findall(r"[\d.]+", band)]
    return (told[0], told[1]) if len(told) == 2 else (0.0, told[0]) if row[of] < 0.5 else (told[0], 100.0)


def hidden(row: Row) -> bool:
    """Whether nothing is said of the group itself, for privacy."""
    return row["suppression_reason"] == "privacy" and row["rate"] is None


def has_gap(row: Row | None) -> bool:
    """Whether a gap is told of the group, and pictures may draw it."""
    return row is not None and row["gap"] is not None and bool(row["reliable"])


class Said:
    """What the marts say, read by place. `rows`: metric, school, dimension, subgroup → school year → its row with the comparison
    that readers are shown. `partner`: its name, whose numbers say nothing of a student (School District 49)."""

    def __init__(self, marts: dict[str, pd.DataFrame], rules: Rules, partner: str = "") -> None:
        self.partner = partner
        gaps, closure = marts["gap_metrics"], marts.get("gap_closure")
        chosen = {
            d: "designated" if d in rules.designated else "rest" if d in rules.partitioning and d != "all_students" else "overall"
            for d in gaps["dimension"].unique()
        }  # fmt: skip
        told = gaps.loc[gaps["reference"] == gaps["dimension"].map(chosen), [*PAIR, *_FIGURES]]
        if closure is None:
            told = told.assign(**dict.fromkeys(_CHANGES))
        else:
            told = told.merge(closure[[*PAIR, *_CHANGES]].drop_duplicates(PAIR), on=PAIR, how="left")
        told = told.drop_duplicates(CELL).astype(object)
        self.rules = rules
        self.rows: dict[tuple[str, str, str, str], dict[int, Row]] = defaultdict(dict)
        for row in told.where(told.notna(), None).to_dict("records"):
            self.rows[row["metric_id"], row["school_id"], row["dimension"], row["subgroup"]][
                int(row["school_year"])
            ] = {str(column): value for column, value in row.items()}
        self.years = sorted({int(year) for year in told["school_year"]})
        # How urgent a gap is: metric, school, dimension, subgroup, school year → rank.
        tools = marts.get("tools_package")
        self.ranks = {} if tools is None or "urgency_rank" not in tools else {
            (m, school, d, s, int(y)): None if pd.isna(rank) else int(rank)
            for y, m, school, d, s, rank in tools[[*CELL, "urgency_rank"]].itertuples(index=False)
        }  # fmt: skip
        self.labels: dict[str, dict[Any, str]] = {"metric": {}, "dimension": {}, "subgroup": {}, "school": {}}
        for mart in marts.values():
            if "subgroup_label" in mart:
                self._read_labels(mart)

    def _read_labels(self, mart: pd.DataFrame) -> None:
        groups = mart[["dimension", "subgroup", "subgroup_label"]].drop_duplicates().itertuples(index=False)
        self.labels["subgroup"] |= {(d, s): str(label) for d, s, label in groups}
        for what in ("metric", "dimension"):
            code = "metric_id" if what == "metric" else what
            pairs = mart[[code, f"{what}_label"]].drop_duplicates().itertuples(index=False)
            self.labels[what] |= {a: str(label) for a, label in pairs}
        # The name of the newest year, as readers are shown it.
        names = mart[["school_id", "school_name", "school_year"]].dropna().sort_values("school_year")
        shown = names["school_name"].astype(str).map(_as_shown)
        self.labels["school"] |= dict(zip(names["school_id"], shown, strict=True))

    @cached_property
    def called(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Label of a dimension, label of a subgroup → dimension, subgroup."""
        return {
            (self.labels["dimension"].get(d, d), self.group(d, s)): (d, s)
            for d, s in {key[2:] for key in self.rows}
        }

    def group(self, dimension: str, subgroup: str) -> str:
        """A group as readers know it; where two dimensions meet, the two groups."""
        labels, parts = self.labels["subgroup"], (dimension.split("*"), subgroup.split("*"))
        pairs = list(zip(*parts, strict=False))
        if len(parts[0]) == len(parts[1]) > 1 and all(pair in labels for pair in pairs):
            return ", ".join(labels[pair] for pair in pairs)
        return labels.get((dimension, subgroup), subgroup)

    def school(self, school_id: str) -> str:
        """A place as readers know it."""
        return self.labels["school"].get(school_id) or f"School {school_id}"

    @cached_property
    def written(self) -> set[str]:
        """School years as they are written, with those of plans and goals."""
        return {written(year) for year in range(self.years[0] - 10, self.years[-1] + 11)}
