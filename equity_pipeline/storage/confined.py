"""A database that reaches one partner's folders and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb


def confined(
    database: Path, folders: Iterable[Path], settings: Mapping[str, str | int] | None = None
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file whose statements read and write these folders only, links resolved: no other file, no other
    database, no extension, and no way back. The order matters: what is locked first can't be narrowed any more, nor can
    the other `settings` of the database be made.
    """
    connection = duckdb.connect(database)
    for setting, value in (settings or {}).items():
        connection.execute(f"SET {setting} = '{value}'")
    allowed = [f"{folder.resolve()}/" for folder in (database.parent, *folders)]
    connection.execute("SET allowed_directories = $folders", {"folders": allowed})
    for setting in (
        "autoinstall_known_extensions",
        "autoload_known_extensions",
        "allow_community_extensions",
    ):
        connection.execute(f"SET {setting} = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection
