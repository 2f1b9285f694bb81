"""Any delimited export, by the mapping in the partner file.

Belongs here: headers → canonical columns, codes → canonical values, stated date formats. Does not belong here: what a
value may be (contracts), or one vendor's habits (they are a mapping in YAML).

A file may be text, a workbook or Parquet. Options: `encoding`, `delimiter` (else found), `escape: backslash`, `fixed_widths` (column: first-last character), `sheet` (of a workbook),
`date_format` (strptime; else ISO, or found where days after the 12th tell the order), `thousands` (their mark), `exit_date`: `last_day` (default) or
`first_day_after` where the source writes the first day on which the student was no longer there (CEDS defines exit
dates both ways, so the source must say), `day` (of attendance: the header of the date where there is a record for each
student and day; `days_absent` then says 1 or 0, and one delivery holds all days of the school year so far).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path, PurePath

import polars as pl
from polars.exceptions import PolarsError

from equity_pipeline.adapters.base import FILE, LINE, Mapped, RawTable
from equity_pipeline.adapters.readers import (
    WORKBOOKS,
    as_one,
    members,
    read_batches,
    read_fixed,
    read_parquet,
    read_workbook,
)
from equity_pipeline.contracts import EXTRACTS, Extract
from equity_pipeline.contracts.distinct import by_distinct
from equity_pipeline.contracts.persons import IDENTITY, PERSONS
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Partner, Source

OPTIONS = {
    "encoding",
    "delimiter",
    "escape",
    "fixed_widths",
    "sheet",
    "date_format",
    "thousands",
    "exit_date",
    "day",
}
OF_ALL_RECORDS = {"day"}
"""Options that say something of several records together: such a source is not read block by block."""

_DAY = "_day"
_QUERY = re.compile(r"(?i)\bselect\b|\b(?:read|scan)_\w+")
"""What no expression over columns needs, wherever it stands, in quotes too: their end is not for us to guess."""


def read(path: Path, name: str, source: Source) -> list[RawTable]:
    """Every file of the delivery as a table of text; see `readers.read_delimited`.

    Raises:
        DeliveryError: not a readable table, or a zip that is damaged or not safe to open.
    """
    return list(whole_tables(blocks(path, name, source)))


def blocks(path: Path, name: str, source: Source) -> Iterator[RawTable]:
    """The same tables block by block, none of them whole; each block can be mapped by itself."""
    return blocks_of(path, name, source, sought(source))


def blocks_of(path: Path, name: str, source: Source, expects: Collection[str]) -> Iterator[RawTable]:
    """The tables of a delivery, block by block; `expects`: see `readers.read_batches`."""
    for member, content in members(path, name):
        yield from _read_member(content, member_name(path, name, member), source, expects)


def _read_member(
    content: Path | bytes, called: str, source: Source, expects: Collection[str]
) -> Iterator[RawTable]:
    """The table of one file, block by block, read as the source's options state."""
    options = source.options
    stated = {key: options[key] for key in ("encoding", "delimiter", "escape") if key in options}
    if PurePath(called).suffix.lower() in WORKBOOKS:
        yield read_workbook(content, called, options.get("sheet"), expects)
    elif called.lower().endswith(".parquet"):
        yield read_parquet(content, called)
    elif "fixed_widths" in options:
        yield from read_fixed(content, called, options["fixed_widths"], stated.get("encoding", "auto"))
    else:
        yield from read_batches(content, called, **stated, expects=expects)


def whole_tables(blocks: Iterable[RawTable]) -> Iterator[RawTable]:
    """The blocks of each table as one."""
    for _, of_table in groupby(blocks, key=lambda table: table.name):
        yield as_one(list(of_table))


def listed(aliases: str | list[str]) -> list[str]:
    """The headers under which a column may stand: a partner file writes one or several."""
    return [aliases] if isinstance(aliases, str) else aliases


def sought(source: Source) -> set[str]:
    """Every header that the source's `columns` name."""
    return {alias for aliases in source.columns.values() for alias in listed(aliases)}


