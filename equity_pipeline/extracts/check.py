"""The dry run of a delivery, for its sender.

Belongs here: what taking a file in would do. Does not belong here: doing it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from equity_pipeline.adapters.base import FILE, LINE
from equity_pipeline.domain.errors import DeliveryError, EquityError, TransientError
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.privacy import Pseudonyms
from equity_pipeline.extracts.quarantine import COLUMN, REASON
from equity_pipeline.extracts.reading import (
    UNREADABLE_YEAR,
    Item,
    check_year,
    claiming,
    header_changes,
    headers_before,
    headers_of,
    landed,
    read_parts,
    rekeyed,
    stacked,
    unreadable,
    warnings_of_parts,
)
from equity_pipeline.extracts.resolve import YEAR, resolve
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage.home import Home

_NO_KEY = b""
"""The dry run stores nothing: no id that it reads can meet another of the same person."""


@dataclass(frozen=True)
class Finding:
    """Rows of one file that a load would reject for one reason, with the first of their lines."""

    file: str
    extract: str
    school_year: int
    column: str | None
    reason: str
    rows: int
    lines: tuple[int, ...]


@dataclass(frozen=True)
class DeliveryCheck:
    """The dry run of one file. `counts`: per file, extract and school year: rows_in, loaded, rejected, duplicates.

    `columns`: extract → canonical columns that the file provides. Holds no cell of the file.
    """

    file: str
    status: str
    source: str | None
    message: str | None
    inferred: dict[str, dict[str, str]] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    counts: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


def check_delivery(home: Home, partner: Partner, files: Iterable[Path]) -> list[DeliveryCheck]:
    """What taking in these files would do: which source, which columns, which rows are accepted and which are not,
    and why. Changes nothing. Each file is judged alone: a required column that the file does not have at all is no
    fault where another source of the partner may bring it, and is told as a warning."""
    landing = home.landing(partner.partner_id)
    items = []
    for path in files:
        path = Path(path)
        inside = path.resolve().is_relative_to(landing.resolve())
        name = path.resolve().relative_to(landing.resolve()) if inside else path
        name = name.as_posix().lstrip("./")  # as the sender wrote it
        items += landed(path, name) if path.is_dir() else [Item(name, path)]
    return [_checked(home, partner, item) for item in items]


def _checked(home: Home, partner: Partner, item: Item) -> DeliveryCheck:
    named = None
    try:
        sources = claiming(partner, item.name)
        named = ", ".join(source.name for source in sources) or None
        if not sources:
            return DeliveryCheck(
                item.name, "unclaimed", None, "no source of the partner file claims this file"
            )
        if not item.path.exists():
            raise DeliveryError("there is no such file", file=item.name)
        parts = read_parts(partner, item.path, item.name, sources, Pseudonyms(_NO_KEY))
        years = {part.extract.name: set(part.rows[YEAR].unique()) for part in parts}
        if not rekeyed(partner, item.name):
            check_year(item.name, years)
    except TransientError:
        raise
    except EquityError as error:
        return DeliveryCheck(item.name, "refused", named, str(error))
    counts, findings, columns, warnings = [], [], {}, warnings_of_parts(parts)
    if home.ledger.exists():
        before = headers_before(Ledger(home), partner, item.sha256(), item.name)
        warnings += header_changes(before, headers_of(parts))
    for part in parts:
        extract = part.extract.name
        given = [c.name for c in part.extract.columns if c.name in part.rows.columns]
        columns[extract] = tuple(given)
        required = part.extract.required
        if len(partner.sources) > 1 and (
            absent := [c for c in required if c not in given and c not in part.extract.key]
        ):
            warnings.append(
                f"{extract}: {', '.join(absent)} must come from another file, or every row is rejected"
            )
            required = tuple(c for c in required if c not in absent)
        for frame in unreadable(part, ""):
            findings += _findings(frame, extract, UNREADABLE_YEAR)
            counts += [
                {"file": file, "extract": extract, "school_year": UNREADABLE_YEAR, "rows_in": n, "loaded": 0,
                 "rejected": n, "duplicates": 0}
                for file, n in frame.group_by(FILE).len().sort(FILE).iter_rows()
            ]  # fmt: skip
        for year in part.rows[YEAR].unique().sort():
            if year != UNREADABLE_YEAR:
                resolved = resolve(part.extract, stacked(partner, [part], year), required)
                findings += _findings(resolved.rejects, extract, year)
                counts += [
                    {"file": row[FILE], "extract": extract, "school_year": year}
                    | {k: row[k] for k in ("rows_in", "loaded", "rejected", "duplicates")}
                    for row in resolved.account.iter_rows(named=True)
                ]
    skipped = {f"{part.extract.name}: {reason}": n for part in parts for reason, n in part.skipped.items()}
    inferred = {name: table.inferred for part in parts for name, table in part.tables.items()}
    return DeliveryCheck(
        item.name, "accepted", named, None, inferred, columns, counts, skipped, findings, tuple(warnings)
    )


def _findings(rejects: pl.DataFrame, extract: str, year: int) -> list[Finding]:
    grouped = (
        rejects.sort(FILE, LINE)
        .group_by(FILE, COLUMN, REASON, maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col(LINE).head(5).alias("lines"))
    )
    return [
        Finding(row[FILE], extract, year, row[COLUMN], row[REASON], row["rows"], tuple(row["lines"]))
        for row in grouped.iter_rows(named=True)
    ]
