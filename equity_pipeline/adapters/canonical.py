"""The product's own exchange format: CSV or Parquet with the canonical columns under their own names.

The extract is the source's `extract`, else the one named in the file's base name (`riverside_students_2022-23.csv`).
`values`, `constants` and `options` work as for `delimited`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from equity_pipeline.adapters.base import Mapped, RawTable
from equity_pipeline.adapters.delimited import (
    blocks_of,
    contract_of,
    fed,
    mapped,
    sought,
    whole_tables,
)
from equity_pipeline.contracts import EXTRACTS, Extract
from equity_pipeline.contracts.persons import IDENTITY
from equity_pipeline.domain.errors import DeliveryError
from equity_pipeline.partners.registry import Partner, Source


def read(path: Path, name: str, source: Source) -> list[RawTable]:
    """Every file of the delivery as a table of text. Parquet cells are written as CSV would hold them.

    Raises:
        DeliveryError: not a readable table, or a zip that is damaged or not safe to open.
    """
    return list(whole_tables(blocks(path, name, source)))


def blocks(path: Path, name: str, source: Source) -> Iterator[RawTable]:
    """The same tables block by block; the canonical names tell the header from what stands before it."""
    canonical = {column.name for extract in EXTRACTS.values() for column in extract.columns}
    return blocks_of(path, name, source, sought(source) | canonical)


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """Each table is one extract. Columns that are not canonical are dropped with a warning.

    Raises:
        PartnerFileError: the source names an extract, column or option that does not exist.
        DeliveryError: no extract in the file's name, or a required column is missing.
    """
    by_extract: dict[str, list[RawTable]] = {}
    for table in tables:
        by_extract.setdefault(source.extract or _extract_named_in(table.name), []).append(table)
    result = []
    for extract, its_tables in by_extract.items():
        contract = contract_of(source, extract)
        present = {header.strip().casefold() for table in its_tables for header in table.frame.columns}
        columns = {
            name: source.columns.get(name, name)
            for name in ("school_year", *(column.name for column in contract.columns), *_identity(contract))
            if name not in source.constants
            and (name in contract.required or name in present or name in source.columns)
        }
        result.append(mapped(its_tables, source, contract, columns))
    return result


def _identity(contract: Extract) -> set[str]:
    """What a match key is made of, where it is no column of the contract itself."""
    names = {column.name for column in contract.columns}
    return set(IDENTITY) - names if "match_key" in names else set()


def says(table: RawTable, source: Source) -> dict[str, str]:
    """The columns of the contract under their own names, and those that the source names."""
    contract = EXTRACTS[source.extract or _extract_named_in(table.name)]
    return fed(table, {column.name: column.name for column in contract.columns} | source.columns)


def _extract_named_in(name: str) -> str:
    base = re.split(r"[/!\\]", name.lower())[-1]
    named = [extract for extract in EXTRACTS if re.search(rf"(?<![a-z]){extract}(?![a-z])", base)]
    if not named:
        raise DeliveryError(
            "the name says no extract",
            file=name,
            remedy=f"name it like one of {', '.join(f'{e}.csv' for e in EXTRACTS)}",
        )
    return max(named, key=len)
