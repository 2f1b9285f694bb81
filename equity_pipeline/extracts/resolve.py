"""Rows of one extract and school year from all deliveries → one row per key, and the account of every other row.

Belongs here: the order in which rows win, merging of sources, what becomes of each row. Does not belong here: files,
the ledger, anything that reads or writes.

Within a source, of rows with one key the best is kept (see `Extract.best`), then the one of the newest file, then of
the later line; the others are duplicates. One that says otherwise than the row kept, where nothing but its age decided,
is a conflict besides: a duplicate all the same, but told in quarantine. Across sources rows of one key are merged column by column: the source that
stands first in the partner file and says anything but `unknown` wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from equity_pipeline.adapters.base import FILE, LINE, REJECT
from equity_pipeline.contracts import Extract
from equity_pipeline.contracts.contract import FAULT, Fault, Typing
from equity_pipeline.contracts.gate import schema
from equity_pipeline.extracts.ledger import IntegrityError
from equity_pipeline.extracts.quarantine import COLUMN, REASON, VALUE

UNIT, SOURCE, YEAR, KEY = "_unit", "_source", "_year", "_key"
CONFLICT = "a duplicate that says otherwise than the row that is kept"
_ROW, _MISSING, _ROWS = "_row", "_missing", "_rows"


@dataclass(frozen=True)
class Resolved:
    """`rows`: typed, one per key, in the order of the key, plus `_unit` (of the source that won).
    `rejects`: `_unit`, `_file`, `_line`, `_reason`, `_column`, `_value`.
    `conflicts`: the same columns of the duplicates that say otherwise than the row kept.
    `account`: per `_unit`, `_file`: rows_in, loaded, rejected, duplicates; rows_in is the sum of the others; and how many
    of the duplicates are conflicts.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    conflicts: pl.DataFrame
    account: pl.DataFrame


def resolve(contract: Extract, text: pl.DataFrame, several: bool) -> Resolved:
    """Validate, remove duplicates, merge.

    `text`: canonical columns as text with `_file`, `_line`, `_reject`, `_unit` (Int32: deliveries, the newest of a source first)
    and `_source` (Int32: position in the partner file). `several`: whether several sources meet, here or in the rows of
    other keys; then a row alone must have the key, and the other required columns after the merge.

    Raises:
        IntegrityError: rows got lost, or a row passed that the pandera contract refuses; a fault of the product.
    """
    text = text.with_row_index(_ROW)
    key_columns = tuple(column for column in contract.required if column in contract.key)
    alone = key_columns if several else contract.required

    sound, reasons = _sound(Typing(contract, alone), text)
    rejected = [reasons]
    kept = _first_of_each_key(contract, sound)
    rows = kept
    if several:
        faults = (*contract.missing_faults(contract.required), *contract.value_faults())
        number = pl.coalesce(pl.when(f.fails).then(pl.lit(i, pl.Int32)) for i, f in enumerate(faults))
        merged = _merged(contract, kept).with_columns(number.alias(FAULT))
        rejected.append(_reasons(merged.explode(_ROWS).drop(_ROW).rename({_ROWS: _ROW}), faults))
        rows = merged.filter(pl.col(FAULT).is_null())

    reasons = pl.concat(rejected)
    columns = [column.name for column in contract.columns]
    stored = rows.select(*columns, UNIT)
    validated(contract, stored.select(columns))
    losers = sound.join(kept, on=_ROW, how="anti") if kept.height < sound.height else sound.clear()
    conflicts = _conflicts(contract, losers, kept)
    account = _account(text, sound, kept, reasons, conflicts)
    return Resolved(stored, _rejects(text, reasons), conflicts, account)


