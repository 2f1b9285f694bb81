"""The words and number formats of everything published. Gaps belong to the system, so no word here rates a group.

Every string stands in the code and templates in English where it is said (`say` in code, `_` in templates); `translations.json` lists all of them, each with
its Spanish or null where no Spanish page uses it yet. A string that depends on a number `n` has its forms there, by the
plural categories of Unicode CLDR (`one`, `other`, …) or for one number (`=0`), as ICU messages have them.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date
from markupsafe import Markup

_TRANSLATIONS = Path(__file__).with_name("translations.json")

HIDDEN = "—"
HIDDEN_WORDS = "not shown: privacy"
NOT_ENOUGH = "not enough data"
NOT_MEASURED = "not measured"


@cache
def translations() -> dict[str, str | dict[str, dict[str, str]] | None]:
    """English → Spanish, null where there is none; of a string with plural forms, language → category → form."""
    strings: dict[str, str | dict[str, dict[str, str]] | None] = json.loads(
        _TRANSLATIONS.read_text(encoding="utf-8")
    )
    return strings


@dataclass(frozen=True)
class Language:
    """Says a string of `translations.json` in a language, with values for its places. What has no translation is said in English."""

    code: str
    name: str

    def __call__(self, text: str, **values: Any) -> str:
        """A string of `translations.json` in this language, `{name}`s filled in; of one with plural forms, that of `n`."""
        entry = translations().get(text)
        if isinstance(entry, dict):
            said = self._form(entry.get(self.code) or entry["en"], values["n"])
        else:
            said = text if self.code == "en" else entry or text
        if not values:
            return said
        # A string of `translations.json` is trusted; a value is escaped unless it is markup itself.
        template = Markup(said) if any(isinstance(value, Markup) for value in values.values()) else said
        return template.format(**{name: count(v) if isinstance(v, int) else v for name, v in values.items()})

    def _form(self, forms: dict[str, str], n: int) -> str:
        return forms.get(f"={n}") or forms.get(_locale(self.code).plural_form(n)) or forms["other"]

    def rate(self, rate: float, band: str | None) -> str:
        """A published rate: `38%`, or the band that it is in, `20 to 40%`."""
        return percent(rate) if band is None else self.span(*ends(band, rate))

    def span(self, low: float, high: float) -> str:
        """A range of percents: `20 to 40%`, `under 20%`, `80% or more`; of one number the number."""
        first, last = f"{low:g}", f"{high:g}"
        if first == last:
            return f"{first}%"
        if first == "0":
            return self("under {high}%", high=last)
        return (
            self("{low}% or more", low=first)
            if last == "100"
            else self("{low} to {high}%", low=first, high=last)
        )

    def date(self, day: dt.date | None) -> str:
        """`15 January 2026`, or nothing."""
        return "" if day is None else format_date(day, "d MMMM y", locale=self.code)

    def about(self, rate: float, band: str | None) -> str:
        """A published rate within a sentence: `38%`, or the middle of its band, `about 30%`."""
        return percent(rate) if band is None else self("about {rate}", rate=percent(rate))

    def students(self, number: float) -> str:
        """A published number of students, which is rounded: `~410`."""
        return f"~{count(number)}"

    def listed(self, parts: Sequence[str], most: int | None = None) -> str:
        """`a`, `a and b`, `a, b and c`; of more than `most`, those and how many more."""
        parts = list(parts)
        if most is not None and len(parts) > most:
            parts = [*parts[:most], self("{n} more", n=len(parts) - most)]
        if len(parts) < 2:
            return parts[0] if parts else ""
        comma = Markup(", ") if any(isinstance(part, Markup) for part in parts) else ", "
        return self("{first} and {last}", first=comma.join(parts[:-1]), last=parts[-1])

    def not_measured(self, reason: str | None) -> str:
        """`not_measured: exam_results` → `no exam results on file`; several tokens are joined by `;`."""
        tokens = [
            t.strip() for t in (reason or "").partition(":")[2].replace(",", ";").split(";") if t.strip()
        ]
        return "; ".join(
            self(MISSING[t]) if t in MISSING else self("no {what} on file", what=t.replace("_", " "))
            for t in tokens
        )


@cache
def _locale(code: str) -> Locale:
    return Locale(code)


@dataclass(frozen=True)
class Status:
    """A step of the gap status ladder: a symbol and a word, so that it never depends on colour."""

    symbol: str
    words: str
    meaning: str


STATUSES = {
    "reopened": Status("↺", "reopened", "The gap was closed the year before and is open again."),
    "widening": Status(
        "←→", "widening", "The gap grew since the year before by more than chance would explain."
    ),
    "open": Status("●", "open", "There is a gap and no clear change since the year before."),
    "narrowing": Status(
        "→←", "narrowing", "The gap shrank since the year before by more than chance would explain."
    ),
    "closed": Status("✓", "closed", "The gap is within the tolerance this year."),
    "maintained_closed": Status(
        "✓✓", "stays closed", "The gap is closed this year and was closed the year before."
    ),
    "reversed": Status("⇄", "reversed", "This group's rate is clearly above the rate it is compared with."),
    "not_measurable": Status(
        "?",
        NOT_ENOUGH,
        "Too few students to tell: within the published ranges the gap may be closed or open.",
    ),
}
CLOSED = ("closed", "maintained_closed", "reversed")
OPEN = ("reopened", "widening", "open", "narrowing")

PHASES = {"access": "Access Opportunity", "success": "Experience Success", "extend": "Extend Equity",
          "sustain": "Sustain Equity"}  # fmt: skip
PROGRAMS = {
    "action_for_equity": "Action for Equity",
    "tools_package": "Tools Package",
    "equity_leader_lab": "Equity Leader Lab",
    "opportunity_accelerator": "Opportunity Accelerator",
    "equity_communities_of_practice": "Equity Communities of Practice",
    "equity_implemented_partnership": "Equity Implemented Partnership",
}
REFERENCES = {
    "designated": "the group named as reference in the methods",
    "rest": "everyone else in the same dimension",
    "overall": "all students together",
    "highest": "the group with the highest rate among groups large enough to tell",
}
MISSING = {
    "ap_ib_courses": "no course on file is classified as AP or IB",
    "exam_results": "no exam results on file",
    "final_grades": "no final grades on file",
    "course_enrollments": "no course enrollments on file",
}


def points(rate_difference: float, digits: int = 0) -> str:
    """A difference of rates as percentage points with its sign, a true minus: -0.095 → `−10`. Zero has no sign. Published rates are whole
    percents or bands, so a decimal would promise what is not known."""
    value = round_half_up(rate_difference * 100, digits)
    return f"{'−' if value < 0 else '+' if value > 0 else ''}{abs(value):.{digits}f}"


def ends(band: str, rate: float) -> tuple[float, float]:
    """The ends of a published band in percent: `under 20%`, `20% to 40%` or `80% or more`. `rate`: its middle."""
    said = [float(end) for end in re.findall(r"[\d.]+", band)]
    if len(said) == 2:
        return said[0], said[1]
    return (0, said[0]) if rate < 0.5 else (said[0], 100)


def goal(gap: float) -> str:
    """A goal as it was set, to a tenth of a point: -0.025 → `−2.5`, -0.02 → `−2`."""
    return points(gap, 1).removesuffix(".0")


def percent(rate: float, digits: int = 0) -> str:
    """0.381 → `38%`."""
    return f"{round_half_up(rate * 100, digits):.{digits}f}%"


def count(number: float) -> str:
    """5100 → `5,100`."""
    return f"{int(number):,}"


def round_half_up(value: float, digits: int) -> float:
    """Rounding as readers do it by hand. The binary noise of a rate (0.285 × 100) is cut off before."""
    scale = 10**digits
    return math.copysign(math.floor(round(abs(value) * scale, 9) + 0.5) / scale, value)


# Rules whose value is set in the seed `policy`, in plain words.
RULES = {
    "snapshot_month": "Snapshot of enrollment: month",
    "snapshot_day": "Snapshot of enrollment: day",
    "population_grades": "Grades that are counted",
    "ap_passing_score": "AP exam passed from",
    "ib_passing_score": "IB exam passed from",
    "grade_numeric_c": "Numeric grade that is a C",
    "grade_numeric_highest": "Highest numeric grade that is believed",
    "readiness_years": "Years for which a readiness score stands",
    "n_reliability": "Students from which a gap is told",
    "confidence_z": "Width of a 95% interval",
    "ppg2017_z": "Percentage point gap, older rule: width of the margin",
    "ppg2017_smallest_margin": "Percentage point gap, older rule: smallest margin",
    "ppg2017_rate": "Percentage point gap, older rule: rate of the margin",
    "ppg2022_z": "Percentage point gap, newer rule: width of the margin",
    "ppg2022_smallest_margin": "Percentage point gap, newer rule: smallest margin",
    "ppg2022_rate_at_0_or_1": "Percentage point gap, newer rule: rate that stands for none or all",
    "index80_percent": "Four-fifths rule: flagged below",
    "closure_tolerance": "A gap is closed within",
    "leveled_down_share": "A gap fell because the comparison fell from",
    "stem_subjects": "Subjects that are STEM",
    "offered_courses": "Courses from which a school offers AP or IB",
    "graduating_grade": "Graduating grade",
    "semester_grades": "Which term’s grade stands for a course",
    "chronic_absence_percent": "Chronically absent from",
    "attendance_days_minimum": "Days enrolled from which absence is counted",
    "risk_ratio_cell": "Risk ratio: fewest students with the outcome",
    "risk_ratio_n": "Risk ratio: fewest students of a group",
    "income_everyone_percent": "Low income no longer tells groups apart from",
    "coverage_tolerance": "Share of a group that may lack the data",
    "maintained_share": "Sustained: gaps that stay closed, more than",
    "pass_rate_tolerance": "Pass rate held within",
    "fewest_rows_share": "A file is held back below this share of the rows it replaces",
    "fewest_rows_judged": "Rows from which a file is held back",
    "drift_collapse_share": "A value vanished below this share of last year’s",
    "drift_unknown_rise": "Unknown values rose by",
    "drift_judged": "Students from which a vanished value is noticed",
    "portfolio_smallest_partners": "Partners from which they are compared",
    "minimum_classes": "Fewest classes of a rating",
}


def said(code: str) -> str:
    """`school_safety` → `School safety`: a code for which there is no word of its own."""
    return RULES.get(code) or code.replace("_", " ").capitalize()


def program(code: str, phase: str | None) -> str:
    """`Action for Equity: Access Opportunity`."""
    return PROGRAMS[code] + (f": {PHASES[phase]}" if phase else "")


def plain(text: str) -> str:
    """A description of the data dictionary as a sentence to read: codes without their marks."""
    return text.replace("`_all`", "the row of all").replace("`", "")


def value(text: str) -> str:
    """The value of a rule to read: lists apart, numbers to two decimals."""
    return f"{float(text):.2f}" if re.fullmatch(r"\d+\.\d{3,}", text) else text.replace(";", ", ")


ENGLISH, SPANISH = Language("en", "English"), Language("es", "Español")