def header_among(delivered: Iterable[str], aliases: str | list[str]) -> str | None:
    """The delivered header that is one of these, the first of them that is there: as written, else in any case."""
    delivered = list(delivered)
    exact = {header.strip(): header for header in reversed(delivered)}
    folded = {header.strip().casefold(): header for header in reversed(delivered)}
    hits = (exact.get(alias.strip()) or folded.get(alias.strip().casefold()) for alias in listed(aliases))
    return next(filter(None, hits), None)


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
        - source.computed.keys()
    ):
        raise PartnerFileError(
            f"source {source.name!r}: no column is mapped to {', '.join(sorted(unmapped))}"
        )
    return [mapped(tables, source, contract, source.columns)]


def says(table: RawTable, source: Source) -> dict[str, str]:
    """The columns that the source's `columns` name; see `Adapter.says`."""
    return fed(table, source.columns)


def fed(table: RawTable, columns: Mapping[str, str | list[str]]) -> dict[str, str]:
    """Delivered column → the canonical column that it feeds; of several an id, so that it is hidden."""
    named = {}
    for column in sorted(columns, key=PERSONS.__contains__):
        for alias in listed(columns[column]):
            named[alias.strip().casefold()] = column
    folded = {header: header.strip().casefold() for header in table.frame.columns if header != LINE}
    return {header: named[name] for header, name in folded.items() if name in named}


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
    known |= set(IDENTITY) if "match_key" in known else set()
    for part in ("columns", "values", "constants", "computed"):
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
    if "day" in source.options and (
        extract != "attendance" or "days_absent" not in {*source.columns, *source.computed}
    ):
        raise PartnerFileError(
            f"source {source.name!r}: `day` is for attendance, with `days_absent` as 1 or 0 of each record's day"
        )
    return contract


def mapped(
    tables: Iterable[RawTable], source: Source, contract: Extract, columns: Mapping[str, str | list[str]]
) -> Mapped:
    """The rows of all tables under canonical names; `columns` says under which headers each may stand.

    Raises:
        DeliveryError: see `map`.
    """
    frames, warnings, unused, skipped, left_out = [], [], {}, 0, 0
    for table in tables:
        found, warning, unused[table.name] = _headers(table, contract, columns, source)
        warnings += warning
        taken = _where(table.frame, source)
        left_out += table.frame.height - taken.height
        if "excel_guards" in table.inferred:
            taken = taken.with_columns(pl.exclude(LINE).str.replace(r'^="(.*)"$', "$1"))
        rows = taken.select(
            *(pl.col(header).alias(column) for column, header in found.items()),
            *(
                pl.lit(value).alias(column)
                for column, value in source.constants.items()
                if column not in found
            ),
            *(_computed(taken, column, text, source) for column, text in source.computed.items()),
            *_day_of(taken, table, source),
            pl.lit(table.name).alias(FILE),
            LINE,
        )
        rows = with_values(rows, source)
        if "thousands" in source.options:
            rows = _without_thousands(rows, source.options["thousands"], contract)
        rows = _dated(rows, source, contract, table)
        kept = _attended(rows, source)
        skipped += rows.height - kept.height
        frames.append(kept)
    rows = pl.concat(frames, how="diagonal")
    records = rows.height
    if "day" in source.options:
        rows = _by_student(rows, contract)
    if "school_year" not in rows.columns:
        year = pl.col(contract.year) if contract.year in rows.columns else pl.lit(None, pl.String)
        rows = rows.with_columns(year.alias("school_year"))
    reasons = {"enrollment of no days (exit on the entry date)": skipped, "left out by `where`": left_out}
    reasons["a further record of a student's days, counted in them"] = records - rows.height
    reasons = {reason: count for reason, count in reasons.items() if count}
    return Mapped(contract.name, rows, reasons, tuple(warnings), unused)


