"""The start page: where the largest gaps are, whether they close, what changed, what is not known and why, program and goals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from equity_pipeline.domain import school_years
from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import places, quality, sentences, tables, tracker
from equity_pipeline.publishing.page import Page, Site


def pages(site: Site) -> Iterator[Page]:
    """The page that a release opens with."""
    year = site.years[-1]
    now = site.at("_all", year=year)
    late = quality.missing(site.context, site.partner, site.years)
    overdue = sum(line["overdue"] for line in late)
    unknowns, goals = _unknowns(site), _goals(site)
    title = site.say("{partner}: where opportunity gaps stand", partner=site.partner.name)
    yield Page("index.html", "index.html.j2", title, {
        "year": year,
        "headline": sentences.headline(site, now),
        "lede": sentences.widest(site, now),
        "tally": tracker.statuses(now),
        "answers": _answers(site, now, unknowns, goals, overdue),
        "lines": places.gap_lines(site, "_all", 3),
        "trends": _trends(site),
        "funnel": tracker.funnel(now),
        "leveled": _leveled(site, now),
        "unknowns": unknowns,
        "overdue": overdue,
        "refused": len(site.context.refused),
        "goals": goals,
        "schools": places.school_lines(site),
        "files": [
            {"path": path, "name": path.rpartition("/")[2], "size": f"{max(1, round(size / 1024)):,} KB"}
            for path, size in sorted(site.edition.files.items())
        ],
    })  # fmt: skip


def _answers(
    site: Site, now: list[Row], unknowns: list[Row], goals: list[Row], overdue: int
) -> list[dict[str, str]]:
    """What a reader asks first, each in a few words: `id` of the section that says more, `question`, `answer`, `detail`."""
    return [
        {"id": anchor, "question": question, "answer": answer, "detail": detail}
        for anchor, question, (answer, detail) in (
            ("closing", site.say("Are they closing?"), _closing(site, now)),
            ("changed", site.say("What changed?"), _changed(site)),
            ("unknown", site.say("What is not known?"), _not_known(site, unknowns, overdue)),
            ("phase", site.say("Program and goals"), _phase(site, goals)),
        )
    ]


def _closing(site: Site, now: list[Row]) -> tuple[str, str]:
    say, counts = site.say, tracker.statuses(now)
    if len(site.years) < 2:
        return say("Not known yet"), say("One year is on file; a second one shows it.")
    since = say("since {year}", year=school_years.label(site.years[-2]))
    moved = {code: counts[code] for code in ("narrowing", "widening", "reopened") if counts.get(code)}
    return (sentences.tally(site, moved) if moved else say("No clear change")), since


def _changed(site: Site) -> tuple[str, str]:
    say, changes = site.say, site.edition.changes
    if changes.first:
        return say("First release"), say("There is nothing to compare it with.")
    new = (
        [say("new: {years}", years=", ".join(map(school_years.label, changes.new_years)))]
        if changes.new_years
        else []
    )
    if changes.restated:
        years = say.listed([school_years.label(year) for year in changes.years])
        return say("{n} rows restated", n=changes.restated), "; ".join([years, *new])
    return say("No number restated"), "; ".join(new) or say("since the last release")


def _not_known(site: Site, unknowns: list[Row], overdue: int) -> tuple[str, str]:
    say = site.say
    counts = {what: sum(u[what] for u in unknowns) for what in ("groups", "privacy", "few", "lacking")}
    reasons = [
        say(words, number=counts[what])
        for what, words in (("privacy", "{number} not shown: privacy"), ("few", "{number} not enough data"), ("lacking", "{number} not measured"))
        if counts[what]
    ]  # fmt: skip
    late = [say("{n} deliveries overdue", n=overdue)] if overdue else []
    hidden = counts["privacy"] + counts["few"] + counts["lacking"]
    said = (
        say("{hidden} of {n} gaps", hidden=hidden, n=counts["groups"])
        if hidden
        else say("Every gap can be told")
    )
    return said, ", ".join([*reasons, *late])


def _phase(site: Site, goals: list[Row]) -> tuple[str, str]:
    say = site.say
    current = [p["name"] for p in site.programs if p["year"] == site.years[-1] and not p["school_id"]]
    reached = sum(1 for goal in goals if goal["row"] and goal["row"]["on_track"])
    said = (
        say("{reached} of {n} goals on track", reached=reached, n=len(goals))
        if goals
        else say("No goal is set.")
    )
    return "; ".join(current) or say("None recorded"), said


def _trends(site: Site) -> list[dict[str, Any]]:
    """For each metric a picture of its largest gap through the years."""
    pictures = []
    for metric in site.metrics:
        top = tracker.largest(site.at("_all", year=site.years[-1], metric=metric), 1)
        pictures += places.pictures(site, top, metric)
    return pictures


def _leveled(site: Site, now: list[Row]) -> list[str]:
    """Gaps that fell because the rate of the comparison fell."""
    return [
        f"{row['group']} ({site.labels.metric(row['metric_id'])})"
        for row in tracker.countable(now)
        if row["leveled_down"] and row["state"] == "gap"
    ]


def _unknowns(site: Site) -> list[dict[str, Any]]:
    """Per metric how many gaps of the latest year can't be told and why; and the years that lack a source."""
    lines, year, say = [], site.years[-1], site.say
    for metric in site.metrics:
        rows = tracker.countable(site.at("_all", year=year, metric=metric))
        lacking = [row for row in site.at("_all", metric=metric) if row["state"] == "not_measured"]
        earlier = [row for row in lacking if row["school_year"] < year]
        missing = [row for row in rows if row["state"] == "not_measured"]
        told, private = len(tracker.measured(rows)), len(tracker.hidden(rows))
        lines.append(
            {
                "label": site.labels.metric(metric), "metric": metric, "groups": len(rows), "told": told, "privacy": private,
                "few": len(rows) - told - private - len(missing), "lacking": len(missing),
                "missing": say.not_measured(missing[0]["reason"]) if missing else "",
                "earlier": say.listed([school_years.label(y) for y in tracker.years_of(earlier)]),
                "earlier_reason": say.not_measured(earlier[0]["reason"]) if earlier else "",
            }
        )  # fmt: skip
    return lines


def _goals(site: Site) -> list[dict[str, Any]]:
    """The partner's goals with what the tracker says about each now."""
    year, lines = site.years[-1], []
    for goal in sorted(
        site.partner.goals, key=lambda g: (g.school_year, g.metric_id, g.dimension, g.subgroup, g.school_id)
    ):
        about = (goal.dimension, goal.subgroup, goal.reference)
        rows = site.at(goal.school_id, year=year, metric=goal.metric_id)
        row = next((r for r in rows if (r["dimension"], r["subgroup"], r["reference"]) == about), None)
        lines.append(
            {
                "metric": site.labels.metric(goal.metric_id), "group": site.labels.subgroup(goal.dimension, goal.subgroup),
                "school": "" if goal.school_id == "_all" else site.context.school(goal.school_id),
                "by": goal.school_year, "goal": goal.gap, "row": row,
                "cell": tables.cell(row), "status": tables.status(row["status"]) if row else "",
            }
        )  # fmt: skip
    return lines
