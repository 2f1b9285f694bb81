"""The partner's site: static pages that open from disk, need no script and ask nothing of any other place.

Every figure on a page comes from `tracker.view`; this module decides which of them a reader sees first.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from equity_pipeline.domain import school_years
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import charts, tables, tracker, words
from equity_pipeline.publishing.changes import Changes
from equity_pipeline.publishing.context import QUALITY_COLUMNS, Context

_ABOUT_NO_STUDENT = ("schools", "courses", "survey_items", "initiatives")


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
    """What the page builders share."""

    partner: Partner
    context: Context
    edition: Edition
    rows: pd.DataFrame
    years: list[int]

    @property
    def labels(self):
        return self.context.labels

    def at(self, school_id: str, *, year: int | None = None, metric: str | None = None) -> pd.DataFrame:
        rows = self._places.get((school_id,) if metric is None else (school_id, metric), self.rows.iloc[:0])
        return rows if year is None else rows[rows["school_year"] == year]

    @cached_property
    def _places(self) -> dict[tuple, pd.DataFrame]:
        by_place, by_metric = (
            dict(list(self.rows.groupby(key))) for key in (["school_id"], ["school_id", "metric_id"])
        )
        return by_place | by_metric

    @cached_property
    def metrics(self) -> list[str]:
        return list(self.rows.sort_values("metric_order")["metric_id"].unique())

    @cached_property
    def schools(self) -> list[str]:
        named = [school for school in self.rows["school_id"].unique() if school != "_all"]
        return sorted(named, key=lambda school: (self.context.school(school).casefold(), school))


def environment() -> Environment:
    """Jinja2 with autoescape on for every template and an error for every name that is not there."""
    made = Environment(
        loader=PackageLoader("equity_pipeline.publishing"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "points": words.points,
        "percent": words.percent,
        "count": words.count,
        "year": school_years.label,
    }
    made.globals |= {"statuses": words.STATUSES, "status": tables.status, "plural": words.plural, "dumbbell": charts.rates,
                     "isna": pd.isna, "css": Markup(made.loader.get_source(made, "site.css")[0])}  # fmt: skip
    return made


def slug(identifier: str) -> str:
    """A file name for any identifier: itself where it is plain (and not `index`, the page of the list), else its plain letters and eight digits of its hash, so
    that two identifiers never share a page on a file system that ignores case."""
    if identifier != "index" and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", identifier):
        return identifier
    plain = re.sub(r"[^a-z0-9]+", "-", identifier.lower()).strip("-")[:30]
    return f"{plain or 'x'}-{hashlib.sha256(identifier.encode()).hexdigest()[:8]}"


def pages(
    frames: dict[str, pd.DataFrame], rows: pd.DataFrame, context: Context, partner: Partner, edition: Edition
) -> dict[str, str]:
    """Every page of a release: relative path → HTML. `rows`: `tracker.view` of the frames."""
    site = _Site(partner, context, edition, rows, tracker.years_of(rows))
    env = environment()
    made: dict[str, str] = {}

    def page(path: str, template: str, title: str, current: str, **values: object) -> None:
        made[path] = env.get_template(template).render(
            root="../" * path.count("/"), title=title, current=current, site=site, partner=partner, edition=edition,
            years=site.years, programme=_programme(partner, site.years), tools=not frames["tools_package"].empty,
            **values,
        )  # fmt: skip

    page(
        "index.html",
        "index.html.j2",
        f"{partner.name}: where opportunity gaps stand",
        "start",
        **_start(site),
    )
    for metric in site.metrics:
        page(
            f"tables/{metric}.html",
            "table.html.j2",
            site.labels.metric(metric),
            "tracker",
            **_metric(site, metric),
        )
    if not frames["tools_package"].empty:
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
    page("quality.html", "quality.html.j2", "Data quality", "quality", **_quality(site))
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
        everyone = rows[rows["state"] == "everyone"]
        top = tracker.largest(rows, limit)
        lines.append(
            {
                "metric": metric,
                "label": site.labels.metric(metric),
                "rate": None if everyone.empty else float(everyone.iloc[0]["rate"]),
                "gaps": [row | {"compared": _compared(site, row)} for row in top.to_dict("records")],
                "statuses": tracker.statuses(rows),
                "why": _why_none(site, rows) if top.empty else "",
            }
        )
    return lines


def _compared(site: _Site, row: dict[str, object]) -> str:
    if row["reference"] == "designated":
        return site.labels.subgroup(row["dimension"], row["reference_subgroup"])
    return {"rest": "everyone else", "overall": "all students", "highest": "the highest rate"}[
        row["reference"]
    ]


def _why_none(site: _Site, rows: pd.DataFrame) -> str:
    """Why a list of gaps is empty, in words."""
    counted = tracker.countable(rows)
    if not tracker.measured(rows).empty:
        return "Every gap that can be measured is closed."
    states, private = set(counted["state"]), {"privacy", "hidden_comparison"}
    if "not_measured" in states and states <= {"not_measured", *private}:
        reason = counted.loc[counted["state"] == "not_measured", "reason"].iloc[0]
        return f"Not measured: {words.not_measured(reason)}."
    if states and states <= private:
        return "Nothing can be shown here without showing something about single students."
    return "Too few students to tell."


def _start(site: _Site) -> dict[str, object]:
    year = site.years[-1]
    district = site.at("_all")
    now = district[district["school_year"] == year]
    return {
        "year": year,
        "headline": _headline(tracker.statuses(now), year),
        "lede": _widest(site, now),
        "tally": tracker.statuses(now),
        "lines": _gap_lines(site, "_all", 3),
        "trends": _trends(site),
        "leveled": _leveled(site, now),
        "unknowns": _unknowns(site, now),
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


def _widest(site: _Site, rows: pd.DataFrame) -> str:
    """The widest gap in one sentence, or why none is named."""
    top = tracker.largest(rows, 1)
    if top.empty:
        return _why_none(site, rows)
    row = top.iloc[0].to_dict()
    return (
        f"The widest is {abs(words.round_half_up(100 * row['gap'], 1)):.1f} percentage points, in "
        f"“{site.labels.metric(row['metric_id'])}”: {row['group']} {words.percent(row['rate'])}, "
        f"{_compared(site, row)} {words.percent(row['reference_rate'])}."
    )


def _trends(site: _Site) -> list[dict[str, object]]:
    """For each metric a picture of its largest gap through the years."""
    labels, pictures = tracker.year_labels(site.years), []
    for metric in site.metrics:
        rows = site.at("_all", metric=metric)
        top = tracker.largest(rows[rows["school_year"] == site.years[-1]], 1)
        if top.empty:
            continue
        row = top.iloc[0].to_dict()
        told = [
            r if r is not None and r["state"] == "gap" else None
            for r in tracker.series(rows, row, site.years)
        ]
        gaps = [None if r is None else float(r["gap"]) for r in told]
        intervals = [
            None if r is None or pd.isna(r["gap_low"]) else (float(r["gap_low"]), float(r["gap_high"]))
            for r in told
        ]
        goal = None if pd.isna(row["goal_gap"]) else float(row["goal_gap"])
        said = ", ".join(
            f"{label} {words.points(g)}" for label, g in zip(labels, gaps, strict=True) if g is not None
        )
        pictures.append(
            {
                "label": site.labels.metric(metric), "metric": metric, "group": row["group"],
                "compared": _compared(site, row), "status": row["status"],
                "svg": charts.trend(labels, gaps, intervals, goal=goal, name=f"Gap in percentage points: {said}"),
            }
        )  # fmt: skip
    return pictures


def _leveled(site: _Site, now: pd.DataFrame) -> list[str]:
    """Gaps that fell because the rate of the comparison fell."""
    rows = tracker.countable(now)
    rows = rows[rows["leveled_down"].fillna(False).astype(bool) & (rows["state"] == "gap")]
    return [f"{site.labels.metric(r['metric_id'])}, {r['group']}" for _, r in rows.iterrows()]


def _unknowns(site: _Site, now: pd.DataFrame) -> list[dict[str, object]]:
    """Per metric how many gaps of the latest year can't be told and why; and the years that lack a source."""
    lines = []
    for metric in site.metrics:
        rows = tracker.countable(now[now["metric_id"] == metric])
        earlier = site.at("_all", metric=metric)
        earlier = earlier[(earlier["state"] == "not_measured") & (earlier["school_year"] < site.years[-1])]
        missing = rows[rows["state"] == "not_measured"]
        lines.append(
            {
                "label": site.labels.metric(metric), "metric": metric, "groups": len(rows),
                "told": len(tracker.measured(rows)),
                "privacy": len(tracker.hidden(rows)),
                "few": int((rows["state"].isin(["few", "no_comparison"])).sum()
                           + ((rows["state"] == "gap") & (rows["status"] == "not_measurable")).sum()),
                "missing": words.not_measured(missing.iloc[0]["reason"]) if len(missing) else "",
                "earlier": words.listed(tracker.year_labels(tracker.years_of(earlier))) if len(earlier) else "",
                "earlier_reason": words.not_measured(earlier.iloc[0]["reason"]) if len(earlier) else "",
            }
        )  # fmt: skip
    return lines


