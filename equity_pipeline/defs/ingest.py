"""From what a partner sends to typed extracts: the first two assets of every delivery's way."""

import datetime as dt
import itertools
import operator
import zoneinfo
from collections import Counter
from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from equity_pipeline import contracts
from equity_pipeline.defs.failures import RETRIES, told_to_a_person
from equity_pipeline.defs.partitions import Partitions, partner_year_key, split_partner_year
from equity_pipeline.defs.turns import turn
from equity_pipeline.domain import school_years
from equity_pipeline.extracts import drift, intake
from equity_pipeline.partners import registry
from equity_pipeline.partners.registry import Partner
from equity_pipeline.stewardship import status as statuses
from equity_pipeline.storage import sealed
from equity_pipeline.storage.home import Home

GROUP, OWNERS = "ingest", ["team:data-engineering"]
DELIVERIES = dg.AssetKey("deliveries")
OUTCOMES = ("accepted", "held back", "refused", "unclaimed")
NO_UNCLAIMED, NO_REFUSED, ACCOUNTED = "no_unclaimed_files", "no_refused_files", "rows_accounted_for"
CONTRACT, STABLE, ON_TIME = "few_rows_break_the_contract", "groups_as_last_year", "delivered_in_time"
MANY_REJECTED = 0.05
"""The share of an extract's rows that may break its contract before somebody has to look: rows that were rejected cost a
partner some students, many of them are a mapping that no longer fits."""


def extract_key(extract: str) -> dg.AssetKey:
    """The asset of a canonical extract."""
    return dg.AssetKey(["extracts", extract])


def ingest_assets(home: Home, partitions: Partitions) -> list[dg.AssetsDefinition]:
    """`deliveries` by partner, and one asset for each canonical extract by partner × school year."""

    @dg.multi_asset(
        name="deliveries",
        specs=[
            dg.AssetSpec(
                DELIVERIES,
                group_name=GROUP,
                kinds={"file", "sqlite"},
                owners=OWNERS,
                description="Every file of a partner, archived by content hash and registered in the ledger.",
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(name, asset=DELIVERIES, description=says, partitions_def=partitions.partner)
            for name, says in (
                (NO_UNCLAIMED, "Every file in landing/ belongs to a source."),
                (NO_REFUSED, "Every file could be read as a whole."),
            )
        ],
        partitions_def=partitions.partner,
        retry_policy=RETRIES,
    )
    def deliveries(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads it, and takes no parameter
        with told_to_a_person(), turn(home, context.partition_key):
            partner = registry.load(home.partner_file(context.partition_key))
            results = intake.take_delivery(home, partner)
        if new := sorted({result.delivery_id for result in results if result.new}):
            context.instance.add_run_tags(context.run_id, {"delivery": ", ".join(new[:20])})
        outcomes = Counter(result.outcome for result in results)
        return dg.MaterializeResult(
            asset_key=DELIVERIES,
            metadata={
                **{outcome: outcomes[outcome] for outcome in OUTCOMES},
                "replaces_nothing": [one.message for one in results if one.outcome == "held back"],
                "rows_by_extract": dg.MetadataValue.json(_rows_by_extract(results)),
            },
            check_results=[
                _found(name, DELIVERIES, [one.message or "" for one in results if one.status == status])
                for name, status in ((NO_UNCLAIMED, "unclaimed"), (NO_REFUSED, "refused"))
            ],
        )

    specs = [
        dg.AssetSpec(
            extract_key(extract.name),
            deps=[
                dg.AssetDep(
                    DELIVERIES, partition_mapping=dg.MultiToSingleDimensionPartitionMapping("partner")
                )
            ],
            skippable=True,
            group_name=GROUP,
            kinds={"parquet", "polars"},
            owners=OWNERS,
            description=_description(extract),
            metadata={"dagster/column_schema": _column_schema(extract)},
        )
        for extract in contracts.EXTRACTS.values()
    ]

    @dg.multi_asset(
        name="extracts",
        specs=specs,
        check_specs=[
            dg.AssetCheckSpec(name, asset=spec.key, description=says, blocking=name == ACCOUNTED)
            for spec in specs
            for name, says in (
                (ACCOUNTED, "Rows in = loaded + rejected + duplicates."),
                (CONTRACT, f"At most {MANY_REJECTED:.0%} of the rows break the extract's contract."),
            )
        ]
        + [
            dg.AssetCheckSpec(
                STABLE,
                asset=extract_key("students"),
                description="No group of a school all but vanished since the year before, unless a person said why.",
            )
        ],
        partitions_def=partitions.partner_year,
        retry_policy=RETRIES,
        can_subset=True,
    )
    def extracts(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """One run covers any number of school years, so that a file that holds five is read once. Only partitions
        that have rows are recorded: a missing partition is a year that nobody has delivered. A run for some of the
        extracts loads all, for one file may hold several of them, and checks those."""
        loads, vanished = [], []
        asked = map(split_partner_year, context.partition_keys)
        for partner_id, years in itertools.groupby(asked, key=operator.itemgetter(0)):
            # All years in one turn: a warehouse that another run builds between two of them would lack the later ones.
            with told_to_a_person(), turn(home, partner_id):
                partner = registry.load(home.partner_file(partner_id))
                for _, school_year in years:
                    loaded = intake.load_extracts(home, partner, school_year)
                    vanished += _vanished_groups(home, partner_id, school_year)
                    key = partner_year_key(partner_id, school_year)
                    for materialization in _materializations(loaded, key):
                        context.log_event(materialization)
                    loads.extend(loaded)
        for key in sorted(context.selected_asset_keys):
            of_extract = [load for load in loads if extract_key(load.extract) == key]
            yield _rows_accounted_for(key, of_extract)
            yield _few_rejected(key, of_extract)
            if key == extract_key("students"):
                yield _found(STABLE, key, vanished, dg.AssetCheckSeverity.WARN)

    return [deliveries, extracts]


def due_date_checks(home: Home, partners: Mapping[str, Partner]) -> dg.AssetChecksDefinition:
    """For each extract: which partners have not delivered it by the day their file says, in their own time. A check, because
    Dagster's freshness policies know assets, not partners."""

    @dg.multi_asset_check(
        name="what_is_due",
        specs=[
            dg.AssetCheckSpec(
                ON_TIME, asset=extract_key(extract), description="Every partner has delivered what is due."
            )
            for extract in contracts.EXTRACTS
        ],
    )
    def what_is_due() -> Iterator[dg.AssetCheckResult]:
        overdue: dict[str, dict[str, list[str]]] = {extract: {} for extract in contracts.EXTRACTS}
        for partner_id, partner in partners.items():
            with told_to_a_person():
                for extract, line in _overdue(home, partner):
                    overdue[extract].setdefault(partner_id, []).append(line)
        for extract, found in overdue.items():
            yield _found(ON_TIME, extract_key(extract), found, dg.AssetCheckSeverity.WARN)

    return what_is_due


def _overdue(home: Home, partner: Partner) -> Iterator[tuple[str, str]]:
    """Extract and what is missing, of this school year and the last: an older one is no longer waited for."""
    today = dt.datetime.now(zoneinfo.ZoneInfo(partner.timezone)).date()
    for row in statuses.status(home, partner, today):
        if row.overdue and row.school_year >= school_years.of_date(today) - 1:
            due = school_years.due_date(row.school_year, partner.expected[row.extract])
            yield row.extract, f"{row.extract} {school_years.label(row.school_year)} was due on {due}"


def _vanished_groups(home: Home, partner_id: str, school_year: int) -> list[str]:
    """Schools' groups that a drift rule stopped, by school year and reason; no count is told."""
    lines = []
    for path in sorted(home.extract(drift.TABLE, partner_id, school_year).glob("*.parquet")):
        stored = pl.read_parquet(sealed.source(path), hive_partitioning=False)
        blocks = stored.filter(pl.col("accepted_because").is_null())
        lines += [
            f"{school_years.label(school_year)}, school {school_id}: {reason}"
            for school_id, reason in blocks.select("school_id", "reason").iter_rows()
        ]
    return lines


def _rows_by_extract(results: list[intake.DeliveryResult]) -> dict[str, int]:
    rows: Counter[str] = Counter()
    for result in results:
        rows.update({extract: sum(years.values()) for extract, years in result.rows.items()})
    return dict(sorted(rows.items()))


def _description(extract: contracts.Extract) -> str:
    key = ", ".join(f"`{column}`" for column in extract.key) or "no key: rows have no identity"
    return f"Validated rows of `{extract.name}` of one partner and school year. Key: {key}."


def _column_schema(extract: contracts.Extract) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
            )
            for column in extract.columns
        ]
    )


