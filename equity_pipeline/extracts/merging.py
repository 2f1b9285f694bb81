"""Rows that come from several sources, so many at a time: what is held in memory does not grow with the files.

Belongs here: which rows are looked at together. Does not belong here: which of them wins (resolve), the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from equity_pipeline.contracts import Extract
from equity_pipeline.storage import sealed

_AT_ONCE = 500_000
_LOT = "_lot"


def in_lots(
    contract: Extract, blocks: Iterable[pl.DataFrame], rows: int, folder: Path
) -> Iterator[pl.DataFrame]:
    """The text rows of all blocks, about half a million at a time, rows of one key together.

    `rows`: how many there are, about; `folder`: where they wait, if they are more than one lot.
    """
    lots = 1 + rows // _AT_ONCE if contract.key else 1
    if lots == 1:
        yield pl.concat(blocks, how="diagonal")
        return
    for number, block in enumerate(blocks):
        lot = _key(contract, block).hash_rows(seed=0) % lots
        for (name,), part in block.with_columns(lot.alias(_LOT)).group_by(_LOT):
            place = folder / str(name)
            place.mkdir(exist_ok=True)
            sealed.write_ipc(part.drop(_LOT), place / f"{number:06d}.arrow")
    for name in range(lots):
        waiting = [sealed.read_ipc(path) for path in sorted((folder / str(name)).glob("*.arrow"))]
        if waiting:
            yield pl.concat(waiting, how="diagonal")


def _key(contract: Extract, block: pl.DataFrame) -> pl.DataFrame:
    """The key of each row, typed: two writings of one value belong together."""
    return block.select(
        (column.value() if column.name in block.columns else pl.lit(None, column.dtype)).alias(column.name)
        for column in contract.columns
        if column.name in contract.key
    )
