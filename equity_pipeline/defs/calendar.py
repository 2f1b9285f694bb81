"""When the schedules look, in each partner's own time.

03:30 is an hour that every day has once: clocks change between one and three o'clock in the zones of the United States.
"""

from __future__ import annotations

import datetime as dt

TERM = {
    "07-01": "new school year",
    "07-08": "exam scores",  # AP scores come out in the first week of July, IB on July 5
    "08-20": "exam scores",  # and the College Board's data files for schools and districts later
    "10-02": "fall snapshot",  # the day after the snapshot date
    "11-15": "fall survey window",
    "02-15": "spring snapshot",
    "05-15": "spring survey window",
}
"""Month and day → the moment of the school year on which districts send what they have been waiting with."""


def _cron(month_day: str) -> str:
    month, day = map(int, month_day.split("-"))
    return f"30 4 {day} {month} *"


SCHEDULES = {
    "nightly": ("30 3 * * *", "Every night: what a sensor has missed, and what failed and may succeed now."),
    "weekly": ("30 5 * * 1", "Every Monday: all partners, whether or not anything seems to be new."),
    "term": ([_cron(day) for day in TERM], "On the days of the school year on which districts deliver."),
}
"""Kind of schedule → its times and what it is for."""


def moment_on(day: dt.date) -> str:
    """The moment of the school year on a day of `TERM`."""
    return TERM[day.strftime("%m-%d")]
