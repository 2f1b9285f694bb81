"""Run jobs of a home in this process, recorded in its history like any other run."""

from __future__ import annotations

import datetime as dt
import functools
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import dagster as dg
from dagster._core.utils import make_new_run_id

from equity_pipeline import contracts
from equity_pipeline.defs import history
from equity_pipeline.defs.ingest import OUTCOMES, extract_key
from equity_pipeline.defs.jobs import LOAD, NETWORK, REFRESH, TAKE_IN
from equity_pipeline.defs.launched import COMMAND_LINE, STARTED_BY, at_work
from equity_pipeline.defs.location import definitions
from equity_pipeline.defs.partitions import PARTITION, PARTNER, range_tags, year_ranges
from equity_pipeline.defs.transform import TARGET
from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts import intake
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners import registry
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import network
from equity_pipeline.publishing.release import is_published
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse.project import DUCKDB

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
    assets: Sequence[dg.AssetKey] | None = None,
) -> Outcome:
    """Execute one job, or the part of it that makes these assets, and wait for it.

    Raises:
        EquityError: the run failed; the message is the failed steps' own.
    """
    run_id, tags = make_new_run_id(), {STARTED_BY: COMMAND_LINE, **(tags or {})}
    of_partition = {PARTITION: partition_key} if partition_key else {}
    with at_work(home, run_id, job_name, tags | of_partition), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # Dagster's notes on its own previews are not for a person at a terminal
        # Built anew for each run: what was just taken in may hold school years that were not known before.
        job = definitions(home, dt.date.today()).resolve_job_def(job_name)
        if assets:
            checks = {key for key in job.asset_layer.asset_graph.asset_check_keys if key.asset_key in assets}
            job = job.get_subset(asset_selection=set(assets), asset_check_selection=checks)
        result = job.execute_in_process(
            instance=instance,
            partition_key=partition_key,
            run_id=run_id,
            tags=tags,
            run_config={**_QUIET, **(run_config or {})},
            raise_on_error=False,
        )
    if not result.success:
        steps = [event.step_failure_data for event in result.all_events if event.is_step_failure]
        told = [step.user_failure_data.description for step in steps if step.user_failure_data]
        raise EquityError(
            "; ".join(filter(None, told)) or f"run {result.run_id} failed: see its log in the UI"
        )
    return Outcome(
        {
            event.materialization.asset_key.to_user_string(): _plain(event.materialization.metadata)
            for event in result.get_asset_materialization_events()
        },
        {
            (evaluation.asset_key.to_user_string(), evaluation.check_name): _plain(evaluation.metadata)
            for evaluation in result.get_asset_check_evaluations()
            if not evaluation.passed
        },
    )


def whole_way(
    home: Home,
    partners: Sequence[Partner],
    years: Sequence[int],
    say: Callable[[str], None],
    target: str = DUCKDB,
) -> Ended:
    """Take in, load, build and publish each of `partners`, then the network's page, as far as there is anything new.

    `years`: load these school years, else those that have something pending. `target`: what computes warehouses. Several
    partners are worked on at once, each in a process of its own. One that fails is reported through `say` and does not hold
    the others up.
    """
    history.prepare(home)
    # The one with most to read first: at the end no processor waits for it alone.
    due = sorted(
        (one for one in partners if years or _has_work(home, one)), key=lambda one: -_landed_bytes(home, one)
    )
    steps: list[Step] = []
    if due:
        say(f"working on {', '.join(partner.partner_id for partner in due)}")
    for partner, done in _each(home, due, years, target):
        for step in done:
            say(f"{partner.partner_id}: {step.line}")
        steps += done
    failed = sorted({step.partner_id for step in steps if not step.well})
    if any(step.job_name == REFRESH and step.well for step in steps) or not network.is_current(
        home, registry.load_valid(home)[0]
    ):  # a run that was killed may have published and not come to the network
        with history.open_instance(home) as instance:
            try:
                execute(instance, home, NETWORK)
                say("network: release written")
            except EquityError as error:
                say(f"network: FAILED: {error}")
                failed.append("network")
    return Ended(bool(due), failed)