def judged(typing: Typing, text: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows each by itself: those that pass, typed and coded, and the rejects as in `Resolved`, with the other columns of
    the text (`_year` …) that are not canonical."""
    text = text.with_row_index(_ROW)
    sound, reasons = _sound(typing, text)
    return sound.drop(_ROW, REJECT), _rejects(text, reasons, YEAR)


def _sound(typing: Typing, text: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Typed rows without a fault; `_row`, `_reason` and `_column` of the others."""
    typed = typing.of(text)
    refused = pl.col(REJECT).is_not_null()
    faulty = typed.filter(refused | pl.col(FAULT).is_not_null())
    reasons = [
        faulty.filter(refused).select(
            _ROW, pl.col(REJECT).alias(REASON), pl.lit(None, pl.String).alias(COLUMN)
        ),
        _reasons(faulty.filter(~refused), typing.faults),
    ]
    sound = typed if faulty.is_empty() else typed.filter(~refused & pl.col(FAULT).is_null())
    return sound.drop(FAULT), pl.concat(reasons)


def _reasons(rows: pl.DataFrame, faults: tuple[Fault, ...]) -> pl.DataFrame:
    """`_row`, `_reason`, `_column` of the rows that have a fault."""
    bad = rows.select(_ROW, FAULT).filter(pl.col(FAULT).is_not_null())
    table = pl.DataFrame(
        {
            FAULT: pl.Series(range(len(faults)), dtype=pl.Int32),
            REASON: pl.Series([fault.reason for fault in faults], dtype=pl.String),
            COLUMN: pl.Series([fault.column for fault in faults], dtype=pl.String),
        }
    )
    return bad.join(table, on=FAULT, how="left", maintain_order="left").drop(FAULT)


def _first_of_each_key(contract: Extract, rows: pl.DataFrame) -> pl.DataFrame:
    """One row per key and source, sorted by key, then source.

    `rows`: the key, `best` if the contract has one, `_source`, `_unit`, `_file`, `_line`, and whatever else.
    """
    if not contract.key:
        return rows.sort([column.name for column in contract.columns] + [UNIT, FILE, LINE])
    group = [*contract.key, SOURCE]
    # A row that lacks what another of the same key has is the worse one, however new.
    needed = [pl.col(name).is_null() for name in contract.required if name in rows.columns]
    rows = rows.with_columns(pl.sum_horizontal(needed).alias(_MISSING))
    order = [_MISSING, *([contract.best] if contract.best else []), UNIT, FILE, LINE]
    descending = [False] * len(group) + [name in (contract.best, LINE) for name in order]
    nulls_last = [False] * len(group) + [True] * len(order)
    rows = rows.sort(group + order, descending=descending, nulls_last=nulls_last).drop(_MISSING)
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in group)
    return rows.filter(differs | (pl.int_range(pl.len()) == 0))


