"""From what a partner sends to typed extracts: the first two assets of every delivery's way."""

from collections import Counter, defaultdict
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
            dg.AssetCheckSpec(NO_REFUSED, asset=DELIVERIES, description="Every file could be read as a whole."),
        ],
        partitions_def=partitions.partner,
        retry_policy=RETRIES,
    )
    def deliveries(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        with told_to_a_person():
            partner = registry.load(home.partner_file(context.partition_key))
            results = intake.take_delivery(home, partner)
        by_status = defaultdict(list)
        for result in results:
            by_status[result.status].append(result)
        return dg.MaterializeResult(
            asset_key=DELIVERIES,
            metadata={
                **{status: len(by_status[status]) for status in ("accepted", "refused", "unclaimed")},
                "school_years": sorted({year for result in results for year in result.school_years}),
            },
            check_results=[
                _no_files(NO_UNCLAIMED, [result.file for result in by_status["unclaimed"]]),
                _no_files(NO_REFUSED, [result.message for result in by_status["refused"]]),
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
                description="Rows delivered = loaded + rejected + duplicates, file by file.",
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


def _no_files(name: str, found: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=DELIVERIES,
        passed=not found,
        metadata={"files": dg.MetadataValue.json(found)},
    )


def _materializations(loads: list[intake.ExtractLoad], partition: str) -> Iterator[dg.AssetMaterialization]:
    for extract in sorted({load.extract for load in loads}):
        mine = [load for load in loads if load.extract == extract]
        reasons: Counter[str] = sum((Counter(load.reasons) for load in mine), Counter())
        yield dg.AssetMaterialization(
            extract_key(extract),
            partition=partition,
            metadata={
                "dagster/row_count": sum(load.loaded for load in mine),
                "rows_in": sum(load.rows_in for load in mine),
                "rejected": sum(load.rejected for load in mine),
                "duplicates": sum(load.duplicates for load in mine),
                "rejected_by_reason": dg.MetadataValue.json(dict(sorted(reasons.items()))),
                "deliveries": dg.MetadataValue.json(sorted({load.delivery_id for load in mine})),
            },
        )


def _rows_accounted_for(key: dg.AssetKey, loads: list[intake.ExtractLoad]) -> dg.AssetCheckResult:
    wrong = [load.file for load in loads if load.rows_in != load.loaded + load.rejected + load.duplicates]
    return dg.AssetCheckResult(
        check_name=ACCOUNTED,
        asset_key=key,
        passed=not wrong,
        metadata={
            "rows_in": sum(load.rows_in for load in loads),
            "files_that_do_not_add_up": sorted(set(wrong)),
        },
    )