def _goals(site: _Site) -> list[dict[str, object]]:
    """The partner's goals with what the tracker says about each now."""
    year, lines = site.years[-1], []
    for goal in sorted(
        site.partner.goals, key=lambda g: (g.school_year, g.metric_id, g.dimension, g.subgroup, g.school_id)
    ):
        rows = site.at(goal.school_id, year=year, metric=goal.metric_id)
        rows = rows[(rows["dimension"] == goal.dimension) & (rows["subgroup"] == goal.subgroup)]
        row = rows.iloc[0].to_dict() if len(rows) and rows.iloc[0]["reference"] == goal.reference else None
        lines.append(
            {
                "metric": site.labels.metric(goal.metric_id), "group": site.labels.subgroup(goal.dimension, goal.subgroup),
                "where": "District" if goal.school_id == "_all" else site.context.school(goal.school_id),
                "by": goal.school_year, "goal": goal.gap, "row": row,
                "cell": tables.cell(row), "status": tables.status(row["status"]) if row is not None else "",
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
                "top": None if top.empty else top.iloc[0].to_dict(),
                "metric": "" if top.empty else site.labels.metric(top.iloc[0]["metric_id"]),
                "tally": tracker.statuses(now), "why": _why_none(site, now) if top.empty else "",
            }
        )  # fmt: skip
    return lines