def beaten(contract: Extract, rows: pl.DataFrame, number: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that give way to another of their key and source, and those of them that say otherwise, as in `Resolved`.

    `rows`: see `_first_of_each_key`; `number`: the columns that tell them apart.
    """
    kept = _first_of_each_key(contract, rows)
    losers = rows.join(kept, on=number, how="anti")
    return losers, _conflicts(contract, losers, kept)


def _conflicts(contract: Extract, losers: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Of the rows that gave way to another of their key and source those that say otherwise, as in `Resolved`. Where the
    better one was kept (`Extract.best`), the worse is no conflict; nor does `unknown` or nothing contradict anything."""
    named = [column.name for column in contract.columns if column.name in losers.columns]
    compared = [name for name in named if name not in contract.key]
    pairs = losers.join(kept, on=[*contract.key, SOURCE], how="inner", suffix="|kept", nulls_equal=True)
    if contract.best:
        pairs = pairs.filter(pl.col(contract.best).eq_missing(pl.col(f"{contract.best}|kept")))
    differs = {
        name: (pl.col(name) != pl.col(f"{name}|kept"))
        & ~pl.any_horizontal(pl.col(name, f"{name}|kept").cast(pl.String) == "unknown")
        for name in compared
    }
    said = pl.concat_str(
        (pl.when(other).then(pl.lit(name)) for name, other in differs.items()),
        separator=", ",
        ignore_nulls=True,
    )
    found = pairs.with_columns(said.alias(REASON)).filter(pl.col(REASON) != "")
    first = pl.coalesce(pl.when(other).then(pl.col(name).cast(pl.String)) for name, other in differs.items())
    return found.select(
        UNIT, FILE, LINE, pl.format(f"{CONFLICT}: {{}}", REASON).alias(REASON),
        pl.col(REASON).str.extract("^([^,]*)").alias(COLUMN), first.alias(VALUE),
    )  # fmt: skip


def _merged(contract: Extract, kept: pl.DataFrame) -> pl.DataFrame:
    """One row per key, column by column from the first source that knows; `_rows` lists the rows it is made of."""
    if not contract.key:
        return kept.with_columns(pl.concat_list(_ROW).alias(_ROWS))

    def first_known(name: str, dtype: pl.DataType) -> pl.Expr:
        given = pl.col(name).drop_nulls()
        if dtype != pl.String:
            return given.first()
        return pl.coalesce(given.filter(given != "unknown").first(), given.first())

    others = [column.name for column in contract.columns if column.name not in contract.key]
    return kept.group_by(contract.key, maintain_order=True).agg(
        *(first_known(name, kept.schema[name]) for name in others),
        pl.col(UNIT).first(),
        pl.col(_ROW).first(),
        pl.col(_ROW).alias(_ROWS),
    )


def _rejects(text: pl.DataFrame, reasons: pl.DataFrame, *others: str) -> pl.DataFrame:
    """Rejected rows with where they stood and the text that was wrong."""
    rows = text[reasons[_ROW]].with_columns(reasons[REASON], reasons[COLUMN])
    value = pl.lit(None, pl.String)
    for column in rows[COLUMN].drop_nulls().unique().sort():
        if column in text.columns:
            value = pl.when(pl.col(COLUMN) == column).then(pl.col(column)).otherwise(value)
    return rows.with_columns(value.alias(VALUE)).select(UNIT, FILE, LINE, REASON, COLUMN, VALUE, *others)


def _account(
    text: pl.DataFrame,
    sound: pl.DataFrame,
    kept: pl.DataFrame,
    reasons: pl.DataFrame,
    conflicts: pl.DataFrame,
) -> pl.DataFrame:
    """Where the rows of each delivery's file went."""
    refused = text.select(_ROW, UNIT, FILE).join(reasons, on=_ROW, how="semi")
    account = text.group_by(UNIT, FILE).agg(pl.len().alias("rows_in"))
    by_name = {"sound": sound, "kept": kept, "rejected": refused, "conflicts": conflicts}
    for name, rows in by_name.items():
        counts = rows.group_by(UNIT, FILE).agg(pl.len().alias(name))
        account = account.join(counts, on=[UNIT, FILE], how="left")
    account = account.fill_null(0).with_columns(pl.exclude(UNIT, FILE).cast(pl.Int64))
    late = pl.col("rejected") - (pl.col("rows_in") - pl.col("sound"))
    account = account.select(
        UNIT, FILE, "rows_in",
        (pl.col("kept") - late).alias("loaded"), "rejected", (pl.col("sound") - pl.col("kept")).alias("duplicates"),
        "conflicts",
    ).sort(UNIT, FILE)  # fmt: skip
    parts = account.select(pl.col("loaded", "rejected", "duplicates").sum()).row(0)
    if min(account["loaded"], default=0) < 0 or sum(parts) != text.height:
        raise IntegrityError(f"{text.height} rows in, but loaded, rejected and duplicates are {parts}")
    return account


def validated(contract: Extract, rows: pl.DataFrame, unique: bool = True) -> None:
    """Have pandera check typed rows; `unique`: that no two have the same key, too.

    Raises:
        IntegrityError: rows that the contract refuses; a fault of the product.
    """
    from pandera.errors import SchemaError, SchemaErrors  # slow to import, see `contracts.schema`

    try:
        schema(contract.name, unique).validate(rows, lazy=True)
    except (SchemaError, SchemaErrors) as error:
        # The pandera message quotes values: only the contract's own words may leave.
        broken = sorted({str(check) for check in error.failure_cases["check"]})
        raise IntegrityError(
            f"{contract.name}: rows passed that the contract refuses: {', '.join(broken)}"
        ) from None