def _found(
    name: str,
    asset: dg.AssetKey,
    found: list[str] | dict[str, list[str]],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """A check that passes where nothing was found. `found`: lines for a person, or partner → lines."""
    lines = (
        found
        if isinstance(found, list)
        else [f"{one}: {line}" for one, said in found.items() for line in said]
    )
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset,
        passed=not found,
        severity=severity,
        description="\n\n".join(lines) or None,
        metadata={"found": dg.MetadataValue.json(found)},
    )


def _materializations(loads: list[intake.ExtractLoad], partition: str) -> Iterator[dg.AssetMaterialization]:
    for load in loads:
        yield dg.AssetMaterialization(
            extract_key(load.extract),
            partition=partition,
            metadata={
                "dagster/row_count": load.rows,
                "rows_in": load.rows_in,
                "rejected": load.rejected,
                "duplicates": load.duplicates,
                "duplicates_that_say_otherwise": load.conflicts,
                "rejected_by_reason": dg.MetadataValue.json(load.reasons),
                "deliveries": load.deliveries,
                "deliveries_replaced": load.superseded,
            },
        )


def _rows_accounted_for(key: dg.AssetKey, loads: list[intake.ExtractLoad]) -> dg.AssetCheckResult:
    wrong = [
        load.school_year for load in loads if load.rows_in != load.loaded + load.rejected + load.duplicates
    ]
    return dg.AssetCheckResult(
        check_name=ACCOUNTED,
        asset_key=key,
        passed=not wrong,
        metadata={
            "rows_in": sum(load.rows_in for load in loads),
            "files_that_do_not_add_up": sorted(set(wrong)),
        },
    )


def _few_rejected(key: dg.AssetKey, loads: list[intake.ExtractLoad]) -> dg.AssetCheckResult:
    found = [
        f"{school_years.label(load.school_year)}: {load.rejected:,} of {load.rows_in:,} rows: {_most(load.reasons)}"
        for load in loads
        if load.rejected > MANY_REJECTED * load.rows_in
    ]
    return _found(CONTRACT, key, found, dg.AssetCheckSeverity.WARN)


def _most(reasons: Mapping[str, int]) -> str:
    """The three reasons with most rows."""
    most = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))[:3]
    return "; ".join(f"{reason} ({rows:,})" for reason, rows in most)