def _parts(site: _Site, school: str, metric: str) -> list[dict[str, object]]:
    """The tracker of one metric at one place: a table of the groups, and one of the crossings where there are any."""
    rows = site.at(school, metric=metric)
    crossed = rows["dimension"].str.contains("*", regex=False)
    name, made = site.labels.metric(metric), []
    where = "district" if school == "_all" else site.context.school(school)
    for part, suffix, said in (
        (rows[~crossed], "", ""),
        (rows[crossed], "-crossings", ", where two dimensions meet"),
    ):
        if not part.empty:
            table = tables.gap_tracker(
                part, site.labels, id=f"{metric}{suffix}", years=site.years, caption=f"{name}, {where}{said}"
            )
            made.append({"table": table, "crossings": bool(suffix)})
    return made


def _metric(site: _Site, metric: str) -> dict[str, object]:
    line = next(line for line in _gap_lines(site, "_all", 1) if line["metric"] == metric)
    seed = site.labels.metrics.set_index("metric_id").loc[metric]
    return {"metric": metric, "line": line, "definition": seed["definition"], "parts_": _parts(site, "_all", metric),
            "missing": _missing_words(site.at("_all", metric=metric))}  # fmt: skip


def _missing_words(rows: pd.DataFrame) -> list[str]:
    """`2021-22: no exam results on file`, once per year that lacks a source."""
    missing = (
        rows[rows["state"] == "not_measured"]
        .drop_duplicates(["school_year", "reason"])
        .sort_values(["school_year", "reason"])
    )
    return [
        f"{school_years.label(int(r['school_year']))}: {words.not_measured(r['reason'])}"
        for _, r in missing.iterrows()
    ]


