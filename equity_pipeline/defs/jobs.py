"""The jobs, in the order in which a delivery goes through them. Each may be launched alone and twice."""

from __future__ import annotations

import dagster as dg

from equity_pipeline import contracts
from equity_pipeline.defs.ingest import ON_TIME, extract_key
from equity_pipeline.defs.partitions import Partitions, split_partner_year

TAKE_IN, LOAD, REFRESH, NETWORK = "take_in", "load", "refresh", "network"
DUE_DATES = "due_dates"
_FIRST_PROMPT_YEAR = 10_000  # no school year of a backfill goes before what was delivered today


def newest_year_first(key: str) -> dict[str, str]:
    """Run tags of a partner × school year. The queue takes runs of one priority in the order in which they came, which is by
    partner: by year instead, every partner has its newest year before any has its oldest. All come after `PROMPT`."""
    _, school_year = split_partner_year(key)
    return {"dagster/priority": str(school_year - _FIRST_PROMPT_YEAR)}


def jobs(partitions: Partitions) -> list[dg.UnresolvedAssetJobDefinition]:
    """`take_in` → `load` → `refresh` → `network`; `due_dates` beside them."""
    late = dg.AssetSelection.checks(
        *(dg.AssetCheckKey(extract_key(extract), ON_TIME) for extract in contracts.EXTRACTS)
    )
    return [
        dg.define_asset_job(
            TAKE_IN,
            dg.AssetSelection.assets("deliveries"),
            description="Archive and register what a partner has put into landing/.",
            partitions_def=partitions.partner,
        ),
        dg.define_asset_job(
            LOAD,
            dg.AssetSelection.groups("ingest") - dg.AssetSelection.assets("deliveries") - late,
            description="Validate the deliveries of a partner's school years into typed extracts.",
            partitions_def=partitions.partner_year,
            config=dg.PartitionedConfig(
                partitions.partner_year,
                run_config_for_partition_key_fn=lambda key: {},
                tags_for_partition_key_fn=newest_year_first,
            ),
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
        dg.define_asset_job(
            DUE_DATES, late, description="Ask of every extract which partners have not delivered it in time."
        ),
    ]
