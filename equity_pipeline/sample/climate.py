"""Attendance, discipline and surveys of the sample districts, with rates that differ by group as they do nationally."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from equity_pipeline.sample import population
from equity_pipeline.sample.profiles import Profile

SCHOOL_DAYS = 180
_ABSENT = {
    "black": 13.5,
    "hispanic": 12.0,
    "american_indian_or_alaska_native": 15.0,
    "asian": 5.5,
    "white": 9.0,
}
_REFERRED = {
    "black": 0.17,
    "hispanic": 0.09,
    "american_indian_or_alaska_native": 0.14,
    "asian": 0.025,
    "white": 0.07,
}
_BELONGING = {"black": -0.30, "hispanic": -0.15, "white": 0.15}

ACTIONS = np.array(["referral", "iss", "oss", "expulsion"])
BEHAVIORS = np.array(["Disruptive Behavior", "Fighting", "Tardiness", "Insubordination"])

ITEMS = {
    "belong_1": ("belonging", "I feel that I belong in my most rigorous class."),
    "belong_2": ("belonging", "My teachers notice when I do good work."),
    "belong_3": ("belonging", "I often feel out of place in this school."),
    "expect_1": ("expectations", "Adults here encourage me to take AP or IB classes."),
}
_REVERSED = {"belong_3"}


def attendance(
    roster: pl.DataFrame, stints: pl.DataFrame, profile: Profile, rng: np.random.Generator
) -> pl.DataFrame:
    """One row per student × school: days enrolled, in proportion to the calendar, and days absent (whole days, at the first
    school of a year that has several)."""
    school_year = int(roster["school_year"][0])
    first, last = population.first_day(profile, school_year), population.last_day(school_year)
    end = pl.col("exit_date").fill_null(last)
    share = ((end - pl.max_horizontal("entry_date", first)).dt.total_days() + 1) / ((last - first).days + 1)
    key = ["student_id", "school_id"]
    stays = stints.group_by(key, maintain_order=True).agg(
        days_enrolled=(share * SCHOOL_DAYS).clip(lower_bound=0).sum().round().cast(pl.Int64)
    )
    rows = _first_stints(roster, stints).join(stays, on=key, how="left", maintain_order="left")
    mean = _rate(rows, _ABSENT, 10.0) * np.where(
        rows["economically_disadvantaged"].eq_missing("yes").to_numpy(), 1.25, 0.85
    )
    part = rng.gamma(1.3, mean / 1.3 / SCHOOL_DAYS)
    days = rows["days_enrolled"].to_numpy()
    absent = rows.select(key).with_columns(days_absent=np.minimum(np.round(part * days), days).astype(int))
    return (
        stays.join(absent, on=key, how="left", maintain_order="left")
        .select(
            pl.lit(school_year, pl.Int32).alias("school_year"),
            *key,
            "days_enrolled",
            pl.col("days_absent").fill_null(0),
        )
        .sort(key)
    )


def discipline(roster: pl.DataFrame, stints: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """One row per student × incident × action; students without an incident have none."""
    rows = _first_stints(roster, stints)
    mean = _rate(rows, _REFERRED, 0.08) * np.where(
        rows["disability_idea"].eq_missing("yes").to_numpy(), 1.9, 0.9
    )
    who = np.repeat(np.arange(rows.height), rng.poisson(mean * 1.2))
    n, school_year = len(who), int(roster["school_year"][0])
    action = ACTIONS[np.searchsorted([0.55, 0.78, 0.985], rng.random(n))]
    days = np.where(np.isin(action, ["iss", "oss"]), rng.integers(1, 6, n), 0)
    incident_day = np.datetime64(dt.date(school_year - 1, 9, 8)) + rng.integers(0, 260, n).astype(
        "timedelta64[D]"
    )
    return (
        rows[who]
        .select(
            "school_year",
            "student_id",
            "school_id",
            incident_id=pl.Series(
                [f"{school_year}-{number:05d}" for number in range(1, n + 1)], dtype=pl.String
            ),
            incident_date=pl.Series(incident_day),
            action=pl.Series(action),
            days=pl.Series(days.astype(float)),
            behavior=pl.Series(rng.choice(BEHAVIORS, n)),
        )
        .sort("student_id", "incident_id")
    )


def survey_items() -> pl.DataFrame:
    """The codebook: five-point agreement, the upper two are favorable, one item is worded against the construct."""
    return pl.DataFrame(
        {
            "survey_id": ["fall_climate"] * len(ITEMS),
            "item_id": list(ITEMS),
            "construct": [construct for construct, _ in ITEMS.values()],
            "text": [text for _, text in ITEMS.values()],
            "scale_min": [1] * len(ITEMS),
            "scale_max": [5] * len(ITEMS),
            "favorable": ["4;5"] * len(ITEMS),
            "reverse": ["yes" if item in _REVERSED else "no" for item in ITEMS],
        }
    )


def survey_responses(
    roster: pl.DataFrame, stints: pl.DataFrame, profile: Profile, rng: np.random.Generator
) -> pl.DataFrame:
    """One row per respondent × item: four of ten high school students, some staff and families."""
    rows = _first_stints(roster, stints).filter(pl.col("grade") >= 9)
    rows = rows.filter(rng.random(rows.height) < 0.4)
    warmth = _rate(rows, _BELONGING, 0.0) + 0.3 * rng.normal(size=rows.height)
    students = pl.DataFrame(
        {
            "respondent_type": ["student"] * rows.height,
            "respondent_id": rows["student_id"],
            "student_id": rows["student_id"],
            "school_id": rows["school_id"],
            "warmth": warmth,
        }
    )
    schools = [school.school_id for school in profile.schools]
    adults = pl.concat(
        pl.DataFrame(
            {
                "respondent_type": [kind] * count,
                "respondent_id": [f"{kind}-{number:03d}" for number in range(count)],
                "student_id": pl.Series([None] * count, dtype=pl.String),
                "school_id": rng.choice(schools, count).astype(str),
                "warmth": rng.normal(0.3, 0.3, count),
            }
        )
        for kind, count in (("staff", 60), ("family", 90))
    )
    people = pl.concat([students, adults])
    school_year = int(roster["school_year"][0])
    answers: list[pl.DataFrame] = []
    for item in ITEMS:
        level = people["warmth"].to_numpy() + rng.normal(size=people.height)
        answer = 1 + np.searchsorted([-1.5, -0.75, 0.1, 1.0], -level if item in _REVERSED else level)
        skipped = rng.random(people.height) < 0.03
        answers.append(
            people.select(
                pl.lit(school_year).alias("school_year"), pl.lit("fall_climate").alias("survey_id"),
                "respondent_type", "respondent_id", "student_id", "school_id", pl.lit(item).alias("item_id"),
                response=pl.when(pl.Series(~skipped)).then(pl.Series(answer).cast(pl.String)),
                submitted_at=pl.lit(f"{school_year - 1}-11-{4 + len(answers):02d}"),
            )
        )  # fmt: skip
    return pl.concat(answers).sort("respondent_type", "respondent_id", "item_id")


def _first_stints(roster: pl.DataFrame, stints: pl.DataFrame) -> pl.DataFrame:
    first = stints.sort("student_id", "entry_date", "school_id").unique(
        "student_id", keep="first", maintain_order=True
    )
    return first.drop("school_year").join(roster, on="student_id", maintain_order="left")


def _rate(rows: pl.DataFrame, by_group: dict[str, float], other: float) -> np.ndarray:
    return rows["group"].replace_strict(by_group, default=other, return_dtype=pl.Float64).to_numpy()
