"""Which columns of which tables each column of the warehouse is made of, read out of the compiled SQL.

Belongs here: columns. Does not belong here: which table rests on which, which dbt says itself.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage import atomic
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import project, raw

Column = tuple[str, str, str]
"""Schema, table and column."""
_NOBODY = Partner.model_validate(
    {"partner_id": "nobody", "name": "", "state": "XX", "timezone": "UTC", "first_school_year": "2024-25",
     "sources": [{"name": "none", "format": "canonical", "files": ["none"]}]}
)  # fmt: skip


@functools.cache
def column_lineage() -> dict[str, dict[str, list[Column]]]:
    """Model (dbt's unique id) → column → the columns that it is made of, in order. Models in Python say nothing of theirs.

    Kept in `target/` under the project's digest: it takes 4 s.
    """
    kept = project.FOLDER / "target" / f"lineage-{project.digest()[:16]}.json"
    if not kept.exists():
        found = _read()
        try:
            with atomic.new_file(kept) as scratch:
                scratch.write_text(json.dumps(found), encoding="utf-8")
        except OSError:  # an installation that may not be written to
            return found
    read: dict[str, dict[str, list[Column]]] = json.loads(kept.read_text(encoding="utf-8"))
    return read


def _read() -> dict[str, dict[str, list[Column]]]:
    from sqlglot import parse_one  # only a changed project needs it
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify

    compiled = project.compiled()
    tables = _tables(compiled.seeds)
    nodes = compiled.manifest["nodes"]
    order = TopologicalSorter(
        {key: sorted(node["depends_on"].get("nodes", ())) for key, node in nodes.items()}
    )
    found: dict[str, dict[str, list[Column]]] = {}
    for key in order.static_order():
        node = nodes.get(key, {})
        if not _is_made_in_sql(node):
            continue
        try:
            query: Any = qualify(
                parse_one(node["compiled_code"], dialect="duckdb"), schema={**tables}, dialect="duckdb",
                quote_identifiers=False, validate_qualify_columns=False,
            )  # fmt: skip
            found[key] = {name: _made_of(name, query, tables) for name in query.named_selects}
        except SqlglotError:  # SQL that DuckDB takes and this reader does not
            continue
        tables.setdefault(node["schema"], {})[node["name"]] = dict.fromkeys(found[key], "varchar")
    return found


def _is_made_in_sql(node: Mapping[str, Any]) -> bool:
    return (
        node.get("resource_type") == "model"
        and node["language"] == "sql"
        and node["config"]["materialized"] != "ephemeral"
    )


def _tables(seeds: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Schema → table → column → type, of the seeds and of a `raw` with nothing in it."""
    columns = "select table_schema, table_name, column_name from information_schema.columns"
    with duckdb.connect(seeds, read_only=True) as connection:
        rows = connection.execute(columns).fetchall()
    with duckdb.connect() as connection:
        raw.load(connection, Home(Path("nowhere")), _NOBODY, [])
        rows += connection.execute(columns).fetchall()
    tables: dict[str, dict[str, dict[str, str]]] = {}
    for schema, table, column in rows:
        tables.setdefault(schema, {}).setdefault(table, {})[column] = "varchar"
    return tables


def _made_of(column: str, query: Any, tables: dict[str, dict[str, dict[str, str]]]) -> list[Column]:
    from sqlglot import exp
    from sqlglot.lineage import lineage

    tree = lineage(column, query, schema=tables, dialect="duckdb", trim_selects=False, copy=False)
    leaves = ((node.source, node.name) for node in tree.walk())
    return sorted(
        {
            (table.db, table.name, name.split(".")[-1])
            for table, name in leaves
            if isinstance(table, exp.Table)
        }
    )
