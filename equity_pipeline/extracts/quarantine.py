"""Rejected rows, and duplicates that say otherwise than the row kept: as delivered, with the reason, so that a person can
correct them at their source.

A Parquet file, or a few, per delivery in each partition: every delivered column as text under its delivered name, plus
`_reason`, `_column`, `_value`, `_file`, `_line`, `_delivery_id`. Restricted: it holds what students' rows hold. Ids are
pseudonyms, and the cells of columns that the mapping does not use, names say, are null: the archive has them, in the file
and on the line that are said.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import polars as pl

from equity_pipeline.adapters.base import FILE, LINE, BadRecord, RawTable
from equity_pipeline.storage import sealed
from equity_pipeline.storage.atomic import new_file, new_folder

REASON, COLUMN, VALUE, DELIVERY = "_reason", "_column", "_value", "_delivery_id"
Shown = Callable[[RawTable, pl.DataFrame], pl.DataFrame]
_MARKS = (REASON, COLUMN, VALUE, FILE, LINE, DELIVERY)


def as_delivered(
    rejects: pl.DataFrame, tables: Mapping[str, RawTable], delivery_id: str, shown: Shown
) -> pl.DataFrame:
    """Rejected rows of one delivery with the delivered columns beside them.

    `rejects`: `_file`, `_line`, `_reason`, `_column`, `_value`. `shown`: makes records of a table what may leave the
    archive. One row out for each row in.
    """
    parts = []
    for (file,), part in rejects.group_by(FILE, maintain_order=True):
        if file in tables:
            raw = tables[file].frame
            raw = shown(tables[file], raw.join(part, on=LINE, how="semi").unique(LINE, keep="first"))
            part = part.join(raw, on=LINE, how="left", maintain_order="left")
        parts.append(part)
    return _finished(parts, delivery_id)


def unreadable(bad: Iterable[BadRecord], file: str, delivery_id: str) -> pl.DataFrame:
    """Records that could not be read as rows. Which of its columns are names nobody can tell: the text stays in the
    archive, in the file and on the line that are said."""
    rows = [(one.reason, None, None, file, one.line) for one in bad]
    schema = {REASON: pl.String, COLUMN: pl.String, VALUE: pl.String, FILE: pl.String, LINE: pl.Int64}
    return marks_only(pl.DataFrame(rows, schema, orient="row"), delivery_id)


def marks_only(rows: pl.DataFrame, delivery_id: str) -> pl.DataFrame:
    """Rows of one delivery without the delivered columns: the archive has them. `rows`: as in `as_delivered`."""
    return _finished([rows], delivery_id)


def _finished(parts: list[pl.DataFrame], delivery_id: str) -> pl.DataFrame:
    frame = pl.concat(parts, how="diagonal").with_columns(pl.lit(delivery_id).alias(DELIVERY))
    delivered = [name for name in frame.columns if name not in _MARKS]
    return frame.select(*delivered, *_MARKS)


def joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Rejected rows of several tables as one, in a total order."""
    frame = pl.concat(parts, how="diagonal")
    delivered = [name for name in frame.columns if name not in _MARKS]
    return frame.select(*delivered, *_MARKS).sort(FILE, LINE, COLUMN, REASON, VALUE)


def write_delivery(folder: Path, delivery_id: str, parts: Iterable[pl.DataFrame | Path]) -> None:
    """Put one delivery's rejected rows into a partition beside the others', in place of what it had there."""
    for old in folder.glob(f"{delivery_id}*.parquet"):
        old.unlink()
    for number, part in enumerate(parts):
        with new_file(folder / _name(delivery_id, number)) as scratch:
            _put(part, scratch)
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def write_partition(folder: Path, by_delivery: Mapping[str, list[pl.DataFrame | Path]]) -> None:
    """Make a partition hold exactly these rows; a partition without any does not exist."""
    if not any(by_delivery.values()):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with new_folder(folder) as scratch:
        for delivery_id, parts in by_delivery.items():
            for number, part in enumerate(parts):
                _put(part, scratch / _name(delivery_id, number))


def _name(delivery_id: str, number: int) -> str:
    return f"{delivery_id}-{number}.parquet" if number else f"{delivery_id}.parquet"


def _put(part: pl.DataFrame | Path, target: Path) -> None:
    if isinstance(part, Path):
        sealed.carry(part, target)
    else:
        sealed.write_parquet(part, target)
