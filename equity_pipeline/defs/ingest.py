"""From what a partner sends to typed extracts: the first two assets of every delivery's way."""

from collections import Counter
from collections.abc import Iterator

import dagster as dg

from equity_pipeline.defs.failures import RETRIES, told_to_a_person
from equity_pipeline.defs.partitions import Partitions, partner_year_key, split_partner_year
from equity_pipeline.extracts import contracts, intake
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home

GROUP, OWNERS = "ingest", ["team:data-engineering"]
DELIVERIES = dg.AssetKey("deliveries")
NO_UNCLAIMED, NO_REFUSED, ACCOUNTED = "no_unclaimed_files", "no_refused_files", "rows_accounted_for"


def extract_key(extract: str) -> dg.AssetKey:
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
            dg.AssetCheckSpec(
                NO_UNCLAIMED, asset=DELIVERIES, description="Every file in landing/ belongs to a source."
            ),
            dg.AssetCheckSpec(
                NO_REFUSED, asset=DELIVERIES, description="Every file could be read as a whole."
            ),
        ],
        partitions_def=partitions.partner,
        retry_policy=RETRIES,
    )
    def deliveries(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with told_to_a_person():
            partner = registry.load(home.partner_file(context.partition_key))
            results = intake.take_delivery(home, partner)
        statuses = Counter(result.status for result in results)
        return dg.MaterializeResult(
            asset_key=DELIVERIES,
            metadata={
                **{status: statuses[status] for status in ("accepted", "refused", "unclaimed")},
                "rows_by_extract": dg.MetadataValue.json(_rows_by_extract(results)),
            },
            check_results=[
                _none(NO_UNCLAIMED, [result.message for result in results if result.status == "unclaimed"]),
                _none(NO_REFUSED, [result.message for result in results if result.status == "refused"]),
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
            dg.AssetCheckSpec(
                ACCOUNTED,
                asset=spec.key,
                description="Rows in = loaded + rejected + duplicates.",
            )
            for spec in specs
        ],
        partitions_def=partitions.partner_year,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=RETRIES,
    )
    def extracts(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """One run covers any number of school years, so that a file that holds five is read once. Only partitions
        that have rows are recorded: a missing partition is a year that nobody has delivered."""
        loads = []
        for key in context.partition_keys:
            partner_id, school_year = split_partner_year(key)
            with told_to_a_person():
                partner = registry.load(home.partner_file(partner_id))
                loaded = intake.load_extracts(home, partner, school_year)
            for materialization in _materializations(loaded, partner_year_key(partner_id, school_year)):
                context.log_event(materialization)
            loads.extend(loaded)
        for spec in specs:
            yield _rows_accounted_for(
                spec.key, [load for load in loads if extract_key(load.extract) == spec.key]
            )

    return [deliveries, extracts]


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


def _none(name: str, found: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=DELIVERIES,
        passed=not found,
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