@dataclass(frozen=True)
class Step:
    """One run for a partner, or the failure that ended its work: a line about it, and whether all of it went well."""

    partner_id: str
    job_name: str | None
    line: str
    well: bool = True


def _each(
    home: Home, partners: list[Partner], years: Sequence[int], target: str
) -> Iterator[tuple[Partner, list[Step]]]:
    """What was done for each partner, as it ends. Alone in this process, several in processes of their own, as many as
    there are processors: dbt can build one warehouse at a time in a process."""
    workers = min(len(partners), os.cpu_count() or 1)
    if workers < 2:
        for partner in partners:
            yield partner, _work(home, partner, years, target)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=os.umask, initargs=(0o077,)) as pool:
        ended = {pool.submit(_work, home, partner, years, target): partner for partner in partners}
        for future in as_completed(ended):
            yield ended[future], future.result()


def _work(home: Home, partner: Partner, years: Sequence[int], target: str) -> list[Step]:
    steps: list[Step] = []  # keeps what was done before a failure
    with history.open_instance(home) as instance:
        try:
            steps.extend(one_partner(instance, home, partner, years, target))
        except EquityError as error:
            steps.append(Step(partner.partner_id, None, f"FAILED: {error}", well=False))
    return steps


def one_partner(
    instance: dg.DagsterInstance, home: Home, partner: Partner, years: Sequence[int], target: str
) -> Iterator[Step]:
    """Run what is due for the partner, one step after the other, in this process."""
    run = functools.partial(execute, instance, home)
    partner_id = partner.partner_id
    of_partner: dict[str, Any] = {"partition_key": partner_id, "tags": {PARTNER: partner_id}}
    if intake.pending_files(home, partner):
        done = run(TAKE_IN, **of_partner)
        counts = done.metadata["deliveries"]
        problems = [line for metadata in done.failed_checks.values() for line in metadata["found"]]
        line = "files: " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
        told = [line, *counts["replaces_nothing"], *problems]
        yield Step(partner_id, TAKE_IN, "\n  ".join(told), not problems)
    pending = sorted(years or Ledger(home).pending(partner_id))
    for first, last in year_ranges(pending):
        run(LOAD, tags=range_tags(partner_id, first, last), assets=_extracts(home, partner_id, first, last))
        yield Step(partner_id, LOAD, f"loaded {school_years.label(first)} … {school_years.label(last)}")
    if pending or not is_published(home, partner):
        published = run(
            REFRESH, partition_key=partner_id, tags={PARTNER: partner_id, TARGET: target}
        ).metadata["release"]
        state = "published" if published["changed"] else "unchanged"
        told = [f"release {published['release_id']} {state}"]
        if years_held := published["school_years_held_back"]:
            told.append(
                f"corrections of {', '.join(years_held)} are held back until there are enough of them to hide each student"
            )
        yield Step(partner_id, REFRESH, "\n  ".join(told))


def _extracts(home: Home, partner_id: str, first: int, last: int) -> list[dg.AssetKey] | None:
    """What the partner has ever sent of these years: of most extracts it never sends any. None: nothing, then all are asked."""
    sent = {row["extract"] for year in range(first, last + 1) for row in Ledger(home).loads(partner_id, year)}
    return [extract_key(extract) for extract in sorted(sent & set(contracts.EXTRACTS))] or None


def _landed_bytes(home: Home, partner: Partner) -> int:
    return sum(path.stat().st_size for path in home.landing(partner.partner_id).rglob("*") if path.is_file())


def _has_work(home: Home, partner: Partner) -> bool:
    try:
        pending = intake.pending_files(home, partner) or Ledger(home).pending(partner.partner_id)
        return bool(pending) or not is_published(home, partner)
    except EquityError:
        return True  # it will be said where the work is done


def _plain(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}
