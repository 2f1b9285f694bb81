"""The two things work is cut by: a partner, and a school year of a partner.

Static keys on purpose: with a time window, corrections to past years would be ignored by Dagster's automation.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dagster as dg

from equity_pipeline.domain import school_years
from equity_pipeline.partners.registry import Partner

PARTNER, SCHOOL_YEAR = "partner", "school_year"
PARTITION = "dagster/partition"
RANGE = RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@dataclass(frozen=True)
class Partitions:
    """Partner, school year (`2025-26`), and both together (`riverside_usd|2025-26`)."""

    partner: dg.StaticPartitionsDefinition
    school_year: dg.StaticPartitionsDefinition
    partner_year: dg.MultiPartitionsDefinition


def partitions(partners: Mapping[str, Partner], delivered: Iterable[int], today: dt.date) -> Partitions:
    """Every partner; every school year from the earliest partner's first one to the year after `today`'s, and any
    other year that files have `delivered`.

    One year ahead, because districts send next year's rosters before July 1.
    """
    last = school_years.of_date(today) + 1
    first = min((partner.first_school_year for partner in partners.values()), default=last)
    years = sorted({*range(first, last + 1), *delivered})
    partner = dg.StaticPartitionsDefinition(sorted(partners))
    school_year = dg.StaticPartitionsDefinition([school_years.label(year) for year in years])
    return Partitions(
        partner, school_year, dg.MultiPartitionsDefinition({PARTNER: partner, SCHOOL_YEAR: school_year})
    )


def partner_year_key(partner_id: str, school_year: int) -> str:
    """The key of one partner × school year, as Dagster writes it."""
    return f"{partner_id}|{school_years.label(school_year)}"


def split_partner_year(key: str) -> tuple[str, int]:
    """Partner and ending year of a partner × school year key."""
    partner_id, school_year = key.split("|")
    return partner_id, school_years.parse(school_year)


def year_ranges(years: Iterable[int]) -> list[tuple[int, int]]:
    """First and last year of each unbroken stretch: one run loads one stretch."""
    ranges: list[tuple[int, int]] = []
    for year in sorted(set(years)):
        if ranges and ranges[-1][1] == year - 1:
            ranges[-1] = (ranges[-1][0], year)
        else:
            ranges.append((year, year))
    return ranges


def range_tags(partner_id: str, first: int, last: int) -> dict[str, str]:
    """Run tags that make one run cover a stretch of a partner's school years."""
    return {
        RANGE_START: partner_year_key(partner_id, first),
        RANGE_END: partner_year_key(partner_id, last),
        PARTNER: partner_id,
        SCHOOL_YEAR: " to ".join(sorted({school_years.label(first), school_years.label(last)})),
    }


def found_by(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags by which a person finds a run, from those that Dagster gives it: its partner, and its school years."""
    ends = [tags[one] for one in (*RANGE, PARTITION) if one in tags]
    partners, years = ({end.partition("|")[part] for end in ends} - {""} for part in (0, 2))
    if len(partners) != 1:
        return {}
    return {PARTNER: partners.pop()} | ({SCHOOL_YEAR: " to ".join(sorted(years))} if years else {})


def partner_of(tags: Mapping[str, str]) -> str | None:
    """The partner that a run works for, however it was started; None for a run over no one partner."""
    partition = tags.get(RANGE_START) or tags.get(PARTITION) or ""
    return tags.get(PARTNER) or partition.split("|")[0] or None
