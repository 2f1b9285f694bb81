"""The partner's site: static pages that open from disk, are whole without a script and ask nothing of any other place.

Every figure on a page comes from `tracker.view`; this module decides which of them a reader sees first.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from equity_pipeline.domain import school_years
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import charts, quality, tables, tracker, words
from equity_pipeline.publishing.changes import Changes
from equity_pipeline.publishing.context import Context
from equity_pipeline.publishing.words import ENGLISH, SPANISH, Language

_LINES = 200  # restated groups that a page lists; more is for the data files


@dataclass(frozen=True)
class Edition:
    """Which release the pages belong to. `files`: the data files that the start page
    offers, path → size in bytes."""

    release_id: str
    previous: str | None
    changes: Changes
    files: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Site:
    """What the page builders share. `rows`: of `tracker.view`, in its order."""

    partner: Partner
    context: Context
    edition: Edition
    rows: list[dict]
    years: list[int]

    @property
    def labels(self):
        return self.context.labels

    def at(self, school_id: str, *, year: int | None = None, metric: str | None = None) -> list[dict]:
        return self._places.get((school_id, metric, year), [])

    @cached_property
    def _places(self) -> dict[tuple, list[dict]]:
        places = defaultdict(list)
        for row in self.rows:
            for metric, year in itertools.product((None, row["metric_id"]), (None, row["school_year"])):
                places[row["school_id"], metric, year].append(row)
        return dict(places)

    @cached_property
    def metrics(self) -> list[str]:
        return list(
            dict.fromkeys(m for _, m in sorted({(r["metric_order"], r["metric_id"]) for r in self.rows}))
        )

    @cached_property
    def schools(self) -> list[str]:
        named = {row["school_id"] for row in self.rows} - {"_all"}
        return sorted(named, key=lambda school: (self.context.school(school).casefold(), school))


@functools.cache
def environment(say: Language = ENGLISH) -> Environment:
    """Jinja2 with autoescape on for every template and an error for every name that is not there; `_` says a string in the
    language of the pages."""
    made = Environment(
        loader=PackageLoader("equity_pipeline.publishing"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "points": words.points,
        "percent": words.percent,
        "count": words.count,
        "year": school_years.label,
        "words": lambda name: name.replace("_", " ").capitalize(),
    }
    css, js = (Markup(made.loader.get_source(made, name)[0]) for name in ("site.css", "site.js"))
    made.globals |= {"_": say, "lang": say.code, "statuses": words.STATUSES, "status": functools.partial(tables.status, say=say),
                     "plural": words.plural, "dumbbell": charts.rates, "css": css, "js": js}  # fmt: skip
    return made


def slug(identifier: str) -> str:
    """A file name for any identifier: itself where it is plain (and not `index`, the page of the list), else its plain letters and eight digits of its hash, so
    that two identifiers never share a page on a file system that ignores case."""
    if identifier != "index" and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", identifier):
        return identifier
    plain = re.sub(r"[^a-z0-9]+", "-", identifier.lower()).strip("-")[:30]
    return f"{plain or 'x'}-{hashlib.sha256(identifier.encode()).hexdigest()[:8]}"


def pages(
    frames: dict[str, pd.DataFrame], rows: list[dict], context: Context, partner: Partner, edition: Edition
) -> dict[str, str]:
    """Every page of a release: relative path → HTML. `rows`: of `tracker.view` of the frames. The gap tracker is there in Spanish
    as well, each page beside the English one."""
    site = _Site(partner, context, edition, rows, tracker.years_of(rows))
    made: dict[str, str] = {}
    tools = not frames["tools_package"].empty
    shared = {"site": site, "partner": partner, "edition": edition, "years": site.years, "tools": tools,
              "programme": _programme(partner, site.years), "other_language": None}  # fmt: skip

    def page(
        path: str, template: str, title: str, current: str, say: Language = ENGLISH, **values: object
    ) -> None:
        made[path] = (
            environment(say)
            .get_template(template)
            .render(shared, root="../" * path.count("/"), title=title, current=current, **values)
        )

    name = partner.name
    page("index.html", "index.html.j2", f"{name}: where opportunity gaps stand", "start", **_start(site))
    for metric in site.metrics:
        for say, ending, other, its_ending in ((ENGLISH, "", SPANISH, ".es"), (SPANISH, ".es", ENGLISH, "")):
            page(f"tables/{metric}{ending}.html", "table.html.j2", say(site.labels.metric(metric)), "tracker", say, ending=ending,
                 **_metric(site, metric, say) | {"other_language": (other, f"{metric}{its_ending}.html")})  # fmt: skip
    if tools:
        page("tables/tools_package.html", "tools.html.j2", "Tools Package: do closed gaps stay closed?", "tools",
             **_tools(site, frames["tools_package"]))  # fmt: skip
    for school in site.schools:
        page(
            f"schools/{slug(school)}.html",
            "school.html.j2",
            context.school(school),
            "schools",
            **_school(site, school),
        )
    page("schools/index.html", "schools.html.j2", "Schools", "schools", schools=_schools(site))
    page(
        "changes.html", "changes.html.j2", "What changed since the last release", "changes", **_changes(site)
    )
    page(
        "quality.html",
        "quality.html.j2",
        "Data quality",
        "quality",
        **quality.account(context, partner, site.years),
    )
    page("methods.html", "methods.html.j2", "Methods", "methods", **_methods(site))
    return made


def _programme(partner: Partner, years: list[int]) -> dict[str, object]:
    """The district's programme of the latest school year, and the whole history."""
    history = [
        {
            "year": p.school_year, "school_id": p.school_id,
            "name": words.PROGRAMS[p.program] + (f": {words.PHASES[p.phase]}" if p.phase else ""),
        }
        for p in sorted(partner.programs, key=lambda p: (-p.school_year, p.school_id or "", p.program))
    ]  # fmt: skip
    current = [p["name"] for p in history if years and p["year"] == years[-1] and not p["school_id"]]
    return {"history": history, "current": current}


