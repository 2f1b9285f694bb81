"""The same models on Apache Spark: what goes there, and how the tables it makes come into the partner's warehouse file.

Belongs here: everything that differs when Spark builds. Does not belong here: the SQL of a model (dbt_project/), where Spark
runs and what it may take (`spark-defaults.conf`, as for any Spark program).

Seeds and the views of the staging layer are DuckDB's as ever: they are small, or hold nothing. Spark reads the partner's
Parquet where it lies. Whatever reads a finished warehouse does not see which engine made its tables.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
import pyarrow

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import models, project, raw
from equity_pipeline.warehouse.models import Node, NodeResult

if TYPE_CHECKING:
    from dbt.artifacts.schemas.run import RunExecutionResult
    from dbt.contracts.graph.manifest import Manifest

TARGET = "spark"
_TYPES = {"varchar": "string", "integer": "int"}  # all others are called alike


def run(
    home: Home, partner_id: str, scratch: Path, connection: duckdb.DuckDBPyConnection, nodes: list[Node]
) -> list[NodeResult]:
    """As `models.run`, on Spark: dbt builds and tests, and the tables are put into the warehouse file.

    Raises:
        EquityError: Spark or Java is not installed, or dbt stopped before the first model.
    """
    _needs_spark()
    here = [node for node in nodes if node["resource_type"] == "seed" or _is_view(node)]
    results = models.run(connection, here)
    if any(result.status == "error" for result in results):
        return results
    sources = list(_sources(connection, home, partner_id, scratch / "sources"))
    there = {node["unique_id"]: node for node in nodes if node["resource_type"] != "seed"}
    store = scratch / TARGET
    try:
        done = project.invoke(
            "build", "--no-write-json", "--no-use-colors", "--indirect-selection", "empty",
            "--select", *(node["name"] for node in there.values()),
            warehouse=scratch / "none.duckdb", scratch=scratch, manifest=_parsed().deepcopy(), target=TARGET,
            variables=_variables(store, sources),
        )  # fmt: skip
        if done.result is None:
            raise EquityError(
                f"{partner_id}: dbt stopped before the first model ({type(done.exception).__name__})"
            )
        for result in cast("RunExecutionResult", done.result).results:
            if (node := there.get(result.node.unique_id)) and not _is_view(node):
                results.append(_result(connection, node, result, store))
        return results
    finally:
        _forget()


def _is_view(node: Node) -> bool:
    return bool(node["config"]["materialized"] == "view")


def _sources(
    connection: duckdb.DuckDBPyConnection, home: Home, partner_id: str, folder: Path
) -> Iterator[dict[str, str | None]]:
    """The tables that Spark starts from, for the macro `open_sources`: extracts where they lie; what has no Parquet that Spark
    can read (the partner file's rows, seeds, what is encrypted or empty) written beside the warehouse."""
    tables = connection.execute(
        "select table_schema, table_name, table_type from information_schema.tables "
        "where table_schema in ('policy', 'raw') order by all"
    ).fetchall()
    for schema, name, kind in tables:
        described = connection.execute(f'describe {schema}."{name}"').fetchall()
        columns = {column: engine_type.lower() for column, engine_type, *_ in described}
        if kind == "VIEW":
            place = raw.parquet_files(home, partner_id, name)[0].parents[1]
            del columns["partner_id"]  # is the folder's name
        else:
            place = folder / schema / name
            place.mkdir(parents=True, mode=0o700)
            file = str(place / "part-0.parquet").replace("'", "''")
            connection.execute(f"copy {schema}.\"{name}\" to '{file}' (format parquet)")
        yield {
            "schema": schema,
            "name": name,
            "columns": ", ".join(f"`{column}` {_TYPES.get(kind, kind)}" for column, kind in columns.items()),
            "partitioned_by": "school_year" if kind == "VIEW" else None,
            "location": str(place.resolve()),
        }


def _result(connection: duckdb.DuckDBPyConnection, node: Node, result: Any, store: Path) -> NodeResult:
    """What dbt says of a node, in our words: its messages quote the engine, which quotes values."""
    status, message, rows = str(result.status), "", None
    if status in ("error", "runtime error"):
        status, message = "error", (result.message or "").strip().split(":")[0].split("\n")[0]
    elif result.failures:
        message = "; ".join(f"{rule} ({count:,} rows)" for rule, count in _broken(result.node.compiled_code))
    elif node["resource_type"] == "model" and status == "success":
        rows = _collect(connection, node, store)
    return NodeResult(node["unique_id"], status, message, rows)


def _collect(connection: duckdb.DuckDBPyConnection, node: Node, store: Path) -> int:
    name = models.name_of(node)
    files = str(store / node["schema"] / node["name"] / "*.parquet").replace("'", "''")
    connection.execute(f"create schema if not exists {node['database']}.{node['schema']}")
    connection.execute(f"create table {name} as from read_parquet('{files}')")
    [(rows,)] = connection.execute(f"select count(*) from {name}").fetchall()
    return int(rows)


def _broken(test: str) -> list[tuple[str, int]]:
    rows = _session().sql(f"select rule, sum(rows_concerned) from ({test}) as t group by rule order by rule")
    return [tuple(row) for row in rows.collect()]


@functools.cache
def _parsed() -> Manifest:
    """To be copied: dbt leaves in it what it compiled for one build, and would not compile it again for the next."""
    with tempfile.TemporaryDirectory(prefix="equity-dbt-") as folder:
        scratch = Path(folder)
        done = project.invoke(
            "parse", "--no-write-json", warehouse=scratch / "none.duckdb", scratch=scratch, target=TARGET,
            variables=_variables(scratch, []),
        )  # fmt: skip
    if done.result is None:
        raise EquityError(f"dbt does not take the project: {done.exception}")
    return cast("Manifest", done.result)


def _variables(store: Path, sources: list[dict[str, str | None]]) -> dict[str, str]:
    return {"EQUITY_SPARK_STORE": str(store.resolve()), "EQUITY_SOURCES": json.dumps(sources)}


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

        def __init__(self, parsed_model: Node, credential: Any) -> None:
            self.node = parsed_model

        def submit(self, compiled_code: str) -> None:
            session = _session()
            frame = models.in_python(
                self.node["compiled_code"], lambda name: session.table(name).toArrow(), session
            )
            made = session.createDataFrame(pyarrow.Table.from_pandas(frame, preserve_index=False))
            made.write.format("parquet").saveAsTable(f"{self.node['schema']}.{self.node['alias']}")

    SparkAdapter.default_python_submission_method = "session"
    SparkAdapter.python_submission_helpers = {"session": InTheSession}
