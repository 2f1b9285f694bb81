"""What the rows of a place say, in sentences of a site's language."""

from __future__ import annotations

from collections.abc import Callable

from equity_pipeline.domain import school_years
from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import tracker, words
from equity_pipeline.publishing.page import Site


def compared(site: Site, row: Row) -> str:
    """What a row's group is compared with."""
    if row["reference"] == "designated":
        return str(site.labels.subgroup(row["dimension"], row["reference_subgroup"], site.say))
    return site.say(
        {"rest": "everyone else", "overall": "all students", "highest": "the highest rate"}[row["reference"]]
    )


def why_none(site: Site, rows: list[Row]) -> str:
    """Why a list of gaps is empty."""
    say = site.say
    if tracker.measured(rows):
        return say("Every gap that can be measured is closed.")
    counted = tracker.countable(rows)
    states, private = {row["state"] for row in counted}, {"privacy", "hidden_comparison"}
    if "not_measured" in states and states <= {"not_measured", *private}:
        reason = next(row["reason"] for row in counted if row["state"] == "not_measured")
        return say("Not measured: {why}.", why=say.not_measured(reason))
    if states and states <= private:
        return say("Nothing can be shown here without showing something about single students.")
    return say("Too few students to tell.")


def headline(site: Site, rows: list[Row]) -> str:
    """What the ladder says in one sentence: how many gaps are closed, then what needs eyes first."""
    say, counts = site.say, tracker.statuses(rows)
    total, closed = sum(counts.values()), sum(counts.get(code, 0) for code in words.CLOSED[:2])
    if not total:
        return say("No gap can be told for {year}", year=school_years.label(site.years[-1]))
    told: dict[str, Callable[[int], str]] = {
        "reopened": lambda n: say("{n} have reopened", n=n),
        "widening": lambda n: say("{n} are widening", n=n),
        "narrowing": lambda n: say("{n} are narrowing", n=n),
    }
    parts = [say("{n} of {gaps} are closed", n=closed, gaps=say("{n} gaps", n=total))]
    return say.listed(
        [*parts, *(sentence(counts[code]) for code, sentence in told.items() if counts.get(code))]
    )


def widest(site: Site, rows: list[Row]) -> str:
    """The widest gap in one sentence, or why none is named. Its measure is named where the rows are of several."""
    say, top = site.say, tracker.largest(rows, 1)
    if not top:
        return why_none(site, rows)
    row = top[0]
    said = {
        "widest": say("The widest clear gap") if tracker.clear(row) else say("The widest gap"),
        "gap": words.points(row["gap"]).lstrip("−+"), "metric": say(site.labels.metric(row["metric_id"])),
        "group": site.labels.subgroup(row["dimension"], row["subgroup"], say), "rate": say.about(row["rate"], row["rate_band"]),
        "compared": compared(site, row), "other": say.about(row["reference_rate"], row["reference_rate_band"]),
    }  # fmt: skip
    if len({row["metric_id"] for row in rows}) > 1:
        return say(
            "{widest} is about {gap} percentage points, in “{metric}”: {group} {rate}, {compared} {other}.",
            **said,
        )
    return say("{widest} is about {gap} percentage points: {group} {rate}, {compared} {other}.", **said)


def missing_sources(site: Site, rows: list[Row]) -> list[str]:
    """`2021-22: no exam results on file`, once per year that lacks a source."""
    missing = {(row["school_year"], row["reason"] or "") for row in rows if row["state"] == "not_measured"}
    return [
        f"{school_years.label(year)}: {site.say.not_measured(reason)}" for year, reason in sorted(missing)
    ]


def tally(site: Site, counts: dict[str, int]) -> str:
    """`3 open, 1 narrowing`: a ladder in a line."""
    return ", ".join(f"{number} {site.say(words.STATUSES[code].words)}" for code, number in counts.items())
