"""The dbt project: where it lies, its metrics, its manifest.

Belongs here: everything that runs dbt in this process. Does not belong here: partners and their files.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.storage import atomic

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

FOLDER = Path(__file__).resolve().parents[2] / "dbt_project"
DUCKDB = "duckdb"  # the target of dbt_project/profiles.yml that finished warehouses are kept in
BUILD = ("build", "--exclude-resource-type", "unit_test", "--no-write-json", "--no-use-colors")
RULES_BROKEN = "select rule, sum(rows_concerned) as n from ({test}) as t group by rule order by rule"
_IN_PROCESS = threading.Lock()  # dbt keeps its adapter and flags in module globals: one invocation at a time


def metric_ids() -> list[str]:
    """The metric ids of `seeds/policy/metrics.csv`, in its order. Each needs a model `int_metric__<metric_id>`."""
    with (FOLDER / "seeds/policy/metrics.csv").open(encoding="utf-8", newline="") as file:
        return [row["metric_id"] for row in csv.DictReader(file)]


def _crossed_attributes() -> list[str]:
    """The attributes of the dimensions that the seed `dimensions` crosses."""
    rows = {}
    for seed in ("dimensions", "subgroups"):
        with (FOLDER / f"seeds/policy/{seed}.csv").open(encoding="utf-8", newline="") as file:
            rows[seed] = list(csv.DictReader(file))
    crossed = {
        dimension for row in rows["dimensions"] for dimension in row["crosses"].split(";") if dimension
    }
    return sorted({row["attribute"] for row in rows["subgroups"] if row["dimension"] in crossed})


def invoke(
    *command: str,
    warehouse: Path,
    scratch: Path,
    folders: Iterable[Path] = (),
    manifest: Manifest | None = None,
    callbacks: list[Callable[[Any], None]] | None = None,
    target: str = DUCKDB,
    variables: Mapping[str, str] | None = None,
) -> dbtRunnerResult:
    """Run one dbt command on a warehouse file, in this process; everything that dbt writes goes to `scratch`, and what the
    warehouse reads beside its own file is in `folders`. `variables`: of the environment, for another `target`."""
    from dbt.cli.main import dbtRunner  # takes 2 s, and only a build needs it

    arguments = [
        *command, "--project-dir", str(FOLDER), "--profiles-dir", str(FOLDER), "--target-path", str(scratch / "target"),
        "--log-path", str(scratch / "logs"), "--log-level", "none", "--log-level-file", "none", "--no-partial-parse",
        "--no-version-check", "--no-print", "--target", target, "--vars", json.dumps(
            {"metric_ids": metric_ids(), "crossed_attributes": _crossed_attributes()}
        ),
    ]  # fmt: skip
    environment = {
        "EQUITY_WAREHOUSE": str(warehouse),
        "EQUITY_FOLDERS": _sql_list(folders),
        "DO_NOT_TRACK": "1",
        **(variables or {}),
    }
    with _IN_PROCESS, _environment(**environment):
        try:
            return dbtRunner(manifest=manifest, callbacks=callbacks or []).invoke(arguments)
        finally:
            _let_go_of_the_file()


def _sql_list(folders: Iterable[Path]) -> str:
    listed = (f"{folder.resolve()}/".replace("'", "''") for folder in folders)
    return "[" + ", ".join(f"'{folder}'" for folder in listed) + "]"


def _let_go_of_the_file() -> None:
    """dbt-duckdb keeps its connection until the process ends; the finished file must be free before it is moved."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    if DuckDBConnectionManager._ENV is not None:
        DuckDBConnectionManager.env().close()
        DuckDBConnectionManager.close_all_connections()


@functools.cache
def parsed(target: str = DUCKDB) -> Manifest:
    """The manifest, parsed once per process and target.

    Raises:
        EquityError: the project does not parse; the message is dbt's.
    """
    with tempfile.TemporaryDirectory(prefix="equity-dbt-") as folder:
        scratch = Path(folder)
        result = invoke(
            "parse", "--no-write-json", warehouse=scratch / "warehouse.duckdb", scratch=scratch, target=target,
            variables={"EQUITY_SPARK_STORE": str(scratch), "EQUITY_SOURCES": "[]"},
        )  # fmt: skip
    if not result.success or result.result is None:
        raise EquityError(f"the dbt project does not parse: {result.exception}")
    return result.result


def uncompiled(target: str = DUCKDB) -> Manifest:
    """`parsed`, ready for a build: dbt leaves in it what it compiled for the last one, and would not compile it again."""
    from dbt.contracts.graph.nodes import CompiledNode

    result = parsed(target)
    for node in result.nodes.values():
        if isinstance(node, CompiledNode):
            node.compiled, node.extra_ctes, node.extra_ctes_injected = False, [], False
    return result


@functools.cache
def manifest() -> Mapping[str, Any]:
    """The manifest as plain data, as dbt would write it to `manifest.json`.

    Kept in `target/` under the digest of the project's files: parsing takes 3 s, and every process of Dagster asks.
    """
    kept = FOLDER / "target" / f"manifest-{digest()[:16]}.json"
    if not kept.exists():
        content = json.dumps(parsed().writable_manifest().to_dict(omit_none=False), default=str)
        try:
            with atomic.new_file(kept) as scratch:
                scratch.write_text(content, encoding="utf-8")
        except OSError:  # an installation that may not be written to: parse in every process
            return json.loads(content)
    return json.loads(kept.read_text(encoding="utf-8"))


def digest() -> str:
    """A hash over the project's models, seeds, macros, tests and settings."""
    total = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        name = path.relative_to(FOLDER)
        if path.suffix in {".sql", ".csv", ".yml"} and name.parts[0] not in {"target", "logs"}:
            total.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