def _gap_lines(site: _Site, school: str, limit: int) -> list[dict[str, object]]:
    """Per metric the largest gaps that are not closed, with everything a reader asks of one."""
    year, lines = site.years[-1], []
    for metric in site.metrics:
        rows = site.at(school, year=year, metric=metric)
        top = tracker.largest(rows, limit)
        lines.append(
            {
                "metric": metric,
                "label": site.labels.metric(metric),
                "rate": next((row["rate"] for row in rows if row["state"] == "everyone"), None),
                "gaps": [row | {"compared": _compared(site, row)} for row in top],
                "why": "" if top else _why_none(rows),
            }
        )
    return lines


def _compared(site: _Site, row: dict[str, object], say: Language = ENGLISH) -> str:
    if row["reference"] == "designated":
        return site.labels.subgroup(row["dimension"], row["reference_subgroup"], say)
    return say(
        {"rest": "everyone else", "overall": "all students", "highest": "the highest rate"}[row["reference"]]
    )


def _why_none(rows: list[dict], say: Language = ENGLISH) -> str:
    """Why a list of gaps is empty, in words."""
    if tracker.measured(rows):
        return say("Every gap that can be measured is closed.")
    counted = tracker.countable(rows)
    states, private = {row["state"] for row in counted}, {"privacy", "hidden_comparison", "band"}
    if "not_measured" in states and states <= {"not_measured", *private}:
        reason = next(row["reason"] for row in counted if row["state"] == "not_measured")
        return say("Not measured: {why}.", why=say.not_measured(reason))
    if states and states <= private:
        return say("Nothing can be shown here without showing something about single students.")
    return say("Too few students to tell.")


def _start(site: _Site) -> dict[str, object]:
    year = site.years[-1]
    now = site.at("_all", year=year)
    late = quality.missing(site.context, site.partner, site.years)
    return {
        "year": year,
        "headline": _headline(tracker.statuses(now), year),
        "lede": _widest(site, now),
        "tally": tracker.statuses(now),
        "lines": _gap_lines(site, "_all", 3),
        "trends": _trends(site),
        "funnel": tracker.funnel(now),
        "leveled": _leveled(site, now),
        "unknowns": _unknowns(site),
        "overdue": [line for line in late if line["overdue"]],
        "refused": len(site.context.refused),
        "goals": _goals(site),
        "schools": _schools(site),
        "files": [
            {"path": path, "name": path.rpartition("/")[2], "size": f"{max(1, round(size / 1024)):,} KB"}
            for path, size in sorted(site.edition.files.items())
        ],
    }


def _headline(counts: dict[str, int], year: int) -> str:
    """What the ladder says in one sentence: how many gaps are closed, then what needs eyes first."""
    total, closed = sum(counts.values()), counts.get("closed", 0) + counts.get("maintained_closed", 0)
    if not total:
        return f"No gap can be told for {school_years.label(year)}"
    parts = [f"{closed or 'None'} of {words.plural(total, 'gap')} {'is' if closed == 1 else 'are'} closed"]
    for code, one, many in (("reopened", "has reopened", "have reopened"), ("widening", "is widening", "are widening"),
                            ("narrowing", "is narrowing", "are narrowing")):  # fmt: skip
        if number := counts.get(code):
            parts.append(f"{number} {one if number == 1 else many}")
    return words.listed(parts)


