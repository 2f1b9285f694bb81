"""A partner's warehouse: every dbt seed and model as an asset, every dbt test as a check on it.

dbt builds the whole warehouse beside the old one and it is swapped in at the end, so all of these assets are made
together by one run, or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from equity_pipeline.defs.failures import RETRIES, told_to_a_person
from equity_pipeline.defs.ingest import DELIVERIES, extract_key
from equity_pipeline.defs.partitions import Partitions
from equity_pipeline.extracts import contracts
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import build as warehouse

PARTNER_FILE = dg.AssetKey("partner_file")
OWNERS = ["team:analytics-engineering"]


class _Names(DagsterDbtTranslator):
    """Asset names, groups and upstream partitions of dbt's resources."""

    def get_asset_key(self, props: Mapping[str, Any]) -> dg.AssetKey:
        if props["resource_type"] != "source":
            return dg.AssetKey(["warehouse", props["schema"].removeprefix("main_"), props["name"]])
        if props["name"] == "deliveries":
            return DELIVERIES
        return extract_key(props["name"]) if props["name"] in contracts.EXTRACTS else PARTNER_FILE

    def get_group_name(self, props: Mapping[str, Any]) -> str:
        return "policy" if props["resource_type"] == "seed" else props["fqn"][1]

    def get_owners(self, props: Mapping[str, Any]) -> list[str]:
        return OWNERS

    def get_description(self, props: Mapping[str, Any]) -> str:
        return props["description"]

    def get_partition_mapping(
        self, props: Mapping[str, Any], parent: Mapping[str, Any]
    ) -> dg.PartitionMapping | None:
        is_extract = parent["resource_type"] == "source" and parent["name"] in contracts.EXTRACTS
        return dg.MultiToSingleDimensionPartitionMapping("partner") if is_extract else None


def partner_file_asset(partitions: Partitions) -> dg.AssetSpec:
    """The partner's YAML file, which people write and we only read."""
    return dg.AssetSpec(
        PARTNER_FILE,
        group_name="ingest",
        kinds={"yaml"},
        owners=OWNERS,
        partitions_def=partitions.partner,
        description="A partner's programmes, goals, privacy rule and sources: partners/<partner_id>.yml.",
    )


def warehouse_assets(home: Home, partitions: Partitions) -> dg.AssetsDefinition:
    """All dbt seeds and models by partner."""
    manifest = warehouse.manifest()
    names = _Names(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    @dbt_assets(
        name="warehouse",
        manifest=manifest,
        dagster_dbt_translator=names,
        partitions_def=partitions.partner,
        retry_policy=RETRIES,
    )
    def warehouse_build(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        with told_to_a_person():
            partner = registry.load(home.partner_file(context.partition_key))
            built = warehouse.build(home, partner)
        for node in built.results:
            if node.unique_id.startswith("test."):
                yield _check(node, get_asset_check_key_for_test(manifest, names, node.unique_id, None))
            else:
                yield _materialization(node, names.get_asset_spec(manifest, node.unique_id, None).key)

    return warehouse_build
