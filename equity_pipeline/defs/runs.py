"""Run jobs of a home in this process, recorded in its history like any other run."""

from __future__ import annotations

import datetime as dt
import functools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from equity_pipeline.defs import history
from equity_pipeline.defs.automation import COMMAND_LINE
from equity_pipeline.defs.jobs import LOAD, NETWORK, REFRESH, TAKE_IN
from equity_pipeline.defs.location import definitions
from equity_pipeline.defs.partitions import PARTNER, range_tags, year_ranges
from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts import intake
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import build as warehouse


_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}  # the event log has every line


@dataclass(frozen=True)
class Outcome:
    """What one run that succeeded did.

    `metadata`: of the last materialization of each asset, by `release`, `extracts/students` …
    `failed_checks`: metadata of each check that did not pass, by asset and check.
    """

    metadata: Mapping[str, Mapping[str, Any]]
    failed_checks: Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class Ended:
    """How a piece of work ended: whether there was anything to do, and for whom it failed, at least in part."""

    worked: bool
    failed: list[str]


def execute(
    instance: dg.DagsterInstance,
    home: Home,
    job_name: str,
    *,
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
    run_config: Mapping[str, Any] | None = None,
) -> Outcome:
    """Execute one job and wait for it.

    Raises:
        EquityError: the run failed; the message is the failed steps' own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # Dagster's notes on its own previews are not for a person at a terminal
        # Built anew for each run: what was just taken in may hold school years that were not known before.
        result = (
            definitions(home, dt.date.today())
            .resolve_job_def(job_name)
            .execute_in_process(
                instance=instance,
                partition_key=partition_key,
                tags={**COMMAND_LINE, **(tags or {})},
                run_config={**_QUIET, **(run_config or {})},
                raise_on_error=False,
            )
        )
    if not result.success:
        steps = [event.step_failure_data for event in result.all_events if event.is_step_failure]
        told = [step.user_failure_data.description for step in steps if step.user_failure_data]
        raise EquityError(
            "; ".join(filter(None, told)) or f"run {result.run_id} failed: see its log in the UI"
        )
    return Outcome(
        {
            event.asset_key.to_user_string(): _plain(event.materialization.metadata)
            for event in result.get_asset_materialization_events()
        },
        {
            (evaluation.asset_key.to_user_string(), evaluation.check_name): _plain(evaluation.metadata)
            for evaluation in result.get_asset_check_evaluations()
            if not evaluation.passed
        },
    )


def whole_way(
    home: Home, partners: Sequence[Partner], years: Sequence[int], say: Callable[[str], None]
) -> Ended:
    """Take in, load, build and publish each of `partners`, then the network's page, as far as there is anything new.

    `years`: load these school years, else those that have something pending. A partner that fails is reported
    through `say` and does not hold the others up.
    """
    worked, failed, released = False, [], False
    with history.open_instance(home) as instance:
        run = functools.partial(execute, instance, home)
        for partner in partners:
            try:
                for job_name, line, whole in _one_partner(home, partner, years, run):
                    say(f"{partner.partner_id}: {line}")
                    worked, released = True, released or job_name == REFRESH
                    failed += [] if whole else [partner.partner_id]
            except EquityError as error:
                say(f"{partner.partner_id}: FAILED: {error}")
                failed.append(partner.partner_id)
        if released:
            try:
                run(NETWORK)
                say("network: release written")
            except EquityError as error:
                say(f"network: FAILED: {error}")
                failed.append("network")
    return Ended(worked or bool(failed), failed)


def _one_partner(
    home: Home, partner: Partner, years: Sequence[int], run: Callable[..., Outcome]
) -> Iterator[tuple[str, str, bool]]:
    """Run what is due; after each run its job, a line about it, and whether all of it went well."""
    partner_id = partner.partner_id
    of_partner = {"partition_key": partner_id, "tags": {PARTNER: partner_id}}
    if intake.pending_files(home, partner):
        done = run(TAKE_IN, **of_partner)
        counts = done.metadata["deliveries"]
        problems = [line for metadata in done.failed_checks.values() for line in metadata["found"]]
        line = f"{counts['accepted']} files accepted, {counts['refused']} refused, {counts['unclaimed']} unclaimed"
        yield TAKE_IN, "\n  ".join([line, *problems]), not problems
    due = sorted(years or Ledger(home).pending(partner_id))
    for first, last in year_ranges(due):
        run(LOAD, tags=range_tags(partner_id, first, last))
        yield LOAD, f"loaded {school_years.label(first)} … {school_years.label(last)}", True
    if due or not warehouse.is_current(home, partner) or not (home.releases(partner_id) / "latest").exists():
        published = run(REFRESH, **of_partner).metadata["release"]
        state = "published" if published["changed"] else "unchanged"
        yield REFRESH, f"release {published['release_id']} {state}", True


def _plain(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}
