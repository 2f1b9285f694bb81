"""The same models on Apache Spark: what goes there, and how the tables it makes come into the partner's warehouse file.

Belongs here: everything that differs when Spark builds. Does not belong here: any SQL of a model (dbt_project/), where Spark
runs and what it may take (`spark-defaults.conf`).

Seeds and the views on the raw schema are DuckDB's as ever: they are small or hold nothing. Spark reads the partner's Parquet
where it lies. Whatever reads a finished warehouse does not see which engine made its tables.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.storage.confined import confined
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import project, raw

if TYPE_CHECKING:
    from dbt.artifacts.schemas.results import NodeResult
    from dbt.cli.main import dbtRunnerResult

TARGET = "spark"
_TYPES = {"varchar": "string", "integer": "int"}  # all others are called alike


def build(
    home: Home,
    partner_id: str,
    warehouse: Path,
    scratch: Path,
    exclude: str,
    callbacks: list[Callable[[Any], None]],
) -> dbtRunnerResult:
    """Build all models and run all tests on Spark, then put the tables into the warehouse file.

    Raises:
        EquityError: Spark is not installed.
    """
    _needs_spark()
    seeds = _on_duckdb(home, partner_id, warehouse, scratch, exclude, callbacks)
    if not seeds.success:
        return seeds
    store = scratch / "spark"
    with confined(warehouse, home.folders_of(partner_id)) as connection:
        sources = list(_sources(connection, home, partner_id, scratch / "sources"))
    try:
        run = project.invoke(
            *project.BUILD, "--exclude", f"resource_type:seed {exclude}", warehouse=warehouse, scratch=scratch,
            manifest=project.uncompiled(TARGET), callbacks=callbacks, target=TARGET,
            variables={"EQUITY_SPARK_STORE": str(store.resolve()), "EQUITY_SOURCES": json.dumps(sources)},
        )  # fmt: skip
        if run.result is not None:
            with confined(warehouse, ()) as connection:
                _collect(connection, store, run.result.results)
            run.result.results[:0] = [one for one in seeds.result.results if one.node.resource_type == "seed"]
        return run
    finally:
        _forget()


def _on_duckdb(
    home: Home,
    partner_id: str,
    warehouse: Path,
    scratch: Path,
    exclude: str,
    callbacks: list[Callable[[Any], None]],
) -> dbtRunnerResult:
    """What DuckDB makes as ever, and the SQL of all other models in its dialect, which a release runs again."""
    on_file = {"warehouse": warehouse, "scratch": scratch, "folders": home.folders_of(partner_id)}
    seeds = project.invoke(
        *project.BUILD, "--select", "resource_type:seed path:models/staging", "--exclude", "resource_type:test",
        manifest=project.uncompiled(), callbacks=callbacks, **on_file,
    )  # fmt: skip
    project.invoke(
        "compile", "--no-write-json", "--exclude", exclude, manifest=project.uncompiled(), **on_file
    )
    return seeds


def _sources(
    connection: duckdb.DuckDBPyConnection, home: Home, partner_id: str, folder: Path
) -> Iterator[dict[str, str | None]]:
    """The tables that Spark starts from, as `open_sources` (dbt_project/macros/dialect.sql) reads them: the extracts where they
    lie, and the few rows of the partner file and of the seeds written beside the warehouse."""
    for extract, columns in raw.EXTRACTS.items():
        files = raw.parquet_files(home, partner_id, extract)
        yield {
            "schema": "raw", "name": extract, "columns": _declared({**columns, "school_year": "integer"}),
            "partitioned_by": "school_year" if files else None,
            "location": str(files[0].parents[1].resolve()) if files else None,
        }  # fmt: skip
    small = connection.execute(
        "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE' "
        "and (table_schema = 'policy' or table_schema = 'raw' and not list_contains($extracts, table_name)) order by all",
        {"extracts": list(raw.EXTRACTS)},
    ).fetchall()
    for schema, name in small:
        place = folder / schema / name
        place.mkdir(parents=True, mode=0o700)
        connection.execute(f"copy {schema}.\"{name}\" to '{place / 'part-0.parquet'}' (format parquet)")
        described = connection.execute(f'describe {schema}."{name}"').fetchall()
        yield {
            "schema": schema, "name": name, "columns": _declared({row[0]: row[1].lower() for row in described}),
            "partitioned_by": None, "location": str(place.resolve()),
        }  # fmt: skip


def _declared(columns: dict[str, str]) -> str:
    return ", ".join(f"`{name}` {_TYPES.get(kind, kind)}" for name, kind in columns.items())


def _collect(connection: duckdb.DuckDBPyConnection, store: Path, made: Sequence[NodeResult]) -> None:
    for result in made:
        node = result.node
        if node.resource_type != "model" or node.config.materialized != "table" or result.status != "success":
            continue
        connection.execute(f"create schema if not exists {node.schema}")
        files = store / node.schema / node.name / "*.parquet"
        connection.execute(f"create table {node.schema}.\"{node.name}\" as from read_parquet('{files}')")


def broken(test: str) -> list[tuple[str, int]]:
    """The rules of a test that are broken, each with the number of rows."""
    return [tuple(row) for row in _session().sql(project.RULES_BROKEN.format(test=test)).collect()]


def _session() -> Any:
    from pyspark.sql import SparkSession

    return SparkSession.builder.getOrCreate()


def _forget() -> None:
    """The session outlives a build; its tables, which lie in the build's folder, must not."""
    from pyspark.sql import SparkSession

    if session := SparkSession._instantiatedSession:
        for schema in session.catalog.listDatabases():
            if schema.name != "default":
                session.sql(f"drop schema {schema.name} cascade")


def _needs_spark() -> None:
    if not (find_spec("pyspark") and find_spec("dbt.adapters.spark")):
        raise EquityError(
            "Spark is not installed: pip install 'equity-pipeline[spark]', and Java 17 or newer"
        )
    if not shutil.which("java") and "JAVA_HOME" not in os.environ:
        raise EquityError("Spark needs Java 17 or newer: neither JAVA_HOME nor a program `java` is there")
    from dbt.adapters.base.impl import PythonJobHelper
    from dbt.adapters.spark import SparkAdapter

    class InTheSession(PythonJobHelper):
        """Runs a Python model where the session is; dbt-spark itself knows the jobs of one vendor alone."""

        def __init__(self, parsed_model: dict, credential: Any) -> None:
            pass

        def submit(self, compiled_code: str) -> None:
            exec(compiled_code, {"spark": _session()})  # noqa: S102 - dbt hands over a Python model as text

    SparkAdapter.default_python_submission_method = "session"
    SparkAdapter.python_submission_helpers = {"session": InTheSession}
