"""A partner's warehouse: every dbt seed and model as an asset, every dbt test as a check on it.

dbt builds the whole warehouse beside the old one and it is swapped in at the end, so all of these assets are made
together by one run, or none. They are described from dbt's manifest here, not by dagster-dbt: that library imports all
of dbt, which the UI would wait for at every load.
"""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg

from equity_pipeline import contracts
from equity_pipeline.defs.conditions import WAREHOUSE
from equity_pipeline.defs.failures import RETRIES, told_to_a_person
from equity_pipeline.defs.ingest import DELIVERIES, extract_key
from equity_pipeline.defs.partitions import PARTNER, Partitions
from equity_pipeline.defs.turns import turn
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import build as warehouse
from equity_pipeline.warehouse.lineage import column_lineage

# A run's tag that says what computes the tables: a target of dbt_project/profiles.yml.
TARGET = "target"
PARTNER_FILE = dg.AssetKey("partner_file")
OWNERS = ["team:analytics-engineering"]
_TABLES = {"model", "seed"}


def partner_file_asset(partitions: Partitions) -> dg.AssetSpec:
    """The partner's YAML file, which people write and we only read."""
    return dg.AssetSpec(
        PARTNER_FILE,
        group_name="ingest",
        kinds={"yaml"},
        owners=["team:data-engineering"],
        partitions_def=partitions.partner,
        description="A partner's programmes, goals, privacy rule and sources: partners/<partner_id>.yml.",
    )


def warehouse_assets(home: Home, partitions: Partitions) -> dg.AssetsDefinition:
    """All dbt seeds and models by partner, with dbt's tests as checks."""
    manifest = warehouse.manifest()
    keys = {unique_id: _key(node) for unique_id, node in (manifest["nodes"] | manifest["sources"]).items()}
    tables = _upstream_first(manifest["nodes"])
    # What is tagged `project` tests the seeds and the arithmetic as they stand in the repository, not a partner's data.
    tests = {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "test" and "project" not in node["tags"]
    }

    @dg.multi_asset(
        name="warehouse",
        specs=[_asset(node, manifest["nodes"], keys) for node in tables],
        check_specs=[_check(node, keys, partitions) for node in tests.values()],
        partitions_def=partitions.partner,
        retry_policy=RETRIES,
    )
    def build(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]  # Dagster reads it, and takes no parameter
        """When a test fails the old warehouse stays: the checks are recorded, no table is."""
        # Told within the turn: what is loaded after it then stands later in the history, and asks for a new warehouse.
        with told_to_a_person(), turn(home, context.partition_key):
            partner = registry.load(home.partner_file(context.partition_key))
            try:
                target = context.run.tags.get(TARGET, warehouse.DUCKDB)
                nodes = warehouse.build(home, partner, engine=target).results
            except warehouse.BuildError as error:
                yield from _results(error.results, tests, keys)
                raise
            rows = {node.unique_id: node.rows for node in nodes}
            made_of = _lineage(manifest)
            for table in tables:
                unique_id = table["unique_id"]
                yield dg.MaterializeResult(
                    keys[unique_id],
                    metadata={"dagster/row_count": rows[unique_id], **made_of.get(unique_id, {})},
                )
            yield from _results(nodes, tests, keys)

    return build


def _lineage(
    manifest: Mapping[str, Any],
) -> dict[str, dict[str, dg.TableColumnLineage | dg.MarkdownMetadataValue]]:
    """Model → metadata of what each of its columns is made of; twice, because the open-source UI shows nothing of the first."""
    keys = {
        (node["schema"], node["name"]): _key(node)
        for node in (manifest["nodes"] | manifest["sources"]).values()
        if node["resource_type"] in {"model", "seed", "source"}
    }
    return {
        model: {
            "dagster/column_lineage": dg.TableColumnLineage(
                {
                    column: [dg.TableColumnDep(keys[schema, table], name) for schema, table, name in made_of]
                    for column, made_of in columns.items()
                }
            ),
            "made of": dg.MetadataValue.md(_in_words(columns)),
        }
        for model, columns in column_lineage().items()
    }


