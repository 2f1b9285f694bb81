"""The dbt project: where it lies, its metrics, what dbt makes of it.

Belongs here: everything that runs dbt in this process. Does not belong here: partners and their files.
"""

from __future__ import annotations

import atexit
import contextlib
import csv
import functools
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.storage import atomic, installation

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

FOLDER = installation.DBT_PROJECT
DUCKDB = "duckdb"  # the target of profiles.yml that finished warehouses are made for
_SOURCES = {".sql", ".py", ".csv", ".yml"}
_IN_PROCESS = threading.Lock()  # dbt keeps its adapter and flags in module globals: one invocation at a time


def metric_ids() -> list[str]:
    """The metrics of `seeds/policy/metrics.csv` that are counts, in its order. Each needs a model `int_metric__<metric_id>`;
    shares weighted by exposure are the scorecard's."""
    with (FOLDER / "seeds/policy/metrics.csv").open(encoding="utf-8", newline="") as file:
        return [row["metric_id"] for row in csv.DictReader(file) if row["unit"] != "exposure"]


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
    manifest: Manifest | None = None,
    target: str = DUCKDB,
    variables: Mapping[str, str] | None = None,
) -> dbtRunnerResult:
    """Run one dbt command on a warehouse file, in this process; everything that dbt writes goes to `scratch`. `variables`: of
    the environment, that the `target` reads."""
    from dbt.cli.main import dbtRunner  # takes 2 s, and only a changed project needs it

    arguments = [
        *command, "--project-dir", str(FOLDER), "--profiles-dir", str(FOLDER), "--target-path", str(scratch / "target"),
        "--log-path", str(scratch / "logs"), "--log-level", "none", "--log-level-file", "none", "--no-partial-parse",
        "--no-version-check", "--no-print", "--target", target, "--vars", json.dumps(
            {"metric_ids": metric_ids(), "crossed_attributes": _crossed_attributes()}
        ),
    ]  # fmt: skip
    with _IN_PROCESS, _environment(EQUITY_WAREHOUSE=str(warehouse), DO_NOT_TRACK="1", **(variables or {})):
        try:
            return dbtRunner(manifest=manifest).invoke(arguments)
        finally:
            _let_go_of_the_file()


def _let_go_of_the_file() -> None:
    """dbt-duckdb keeps its connection until the process ends; the finished file must be free before it is moved."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    if DuckDBConnectionManager._ENV is not None:
        DuckDBConnectionManager.env().close()
        DuckDBConnectionManager.close_all_connections()


@dataclass(frozen=True)
class Compiled:
    """What dbt made of the project, the same for every partner.

    `manifest`: as dbt would write it to `manifest.json`, with the SQL of every model and test compiled.
    `seeds`: a DuckDB file with every seed as a table. Whoever builds a warehouse starts from a copy of it.
    """

    manifest: Mapping[str, Any]
    seeds: Path


def compiled() -> Compiled:
    """The project as it is now, compiled by dbt once for all partners and processes, until a file of it changes.

    Kept in `target/` under the project's digest, beside the one before: dbt takes 8 s for it, and 40 ms for every node that it runs itself. Set-up
    asks for it, so that no run waits.

    Raises:
        EquityError: dbt does not take the project; the message is dbt's.
    """
    return _compiled(FOLDER / "target", digest()[:16])


@functools.cache
def _compiled(target: Path, name: str) -> Compiled:
    kept = target / f"manifest-{name}.json", target / f"seeds-{name}.duckdb"
    if not kept[0].exists():  # written last
        with tempfile.TemporaryDirectory(prefix="equity-dbt-") as folder:
            made = _compile(Path(folder))
            try:
                _keep(made, kept)
                _let_go_of_older(target)
            except OSError:  # an installation that may not be written to: compile in every process
                folder = Path(_folder_of_this_process())
                kept = folder / kept[0].name, folder / kept[1].name
                _keep(made, kept)
    return Compiled(json.loads(kept[0].read_text(encoding="utf-8")), kept[1])


def _keep(made: tuple[Path, Path], kept: tuple[Path, Path]) -> None:
    for source, target in zip(reversed(made), reversed(kept), strict=True):
        with atomic.new_file(target) as scratch:
            shutil.copyfile(source, scratch)


def _let_go_of_older(target: Path) -> None:
    """Two compilations stay: a process that began before the project changed may still be at work with the one before."""
    manifests = sorted(target.glob("manifest-*.json"), key=lambda path: path.stat().st_mtime_ns)
    for manifest in manifests[:-2]:
        for path in target.glob(f"*-{manifest.stem.removeprefix('manifest-')}.*"):
            path.unlink(missing_ok=True)


def _folder_of_this_process() -> str:
    folder = tempfile.mkdtemp(prefix="equity-dbt-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _compile(scratch: Path) -> tuple[Path, Path]:
    manifest_file, warehouse = scratch / "manifest.json", scratch / "warehouse.duckdb"
    manifest: Manifest | None = None
    for command in ("parse", "seed", "compile"):
        done = invoke(command, "--no-write-json", warehouse=warehouse, scratch=scratch, manifest=manifest)
        if not done.success:
            raise EquityError(f"dbt {command} does not take the project: {_told(done)}")
        manifest = manifest or cast("Manifest", done.result)
    written = cast("Manifest", manifest).writable_manifest().to_dict(omit_none=False)
    manifest_file.write_text(json.dumps(written, default=str), encoding="utf-8")
    return manifest_file, warehouse


def _told(done: dbtRunnerResult) -> str:
    """dbt's own words; of a project, which holds no student's value."""
    if done.exception or done.result is None:
        return str(done.exception)
    results = getattr(done.result, "results", ())  # what a command is done with depends on the command
    return "; ".join(result.message for result in results if result.message)


def manifest() -> Mapping[str, Any]:
    """The manifest of `compiled`."""
    return compiled().manifest


def settings() -> dict[str, str | int]:
    """What `profiles.yml` sets for a DuckDB warehouse: threads, memory, time zone."""
    profiles = yaml.safe_load((FOLDER / "profiles.yml").read_text(encoding="utf-8"))
    output = profiles["equity"]["outputs"][DUCKDB]
    return {**output["config_options"], **output["settings"]}


def digest() -> str:
    """A hash over the project's models, seeds, macros, tests and settings, and the versions of dbt and DuckDB."""
    total = hashlib.sha256()
    for engine in ("dbt-core", "dbt-duckdb", "duckdb"):
        total.update(f"{engine} {importlib.metadata.version(engine)}\n".encode())
    for path in sorted(FOLDER.rglob("*")):
        name = path.relative_to(FOLDER)
        if path.suffix in _SOURCES and name.parts[0] not in {"target", "logs"}:
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
