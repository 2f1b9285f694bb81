"""Build a partner's warehouse: beside the old one, by dbt's models, swapped in only when every test has passed.

Belongs here: the life of a build. Does not belong here: what is in `raw` (raw.py), how models run (models.py), any number.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from equity_pipeline.domain.errors import EquityError, without_value
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage.confined import confined
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import models, project, raw, spark
from equity_pipeline.warehouse.models import NodeResult, Run
from equity_pipeline.warehouse.project import DUCKDB, manifest, metric_ids
from equity_pipeline.warehouse.raw import CurrentDelivery

__all__ = [
    "DUCKDB",
    "BuildError",
    "BuildResult",
    "CurrentDelivery",
    "NodeResult",
    "build",
    "is_current",
    "manifest",
    "metric_ids",
]


class BuildError(EquityError):
    """A model or a test of the warehouse failed; the old warehouse stands. Names nodes and counts, never a value.

    `results`: of the nodes that ran.
    """

    def __init__(self, message: str, results: Sequence[NodeResult] = ()) -> None:
        self.results = list(results)
        super().__init__(message)


@dataclass(frozen=True)
class BuildResult:
    """`changed` is False when nothing that the warehouse rests on has changed since it was built: then nothing was
    done, and `results` are those of the build that stands."""

    changed: bool
    results: list[NodeResult]


def build(
    home: Home,
    partner: Partner,
    deliveries: list[CurrentDelivery] | None = None,
    engine: str = DUCKDB,
) -> BuildResult:
    """Rebuild `warehouse/<partner_id>/warehouse.duckdb` from the partner's extracts.

    `deliveries` stand for the ledger's current ones where given; `engine`, a target of dbt_project/profiles.yml, computes the
    tables, which are the same whichever it is. A second builder of the same partner waits for the first.

    Raises:
        BuildError: a model or test failed; the old warehouse stays as it was.
    """
    target = home.warehouse(partner.partner_id)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if deliveries is None:
        deliveries = raw.current_deliveries(home, partner.partner_id)
    with _only_builder(target.parent / ".lock"):
        for left_by_a_killed_build in target.parent.glob(".build-*"):
            shutil.rmtree(left_by_a_killed_build, ignore_errors=True)
        inputs = _digest(home, partner, deliveries)
        if target.exists() and (standing := _results_of(target, inputs)) is not None:
            return BuildResult(changed=False, results=standing)
        scratch = target.parent / f".build-{os.getpid()}"
        scratch.mkdir(mode=0o700)
        try:
            warehouse = scratch / target.name
            shutil.copyfile(project.compiled().seeds, warehouse)
            warehouse.chmod(0o600)
            with confined(warehouse, home.folders_of(partner.partner_id), project.settings()) as connection:
                connection.execute(f"attach ':memory:' as {models.WORKING}")
                _load_raw(connection, home, partner, deliveries)
                run = (
                    functools.partial(spark.run, home, partner.partner_id, scratch)
                    if engine == spark.TARGET
                    else models.run
                )
                results = _run(connection, partner.partner_id, run)
                _finish(connection, inputs, results)
            os.replace(warehouse, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return BuildResult(changed=True, results=results)


def is_current(home: Home, partner: Partner) -> bool:
    """Whether the partner's warehouse stands on everything that is there now, so that `build` would do nothing."""
    target = home.warehouse(partner.partner_id)
    if not target.exists():
        return False
    inputs = _digest(home, partner, raw.current_deliveries(home, partner.partner_id))
    return _results_of(target, inputs) is not None


def inputs_of(home: Home, partner_id: str) -> str | None:
    """The digest of what the partner's warehouse was built from, or None where there is none to read."""
    try:
        with duckdb.connect(home.warehouse(partner_id), read_only=True) as connection:
            [(digest,)] = connection.execute("select digest from build.inputs").fetchall()
    except (duckdb.Error, ValueError):
        return None
    return str(digest)


