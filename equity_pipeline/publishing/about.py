"""The pages about the numbers: what changed, data quality, methods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from equity_pipeline.domain import school_years
from equity_pipeline.publishing import programmes, quality, tracker, words
from equity_pipeline.publishing.page import Page, Site

# What says which row of a table it is.
_ROW = {"partner_id", "school_year", "school_year_label", "school_id", "school_name", "metric_id", "metric_label", "dimension",
        "dimension_label", "subgroup", "subgroup_label"}  # fmt: skip
_LINES = 200  # restated groups that a page lists; more is for the data files


def changes_pages(site: Site) -> Iterator[Page]:
    """What changed since the last release."""
    changes = site.edition.changes
    lines = [
        {
            "year": int(r["school_year"]), "where": site.place(r["school_id"]),
            "metric_id": r["metric_id"], "metric": site.labels.metric(r["metric_id"]), "dimension": site.labels.dimension(r["dimension"]),
            "group": site.labels.subgroup(r["dimension"], r["subgroup"]),
            "before": _said(site, r["rate_before"], r["rate_band_before"], r["n_before"], r["suppressed_before"]),
            "now": _said(site, r["rate"], r["rate_band"], r["n"], r["suppressed"]),
        }
        for r in changes.groups.head(_LINES).to_dict("records")
    ]  # fmt: skip
    more = max(0, len(changes.groups) - _LINES)
    title = site.say("What changed since the last release")
    years = site.say.listed([school_years.label(year) for year in changes.years])
    finding = (
        site.say(
            "{n} numbers were restated in {years}", n=len(changes.groups) or changes.restated, years=years
        )
        if changes.restated
        else site.say("First release" if changes.first else "No number restated")
    )
    yield Page("changes.html", "changes.html.j2", title, {"finding": finding, "lines": lines, "more": more})


def quality_pages(site: Site) -> Iterator[Page]:
    """What is missing, late, refused or out of the ordinary."""
    yield Page(
        "quality.html",
        "quality.html.j2",
        site.say("Data quality"),
        quality.account(site.context, site.partner, site.years),
    )


def methods_pages(site: Site) -> Iterator[Page]:
    """How each number is counted, compared and protected."""
    labels = site.labels
    metrics = (
        labels.metrics[labels.metrics["metric_id"].isin(site.metrics)].sort_values("sort").to_dict("records")
    )
    used = {row["dimension"] for row in site.rows}
    dimensions = [
        row | {"reference": _reference_words(site, row["dimension"])}
        for row in labels.dimensions[labels.dimensions["dimension"].isin(used)]
        .sort_values("sort")
        .to_dict("records")
    ]
    yield Page("methods.html", "methods.html.j2", site.say("Methods"), {
        "metrics": metrics, "dimensions": dimensions, "policy": labels.policy.to_dict("records"),
        "references": words.REFERENCES, "minimum_cell": site.partner.privacy.minimum_cell, "programs": _programs(site),
    })  # fmt: skip


def _programs(site: Site) -> list[dict[str, Any]]:
    """What the figures of each program's tables count, as the data dictionary says it; not those that say which row it is."""
    described, told = site.context.dictionary, site.context.programmes
    programs = [
        {
            "key": key, "label": site.say(label),
            "tables": [
                {
                    "name": name, "about": words.plain(described[name][""].partition(" Grain: ")[0]),
                    "figures": [
                        (column, words.plain(meaning)) for column in told[name] if (meaning := described[name].get(str(column))) and column not in _ROW
                    ],
                }
                for name in programmes.described(site.context, module)
            ],
        }
        for key, (label, module) in programmes.MODULES.items()
    ]  # fmt: skip
    return [program for program in programs if program["tables"]]


def _said(site: Site, rate: Any, band: Any, n: Any, hidden: Any) -> str:
    if pd.isna(rate):
        return site.say(words.HIDDEN_WORDS if hidden == "privacy" else "no figure")
    said = site.say.rate(rate, None if pd.isna(band) else band)
    return site.say("{rate} of {count}", rate=said, count=site.say.students(n))


def _reference_words(site: Site, dimension: str) -> str:
    if designated := site.labels.reference_subgroup(dimension):
        return site.labels.subgroup(dimension, designated)
    chosen = tracker.headline_reference(site.labels, dimension)
    return site.say({"rest": "everyone else", "overall": "all students"}[chosen])