def _school(site: _Site, school: str) -> dict[str, object]:
    now = site.at(school, year=site.years[-1])
    programmes = [
        p["name"] for p in _programme(site.partner, site.years)["history"] if p["school_id"] == school
    ]
    return {
        "school": school, "year": site.years[-1], "lines": _gap_lines(site, school, 2), "tally": tracker.statuses(now),
        "headline": _headline(tracker.statuses(now), site.years[-1]), "lede": _widest(site, now), "programmes": programmes,
        "missing": _missing_words(site.at(school)),
        "sections": [{"metric": m, "label": site.labels.metric(m), "parts": _parts(site, school, m)} for m in site.metrics
                     if not site.at(school, metric=m).empty],
    }  # fmt: skip


def _tools(site: _Site, mart: pd.DataFrame) -> dict[str, object]:
    """Last year's status beside this year's for every row of the `tools_package` mart that can be told."""
    year = int(mart["school_year"].max())
    rows = tracker.tools_package(site.rows, mart, year)
    rows["measure"] = rows["metric_id"].map(site.labels.metric)
    sections = []
    for school in ["_all", *site.schools]:
        part = rows[rows["school_id"] == school]
        if part.empty:
            continue
        name = "District" if school == "_all" else site.context.school(school)
        was = part[part["prior_status"].isin(words.CLOSED)]
        table = tables.tools_package(
            part, id=f"tools-{slug(school)}", caption=f"{name}: last year and this year"
        )
        sections.append({"name": name, "id": slug(school), "table": table, "was": len(was),
                         "still": int(was["status"].isin(words.CLOSED).sum()),
                         "narrowing": int((part["status"] == "narrowing").sum())})  # fmt: skip
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
        for _, r in changes.groups.iterrows()
    ]  # fmt: skip
    return {"changes": changes, "lines": lines[:200], "more": max(0, len(lines) - 200)}


def _said(rate: object, n: object, hidden: object) -> str:
    if pd.isna(rate):
        return words.HIDDEN_WORDS if hidden == "privacy" else "no figure"
    return f"{words.percent(rate)} of {words.count(n)}"


def shown_quality(quality: pd.DataFrame, minimum_cell: int) -> pd.DataFrame:
    """The counts of rows as they may leave: rows about students that are fewer than the smallest cell are not counted out
    loud, so their counts are null. Grain: school_year × extract with a row delivered, newest first."""
    counts = [column for column in QUALITY_COLUMNS if column not in ("school_year", "extract")]
    shown = quality.astype(dict.fromkeys(["school_year", *counts], "Int64"))
    shown = shown[shown["rows_in"] > 0]
    few = (shown["rows_in"] < minimum_cell) & ~shown["extract"].isin(_ABOUT_NO_STUDENT)
    shown[counts] = shown[counts].mask(few, pd.NA)
    return shown.sort_values(["school_year", "extract"], ascending=[False, True], ignore_index=True)


def _quality(site: _Site) -> dict[str, object]:
    """What came, what was loaded, and why the rest was not."""
    smallest = site.partner.privacy.minimum_cell
    lines = shown_quality(site.context.quality, smallest).to_dict("records")
    small = {(line["school_year"], line["extract"]) for line in lines if pd.isna(line["rows_in"])}
    reasons = [
        row for row in site.context.rejections.sort_values(["school_year", "extract", "reason"]).to_dict("records")
        if (row["school_year"], row["extract"]) not in small
    ]  # fmt: skip
    return {"lines": lines, "reasons": reasons, "smallest": smallest}


def _methods(site: _Site) -> dict[str, object]:
    labels = site.labels
    metrics = (
        labels.metrics[labels.metrics["metric_id"].isin(site.metrics)].sort_values("sort").to_dict("records")
    )
    used = set(site.rows["dimension"])
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
