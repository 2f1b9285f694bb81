"""The partner's site: static pages that open from disk, are whole without a script and ask nothing of any other place.

Every figure on a page comes from `tracker.view` or a released mart; the page types decide which of them a reader sees first.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import pandas as pd

from equity_pipeline.domain.rows import Row
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import about, places, programmes, start
from equity_pipeline.publishing.context import Context
from equity_pipeline.publishing.page import GROUPS, Edition, Page, Section, Site, environment
from equity_pipeline.publishing.words import ENGLISH, SPANISH, Language

# Every page type, in the order of the navigation.
SECTIONS = (
    Section("start", "Start", "results", start.pages),
    Section("tracker", "Gap tracker", "results", places.metric_pages, (ENGLISH, SPANISH)),
    Section("schools", "Schools", "results", places.school_pages),
    Section("tools", "Tools Package", "program", places.tools_pages),
    *programmes.SECTIONS,
    Section("changes", "What changed", "about", about.changes_pages),
    Section("quality", "Data quality", "about", about.quality_pages),
    Section("methods", "Methods", "about", about.methods_pages),
)


def pages(
    frames: dict[str, pd.DataFrame], rows: list[Row], context: Context, partner: Partner, edition: Edition
) -> dict[str, str]:
    """Every page of a release: relative path → HTML. `rows`: of `tracker.view` of the frames. A page type with a second
    language lies beside the English one."""
    site = Site(partner, context, edition, rows, frames)
    opened: list[tuple[Section, str, Iterator[Page]]] = []
    for section in SECTIONS:
        english = section.pages(site)
        if first := next(english, None):
            opened.append((section, first.path, itertools.chain([first], english)))
    made: dict[str, str] = {}
    for section, leads_to, english in opened:
        for say in section.languages:
            told = site if say is ENGLISH else dataclasses.replace(site, say=say)
            navigation = _navigation(opened, say)
            for page in english if say is ENGLISH else section.pages(told):
                path = section.path(page.path, say)
                others = {
                    other: section.path(page.path, other).rpartition("/")[2]
                    for other in section.languages
                    if other is not say
                }
                made[path] = (
                    environment(say)
                    .get_template(page.template)
                    .render(
                        page.values, site=told, title=page.title, root="../" * path.count("/"), navigation=navigation,
                        current=(section.key, page.path == leads_to), other_languages=others,
                    )
                )  # fmt: skip
    return made


def _navigation(opened: list[tuple[Section, str, Iterator[Page]]], say: Language) -> list[dict[str, Any]]:
    """The groups of the navigation that have a section, each with its sections: `key`, `path`, `label`."""
    groups: list[dict[str, Any]] = [
        {
            "label": say(label),
            "sections": [
                {"key": section.key, "path": section.path(path, say), "label": say(section.label)}
                for section, path, _ in opened
                if section.group == group
            ],
        }
        for group, label in GROUPS.items()
    ]
    return [group for group in groups if group["sections"]]
