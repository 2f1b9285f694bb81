"""Build a partner's warehouse: beside the old one, by dbt, swapped in only when every test has passed.

Belongs here: the life of a build. Does not belong here: what is in `raw` (raw.py), how dbt runs (project.py), any number.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage.confined import confined
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import project, raw, spark
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
class NodeResult:
    """One model, seed or test of a build: dbt's `unique_id` and `status` (`success`, `pass`, `warn`, `error`, `fail`,
    `skipped`; `no_data`: not built, the partner has sent nothing that it is about), a message without values, and the rows
    of the table that was made."""

    unique_id: str
    status: str
    message: str
    rows: int | None = None


@dataclass(frozen=True)
class BuildResult:
    """`changed` is False when nothing that the warehouse rests on has changed since it was built: then nothing was
    done, and `results` are those of the build that stands."""

    changed: bool
    results: list[NodeResult]


def build(
    home: Home,
    partner: Partner,
    on_event: Callable[[NodeResult], None] | None = None,
    deliveries: list[CurrentDelivery] | None = None,
    engine: str = DUCKDB,
) -> BuildResult:
    """Rebuild `warehouse/<partner_id>/warehouse.duckdb` from the partner's extracts.

    `on_event` is called as each node ends; `deliveries` stand for the ledger's current ones where given; `engine`, a target
    of dbt_project/profiles.yml, computes the tables, which are the same whichever it is. A second builder of the same
    partner waits for the first.

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
            _load_raw(warehouse, home, partner, deliveries)
            results = _finish(
                warehouse, inputs, _run_dbt(home, partner.partner_id, warehouse, scratch, on_event, engine)
            )
            warehouse.chmod(0o600)
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


def _load_raw(warehouse: Path, home: Home, partner: Partner, deliveries: list[CurrentDelivery]) -> None:
    try:
        with confined(warehouse, home.folders_of(partner.partner_id)) as connection:
            raw.load(connection, home, partner, deliveries)
    except duckdb.Error as error:  # its message may quote a value
        raise BuildError(
            f"{partner.partner_id}: the extracts can't be loaded ({type(error).__name__}); load its deliveries again"
        ) from None


def _run_dbt(
    home: Home,
    partner_id: str,
    warehouse: Path,
    scratch: Path,
    on_event: Callable[[NodeResult], None] | None,
    engine: str,
) -> list[NodeResult]:
    """All nodes but those of extracts that the partner has not sent: models say by the tag `with_<extract>` what they are
    about."""
    with duckdb.connect(warehouse, read_only=True) as connection:
        empty = sorted(
            extract
            for extract in raw.EXTRACTS
            if connection.execute(f"select 1 from raw.{extract} limit 1").fetchone() is None
        )

    def ended(event: Any) -> None:
        node = getattr(event.data, "node_info", None)
        made = event.info.name == "NodeFinished" and node.resource_type != "operation"
        if on_event and made and node.materialized != "ephemeral":
            on_event(NodeResult(node.unique_id, node.node_status, ""))

    exclude = " ".join(["tag:project", *(f"tag:with_{extract}" for extract in empty)])
    if engine == spark.TARGET:
        run = spark.build(home, partner_id, warehouse, scratch, exclude, [ended])
    else:
        run = project.invoke(
            *project.BUILD, "--exclude", exclude,
            warehouse=warehouse, scratch=scratch, folders=home.folders_of(partner_id), manifest=project.uncompiled(), callbacks=[ended],
        )  # fmt: skip
    if run.result is None:
        raise BuildError(f"{partner_id}: dbt stopped before the first model ({type(run.exception).__name__})")
    results = [
        _node_result(
            result, spark.broken if engine == spark.TARGET else functools.partial(_broken, warehouse)
        )
        for result in run.result.results
        if result.node.resource_type != "operation"
    ]
    bad = [result for result in results if result.status in {"error", "fail", "runtime error"}]
    if bad or not run.success:
        listed = "\n".join(f"  {result.unique_id}: {result.message}" for result in bad)
        raise BuildError(
            f"{partner_id}: the warehouse was not built, the last good one stays:\n{listed}", results
        )
    return results + [NodeResult(node, "no_data", "") for node in _about(empty)]


def _about(extracts: list[str]) -> list[str]:
    """The models about these extracts, and the tests on them."""
    nodes = project.parsed().nodes
    tags = {f"with_{extract}" for extract in extracts}
    models = {key for key, node in nodes.items() if tags & set(node.tags)}
    tests = {
        key
        for key, node in nodes.items()
        if node.resource_type == "test" and models & set(node.depends_on.nodes)
    }
    return sorted(models | tests)


def _node_result(result: Any, broken: Callable[[str], list[tuple[str, int]]]) -> NodeResult:
    """dbt's messages quote the engine, which quotes values: only the first words of an engine error go on."""
    status, message = str(result.status), ""
    if status == "error":
        message = (result.message or "").strip().split(":")[0].split("\n")[0]
    elif result.failures:
        message = "; ".join(f"{rule} ({count:,} rows)" for rule, count in broken(result.node.compiled_code))
    return NodeResult(result.node.unique_id, status, message)


def _broken(warehouse: Path, test: str) -> list[tuple[str, int]]:
    """The rules of a test that are broken, each with the number of rows."""
    with duckdb.connect(warehouse) as connection:
        return connection.execute(project.RULES_BROKEN.format(test=test)).fetchall()


def _finish(warehouse: Path, inputs: str, results: list[NodeResult]) -> list[NodeResult]:
    """Count what was made, keep it with the digest of the inputs inside the file, and fold the log into the file."""
    nodes = project.parsed().nodes
    with duckdb.connect(warehouse) as connection:
        tables = set(
            connection.execute("select table_schema, table_name from information_schema.tables").fetchall()
        )
        counted = []
        for result in results:
            node = nodes[result.unique_id]
            if result.status == "no_data" and node.resource_type == "model":
                result = replace(result, rows=0)
            elif (node.schema, node.name) in tables:
                [(rows,)] = connection.execute(f'select count(*) from {node.schema}."{node.name}"').fetchall()
                result = replace(result, rows=rows)
            counted.append(result)
        raw.let_go(connection)
        connection.execute("create schema build")
        connection.execute(
            "create table build.models (position integer, schema varchar, name varchar, sql varchar)"
        )
        connection.executemany("insert into build.models values (?, ?, ?, ?)", _models(results))
        connection.execute("create table build.inputs as select ? as digest", [inputs])
        connection.execute(
            "create table build.results (unique_id varchar, status varchar, message varchar, rows bigint)"
        )
        connection.executemany(
            "insert into build.results values (?, ?, ?, ?)",
            [tuple(asdict(result).values()) for result in counted],
        )
        connection.execute("checkpoint")
    return counted


def _models(results: list[NodeResult]) -> list[tuple[int, str, str, str]]:
    """The SQL of each model in the order they were built: a release runs some of it again on protected counts."""
    nodes = [project.parsed().nodes[result.unique_id] for result in results]
    models = [node for node in nodes if node.resource_type == "model" and node.compiled_code]
    return [(place, node.schema, node.name, node.compiled_code) for place, node in enumerate(models)]


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
    digest = hashlib.sha256(duckdb.__version__.encode())
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