def _in_words(columns: Mapping[str, Iterable[tuple[str, str, str]]]) -> str:
    """A Markdown table: one row a column."""
    rows = (
        f"| {column} | {', '.join(f'{table}.{name}' for _, table, name in made_of)} |"
        for column, made_of in columns.items()
    )
    return "\n".join(["| column | made of |", "|---|---|", *rows])


def table_key(schema: str, name: str) -> dg.AssetKey:
    """A table of the warehouse as an asset."""
    return dg.AssetKey(["warehouse", schema, name])


def _key(node: Mapping[str, Any]) -> dg.AssetKey:
    if node["resource_type"] != "source":
        return table_key(node["schema"], node["name"])
    if node["name"] == DELIVERIES.path[-1]:
        return DELIVERIES
    return extract_key(node["name"]) if node["name"] in contracts.EXTRACTS else PARTNER_FILE


def _upstream_first(nodes: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Dagster wants the tables of one run told in the order in which they rest on each other."""
    tables = {unique_id: node for unique_id, node in nodes.items() if _is_table(node)}
    upstream = {unique_id: _upstream(node, nodes) for unique_id, node in tables.items()}
    return [
        tables[unique_id] for unique_id in TopologicalSorter(upstream).static_order() if unique_id in tables
    ]


def _is_table(node: Mapping[str, Any]) -> bool:
    """Not so a model that is only written into the statements of others."""
    return node["resource_type"] in _TABLES and node["config"]["materialized"] != "ephemeral"


def _upstream(node: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for unique_id in node["depends_on"].get("nodes", ()):
        if unique_id in nodes and not _is_table(nodes[unique_id]):
            yield from _upstream(nodes[unique_id], nodes)
        else:
            yield unique_id


def _asset(
    node: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]], keys: Mapping[str, dg.AssetKey]
) -> dg.AssetSpec:
    upstream = sorted({keys[unique_id] for unique_id in _upstream(node, nodes)})
    columns = [
        dg.TableColumn(column["name"], column["data_type"] or "string", column["description"])
        for column in node["columns"].values()
    ]
    return dg.AssetSpec(
        keys[node["unique_id"]],
        deps=[_dependency(key) for key in upstream],
        group_name="policy" if node["resource_type"] == "seed" else node["fqn"][1],
        kinds={"dbt", "duckdb"},
        owners=OWNERS,
        description=node["description"],
        code_version=node["checksum"]["checksum"],
        metadata={"dagster/column_schema": dg.TableSchema(columns)},
        # The tables further on are made by the same run; one condition is enough for all.
        automation_condition=WAREHOUSE if any(key.path[0] != "warehouse" for key in upstream) else None,
    )


def _dependency(upstream: dg.AssetKey) -> dg.AssetDep:
    if upstream.path[0] == "extracts":
        return dg.AssetDep(upstream, partition_mapping=dg.MultiToSingleDimensionPartitionMapping(PARTNER))
    return dg.AssetDep(upstream)


def _tested(test: Mapping[str, Any]) -> str:
    """The node that a test is about: the one it stands under, else the first that it reads."""
    return str(test.get("attached_node") or test["depends_on"]["nodes"][0])


def _check(
    test: Mapping[str, Any], keys: Mapping[str, dg.AssetKey], partitions: Partitions
) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        test["name"],
        asset=keys[_tested(test)],
        description=test["description"] or None,
        blocking=test["config"]["severity"].lower() == "error",
        partitions_def=partitions.partner,
    )


def _results(
    nodes: Iterable[warehouse.NodeResult],
    tests: Mapping[str, Mapping[str, Any]],
    keys: Mapping[str, dg.AssetKey],
) -> Iterator[dg.AssetCheckResult]:
    for node in nodes:
        if test := tests.get(node.unique_id):
            yield dg.AssetCheckResult(
                asset_key=keys[_tested(test)],
                check_name=test["name"],
                passed=node.status in ("pass", "no_data"),
                severity=dg.AssetCheckSeverity.WARN if node.status == "warn" else dg.AssetCheckSeverity.ERROR,
                metadata={"found": node.message or node.status},
            )
