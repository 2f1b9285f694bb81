"""Work on a column once for each distinct value: a code list of five values needs five look-ups, not five million."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

_SAMPLE = 4096


def by_distinct(column: pl.Series, work: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """`work(column)`, for work that looks at one row at a time: done on the distinct texts if they are few.

    `work` takes a frame of this one column and gives one of as many rows.
    """
    if column.head(_SAMPLE).n_unique() > _SAMPLE // 4:
        return work(column.to_frame())
    distinct = column.unique().drop_nulls()
    if len(distinct) > len(column) // 4:
        return work(column.to_frame())
    position = column.cast(pl.Enum(distinct)).to_physical().fill_null(len(distinct))
    done = work(distinct.extend(pl.Series([None], dtype=column.dtype)).to_frame())
    return done.select(pl.all().gather(position))
