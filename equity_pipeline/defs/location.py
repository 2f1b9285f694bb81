"""Everything of one home that Dagster shows, put together."""

from __future__ import annotations

import datetime as dt
import warnings

import dagster as dg

from equity_pipeline.defs.automation import automation
from equity_pipeline.defs.erasure import erase
from equity_pipeline.defs.ingest import ingest_assets
from equity_pipeline.defs.jobs import jobs
from equity_pipeline.defs.partitions import partitions
from equity_pipeline.defs.publish import publish_assets
from equity_pipeline.defs.transform import partner_file_asset, warehouse_assets
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home


def definitions(home: Home, today: dt.date) -> dg.Definitions:
    """All assets, checks, jobs, sensors and schedules of a home. A partner whose file is wrong is left out with a
    warning: the others go on."""
    warnings.filterwarnings(
        "ignore", category=dg.BetaWarning
    )  # partition mappings have been "beta" for years
    partners, problems = registry.load_valid(home)
    for problem in problems:
        warnings.warn(f"left out: {problem}", stacklevel=2)
    keys = partitions(partners, Ledger(home).school_years() if home.ledger.exists() else (), today)
    all_jobs = jobs(keys)
    sensors, schedules = automation(home, sorted(partners), all_jobs)
    warehouse = warehouse_assets(home, keys)
    marts = sorted(key for key, group in warehouse.group_names_by_key.items() if group == "marts")
    return dg.Definitions(
        assets=[
            *ingest_assets(home, keys),
            partner_file_asset(keys),
            warehouse,
            *publish_assets(home, partners, keys, marts),
        ],
        jobs=[*all_jobs, erase(home)],
        sensors=sensors,
        schedules=schedules,
        executor=dg.in_process_executor,  # a run has a process of its own already; its steps follow each other
    )
