"""Which file replaces which: what a file's name says about its age, and the name that its versions share.

The clock and the modified time say nothing: a file may be copied at any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DATES = (
    re.compile(
        r"(?<!\d)(?P<year>20\d\d)[-_.](?P<month>[01]?\d)[-_.](?P<day>[0-3]?\d)(?P<time>[T_ -]\d{4,6})?(?!\d)"
    ),
    re.compile(
        r"(?<!\d)(?P<month>[01]?\d)[-_.](?P<day>[0-3]?\d)[-_.](?P<year>20\d\d)(?P<time>[T_ -]\d{4,6})?(?!\d)"
    ),
    re.compile(r"(?<!\d)(?P<year>20\d\d)(?P<month>[01]\d)(?P<day>[0-3]\d)(?P<time>[T_ -]?\d{4,6})?(?!\d)"),
)
_SCHOOL_YEAR = re.compile(r"(?<!\d)(?P<year>20\d\d)(?:[-_](?:20)?\d\d)?(?!\d)")
_BOTH_YEARS = re.compile(r"(?<!\d)(?P<start>20\d\d)[-_](?:20)?(?P<end>\d\d)(?!\d)")
_VERSION = re.compile(
    r" ?\(\d+\)|(?<![a-z])v\d+(?![a-z0-9])|(?<![a-z])(?:corrected|final|revised)(?![a-z])", re.IGNORECASE
)
_JOINTS = re.compile(r"[ _.\-]+")


@dataclass(frozen=True)
class FileVersion:
    """What the name of a delivered file says.

    `logical`: the name without dates and version marks, the same for all versions of one file. Folders belong to it:
    two schools may both send `students.csv`. `dated`: the latest date or year in the name as sortable text, else "".
    `as_of`: the latest whole date, ISO, or None. `marked`: it bears a version mark, so of two undated files that
    arrive together it is the later one. `school_year`: the one that the name writes with both its years.
    """

    logical: str
    dated: str
    as_of: str | None
    marked: bool
    school_year: int | None = None


def version(file: str) -> FileVersion:
    """Read a delivered file's path, relative to the partner's landing folder."""
    rest, days, times = file, [], []
    for pattern in _DATES:
        for match in pattern.finditer(rest):
            year, month, day = (int(match[part]) for part in ("year", "month", "day"))
            if 1 <= month <= 12 and 1 <= day <= 31:
                days.append(f"{year}-{month:02d}-{day:02d}")
                times.append(days[-1] + re.sub(r"\D", "", match["time"] or ""))
                rest = rest.replace(match[0], " ", 1)
    years = [match["year"] for match in _SCHOOL_YEAR.finditer(rest)]
    both = {
        int(m["start"]) + 1
        for m in _BOTH_YEARS.finditer(rest)
        if (int(m["start"]) + 1) % 100 == int(m["end"])
    }
    rest = _SCHOOL_YEAR.sub(" ", rest)
    return FileVersion(
        logical="/".join(
            _JOINTS.sub("_", part).strip("_") for part in _VERSION.sub(" ", rest).lower().split("/")
        ),
        dated=max(times, default=max(years, default="")),
        as_of=max(days, default=None),
        marked=bool(_VERSION.search(rest)),
        school_year=both.pop() if len(both) == 1 else None,
    )
