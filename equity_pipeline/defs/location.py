"""Everything of one home that Dagster shows, put together."""

from __future__ import annotations

import datetime as dt
import warnings

import dagster as dg

from equity_pipeline.defs.automation import ENVIRONMENTS, automation
from equity_pipeline.defs.erasure import RETENTION, corrections, nightly
from equity_pipeline.defs.ingest import due_date_checks, ingest_assets
from equity_pipeline.defs.jobs import jobs
from equity_pipeline.defs.launched import executor
from equity_pipeline.defs.partitions import partitions
from equity_pipeline.defs.publish import publish_assets
from equity_pipeline.defs.transform import partner_file_asset, warehouse_assets
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home


def definitions(home: Home, today: dt.date, environment: str = "dev") -> dg.Definitions:
    """All assets, checks and jobs of a home, and the sensors and schedules that its environment declares. A partner whose file is wrong is left out with a
    warning: the others go on."""
    # Partition mappings have been "beta" for years, checks by partition are in "preview": the snapshot of what is declared and
    # the tests that run them stand guard when Dagster is renewed.
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    warnings.filterwarnings("ignore", category=dg.PreviewWarning)
    partners, problems = registry.load_valid(home)
    for problem in problems:
        warnings.warn(f"left out: {problem}", stacklevel=2)
    keys = partitions(partners, Ledger(home).school_years() if home.ledger.exists() else (), today)
    all_jobs, by_hand = jobs(keys), corrections(home)
    declared = ENVIRONMENTS.get(environment, frozenset())
    sensors, schedules = automation(home, partners, all_jobs, environment)
    warehouse = warehouse_assets(home, keys)
    marts = sorted(key for key, group in warehouse.group_names_by_key.items() if group == "marts")
    assets = [
        *ingest_assets(home, keys),
        warehouse,
        *publish_assets(home, partners, keys, marts),
    ]
    if "conditions" not in declared:  # else Dagster adds a sensor of its own for them
        assets = [one.map_asset_specs(_unconditional) for one in assets]
    return dg.Definitions(
        assets=[partner_file_asset(keys), *assets],
        asset_checks=[due_date_checks(home, partners)],
        jobs=[*all_jobs, *by_hand],
        sensors=sensors,
        schedules=[
            *schedules,
            *(nightly(job) for job in by_hand if job.name == RETENTION and "nightly" in declared),
        ],
        executor=executor(home),
    )


def _unconditional(spec: dg.AssetSpec) -> dg.AssetSpec:
    return spec.replace_attributes(automation_condition=None)