def _widest(site: _Site, rows: list[dict], say: Language = ENGLISH) -> str:
    """The widest gap in one sentence, or why none is named. Its measure is named where the rows are of several."""
    top = tracker.largest(rows, 1)
    if not top:
        return _why_none(rows, say)
    row = top[0]
    said = {
        "gap": words.points(row["gap"]).lstrip("−+"), "metric": say(site.labels.metric(row["metric_id"])),
        "group": site.labels.subgroup(row["dimension"], row["subgroup"], say), "rate": words.percent(row["rate"]),
        "compared": _compared(site, row, say), "other": words.percent(row["reference_rate"]),
    }  # fmt: skip
    if len({row["metric_id"] for row in rows}) > 1:
        return say(
            "The widest is {gap} percentage points, in “{metric}”: {group} {rate}, {compared} {other}.",
            **said,
        )
    return say("The widest gap is {gap} percentage points: {group} {rate}, {compared} {other}.", **said)


def _trends(site: _Site) -> list[dict[str, object]]:
    """For each metric a picture of its largest gap through the years."""
    pictures = []
    for metric in site.metrics:
        top = tracker.largest(site.at("_all", year=site.years[-1], metric=metric), 1)
        pictures += _pictures(site, top, metric)
    return pictures


def _pictures(
    site: _Site, chosen: list[dict], metric: str, say: Language = ENGLISH
) -> list[dict[str, object]]:
    """The trend of each chosen gap, all on one scale."""
    rows = site.at("_all", metric=metric)
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
    pictures = []
    for row, told in zip(chosen, through, strict=True):
        said = ", ".join(
            f"{label} {words.points(r['gap'])}" for label, r in zip(labels, told, strict=True) if r
        )
        svg = charts.trend(
            labels,
            [r and r["gap"] for r in told],
            [(r["gap_low"], r["gap_high"]) if r and r["gap_low"] is not None else None for r in told],
            goal=row["goal_gap"], name=f"{say('Gap in percentage points')}: {said}", goal_label=say("goal"),
            span=(min(ends), max(ends)) if len(chosen) > 1 else None, height=190 if len(chosen) == 1 else 150,
        )  # fmt: skip
        pictures.append(
            {"label": say(site.labels.metric(metric)), "metric": metric, "svg": svg,
             "group": site.labels.subgroup(row["dimension"], row["subgroup"], say),
             "compared": _compared(site, row, say), "status": row["status"]}
        )  # fmt: skip
    return pictures


def _leveled(site: _Site, now: list[dict]) -> list[str]:
    """Gaps that fell because the rate of the comparison fell."""
    return [
        f"{site.labels.metric(row['metric_id'])}, {row['group']}"
        for row in tracker.countable(now)
        if row["leveled_down"] and row["state"] == "gap"
    ]


def _unknowns(site: _Site) -> list[dict[str, object]]:
    """Per metric how many gaps of the latest year can't be told and why; and the years that lack a source."""
    lines, year = [], site.years[-1]
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
                "missing": ENGLISH.not_measured(missing[0]["reason"]) if missing else "",
                "earlier": words.listed([school_years.label(y) for y in tracker.years_of(earlier)]),
                "earlier_reason": ENGLISH.not_measured(earlier[0]["reason"]) if earlier else "",
            }
        )  # fmt: skip
    return lines


def _goals(site: _Site) -> list[dict[str, object]]:
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
                "where": "District" if goal.school_id == "_all" else site.context.school(goal.school_id),
                "by": goal.school_year, "goal": goal.gap, "row": row,
                "cell": tables.cell(row), "status": tables.status(row["status"]) if row else "",
            }
        )  # fmt: skip
    return lines


def _schools(site: _Site) -> list[dict[str, object]]:
    """One line per school: its widest gap and how many gaps stand where."""
    lines = []
    for school in site.schools:
        now = site.at(school, year=site.years[-1])
        top = tracker.largest(now, 1)
        lines.append(
            {
                "id": school, "name": site.context.school(school), "path": f"schools/{slug(school)}.html",
                "top": top[0] if top else None, "metric": site.labels.metric(top[0]["metric_id"]) if top else "",
                "tally": tracker.statuses(now), "why": "" if top else _why_none(now),
            }
        )  # fmt: skip
    return lines


def _parts(site: _Site, school: str, metric: str, say: Language = ENGLISH) -> list[dict[str, object]]:
    """The tracker of one metric at one place: a table of the groups, and one of the crossings where there are any."""
    rows = site.at(school, metric=metric)
    name, made = say(site.labels.metric(metric)), []
    where = say("district") if school == "_all" else site.context.school(school)
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


