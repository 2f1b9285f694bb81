"""The gap tracker by district and by school, the list of schools, and the Tools Package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from equity_pipeline.domain import school_years
from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import sentences, tables, tracker, trends, words
from equity_pipeline.publishing.page import Page, Site, slug


def metric_pages(site: Site) -> Iterator[Page]:
    """The district's tracker, a page a metric."""
    for metric in site.metrics:
        now = site.at("_all", year=site.years[-1], metric=metric)
        rows = site.at("_all", metric=metric)
        charted = [
            row
            for row in tracker.measured(now)
            if sum(1 for r in tracker.series(rows, row, site.years) if r and r["state"] == "gap") > 1
        ]
        yield Page(f"tables/{metric}.html", "table.html.j2", site.say(site.labels.metric(metric)), {
            "metric": metric, "statuses_now": tracker.statuses(now), "lede": sentences.widest(site, now),
            "definition": site.say(site.labels.definition(metric)), "parts_": _parts(site, "_all", metric),
            "pictures": pictures(site, sorted(charted, key=lambda r: -r["behind"]), metric),
            "missing": sentences.missing_sources(site, rows),
        })  # fmt: skip


def school_pages(site: Site) -> Iterator[Page]:
    """The list of schools, then a page a school."""
    yield Page("schools/index.html", "schools.html.j2", site.say("Schools"), {"schools": school_lines(site)})
    for school in site.schools:
        yield Page(
            f"schools/{slug(school)}.html",
            "school.html.j2",
            site.context.school(school),
            _school(site, school),
        )


def tools_pages(site: Site) -> Iterator[Page]:
    """Last year's status beside this year's for every row of the `tools_package` mart that can be told."""
    mart = site.frames["tools_package"]
    if mart.empty:
        return
    year = int(mart["school_year"].max())
    rows = tracker.tools_package(site.rows, mart, year)
    sections = []
    for school in ["_all", *site.schools]:
        part = [r | {"measure": site.labels.metric(r["metric_id"])} for r in rows if r["school_id"] == school]
        if not part:
            continue
        known = [r for r in part if r["status"] in (*words.CLOSED, *words.OPEN)]
        was = [r for r in known if r["prior_status"] in words.CLOSED]
        table = tables.tools_package(
            part, id=f"tools-{slug(school)}",
            caption=site.say("{place}: last year and this year", place=site.place(school)),
        )  # fmt: skip
        sections.append({"name": site.place(school), "id": slug(school), "table": table, "was": len(was),
                         "still": sum(r["status"] in words.CLOSED for r in was),
                         "narrowing": sum(r["status"] == "narrowing" for r in part)})  # fmt: skip
    title = site.say("Tools Package: do closed gaps stay closed?")
    yield Page("tables/tools_package.html", "tools.html.j2", title, {"year": year, "sections": sections})


def gap_lines(site: Site, school: str, limit: int) -> list[dict[str, Any]]:
    """Per metric the largest gaps that are not closed, with everything a reader asks of one."""
    year, lines = site.years[-1], []
    for metric in site.metrics:
        rows = site.at(school, year=year, metric=metric)
        top = tracker.largest(rows, limit)
        lines.append(
            {
                "metric": metric,
                "label": site.labels.metric(metric),
                "rate": next(
                    (
                        site.say.rate(row["rate"], row["rate_band"])
                        for row in rows
                        if row["state"] == "everyone"
                    ),
                    None,
                ),
                "gaps": [row | {"compared": sentences.compared(site, row)} for row in top],
                "why": "" if top else sentences.why_none(site, rows),
            }
        )
    return lines


def school_lines(site: Site) -> list[dict[str, Any]]:
    """One line per school: its widest gap and how many gaps stand where."""
    lines = []
    for school in site.schools:
        now = site.at(school, year=site.years[-1])
        top = tracker.largest(now, 1)
        lines.append(
            {
                "id": school, "name": site.context.school(school), "path": f"schools/{slug(school)}.html",
                "top": top[0] if top else None, "metric": site.labels.metric(top[0]["metric_id"]) if top else "",
                "tally": sentences.tally(site, tracker.statuses(now)), "why": "" if top else sentences.why_none(site, now),
            }
        )  # fmt: skip
    return lines


def pictures(site: Site, chosen: list[Row], metric: str) -> list[dict[str, Any]]:
    """The trend of each chosen gap of the district, all on one scale."""
    say, rows = site.say, site.at("_all", metric=metric)
    labels = [school_years.label(year) for year in site.years]
    through = [
        [r if r and r["state"] == "gap" else None for r in tracker.series(rows, row, site.years)]
        for row in chosen
    ]
    ends = [
        r[end]
        for told in through
        for r in told
        if r
        for end in ("gap", "gap_low", "gap_high")
        if r[end] is not None
    ]
    made = []
    for row, told in zip(chosen, through, strict=True):
        said = ", ".join(
            f"{label} {words.points(r['gap'])}" for label, r in zip(labels, told, strict=True) if r
        )
        svg = trends.trend(
            labels,
            [r["gap"] if r else None for r in told],
            [(r["gap_low"], r["gap_high"]) if r and r["gap_low"] is not None else None for r in told],
            goal=row["goal_gap"], name=f"{say('Gap in percentage points')}: {said}", goal_label=say("goal"),
            span=(min(ends), max(ends)) if len(chosen) > 1 else None, height=190 if len(chosen) == 1 else 150,
        )  # fmt: skip
        made.append(
            {"label": say(site.labels.metric(metric)), "metric": metric, "svg": svg,
             "group": site.labels.subgroup(row["dimension"], row["subgroup"], say),
             "compared": sentences.compared(site, row), "status": row["status"]}
        )  # fmt: skip
    return made


def _parts(site: Site, school: str, metric: str) -> list[dict[str, Any]]:
    """The tracker of one metric at one place: a table of the groups, and one of the crossings where there are any."""
    say, rows = site.say, site.at(school, metric=metric)
    name, where, made = say(site.labels.metric(metric)), site.place(school), []
    for crossed, suffix, said in (
        (False, "", ""),
        (True, "-crossings", ", " + say("where two dimensions meet")),
    ):
        if part := [row for row in rows if ("*" in row["dimension"]) == crossed]:
            table = tables.gap_tracker(
                part,
                site.labels,
                id=f"{metric}{suffix}",
                years=site.years,
                caption=f"{name}, {where}{said}",
                say=say,
            )
            made.append({"table": table, "crossings": crossed})
    return made


def _school(site: Site, school: str) -> dict[str, Any]:
    now = site.at(school, year=site.years[-1])
    return {
        "school": school, "year": site.years[-1], "lines": gap_lines(site, school, 2), "tally": tracker.statuses(now),
        "headline": sentences.headline(site, now), "lede": sentences.widest(site, now),
        "programmes": [p["name"] for p in site.programs if p["school_id"] == school],
        "missing": sentences.missing_sources(site, site.at(school)), "funnel": tracker.funnel(now),
        "sections": [{"metric": m, "label": site.labels.metric(m), "parts": parts,
                      "widest": sentences.widest(site, site.at(school, year=site.years[-1], metric=m))}
                     for m in site.metrics if (parts := _parts(site, school, m))],
    }  # fmt: skip
