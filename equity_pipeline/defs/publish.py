"""The border that numbers cross: a partner's release, and the roll-up of released numbers."""

import json
from collections.abc import Mapping

import dagster as dg

from equity_pipeline.defs.failures import RETRIES, told_to_a_person
from equity_pipeline.defs.partitions import Partitions
from equity_pipeline.partners import registry
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import network
from equity_pipeline.publishing import release as publishing
from equity_pipeline.storage import trail
from equity_pipeline.storage.home import Home

OWNERS = ["team:data-engineering"]
RELEASE, NETWORK_RELEASE, PROOF = dg.AssetKey("release"), dg.AssetKey("network_release"), "disclosure_proof"


def publish_assets(
    home: Home, partners: Mapping[str, Partner], partitions: Partitions, marts: list[dg.AssetKey]
) -> list[dg.AssetsDefinition]:
    """`release` by partner, after all of its `marts`; `network_release` after all releases."""

    @dg.multi_asset(
        name="release",
        specs=[
            dg.AssetSpec(
                RELEASE,
                deps=marts,
                group_name="publish",
                kinds={"html", "parquet", "excel"},
                owners=OWNERS,
                description="A partner's protected numbers: site, tables, data files, manifest and certificate.",
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                PROOF,
                asset=RELEASE,
                blocking=True,
                description="No hidden count follows from the published ones.",
            )
        ],
        partitions_def=partitions.partner,
        retry_policy=RETRIES,
    )
    def release(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with told_to_a_person():
            published = publishing.publish(home, registry.load(home.partner_file(context.partition_key)))
            if published.changed:
                trail.log(home, "released", context.partition_key, release_id=published.release_id)
            certificate = json.loads((published.path / "certificate.json").read_text(encoding="utf-8"))
        return dg.MaterializeResult(
            asset_key=RELEASE,
            metadata={
                "release_id": published.release_id,
                "changed": published.changed,
                "rows_restated": published.restated,
                "site": dg.MetadataValue.path(published.path / "index.html"),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=PROOF,
                    asset_key=RELEASE,
                    passed=bool(certificate["pass"]),
                    metadata={"certificate": dg.MetadataValue.json(certificate)},
                )
            ],
        )

    @dg.asset(
        key=NETWORK_RELEASE,
        deps=[RELEASE],
        group_name="network",
        kinds={"html", "parquet"},
        owners=OWNERS,
        retry_policy=RETRIES,
        description="All partners' released numbers on one page for programme staff.",
    )
    def network_release() -> dg.MaterializeResult:
        with told_to_a_person():
            published = network.publish(home, partners)
        return dg.MaterializeResult(
            metadata={
                "release_id": published.release_id,
                "changed": published.changed,
                "site": dg.MetadataValue.path(published.path / "index.html"),
            }
        )

    return [release, network_release]
