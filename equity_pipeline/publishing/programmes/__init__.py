"""The programmes' part of a release: protected tables and the pages made of them, absent where a partner has no data.

Belongs here: which marts of `models/marts/programmes` leave, how, and what each programme's reader sees first. Does not
belong here: any number that the warehouse does not hold, and the frame around the pages.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pandas as pd

from equity_pipeline.publishing.programmes import climate
from equity_pipeline.publishing.programmes.page import Page, Reader
from equity_pipeline.publishing.programmes.protect import Released, released

# Page types in the order of the navigation: key → (label, what leaves, pages).
SECTIONS = {"climate": ("Climate and discipline", climate.TABLES, climate.pages)}

TABLES: dict[str, Released] = {
    name: rule for _, tables, _ in SECTIONS.values() for name, rule in tables.items()
}


def read(con: duckdb.DuckDBPyConnection, minimum_cell: int, policy: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The programmes' marts that a finished warehouse holds and that have a row, as they may leave."""
    minimum_classes = int(policy.set_index("key").loc["minimum_classes", "value"])
    there = {
        name
        for (name,) in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'marts'"
        ).fetchall()
    }
    frames = {}
    for name, rule in sorted(TABLES.items()):
        if name in there and len(frame := con.execute(f"from marts.{name}").df()):
            frames[name] = released(frame, rule, minimum_cell, minimum_classes)
    return frames


def sections(reader: Reader) -> Iterator[tuple[str, str, list[Page]]]:
    """Key, label and pages of every section that the partner has data for."""
    for key, (label, _, pages) in SECTIONS.items():
        if made := list(pages(reader)):
            yield key, label, made
