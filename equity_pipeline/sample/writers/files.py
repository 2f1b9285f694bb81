"""What all writers share: school years of a table, and archives whose bytes depend on nothing but their content."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from equity_pipeline.domain import school_years


def by_year(table: pl.DataFrame, column: str = "school_year") -> Iterator[tuple[int, str, pl.DataFrame]]:
    """(ending year, `2025-26`, rows) for each school year in a table, in order."""
    for (year,), rows in sorted(table.partition_by(column, as_dict=True, maintain_order=True).items()):
        yield year, school_years.label(year), rows


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """A zip without clock or user in it: the same members give the same bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content, compresslevel=1)
