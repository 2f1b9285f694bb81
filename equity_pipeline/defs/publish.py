"""The border that numbers cross: a partner's release, and the roll-up of released numbers."""

import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from equity_pipeline.defs import preview
from equity_pipeline.defs.conditions import NETWORK as NETWORK_CONDITION
from equity_pipeline.defs.conditions import RELEASE as RELEASE_CONDITION
from equity_pipeline.defs.failures import RETRIES, told_to_a_person
from equity_pipeline.defs.partitions import Partitions
from equity_pipeline.defs.turns import NETWORK_TURN, turn
from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import DisclosureError
from equity_pipeline.partners import registry
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import manifest, network
from equity_pipeline.publishing import release as publishing
from equity_pipeline.storage import trail
from equity_pipeline.storage.home import Home

OWNERS = ["team:data-engineering"]
RELEASES_URL = "EQUITY_RELEASES_URL"
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
                automation_condition=RELEASE_CONDITION,
                description="A partner's protected numbers: site, tables, data files, manifest and certificate.",
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                PROOF,
                asset=RELEASE,
                blocking=True,
                description="No hidden count follows from the published ones, and every mart keeps its contract.",
                partitions_def=partitions.partner,
            )
        ],
        partitions_def=partitions.partner,
        retry_policy=RETRIES,
    )
    def release(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]  # Dagster reads it, and takes no parameter
        with told_to_a_person(), turn(home, context.partition_key):
            try:
                published = publishing.publish(home, _partner(home, context.partition_key))
            except DisclosureError as refusal:
                yield _proof(refusal)
                raise
            yield _proof(published)
            if published.changed:
                trail.log(home, "released", context.partition_key, release_id=published.release_id)
            held_back = manifest.of(published.path)["held_back"]
            yield dg.MaterializeResult(
                asset_key=RELEASE,
                metadata={
                    "release_id": published.release_id,
                    "changed": published.changed,
                    "rows_restated": published.restated,
                    "school_years_held_back": [school_years.label(int(year)) for year in held_back],
                    "site": site(published.path),
                    "gap tracker": dg.MetadataValue.md(preview.markdown(published.path)),
                },
            )

    @dg.asset(
        key=NETWORK_RELEASE,
        deps=[RELEASE],
        group_name="network",
        kinds={"html", "parquet"},
        owners=OWNERS,
        retry_policy=RETRIES,
        automation_condition=NETWORK_CONDITION,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(days=8)),
        description="All partners' released numbers on one page for programme staff.",
    )
    def network_release() -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it, and takes no parameter
        with told_to_a_person(), turn(home, NETWORK_TURN):
            published = network.publish(home, partners)
        return dg.MaterializeResult(
            metadata={
                "release_id": published.release_id,
                "changed": published.changed,
                "site": site(published.path),
            }
        )

    return [release, network_release]


def site(release: Path) -> dg.MetadataValue[Any]:
    """Where a release is read: a link to where `$EQUITY_RELEASES_URL` says that `releases/` is served, else its file, which no
    browser opens from a page of the UI."""
    if served := os.environ.get(RELEASES_URL):
        return dg.MetadataValue.url(f"{served.rstrip('/')}/{release.parent.name}/{release.name}/index.html")
    return dg.MetadataValue.path(release / "index.html")


def _partner(home: Home, partner_id: str) -> Partner:
    return registry.load(home.partner_file(partner_id))


def _proof(ended: publishing.Release | DisclosureError) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue[Any] | str]
    if isinstance(ended, DisclosureError):
        metadata = {"found": str(ended)}
    else:
        certificate = (ended.path / "certificate.json").read_text(encoding="utf-8")
        metadata = {"certificate": dg.MetadataValue.json(json.loads(certificate))}
    passed = isinstance(ended, publishing.Release)
    return dg.AssetCheckResult(check_name=PROOF, asset_key=RELEASE, passed=passed, metadata=metadata)
