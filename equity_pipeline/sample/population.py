"""Students who persist over five school years, and the enrollments that put them in a school on a day.

Belongs here: who is there, in which grade and school, with which attributes, from when to when. What they learn and how
they fare is in `coursework` and `climate`.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from equity_pipeline.sample.profiles import YEARS, Profile

GRADE_WEIGHTS = {7: 0.07, 8: 0.07, 9: 0.225, 10: 0.22, 11: 0.21, 12: 0.205}
LAST_DAY = (6, 10)

_RACES = {
    "american_indian_or_alaska_native": ["AmericanIndianOrAlaskaNative"],
    "asian": ["Asian"],
    "black": ["BlackOrAfricanAmerican"],
    "native_hawaiian_or_pacific_islander": ["NativeHawaiianOrPacificIslander"],
    "white": ["White"],
    "two_or_more": ["BlackOrAfricanAmerican;White", "Asian;White", "AmericanIndianOrAlaskaNative;White"],
    # Hispanic students state a race as well, or none: the roll-up must not care.
    "hispanic": ["White", None, "BlackOrAfricanAmerican", "AmericanIndianOrAlaskaNative;White"],
    "unknown": [None],
}
_UNNAMED = "DemographicRaceTwoOrMoreRaces"  # CEDS, deprecated: more than one race, not which
_RACE_ODDS = {"two_or_more": [0.45, 0.35, 0.20], "hispanic": [0.55, 0.30, 0.09, 0.06]}

_FIRST_GENERATION = {"white": 0.28, "asian": 0.30, "hispanic": 0.62, "black": 0.46}
_LOW_INCOME = {"white": 0.62, "asian": 0.75, "hispanic": 1.35, "black": 1.35}
_ENGLISH_LEARNER = {"hispanic": 0.24, "asian": 0.16, "unknown": 0.08}
_BEHIND = {"black", "hispanic", "american_indian_or_alaska_native", "native_hawaiian_or_pacific_islander"}


def first_day(profile: Profile, school_year: int) -> dt.date:
    """The first day of school."""
    return dt.date(school_year - 1, *profile.first_day)


def last_day(school_year: int) -> dt.date:
    """The last day of school."""
    return dt.date(school_year, *LAST_DAY)


def terms(profile: Profile, school_year: int) -> dict[str, tuple[dt.date, dt.date]]:
    """First and last day of the full year and of its two semesters."""
    first, last = first_day(profile, school_year), last_day(school_year)
    middle = dt.date(school_year, 1, 24)
    return {"FY": (first, last), "S1": (first, middle), "S2": (middle + dt.timedelta(days=1), last)}


def rosters(profile: Profile, size: int, rng: np.random.Generator) -> list[pl.DataFrame]:
    """One frame per school year of `YEARS`; one row per student of that year, `size` rows each.

    Columns: student_id, group (race roll-up), the canonical student fields, grade (int), home (school_id) and two
    traits that last: `ability` (standard normal) and `effort` (uniform).
    """
    result: list[pl.DataFrame] = []
    known = 0
    for school_year in YEARS:
        stay = _promoted(result[-1], profile, rng) if result else None
        roster = _filled(stay, profile, size, school_year, known, rng)
        known += roster.height - (stay.height if stay is not None else 0)
        result.append(roster.with_columns(school_year=pl.lit(school_year)))
    return result


def _promoted(roster: pl.DataFrame, profile: Profile, rng: np.random.Generator) -> pl.DataFrame:
    """Who returns a year later: 95 of 100 below grade 12, two of them in the same grade again, some with a new status."""
    roster = roster.filter((pl.col("grade") < 12) & pl.Series(rng.random(roster.height) < 0.95)).drop(
        "school_year"
    )
    draw = rng.random((3, roster.height))
    reclassified = pl.Series(draw[1] < 0.12)
    other_income = pl.Series(draw[2] < 0.03)
    grade = pl.col("grade") + pl.Series(np.where(draw[0] < 0.02, 0, 1))
    roster = roster.with_columns(
        grade=grade,
        english_learner=pl.when(pl.col("english_learner").eq("current") & reclassified)
        .then(pl.lit("former"))
        .otherwise("english_learner"),
        economically_disadvantaged=pl.when(other_income)
        .then(pl.col("economically_disadvantaged").replace({"yes": "no", "no": "yes"}))
        .otherwise("economically_disadvantaged"),
    )
    outgrown = np.array(
        [grade not in _grades(profile)[home] for grade, home in roster.select("grade", "home").rows()]
    )
    moved = _schools_for(roster["grade"].to_numpy(), roster["group"].to_numpy(), profile, rng)
    return roster.with_columns(home=pl.when(pl.Series(outgrown)).then(pl.Series(moved)).otherwise("home"))


def _filled(
    stay: pl.DataFrame | None,
    profile: Profile,
    size: int,
    school_year: int,
    known: int,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """The returning students and as many new ones as each grade lacks."""
    weights = np.array(list(GRADE_WEIGHTS.values()))
    wanted = np.floor(weights / weights.sum() * size).astype(int)
    wanted[2] += size - wanted.sum()
    have = (
        np.zeros(len(wanted), int) if stay is None else np.bincount(stay["grade"].to_numpy() - 7, minlength=6)
    )
    lacking = np.maximum(wanted - have, 0)
    lacking[2] += size - have.sum() - lacking.sum()
    grade = np.repeat(list(GRADE_WEIGHTS), lacking)
    new = _newcomers(grade, profile, school_year, known, rng)
    return new if stay is None else pl.concat([stay.select(new.columns), new])


def _newcomers(
    grade: np.ndarray, profile: Profile, school_year: int, known: int, rng: np.random.Generator
) -> pl.DataFrame:
    n = len(grade)
    group = rng.choice(
        list(profile.mix), size=n, p=np.array(list(profile.mix.values())) / sum(profile.mix.values())
    )
    races = np.full(n, None, object)
    for name, options in _RACES.items():
        rows = np.flatnonzero(group == name)
        races[rows] = rng.choice(np.array(options, object), size=len(rows), p=_RACE_ODDS.get(name))
    races[(group == "two_or_more") & (rng.random(n) < profile.unnamed_races)] = _UNNAMED
    hispanic = np.where(group == "hispanic", "yes", np.where(group == "unknown", "unknown", "no"))
    low = profile.low_income * np.array([_LOW_INCOME.get(name, 1.0) for name in group])
    learner = np.array([_ENGLISH_LEARNER.get(name, 0.015) for name in group])
    first = np.array([_FIRST_GENERATION.get(name, 0.4) for name in group])
    draw = rng.random(n)
    status = np.where(draw < learner * 0.6, "current", np.where(draw < learner, "former", "never"))
    number = profile.first_number + known + np.arange(n)
    birthday = np.datetime64(f"{school_year - 6}-09-01") - (grade * 365.25 + rng.integers(0, 365, n)).astype(
        "timedelta64[D]"
    )
    frame = pl.DataFrame(
        {
            "student_id": np.char.zfill(number.astype(str), profile.id_width),
            "group": group.astype(str),
            "grade": grade,
            "home": _schools_for(grade, group, profile, rng),
            "sex": rng.choice(["female", "male", profile.other_sex], size=n, p=[0.487, 0.506, 0.007]).astype(
                str
            ),
            "hispanic_latino": hispanic,
            "races": pl.Series(list(races), dtype=pl.String),
            "economically_disadvantaged": _yes_no(rng, np.minimum(low, 0.92), unknown=0.01),
            "english_learner": np.where(rng.random(n) < 0.015, "unknown", status),
            "disability_idea": _yes_no(rng, np.full(n, 0.125)),
            "section_504": _yes_no(rng, np.full(n, 0.035)),
            "homeless": _yes_no(rng, np.full(n, 0.028)),
            "foster_care": _yes_no(rng, np.full(n, 0.008)),
            "first_generation": _yes_no(rng, first, unknown=0.18),
            "birth_date": birthday.astype("datetime64[D]"),
            "gpa": np.round(np.clip(rng.normal(2.9, 0.6, n), 0.5, 4.0), 2),
            "ability": rng.normal(size=n),
            "effort": rng.random(n),
        }
    )
    unheld = {"economically_disadvantaged", "english_learner", "disability_idea", "section_504", "homeless",
              "foster_care", "first_generation", "birth_date", "gpa"} - profile.holds  # fmt: skip
    return frame.with_columns(pl.lit(None, frame.schema[name]).alias(name) for name in sorted(unheld))


def _yes_no(rng: np.random.Generator, chance: np.ndarray, unknown: float = 0.0) -> np.ndarray:
    draw = rng.random((2, len(chance)))
    return np.where(draw[0] < unknown, "unknown", np.where(draw[1] < chance, "yes", "no"))


def _grades(profile: Profile) -> dict[str, tuple[int, ...]]:
    return {school.school_id: school.grades for school in profile.schools}


def _schools_for(
    grade: np.ndarray, group: np.ndarray, profile: Profile, rng: np.random.Generator
) -> np.ndarray:
    """A school per student that teaches the grade: by share, tilted by group."""
    behind = np.isin(group, list(_BEHIND))
    odds = np.array(
        [
            np.isin(grade, school.grades) * school.share * np.where(behind, school.tilt, 1.0)
            for school in profile.schools
        ]
    )
    choice: np.ndarray = (odds.cumsum(axis=0) < rng.random(len(grade)) * odds.sum(axis=0)).sum(axis=0)
    return np.take([school.school_id for school in profile.schools], choice)


# What happens to a student's enrollment in a year: kind → share of the students.
_EVENTS = {
    "left_early": 0.015,  # last day before the snapshot, some on the very day before
    "left_midyear": 0.020,  # some on the snapshot day itself: still counted
    "late": 0.020,  # some on the snapshot day itself: counted; the day after: not
    "transfer": 0.020,  # one school until a day, another from the next
    "second_school": 0.008,  # two at once: the later entry is marked primary
    "second_unmarked": 0.004,  # two at once, none marked: the earlier entry, then the lower school id
    "never_came": 0.002,  # on the student list, in no school
}
_TWO_SCHOOLS = ("transfer", "second_school", "second_unmarked")
BOUNDARY = 4  # so many of a kind of event lie exactly on the snapshot date, and as many on the day beside it


def school_enrollments(roster: pl.DataFrame, profile: Profile, rng: np.random.Generator) -> pl.DataFrame:
    """One row per student × school × entry: school_year, student_id, school_id, entry_date, exit_date, is_primary.

    A district that always marks one of two schools as primary has no `second_unmarked`.
    """
    school_year, n = int(roster["school_year"][0]), roster.height
    snapshot = np.datetime64(dt.date(school_year - 1, 10, 1))
    start = int((np.datetime64(first_day(profile, school_year)) - snapshot).astype(int))
    kind = np.array([*_EVENTS, "usual"])[
        np.searchsorted(np.cumsum(list(_EVENTS.values())), rng.random(n), side="right")
    ]
    kind = np.where((roster["grade"].to_numpy() < 9) & np.isin(kind, _TWO_SCHOOLS), "usual", kind)
    if profile.always_marks_primary:
        kind = np.where(kind == "second_unmarked", "second_school", kind)
    rank = np.zeros(n, int)  # the how-manieth student of its kind
    for name in _EVENTS:
        rank[kind == name] = np.arange((kind == name).sum())

    # Days are counted from the snapshot date; an open end is NaN.
    entry, end, primary = np.full(n, float(start)), np.full(n, np.nan), np.full(n, "yes", object)
    early, middle, later = (rng.integers(low, high, n) for low, high in ((start + 5, -1), (1, 150), (2, 120)))
    change = np.where(rank < BOUNDARY, -1, np.where(rank < 2 * BOUNDARY, 0, rng.integers(-15, 140, n)))
    end = np.where(kind == "left_early", np.where(rank < BOUNDARY, -1, early), end)
    end = np.where(kind == "left_midyear", np.where(rank < BOUNDARY, 0, middle), end)
    end = np.where(kind == "transfer", change, end)
    entry = np.where(
        kind == "late", np.where(rank < BOUNDARY, 0, np.where(rank < 2 * BOUNDARY, 1, later)), entry
    )
    entry = np.where(kind == "second_school", start + 5, entry)
    entry = np.where((kind == "second_unmarked") & (rank % 2 == 0), start + 10, entry)
    primary[kind == "second_unmarked"] = "unknown"
    if profile.always_marks_primary:  # one school at a time bears the mark: after a transfer the later one
        primary[kind == "transfer"] = "no"

    second = np.flatnonzero(np.isin(kind, _TWO_SCHOOLS))
    home = roster["home"].to_numpy()
    came = np.flatnonzero(kind != "never_came")
    who = np.concatenate([came, second])
    days = np.concatenate([entry[came], np.where(kind == "transfer", change + 1, start)[second]])
    ends = np.concatenate([end[came], np.full(len(second), np.nan)])
    marks = np.select(
        [kind[second] == "transfer", kind[second] == "second_school"], ["yes", "no"], default="unknown"
    )
    frame = pl.DataFrame(
        {
            "student_id": roster["student_id"].to_numpy()[who],
            "school_id": np.concatenate([home[came], another_school(home[second], profile, rng)]),
            "entry_date": snapshot + days.astype("timedelta64[D]"),
            "exit_date": snapshot
            + np.where(np.isnan(ends), np.timedelta64("NaT"), np.nan_to_num(ends).astype("timedelta64[D]")),
            "is_primary": np.concatenate([primary[came], marks]).astype(str),
        }
    ).with_columns(school_year=pl.lit(school_year))
    return frame.select(
        "school_year", "student_id", "school_id", "entry_date", "exit_date", "is_primary"
    ).sort("student_id", "entry_date", "school_id")


def another_school(home: np.ndarray, profile: Profile, rng: np.random.Generator) -> np.ndarray:
    """For each high school another high school of the district."""
    schools = np.array([school.school_id for school in profile.schools if 9 in school.grades])
    position = np.searchsorted(schools, home, sorter=np.argsort(schools))
    position = np.argsort(schools)[np.minimum(position, len(schools) - 1)]
    return np.take(schools, (position + rng.integers(1, len(schools), len(home))) % len(schools))


def on_snapshot(enrollments: pl.DataFrame) -> pl.DataFrame:
    """Student and school on 1 October: marked primary first, then the earlier entry, then the lower school id."""
    snapshot = pl.date(pl.col("school_year") - 1, 10, 1)
    return (
        enrollments.filter(
            (pl.col("entry_date") <= snapshot)
            & (pl.col("exit_date").is_null() | (pl.col("exit_date") >= snapshot))
        )
        .sort(pl.col("is_primary").ne_missing("yes"), "entry_date", "school_id")
        .unique("student_id", keep="first", maintain_order=True)
        .select("student_id", "school_id")
    )
