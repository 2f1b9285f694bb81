"""Run the compiled project on one partner's warehouse: every model in order, its contract, then the tests.

dbt compiles the project and we run what it compiled: dbt itself takes 40 ms of Python for each of 80 nodes, in every
warehouse anew, and the statements are the same for all of them. Belongs here: running them as dbt would. Does not belong
here: files and locks (build.py), what `raw` holds (raw.py), any number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

import duckdb

from equity_pipeline.domain.errors import without_value

if TYPE_CHECKING:
    import pandas as pd

WORKING = "working"
"""The database in memory that dbt_project.yml names for rows about one person, which no one reads once a build is done."""
Node = Mapping[str, Any]
Run = Callable[[duckdb.DuckDBPyConnection, list[Node]], "list[NodeResult]"]

_ENGINE_TYPES = {
    "string": "VARCHAR",
    "int": "INTEGER",
}  # of those whose name in a contract is not the engine's


@dataclass(frozen=True)
class NodeResult:
    """One model, seed or test of a build: dbt's `unique_id` and `status` (`success`, `pass`, `warn`, `error`, `fail`,
    `skipped`; `no_data`: not built, the partner has sent nothing that it is about), a message without values, and the rows
    of the table that was made."""

    unique_id: str
    status: str
    message: str
    rows: int | None = None


class _ContractBroken(Exception):
    """A model has not the columns that its contract names."""


def selected(manifest: Mapping[str, Any], empty: list[str]) -> tuple[list[Node], list[Node]]:
    """The seeds, models and tests of a build, each after what it rests on, and those that are left out because they
    are about extracts of which the partner has sent none (models say by tags `with_<extract>` what they are about). What a
    model that is built rests on is built too, of empty extracts if need be.

    Tests tagged `project` hold for all partners alike, and ephemeral models stand in the statements of others.
    """
    nodes = manifest["nodes"]
    sorter = TopologicalSorter(
        {key: sorted(node["depends_on"].get("nodes", ())) for key, node in sorted(nodes.items())}
    )
    order = [key for key in sorter.static_order() if key in nodes]
    absent = {f"with_{extract}" for extract in empty}
    needed: set[str] = set()
    left_out: set[str] = set()
    for key in reversed(order):
        if nodes[key]["resource_type"] == "model":
            about = {tag for tag in nodes[key]["tags"] if tag.startswith("with_")}
            if about and about <= absent and key not in needed:
                left_out.add(key)
            else:
                needed |= set(nodes[key]["depends_on"]["nodes"])
    left_out |= {
        key
        for key, node in nodes.items()
        if node["resource_type"] == "test" and left_out & set(node["depends_on"]["nodes"])
    }
    built = [nodes[key] for key in order if _is_built(nodes[key])]
    built.sort(key=lambda node: node["resource_type"] == "test")
    return (
        [node for node in built if node["unique_id"] not in left_out],
        [node for node in built if node["unique_id"] in left_out],
    )


def _is_built(node: Node) -> bool:
    if node["resource_type"] == "test":
        return "project" not in node["tags"]
    kind: str = node["resource_type"]
    return kind == "seed" or (kind == "model" and node["config"]["materialized"] != "ephemeral")


def run(connection: duckdb.DuckDBPyConnection, nodes: list[Node]) -> list[NodeResult]:
    """Make each model and ask each test; the seeds are there already. After a model that can't be made, all are skipped."""
    made = [node for node in nodes if node["resource_type"] == "model"]
    for schema in sorted({f"{node['database']}.{node['schema']}" for node in made}):
        connection.execute(f"create schema if not exists {schema}")
    results: list[NodeResult] = []
    failed = False
    for node in nodes:
        if failed:
            results.append(NodeResult(node["unique_id"], "skipped", ""))
            continue
        try:
            results.append(_result(connection, node))
        except Exception as error:  # noqa: BLE001 - whatever a Python model raises may quote a value
            results.append(NodeResult(node["unique_id"], "error", without_value(error)))
            failed = True
    return results


def _result(connection: duckdb.DuckDBPyConnection, node: Node) -> NodeResult:
    if node["resource_type"] == "test":
        broken = list(_broken(connection, node))
        status = {"error": "fail", "warn": "warn"}[node["config"]["severity"].lower()] if broken else "pass"
        return NodeResult(node["unique_id"], status, "; ".join(broken))
    if node["resource_type"] == "model":
        _make(connection, node)
    [(rows,)] = connection.execute(f"select count(*) from {name_of(node)}").fetchall()
    return NodeResult(node["unique_id"], "success", "", rows)


def _make(connection: duckdb.DuckDBPyConnection, node: Node) -> None:
    statement = f"create {node['config']['materialized']} {name_of(node)} as "
    if node["language"] == "python":
        frame = in_python(node["compiled_code"], lambda name: connection.query(f"from {name}"), connection)
        connection.register("made_in_python", frame)
        connection.execute(statement + "from made_in_python")
        connection.unregister("made_in_python")
        return
    connection.execute(statement + node["compiled_code"])
    if node["config"]["contract"]["enforced"]:
        agreed = [
            (column["name"], _ENGINE_TYPES.get(column["data_type"], column["data_type"].upper()))
            for column in node["columns"].values()
        ]
        found = connection.execute(f"describe {name_of(node)}").fetchall()
        if [(name, kind) for name, kind, *_ in found] != agreed:
            raise _ContractBroken


def in_python(code: str, table: Callable[[str], Any], session: Any) -> pd.DataFrame:
    """The frame of a Python model; dbt has compiled its `ref`s, which are read by `table`, into the module."""
    module: dict[str, Any] = {}
    exec(code, module)  # noqa: S102 - a file of this project that dbt compiled; dbt runs it so too
    made: pd.DataFrame = module["model"](module["dbtObj"](table), session)
    return made


def _broken(connection: duckdb.DuckDBPyConnection, test: Node) -> Iterator[str]:
    """The rules of a test that are broken, each with the number of rows."""
    rows = connection.execute(
        f"select rule, sum(rows_concerned) from ({test['compiled_code']}) as t group by rule order by rule"
    ).fetchall()
    for rule, count in rows:
        yield f"{rule} ({count:,} rows)"


def name_of(node: Node) -> str:
    """Where the table of a model or seed is: in the warehouse file, or in memory for the time of a build."""
    return f'{node["database"]}.{node["schema"]}."{node["name"]}"'
