"""Any delimited export, by the mapping in the partner file.

Belongs here: headers → canonical columns, codes → canonical values, stated date formats. Does not belong here: what a
value may be (contracts), or one vendor's habits (they are a mapping in YAML).

Options: `encoding`, `delimiter` (else found), `date_format` (strptime, else ISO), `exit_date`: `last_day` (default) or
`first_day_after` where the source writes the first day on which the student was no longer there (CEDS defines exit
dates both ways, so the source must say).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from equity_pipeline.adapters.base import FILE, LINE, Mapped, RawTable
from equity_pipeline.adapters.readers import members, read_batches, read_delimited
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.extracts.contracts import EXTRACTS, Extract
from equity_pipeline.extracts.distinct import by_distinct
from equity_pipeline.partners.registry import Partner, Source

OPTIONS = {"encoding", "delimiter", "escape", "date_format", "exit_date"}


def read(path: Path, name: str, source: Source) -> list[RawTable]:
    """Every file of the delivery as a table of text; see `readers.read_delimited`.

    Raises:
        DeliveryError: not a readable table, or a zip that is damaged or not safe to open.
    """
    reading = reading_options(source, sought(source))
    return [
        read_delimited(content, member_name(path, name, member), **reading)
        for member, content in members(path, name)
    ]


def blocks(
    path: Path, name: str, source: Source, partner: Partner
) -> Iterator[tuple[list[RawTable], list[Mapped]]]:
    """What `read` and `map` give, block by block.

    Raises:
        DeliveryError, PartnerFileError: as `read` and `map` do.
    """
    reading = reading_options(source, sought(source))
    for member, content in members(path, name):
        for table in read_batches(content, member_name(path, name, member), **reading):
            yield [table], map([table], source, partner)


def reading_options(source: Source, expects: Collection[str]) -> dict[str, Any]:
    """The arguments of the reader that the source states."""
    stated = {
        key: source.options[key] for key in ("encoding", "delimiter", "escape") if key in source.options
    }
    return stated | {"expects": expects}


def sought(source: Source) -> set[str]:
    """Every header that the source's `columns` name."""
    return {
        alias
        for aliases in source.columns.values()
        for alias in ([aliases] if isinstance(aliases, str) else aliases)
    }


def member_name(path: Path, name: str, member: str) -> str:
    """What a member is called: the delivered name, and the member behind `!` where the delivery holds several."""
    return name if member == path.name and path.suffix.lower() != ".zip" else f"{name}!{member}"


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """One extract from all tables of the delivery, by the source's `columns`, `values` and `constants`.

    Raises:
        PartnerFileError: the source names no extract, or a column or option that does not exist.
        DeliveryError: a required column that the source maps has none of its headers in the file.
    """
    if source.extract is None:
        raise PartnerFileError(
            f"source {source.name!r}: format delimited needs `extract`, the extract it feeds"
        )
    contract = contract_of(source, source.extract)
    if (
        unmapped := set(contract.key).intersection(contract.required)
        - source.columns.keys()
        - source.constants.keys()
    ):
        raise PartnerFileError(
            f"source {source.name!r}: no column is mapped to {', '.join(sorted(unmapped))}"
        )
    return [mapped(tables, source, contract, source.columns)]


def contract_of(source: Source, extract: str) -> Extract:
    """The contract that a source's mapping is written against, after the mapping itself was checked.

    Raises:
        PartnerFileError: an extract, column or option that does not exist; says which exist.
    """
    if extract not in EXTRACTS:
        raise PartnerFileError(
            f"source {source.name!r}: no extract {extract!r}; there are {', '.join(EXTRACTS)}"
        )
    contract = EXTRACTS[extract]
    known = {column.name for column in contract.columns} | {"school_year"}
    for part in ("columns", "values", "constants"):
        if unknown := getattr(source, part).keys() - known:
            raise PartnerFileError(
                f"source {source.name!r}: {part} of {extract} has no {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(known))}"
            )
    if unknown := source.options.keys() - OPTIONS:
        raise PartnerFileError(
            f"source {source.name!r}: no option {', '.join(sorted(unknown))}; there are {', '.join(sorted(OPTIONS))}"
        )
    if source.options.get("exit_date", "last_day") not in ("last_day", "first_day_after"):
        raise PartnerFileError(f"source {source.name!r}: exit_date is `last_day` or `first_day_after`")
    return contract


