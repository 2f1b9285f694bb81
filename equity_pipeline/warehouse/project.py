"""The dbt project: where it lies, its metrics, its manifest.

Belongs here: everything that runs dbt in this process. Does not belong here: partners and their files.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from equity_pipeline.domain.errors import EquityError

FOLDER = Path(__file__).resolve().parents[2] / "dbt_project"
_IN_PROCESS = threading.Lock()  # dbt keeps its adapter and flags in module globals: one invocation at a time


def metric_ids() -> list[str]:
    """The metric ids of `seeds/policy/metrics.csv`, in its order. Each needs a model `int_metric__<metric_id>`."""
    with (FOLDER / "seeds/policy/metrics.csv").open(encoding="utf-8", newline="") as file:
        return [row["metric_id"] for row in csv.DictReader(file)]


def invoke(
    *command: str,
    warehouse: Path,
    scratch: Path,
    manifest: Manifest | None = None,
    callbacks: list[Callable[[Any], None]] | None = None,
) -> dbtRunnerResult:
    """Run one dbt command on a warehouse file, in this process; everything that dbt writes goes to `scratch`."""
    arguments = [
        *command, "--project-dir", str(FOLDER), "--profiles-dir", str(FOLDER), "--target-path", str(scratch / "target"),
        "--log-path", str(scratch / "logs"), "--log-level", "none", "--log-level-file", "none", "--no-partial-parse",
        "--no-version-check", "--no-print", "--vars", json.dumps({"metric_ids": metric_ids()}),
    ]  # fmt: skip
    with _IN_PROCESS, _environment(EQUITY_WAREHOUSE=str(warehouse), DO_NOT_TRACK="1"):
        try:
            return dbtRunner(manifest=manifest, callbacks=callbacks or []).invoke(arguments)
        finally:
            _let_go_of_the_file()


def _let_go_of_the_file() -> None:
    """dbt-duckdb keeps its connection until the process ends; the finished file must be free before it is moved."""
    if DuckDBConnectionManager._ENV is not None:
        DuckDBConnectionManager.env().close()
        DuckDBConnectionManager.close_all_connections()


@functools.cache
def parsed() -> Manifest:
    """The manifest, parsed once per process.

    Raises:
        EquityError: the project does not parse; the message is dbt's.
    """
    with tempfile.TemporaryDirectory(prefix="equity-dbt-") as folder:
        scratch = Path(folder)
        result = invoke("parse", "--no-write-json", warehouse=scratch / "warehouse.duckdb", scratch=scratch)
    if not result.success or not isinstance(result.result, Manifest):
        raise EquityError(f"the dbt project does not parse: {result.exception}")
    return result.result


@functools.cache
def manifest() -> Mapping[str, Any]:
    """The manifest as plain data, as dbt would write it to `manifest.json`."""
    return json.loads(json.dumps(parsed().writable_manifest().to_dict(omit_none=False), default=str))


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
