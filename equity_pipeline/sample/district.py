"""A sample district: its true tables, its partner file, and the files it delivers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from equity_pipeline.sample import aggregate, climate, coursework, population, programmes
from equity_pipeline.sample.catalogue import Course, catalogue
from equity_pipeline.sample.catalogue import table as course_table
from equity_pipeline.sample.profiles import YEARS, Profile

Tables = dict[str, pl.DataFrame]
Planted = dict[str, dict[str, int]]


class Writer(Protocol):
    """One shape of delivery. Each module in `writers` offers these two functions."""

    def deliver(self, tables: Tables, landing: Path) -> None:
        """Write the files of all school years into a folder."""
        ...

    def planted(self, tables: Tables) -> Planted:
        """For each extract with planted mess, how many delivered rows must be `rejected` and are `duplicates`."""
        ...


@dataclass(frozen=True)
class SampleDistrict:
    """One partner that can be delivered.

    `tables`: the truth, one typed frame per canonical extract, all school years, before any mess of the files.
    """

    partner_id: str
    tables: Tables
    writers: Sequence[Writer]

    @property
    def partner_file(self) -> str:
        """The text of `partners/<partner_id>.yml`."""
        path = resources.files(__package__) / "partner_files" / f"{self.partner_id}.yml"
        return path.read_text(encoding="utf-8")

    @property
    def planted(self) -> Planted:
        """Rejected rows and duplicates to expect per extract, over all school years; other extracts have none."""
        return {
            extract: counts
            for writer in self.writers
            for extract, counts in writer.planted(self.tables).items()
        }

    def deliver(self, landing: Path) -> None:
        """Write the district's files, in its own shape, into an existing or new folder."""
        landing.mkdir(parents=True, exist_ok=True)
        for writer in self.writers:
            writer.deliver(self.tables, landing)


def tables(profile: Profile, seed: int, scale: float) -> Tables:
    """The true tables of a district: a pure function of its profile, the seed and the scale."""
    rng = np.random.default_rng([seed, zlib.crc32(profile.partner_id.encode())])
    courses = catalogue(profile)
    rosters = population.rosters(profile, round(profile.students * scale), rng)
    years = [_year(roster, profile, courses, rng) for roster in rosters]
    result = {extract: pl.concat(year[extract] for year in years) for extract in years[0]}
    result["schools"] = pl.DataFrame(
        {
            "school_id": [school.school_id for school in profile.schools],
            "school_name": [school.name for school in profile.schools],
            "grade_low": [f"{school.grades[0]:02d}" for school in profile.schools],
            "grade_high": [f"{school.grades[-1]:02d}" for school in profile.schools],
        }
    )
    result["courses"] = course_table(courses, YEARS, profile.has_sced)
    result["survey_items"] = climate.survey_items()
    result["aggregate_counts"] = aggregate.counts(result)
    kept = {extract: table for extract, table in result.items() if extract in profile.extracts}
    return programmes.with_programmes(profile.partner_id, kept, seed)


def _year(
    roster: pl.DataFrame, profile: Profile, courses: tuple[Course, ...], rng: np.random.Generator
) -> dict[str, pl.DataFrame]:
    stints = population.school_enrollments(roster, profile, rng)
    taken = coursework.course_enrollments(roster, stints, courses, profile, rng)
    return {
        "students": _students(roster),
        "school_enrollments": stints,
        "course_enrollments": taken,
        "exam_results": coursework.exam_results(taken, roster, courses, rng),
        "attendance": climate.attendance(roster, stints, profile, rng),
        "discipline": climate.discipline(roster, stints, rng),
        "survey_responses": climate.survey_responses(roster, stints, profile, rng),
    }


def _students(roster: pl.DataFrame) -> pl.DataFrame:
    return roster.select(
        "school_year", "student_id", pl.col("grade").cast(pl.String).str.zfill(2).alias("grade_level"),
        "sex", "hispanic_latino", "races", pl.lit("1997").alias("race_standard"), "economically_disadvantaged",
        "english_learner", "disability_idea", "section_504", "homeless", "foster_care", "first_generation", "gpa", "birth_date",
    ).sort("student_id")  # fmt: skip