def _metric(site: _Site, metric: str, say: Language) -> dict[str, object]:
    now = site.at("_all", year=site.years[-1], metric=metric)
    charted = [
        row
        for row in tracker.measured(now)
        if sum(
            1
            for r in tracker.series(site.at("_all", metric=metric), row, site.years)
            if r and r["state"] == "gap"
        )
        > 1
    ]
    seed = site.labels.metrics.set_index("metric_id").loc[metric]
    return {"metric": metric, "statuses_now": tracker.statuses(now), "lede": _widest(site, now, say),
            "definition": say(seed["definition"]), "parts_": _parts(site, "_all", metric, say),
            "pictures": _pictures(site, sorted(charted, key=lambda r: -r["behind"]), metric, say),
            "missing": _missing_words(site.at("_all", metric=metric), say)}  # fmt: skip


def _missing_words(rows: list[dict], say: Language = ENGLISH) -> list[str]:
    """`2021-22: no exam results on file`, once per year that lacks a source."""
    missing = {(row["school_year"], row["reason"] or "") for row in rows if row["state"] == "not_measured"}
    return [f"{school_years.label(year)}: {say.not_measured(reason)}" for year, reason in sorted(missing)]


def _school(site: _Site, school: str) -> dict[str, object]:
    now = site.at(school, year=site.years[-1])
    programmes = [
        p["name"] for p in _programme(site.partner, site.years)["history"] if p["school_id"] == school
    ]
    return {
        "school": school, "year": site.years[-1], "lines": _gap_lines(site, school, 2), "tally": tracker.statuses(now),
        "headline": _headline(tracker.statuses(now), site.years[-1]), "lede": _widest(site, now), "programmes": programmes,
        "missing": _missing_words(site.at(school)), "funnel": tracker.funnel(now),
        "sections": [{"metric": m, "label": site.labels.metric(m), "parts": parts} for m in site.metrics
                     if (parts := _parts(site, school, m))],
    }  # fmt: skip


def _tools(site: _Site, mart: pd.DataFrame) -> dict[str, object]:
    """Last year's status beside this year's for every row of the `tools_package` mart that can be told."""
    year = int(mart["school_year"].max())
    rows = tracker.tools_package(site.rows, mart, year)
    sections = []
    for school in ["_all", *site.schools]:
        part = [r | {"measure": site.labels.metric(r["metric_id"])} for r in rows if r["school_id"] == school]
        if not part:
            continue
        name = "District" if school == "_all" else site.context.school(school)
        was = [r for r in part if r["prior_status"] in words.CLOSED]
        table = tables.tools_package(
            part, id=f"tools-{slug(school)}", caption=f"{name}: last year and this year"
        )
        sections.append({"name": name, "id": slug(school), "table": table, "was": len(was),
                         "still": sum(r["status"] in words.CLOSED for r in was),
                         "narrowing": sum(r["status"] == "narrowing" for r in part)})  # fmt: skip
    return {"year": year, "sections": sections}


def _changes(site: _Site) -> dict[str, object]:
    changes = site.edition.changes
    lines = [
        {
            "year": int(r["school_year"]), "where": "District" if r["school_id"] == "_all" else site.context.school(r["school_id"]),
            "metric": site.labels.metric(r["metric_id"]), "dimension": site.labels.dimension(r["dimension"]),
            "group": site.labels.subgroup(r["dimension"], r["subgroup"]),
            "before": _said(r["rate_before"], r["n_before"], r["suppressed_before"]), "now": _said(r["rate"], r["n"], r["suppressed"]),
        }
        for r in changes.groups.head(_LINES).to_dict("records")
    ]  # fmt: skip
    return {"changes": changes, "lines": lines, "more": max(0, len(changes.groups) - _LINES)}


def _said(rate: object, n: object, hidden: object) -> str:
    if pd.isna(rate):
        return words.HIDDEN_WORDS if hidden == "privacy" else "no figure"
    return f"{words.percent(rate)} of {words.count(n)}"


def _methods(site: _Site) -> dict[str, object]:
    labels = site.labels
    metrics = (
        labels.metrics[labels.metrics["metric_id"].isin(site.metrics)].sort_values("sort").to_dict("records")
    )
    used = {row["dimension"] for row in site.rows}
    dimensions = [
        row | {"reference": _reference_words(labels, row["dimension"])}
        for row in labels.dimensions[labels.dimensions["dimension"].isin(used)]
        .sort_values("sort")
        .to_dict("records")
    ]
    return {"metrics": metrics, "dimensions": dimensions, "policy": labels.policy.to_dict("records"),
            "references": words.REFERENCES, "minimum_cell": site.partner.privacy.minimum_cell}  # fmt: skip


def _reference_words(labels, dimension: str) -> str:
    chosen = tracker.headline_reference(labels, dimension)
    if chosen == "designated":
        return labels.subgroup(dimension, labels.reference_subgroup(dimension))
    return {"rest": "everyone else", "overall": "all students"}[chosen]
