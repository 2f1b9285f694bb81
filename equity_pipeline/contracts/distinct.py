"""Work on a column once for each distinct value: a code list of five values needs five look-ups, not five million."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

_SAMPLE = 4096
Work = Callable[[pl.DataFrame], pl.DataFrame]


def by_distinct(column: pl.Series, work: Work) -> list[pl.Series]:
    """What `Distinct` makes of a column."""
    return Distinct(work).of(column)


class Distinct:
    """Work on the blocks of a column that looks at one row at a time: done on the distinct texts if they are few, and on each
    of them once, however many blocks it is in.

    `work` takes a frame of this one column and gives one of as many rows. `coded`: few texts may be told as an Enum, which
    takes a byte or two a row; see `plain`.
    """

    def __init__(self, work: Work, coded: bool = False) -> None:
        self._work, self._coded = work, coded
        self._forget()

    def _forget(self) -> None:
        self._categories = pl.Categories.random()
        self._codes = pl.Series([], dtype=pl.Categorical(self._categories))  # without one they are forgotten
        self._texts = pl.Series([None], dtype=pl.String)  # none, then each at the place after its code
        self._plain: pl.DataFrame | None = None
        self._done: list[pl.Series] = []

    def of(self, column: pl.Series) -> list[pl.Series]:
        """The columns of `work(column)`. What work leaves as it was is the column itself, and a column of nulls is made as
        one."""
        rows = len(column)
        if rows and not column.null_count() and (column == column[0]).all():
            return [one.new_from_index(0, rows) for one in self._of(column.head(1), rows)]
        if column.head(_SAMPLE).n_unique() > _SAMPLE // 2:
            return self._work(column.to_frame()).get_columns()
        return self._of(column, rows)

    def _of(self, texts: pl.Series, rows: int) -> list[pl.Series]:
        places = (texts.cast(self._codes.dtype).to_physical() + 1).fill_null(0)
        distinct = self._categories.to_series()
        if len(distinct) > rows // 4:
            self._forget()
            return self._work(texts.to_frame()).get_columns()
        if self._plain is None or len(distinct) >= len(self._texts):
            self._learn(distinct.alias(texts.name))
        return [self._placed(done, places, texts) for done in self._done]

    def _learn(self, distinct: pl.Series) -> None:
        """Do the work on the texts that are new."""
        texts = pl.concat([self._texts.head(1).alias(distinct.name), distinct])
        new = texts if self._plain is None else texts[len(self._texts) :]
        done = self._work(new.to_frame())
        self._texts, self._plain = texts, done if self._plain is None else pl.concat([self._plain, done])
        self._done = [_coded(one) if self._coded else one for one in self._plain.get_columns()]

    def _placed(self, done: pl.Series, places: pl.Series, texts: pl.Series) -> pl.Series:
        if done.null_count() == len(done):
            return pl.repeat(None, len(texts), dtype=done.dtype, eager=True).alias(done.name)
        if done.dtype == pl.String and done.equals(self._texts):
            return texts.alias(done.name)
        return done.gather(places)


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
