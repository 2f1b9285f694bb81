"""School years: stored as the ENDING year (CEDS School Year, an integer), shown as `2025-26`.

A school year runs from July 1 to June 30 of its ending year.
"""

from __future__ import annotations

import datetime as dt
import re

_LABEL = re.compile(r"^\s*(\d{4})\s*[-/–]\s*(\d{2}|\d{4})\s*$")
_YEAR = re.compile(r"^\s*(\d{4})(?:\.0+)?\s*$")


def label(school_year: int) -> str:
    """`2026` → `2025-26`."""
    return f"{school_year - 1}-{school_year % 100:02d}"


def parse(text: str | int) -> int:
    """Read `2025-26`, `2025-2026`, `2025/26` or the ending year `2026`.

    Raises:
        ValueError: not a school year, or two years that do not follow each other.
    """
    if match := _YEAR.match(str(text)):
        return int(match[1])
    match = _LABEL.match(str(text))
    if not match:
        raise ValueError(f"{text!r} is not a school year such as 2025-26")
    start, end = int(match[1]), match[2]
    if int(end) != (start + 1 if len(end) == 4 else (start + 1) % 100):
        raise ValueError(f"{text!r} is not a school year: the years do not follow each other")
    return start + 1


def of_date(day: dt.date) -> int:
    """The school year that a day lies in: July 1 begins the next one."""
    return day.year + (1 if day.month >= 7 else 0)


def due_date(school_year: int, month_day: str) -> dt.date:
    """The day `MM-DD` of a school year: `10-15` of 2025-26 is 2025-10-15, `06-30` is 2026-06-30."""
    month, day = map(int, month_day.split("-"))
    return dt.date(school_year - (1 if month >= 7 else 0), month, day)