def _headers(
    table: RawTable, contract: Extract, columns: Mapping[str, str | list[str]], source: Source
) -> tuple[dict[str, str], list[str], tuple[str, ...]]:
    """Canonical column → delivered header, what to tell about the columns that have none, and the headers not used."""
    delivered = [header for header in table.frame.columns if header != LINE]
    found, absent = {}, {}
    for column, aliases in columns.items():
        if header := header_among(delivered, aliases):
            found[column] = header
        else:
            absent[column] = listed(aliases)
    if needed := [column for column in contract.required if column in absent]:
        sought = "; ".join(f"{column} as {' or '.join(absent[column])}" for column in needed)
        raise DeliveryError(
            f"no header for {sought}; headers found: {', '.join(delivered)}",
            file=table.name, line=table.header_line, remedy="correct the file's header or the source's `columns`",
        )  # fmt: skip
    warnings = []
    if absent:
        warnings.append(f"{table.name}: no header for {', '.join(absent)}; taken as not known")
    computing = " ".join([*source.computed.values(), source.where or ""])
    unused = (header for header in delivered if header not in found.values() and header not in computing)
    return found, warnings, tuple(unused)


def with_values(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Delivered codes → canonical values in each column for which the source's `values` has a list."""
    return rows.with_columns(
        by_distinct(rows[column], _selecting(_translated(column, codes)))[0]
        for column, codes in source.values.items()
        if codes and column in rows.columns
    )


def _selecting(expression: pl.Expr) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frame: frame.select(expression)


def _translated(column: str, codes: dict[str, str]) -> pl.Expr:
    """Delivered codes → canonical values: as written, else in any case; a code not in the map stays as it is."""
    code = pl.col(column).fill_null("").str.strip_chars()
    folded: dict[str, str] = {}
    for key, value in codes.items():
        folded.setdefault(key.strip().lower(), value)
    in_any_case = code.str.to_lowercase().replace_strict(folded, default=code, return_dtype=pl.String)
    exact = {key.strip(): value for key, value in codes.items()}
    return code.replace_strict(exact, default=in_any_case, return_dtype=pl.String).alias(column)


def _where(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """The records of which the source's `where` is true."""
    if source.where is None:
        return frame
    return frame.filter(_evaluated(frame, source.where, "where", source, pl.Boolean))


def _computed(frame: pl.DataFrame, column: str, text: str, source: Source) -> pl.Series:
    return _evaluated(frame, text, f"computed {column}", source, pl.String).alias(column)


def _evaluated(
    frame: pl.DataFrame, text: str, what: str, source: Source, dtype: type[pl.DataType]
) -> pl.Series:
    """A small SQL expression over delivered columns, which are all text. A sub-query is refused before polars sees it:
    polars would open the file that it names.

    Raises:
        PartnerFileError: it can't be understood, or does not give one value for each record.
    """
    try:
        expression = pl.lit(None) if _QUERY.search(text) else pl.sql_expr(text)
        delivered = set(expression.meta.root_names())
        known = delivered and delivered <= set(frame.columns) - {LINE}
        # Of no rows it gives no value, unless it is a sum or the like.
        if known and not frame.clear().select(expression).height:
            return frame.select(expression.cast(dtype).alias(what)).to_series()
    except (PolarsError, OSError):
        pass
    raise PartnerFileError(
        f"source {source.name!r}: {what}: {text!r} is not an SQL expression over the delivered columns "
        f"{', '.join(header for header in frame.columns if header != LINE)}"
    )


def _without_thousands(rows: pl.DataFrame, mark: str, contract: Extract) -> pl.DataFrame:
    """`1,234` → `1234` in the columns of numbers."""
    numbers = [c.name for c in contract.columns if c.type in ("integer", "number") and c.name in rows.columns]
    grouped = rf"^\s*[+-]?[0-9]{{1,3}}(?:{re.escape(mark)}[0-9]{{3}})+(?:\.[0-9]+)?\s*$"
    return rows.with_columns(
        pl.when(pl.col(name).str.contains(grouped))
        .then(pl.col(name).str.replace_all(mark, "", literal=True))
        .otherwise(name)
        .alias(name)
        for name in numbers
    )


def _dated(rows: pl.DataFrame, source: Source, contract: Extract, table: RawTable) -> pl.DataFrame:
    """Dates of the stated format in ISO. Any other text stays, for the contract to refuse as it was written. Where no
    format is stated, a day that no month has must tell whether the month or the day stands first."""
    result = {}
    dates = {column.name for column in contract.columns if column.type == "date"} | {"birth_date"}
    for name in sorted(dates.intersection(rows.columns)):
        format = source.options.get("date_format")
        text = pl.first().str.strip_chars()
        if format is None and source.format == "delimited":
            format = _day_order(rows, name, table)
            text = text.str.replace_all(r"[.-]", "/")
        if format:
            day = text.str.to_date(format, strict=False).dt.to_string("%Y-%m-%d")
            read = by_distinct(rows[name], _selecting(pl.coalesce(day, pl.first())))
            result[name] = read[0]
    return rows.with_columns(**result)


def _day_order(rows: pl.DataFrame, column: str, table: RawTable) -> str | None:
    """The format of dates such as 3/14/2025, by the days after the 12th; None where there are no such dates.

    Raises:
        DeliveryError: no date decides, or some say this and some that; names the lines.
    """
    parts = (
        rows[column].str.extract_groups(r"^\s*([0-9]{1,2})[/.-]([0-9]{1,2})[/.-][0-9]{4}\s*$").struct.unnest()
    )
    first, second = (parts[:, position].cast(pl.Int32) for position in (0, 1))
    if first.null_count() == len(first):
        return None
    lines = {
        "%m/%d/%Y": rows[LINE].filter((second > 12).fill_null(False)),
        "%d/%m/%Y": rows[LINE].filter((first > 12).fill_null(False)),
    }
    key = f"{column} as"
    known = table.inferred.get(key)
    decided = {format: at[0] for format, at in lines.items() if len(at)}
    remedy = "state `date_format` in the source's options"
    if len(decided) == 2 or (known and decided and known not in decided):
        month, day = (f"line {decided[f]}" if f in decided else "earlier lines" for f in lines)
        raise DeliveryError(
            f"{column} has the month first by {month}, and the day first by {day}",
            file=table.name, line=max(decided.values()), remedy=f"correct the dates, or {remedy}",
        )  # fmt: skip
    if not decided and not known:
        at = rows[LINE].filter(first.is_not_null())[0]
        raise DeliveryError(
            f"{column} may have the month or the day first: no date decides",
            file=table.name,
            line=at,
            remedy=remedy,
        )
    table.inferred[key] = known or next(iter(decided))
    return table.inferred[key]


def _day_of(frame: pl.DataFrame, table: RawTable, source: Source) -> Iterator[pl.Expr]:
    """The day of each record, where the source's `day` says under which header it stands.

    Raises:
        DeliveryError: there is no such header.
    """
    if day := source.options.get("day"):
        if day not in frame.columns:
            raise DeliveryError(
                f"no header {day!r} for the day",
                file=table.name,
                line=table.header_line,
                remedy="correct `day` in the source's options",
            )
        yield pl.col(day).str.strip_chars().replace("", None).alias(_DAY)


def _by_student(rows: pl.DataFrame, contract: Extract) -> pl.DataFrame:
    """Records of single days → one row per student, school and year: on how many days, and on how many of them absent. A
    day that is there twice counts once, as absent if one of its records says so. What a record lacks makes it a row of
    its own, without days: the contract refuses it."""
    key = [name for name in ("school_year", *contract.key) if name in rows.columns]
    absent = pl.col("days_absent").str.strip_chars()
    whole = pl.all_horizontal(pl.col(*key, _DAY).is_not_null()) & absent.is_in(["0", "1"]).fill_null(False)
    first = pl.col(FILE, LINE).sort_by(FILE, LINE).first()
    days = rows.filter(whole).group_by(*key, _DAY).agg(absent.cast(pl.Int64).max(), first)
    students = days.group_by(key).agg(
        pl.len().cast(pl.String).alias("days_enrolled"), pl.col("days_absent").sum().cast(pl.String), first
    )
    return pl.concat([students, rows.filter(~whole).drop(_DAY)], how="diagonal").sort(FILE, LINE)


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
