"""Work on a column once for each distinct value: a code list of five values needs five look-ups, not five million."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

_SAMPLE = 4096


def by_distinct(
    column: pl.Series, work: Callable[[pl.DataFrame], pl.DataFrame], coded: bool = False
) -> list[pl.Series]:
    """The columns of `work(column)`, for work that looks at one row at a time: done on the distinct texts if they are
    few. What work leaves as it was is the column itself, and a column of nulls is made as one.

    `work` takes a frame of this one column and gives one of as many rows. `coded`: few texts may be told as an Enum, which
    takes a byte or two a row; see `plain`.
    """
    if len(column) and not column.null_count() and (column == column[0]).all():
        one = work(column.head(1).to_frame()).get_columns()
        return [(_coded(done) if coded else done).new_from_index(0, len(column)) for done in one]
    if column.head(_SAMPLE).n_unique() > _SAMPLE // 2:
        return work(column.to_frame()).get_columns()
    categories = pl.Categories.random()
    codes = column.cast(pl.Categorical(categories))  # the categories live as long as a column of them
    distinct, position = categories.to_series(), codes.to_physical()
    if len(distinct) > len(column) // 4:
        return work(column.to_frame()).get_columns()
    texts = distinct.alias(column.name)
    if column.null_count():
        texts = pl.concat([texts, pl.Series([None], dtype=column.dtype)]).alias(column.name)
        position = position.fill_null(len(distinct))
    result = []
    for done in work(texts.to_frame()).get_columns():
        if done.null_count() == len(done):
            done = pl.repeat(None, len(column), dtype=done.dtype, eager=True).alias(done.name)
        elif coded and done.dtype == pl.String:
            done = _coded(done).gather(position)
        elif done.dtype == texts.dtype and done.equals(texts):
            done = column.alias(done.name)
        else:
            done = done.gather(position)
        result.append(done)
    return result


def _coded(texts: pl.Series) -> pl.Series:
    """A column of texts as an Enum of those in it; anything else as it is."""
    if texts.dtype != pl.String or texts.null_count() == len(texts):
        return texts
    return texts.cast(pl.Enum(texts.drop_nulls().unique(maintain_order=True)))


def plain(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with their coded columns as text: codes are of one block, and in no order."""
    # Cast, each text would be written anew.
    return rows.with_columns(
        dtype.categories.gather(rows[name].to_physical()).alias(name)
        for name, dtype in rows.schema.items()
        if isinstance(dtype, pl.Enum)
    )
