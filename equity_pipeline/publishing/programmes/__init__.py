"""The programmes' part of a release: protected tables and the pages made of them, absent where a partner has no data.

Belongs here: which marts of `models/marts/programmes` leave, how, and what each programme's reader sees first. Does not
belong here: any number that the warehouse does not hold, and the frame around the pages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import ModuleType

import duckdb
import pandas as pd

from equity_pipeline.publishing.context import Context
from equity_pipeline.publishing.page import Page, Section, Site
from equity_pipeline.publishing.programmes import climate, cycles, equity, evaluation, needs, scorecard
from equity_pipeline.publishing.programmes.page import Reader
from equity_pipeline.publishing.programmes.protect import Released, released, withheld


def described(context: Context, module: ModuleType) -> list[str]:
    """The released tables of a programme whose columns the data dictionary describes."""
    return [name for name in module.TABLES if name in context.programmes and name in context.dictionary]


def _pages_of(key: str, module: ModuleType) -> Callable[[Site], Iterator[Page]]:
    def pages(site: Site) -> Iterator[Page]:
        anchor = f"program-{key}" if described(site.context, module) else "figures"
        for page in module.pages(Reader(site.context, site.frames, site.partner)):
            yield dataclasses.replace(page, values=page.values | {"defined_at": anchor})

    return pages


# Each module says what leaves (`TABLES`) and what is made of it (`pages`).
MODULES: dict[str, tuple[str, ModuleType]] = {
    "action_for_equity": ("Action for Equity", equity),
    "scorecard": ("Opportunity scorecard", scorecard),
    "climate": ("Climate and discipline", climate),
    "cycles": ("Cycles of inquiry", cycles),
    "needs": ("Needs and plan", needs),
    "evaluation": ("Evaluation", evaluation),
}
TABLES: dict[str, Released] = {
    name: rule for _, module in MODULES.values() for name, rule in module.TABLES.items()
}
SECTIONS = tuple(
    Section(
        key,
        label,
        "program",
        _pages_of(key, module),
    )
    for key, (label, module) in MODULES.items()
)


def read(con: duckdb.DuckDBPyConnection, minimum_cell: int, policy: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The programmes' marts that a finished warehouse holds and that have a row, as they may leave."""
    minimum_classes = int(policy.set_index("key")["value"]["minimum_classes"])
    marts = con.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()
    there = {name for (name,) in marts}
    frames = {}
    for name, rule in sorted(TABLES.items()):
        if name in there and len(frame := con.execute(f"from marts.{name}").df()):
            frames[name] = released(frame, rule, minimum_cell, minimum_classes)
    return frames


def beside(tables: dict[str, pd.DataFrame], gaps: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables as they may stand beside the released `gap_metrics`."""
    return {name: withheld(table, TABLES[name], gaps) for name, table in tables.items()}


def held_back(
    tables: dict[str, pd.DataFrame], before: Path, years: Collection[int]
) -> dict[str, pd.DataFrame]:
    """The tables with the rows that the release before had of these school years, if it had some of the year, for their own.

    `before`: the folder of its tables.
    """
    if not years:
        return tables
    result = dict(tables)
    for name, table in tables.items():
        told = [column for column in TABLES[name].about if column.endswith("school_year")]
        file = before / f"{name}.parquet"
        if told and file.is_file():
            old = pd.read_parquet(file)
            again = {year for year in years if old[told].eq(year).any(axis=None)}
            parts = [table[~table[told].isin(again).any(axis=1)], old[old[told].isin(again).any(axis=1)]]
            result[name] = pd.concat([part for part in parts if len(part)]).sort_values(
                list(TABLES[name].about), ignore_index=True, kind="stable"
            )  # fmt: skip
    return result
