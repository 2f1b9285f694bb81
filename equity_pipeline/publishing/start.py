"""The start page: where the largest gaps are, whether they close, what changed, what is not known and why, program and goals."""

from __future__ import annotations

from collections.abc import Iterator

from equity_pipeline.domain import school_years
from equity_pipeline.publishing import places, quality, sentences, tables, tracker
from equity_pipeline.publishing.page import Page, Site


def pages(site: Site) -> Iterator[Page]:
    year = site.years[-1]
    now = site.at("_all", year=year)
    late = quality.missing(site.context, site.partner, site.years)
    unknowns = _unknowns(site)
    title = site.say("{partner}: where opportunity gaps stand", partner=site.partner.name)
    yield Page("index.html", "index.html.j2", title, {
        "year": year,
        "headline": sentences.headline(site, now),
        "lede": sentences.widest(site, now),
        "tally": tracker.statuses(now),
        "lines": places.gap_lines(site, "_all", 3),
        "trends": _trends(site),
        "funnel": tracker.funnel(now),
        "leveled": _leveled(site, now),
        "unknowns": unknowns,
        "overdue": [line for line in late if line["overdue"]],
        "refused": len(site.context.refused),
        "goals": _goals(site),
        "schools": places.school_lines(site),
        "files": [
            {"path": path, "name": path.rpartition("/")[2], "size": f"{max(1, round(size / 1024)):,} KB"}
            for path, size in sorted(site.edition.files.items())
        ],
    })  # fmt: skip


def _trends(site: Site) -> list[dict[str, object]]:
    """For each metric a picture of its largest gap through the years."""
    pictures = []
    for metric in site.metrics:
        top = tracker.largest(site.at("_all", year=site.years[-1], metric=metric), 1)
        pictures += places.pictures(site, top, metric)
    return pictures


def _leveled(site: Site, now: list[dict]) -> list[str]:
    """Gaps that fell because the rate of the comparison fell."""
    return [
        f"{site.labels.metric(row['metric_id'])}, {row['group']}"
        for row in tracker.countable(now)
        if row["leveled_down"] and row["state"] == "gap"
    ]


def _unknowns(site: Site) -> list[dict[str, object]]:
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
                "few": len(rows) - told - private - len(missing),
                "missing": say.not_measured(missing[0]["reason"]) if missing else "",
                "earlier": say.listed([school_years.label(y) for y in tracker.years_of(earlier)]),
                "earlier_reason": say.not_measured(earlier[0]["reason"]) if earlier else "",
            }
        )  # fmt: skip
    return lines


def _goals(site: Site) -> list[dict[str, object]]:
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