def _load_raw(
    connection: duckdb.DuckDBPyConnection, home: Home, partner: Partner, deliveries: list[CurrentDelivery]
) -> None:
    try:
        raw.load(connection, home, partner, deliveries)
    except duckdb.Error as error:  # its message may quote a value
        raise BuildError(
            f"{partner.partner_id}: the extracts can't be loaded ({without_value(error)}); load its deliveries again"
        ) from None


def _run(connection: duckdb.DuckDBPyConnection, partner_id: str, run: Run) -> list[NodeResult]:
    empty = [
        extract
        for extract in raw.EXTRACTS
        if connection.execute(f"select 1 from raw.{extract} limit 1").fetchone() is None
    ]
    nodes, left_out = models.selected(project.manifest(), empty)
    results = run(connection, nodes)
    bad = [result for result in results if result.status in {"error", "fail"}]
    if bad:
        listed = "\n".join(f"  {result.unique_id}: {result.message}" for result in bad)
        raise BuildError(
            f"{partner_id}: the warehouse was not built, the last good one stays:\n{listed}", results
        )
    return results + [
        NodeResult(node["unique_id"], "no_data", "", 0 if node["resource_type"] == "model" else None)
        for node in left_out
    ]


def _finish(connection: duckdb.DuckDBPyConnection, inputs: str, results: list[NodeResult]) -> None:
    """Keep beside the tables what they were made of, by which statements and how, and fold the log into the file."""
    raw.let_go(connection)
    connection.execute("create schema build")
    connection.execute("create table build.inputs as select ? as digest", [inputs])
    for table, columns, rows in (
        ("models", "position integer, schema varchar, name varchar, sql varchar", _models(results)),
        (
            "results",
            "unique_id varchar, status varchar, message varchar, rows bigint",
            [tuple(asdict(result).values()) for result in results],
        ),
    ):
        connection.execute(f"create table build.{table} ({columns})")
        marks = ", ".join(["(" + ", ".join("?" * len(rows[0])) + ")"] * len(rows))
        connection.execute(f"insert into build.{table} values {marks}", list(chain.from_iterable(rows)))
    connection.execute("checkpoint")


def _models(results: list[NodeResult]) -> list[tuple[int, str, str, str]]:
    """The SQL of each model in the order they were built: a release runs some of it again on protected counts."""
    nodes = project.manifest()["nodes"]
    models = [
        node
        for result in results
        if (node := nodes[result.unique_id])["resource_type"] == "model" and result.status == "success"
    ]
    return [(place, node["schema"], node["name"], node["compiled_code"]) for place, node in enumerate(models)]


def _results_of(warehouse: Path, inputs: str) -> list[NodeResult] | None:
    """The results kept in a warehouse if it was built from these inputs; one that can't be read was not."""
    try:
        with duckdb.connect(warehouse, read_only=True) as connection:
            if connection.execute("select digest from build.inputs").fetchall() != [(inputs,)]:
                return None
            return [NodeResult(*row) for row in connection.execute("select * from build.results").fetchall()]
    except duckdb.Error:
        return None


def _digest(home: Home, partner: Partner, deliveries: list[CurrentDelivery]) -> str:
    """A hash over all that a warehouse rests on: extracts, partner file, deliveries, the dbt project, the engine."""
    digest = hashlib.sha256()
    digest.update(partner.model_dump_json().encode())
    digest.update(repr(sorted(deliveries, key=repr)).encode())
    for extract in raw.EXTRACTS:
        for path in raw.parquet_files(home, partner.partner_id, extract):
            _add_file(digest, path, path.relative_to(home.root))
    digest.update(project.digest().encode())
    digest.update(Path(raw.__file__).read_bytes())
    return digest.hexdigest()


def _add_file(digest: Any, path: Path, name: Path) -> None:
    with path.open("rb") as file:
        digest.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())


@contextlib.contextmanager
def _only_builder(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