def mapped(
    tables: Iterable[RawTable], source: Source, contract: Extract, columns: Mapping[str, str | list[str]]
) -> Mapped:
    """The rows of all tables under canonical names; `columns` says under which headers each may stand.

    Raises:
        DeliveryError: see `map`.
    """
    frames, warnings, skipped = [], [], 0
    for table in tables:
        found, warning = _headers(table, contract, columns)
        warnings += warning
        rows = table.frame.select(
            *(pl.col(header).alias(column) for column, header in found.items()),
            *(
                pl.lit(value).alias(column)
                for column, value in source.constants.items()
                if column not in found
            ),
            pl.lit(table.name).alias(FILE),
            LINE,
        )
        rows = with_values(rows, source)
        rows = _dated(rows, source, contract)
        kept = _attended(rows, source)
        skipped += rows.height - kept.height
        frames.append(kept)
    rows = pl.concat(frames, how="diagonal")
    if "school_year" not in rows.columns:
        year = pl.col(contract.year) if contract.year in rows.columns else pl.lit(None, pl.String)
        rows = rows.with_columns(year.alias("school_year"))
    reasons = {"enrollment of no days (exit on the entry date)": skipped} if skipped else {}
    return Mapped(contract.name, rows, skipped=reasons, warnings=tuple(warnings))


def _headers(
    table: RawTable, contract: Extract, columns: Mapping[str, str | list[str]]
) -> tuple[dict[str, str], list[str]]:
    """Canonical column → delivered header, and what to tell about the others."""
    delivered = [header for header in table.frame.columns if header != LINE]
    exact = {header.strip(): header for header in reversed(delivered)}
    folded = {header.strip().casefold(): header for header in reversed(delivered)}
    found, absent = {}, {}
    for column, aliases in columns.items():
        aliases = [aliases] if isinstance(aliases, str) else aliases
        hits = (exact.get(a.strip()) or folded.get(a.strip().casefold()) for a in aliases)
        if header := next(filter(None, hits), None):
            found[column] = header
        else:
            absent[column] = aliases
    if needed := [column for column in contract.required if column in absent]:
        sought = "; ".join(f"{column} as {' or '.join(absent[column])}" for column in needed)
        raise DeliveryError(
            f"no header for {sought}; headers found: {', '.join(delivered)}",
            file=table.name, line=1, remedy="correct the file's header or the source's `columns`",
        )  # fmt: skip
    warnings = []
    if absent:
        warnings.append(f"{table.name}: no header for {', '.join(absent)}; taken as not known")
    if unused := [header for header in delivered if header not in found.values()]:
        warnings.append(f"{table.name}: not used: {', '.join(unused)}")
    return found, warnings


def with_values(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Delivered codes → canonical values in each column for which the source's `values` has a list."""
    return rows.with_columns(
        by_distinct(
            rows[column], lambda texts, codes=codes: texts.select(_translated(texts.columns[0], codes))
        )[0]
        for column, codes in source.values.items()
        if codes and column in rows.columns
    )


def _translated(column: str, codes: dict[str, str]) -> pl.Expr:
    """Delivered codes → canonical values: as written, else in any case; a code not in the map stays as it is."""
    code = pl.col(column).fill_null("").str.strip_chars()
    folded: dict[str, str] = {}
    for key, value in codes.items():
        folded.setdefault(key.strip().lower(), value)
    in_any_case = code.str.to_lowercase().replace_strict(folded, default=code, return_dtype=pl.String)
    exact = {key.strip(): value for key, value in codes.items()}
    return code.replace_strict(exact, default=in_any_case, return_dtype=pl.String).alias(column)


def _dated(rows: pl.DataFrame, source: Source, contract: Extract) -> pl.DataFrame:
    """Dates of the stated format in ISO. Any other text stays, for the contract to refuse as it was written."""
    format = source.options.get("date_format")
    if format is None:
        return rows
    dates = [c.name for c in contract.columns if c.type == "date" and c.name in rows.columns]
    day = pl.first().str.strip_chars().str.to_date(format, strict=False).dt.to_string("%Y-%m-%d")
    return rows.with_columns(
        by_distinct(rows[name], lambda texts: texts.select(pl.coalesce(day, pl.first())))[0].alias(name)
        for name in dates
    )


def _attended(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Exit dates as the last day. Where the source writes the first day after, one equal to the entry date says that
    the student never came: no enrollment."""
    if source.options.get("exit_date") != "first_day_after" or "exit_date" not in rows.columns:
        return rows
    entry, exit_ = (pl.col(name).str.strip_chars() for name in ("entry_date", "exit_date"))
    if "entry_date" in rows.columns:
        rows = rows.filter((exit_ != entry).fill_null(True))
    last_day = exit_.str.to_date("%Y-%m-%d", strict=False).dt.offset_by("-1d").dt.to_string("%Y-%m-%d")
    return rows.with_columns(pl.coalesce(last_day, "exit_date").alias("exit_date"))
