"""What every page of a site is made of: what the pages share, a page, a page type and the environment of the templates.

A further page type is a `Section` in `site.SECTIONS`: a template beside the others and a function that says what it is given.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from equity_pipeline.disclosure.suppression import X
from equity_pipeline.domain import school_years
from equity_pipeline.domain.rows import Row
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import charts, tables, tracker, words
from equity_pipeline.publishing.changes import Changes
from equity_pipeline.publishing.context import Context, Labels
from equity_pipeline.publishing.words import ENGLISH, Language

GROUPS = {"results": "Results", "program": "Program", "about": "About the numbers"}


@dataclass(frozen=True)
class Edition:
    """Which release the pages belong to. `files`: the data files that the start page
    offers, path → size in bytes."""

    release_id: str
    previous: str | None
    changes: Changes
    files: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """What the page builders share. `rows`: of `tracker.view`, in its order; `frames`: the released marts; `say`: the language."""

    partner: Partner
    context: Context
    edition: Edition
    rows: list[Row]
    frames: dict[str, pd.DataFrame]
    say: Language = ENGLISH

    @property
    def labels(self) -> Labels:
        """The words of the seeds."""
        return self.context.labels

    @property
    def public(self) -> list[str]:
        """The dimensions whose numbers of students anyone can read elsewhere, in words."""
        return [self.say(self.labels.dimension(one)) for one in self.partner.privacy.public_enrollment]

    def at(self, school_id: str, *, year: int | None = None, metric: str | None = None) -> list[Row]:
        """The rows of a place, of one year or metric where they are given."""
        return self._places.get((school_id, metric, year), [])

    def place(self, school_id: str) -> str:
        """A school's name, or the district."""
        return self.say("District") if school_id == "_all" else self.context.school(school_id)

    @cached_property
    def years(self) -> list[int]:
        """The school years of the rows, oldest first."""
        return tracker.years_of(self.rows)

    @cached_property
    def metrics(self) -> list[str]:
        """The ids of the metrics that the rows are of, in the order of the seeds."""
        return list(
            dict.fromkeys(m for _, m in sorted({(r["metric_order"], r["metric_id"]) for r in self.rows}))
        )

    @cached_property
    def schools(self) -> list[str]:
        """The ids of the schools, by their names."""
        named = {row["school_id"] for row in self.rows} - {"_all"}
        return sorted(named, key=lambda school: (self.context.school(school).casefold(), school))

    @cached_property
    def programs(self) -> list[dict[str, Any]]:
        """The partner's programs, newest first: `year`, `school_id` or None, `name` with the phase."""
        return [
            {"year": p.school_year, "school_id": p.school_id, "name": words.program(p.program, p.phase)}
            for p in sorted(
                self.partner.programs, key=lambda p: (-p.school_year, p.school_id or "", p.program)
            )
        ]

    @cached_property
    def _places(self) -> dict[tuple[str, str | None, int | None], list[Row]]:
        places = defaultdict(list)
        for row in self.rows:
            for metric, year in itertools.product((None, row["metric_id"]), (None, row["school_year"])):
                places[row["school_id"], metric, year].append(row)
        return dict(places)


@dataclass(frozen=True)
class Page:
    """One page: its path in the release, its template, its title in the site's language, and what the template is given."""

    path: str
    template: str
    title: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Section:
    """A page type and its place in the navigation. `label`: one of the translations; `group`: of `GROUPS`; `pages`: of a site, the first is where the navigation
    leads, and where there is none the section is absent; it is asked again for each further language, and those pages lie
    beside the English ones (`x.es.html`)."""

    key: str
    label: str
    group: str
    pages: Callable[[Site], Iterator[Page]]
    languages: tuple[Language, ...] = (ENGLISH,)

    def path(self, path: str, say: Language) -> str:
        """Where a page lies in a language of the section; in English where the section has no such language."""
        return path.removesuffix("html") + f"{say.code}.html" if say in self.languages[1:] else path


@functools.cache
def environment(say: Language = ENGLISH) -> Environment:
    """Jinja2 with autoescape on for every template and an error for every name that is not there; `_` says a string in the
    language of the pages."""
    templates = PackageLoader("equity_pipeline.publishing")
    made = Environment(
        loader=templates, autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "points": words.points,
        "percent": words.percent,
        "count": words.count,
        "year": school_years.label,
        "listed": say.listed,
        "isolated": lambda text: Markup("<bdi>{}</bdi>").format(text),
        "sentence": lambda text: str(text).removesuffix(".") + ".",
        "words": words.said,
        "value": words.value,
    }
    css, js = (Markup(templates.get_source(made, name)[0]) for name in ("site.css", "site.js"))
    made.globals |= {"_": say, "lang": say.code, "statuses": words.STATUSES, "status": functools.partial(tables.status, say=say),
                     "dumbbell": charts.rates, "meter": charts.meter, "students": say.students, "rate": say.rate, "goal": words.goal, "apart": X, "css": css, "js": js, "security_policy": _policy(js)}  # fmt: skip
    return made


def _policy(js: str) -> str:
    """The content security policy of every page: nothing is fetched from anywhere, and only the page's own script runs."""
    digest = base64.b64encode(hashlib.sha256(js.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def slug(identifier: str) -> str:
    """A file name for any identifier: itself where it is plain (and not `index`, the page of the list), else its plain letters and eight digits of its hash, so
    that two identifiers never share a page on a file system that ignores case."""
    if identifier != "index" and re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", identifier):
        return identifier
    plain = re.sub(r"[^a-z0-9]+", "-", identifier.lower()).strip("-")[:30]
    return f"{plain or 'x'}-{hashlib.sha256(identifier.encode()).hexdigest()[:8]}"
