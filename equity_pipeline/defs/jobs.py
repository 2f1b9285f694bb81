"""The four jobs, in the order in which a delivery goes through them. Each may be launched alone and twice."""

from __future__ import annotations

import dagster as dg

from equity_pipeline.defs.partitions import Partitions

TAKE_IN, LOAD, REFRESH, NETWORK = "take_in", "load", "refresh", "network"


def jobs(partitions: Partitions) -> list[dg.UnresolvedAssetJobDefinition]:
    """`take_in` → `load` → `refresh` → `network`."""
    return [
        dg.define_asset_job(
            TAKE_IN,
            dg.AssetSelection.assets("deliveries"),
            description="Archive and register what a partner has put into landing/.",
            partitions_def=partitions.partner,
        ),
        dg.define_asset_job(
            LOAD,
            dg.AssetSelection.groups("ingest") - dg.AssetSelection.assets("deliveries"),
            description="Validate the deliveries of a partner's school years into typed extracts.",
            partitions_def=partitions.partner_year,
        ),
        dg.define_asset_job(
            REFRESH,
            dg.AssetSelection.groups("policy", "staging", "intermediate", "marts", "publish"),
            description="Rebuild a partner's warehouse and publish its release.",
            partitions_def=partitions.partner,
        ),
        dg.define_asset_job(
            NETWORK,
            dg.AssetSelection.groups("network"),
            description="Roll the released numbers of all partners up for programme staff.",
        ),
    ]
