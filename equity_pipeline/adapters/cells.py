"""Cells of a text → columns, from where each begins and ends: no other reader has a say in what they are.

Belongs here: Arrow's string views, sixteen bytes a cell: its length, and the cell itself where it has no more than twelve
bytes, else its first four and where it stands. Does not belong here: where a cell begins or ends (records).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

_LENGTH, _INLINE = 4, 12
_SHOWN = np.array(
    [[0] * _LENGTH + [255] * size + [0] * (_INLINE - size) for size in range(_INLINE + 1)], np.uint8
).view("V16")[:, 0]
"""By the length of a cell: which bytes of its view are the cell's."""


class Cells:
    """Cuts one text after the other. What it works with is kept from one to the next: fresh memory costs more than the work."""

    def __init__(self) -> None:
        self._padded, self._shown = np.zeros(0, np.uint8), np.zeros(0, _SHOWN.dtype)

    def columns(self, text: bytes, starts: np.ndarray, ends: np.ndarray) -> Iterator[pl.Series]:
        """The columns of a text. `text`: UTF-8, of less than 2 GiB; `starts`, `ends`: of each column where its cells begin and
        end."""
        size = _LENGTH + len(text) + _INLINE
        if size > len(self._padded):
            self._padded = np.zeros(size, np.uint8)
        self._padded[_LENGTH : size - _INLINE] = np.frombuffer(text, np.uint8)
        if starts.shape[1] > len(self._shown):
            self._shown = np.zeros(starts.shape[1], _SHOWN.dtype)
        # At each place of the text what would be the view of a cell that begins there, but for its length.
        every = np.ndarray(len(text) + 1, _SHOWN.dtype, self._padded, strides=(1,))
        # Of all columns in one piece: the system gives large pieces of memory for a tenth of the work.
        views = np.empty(starts.shape, _SHOWN.dtype)
        for column in zip(views, starts, ends - starts, strict=True):
            yield self._column(text, every, *column)

    def _column(
        self, text: bytes, every: np.ndarray, views: np.ndarray, starts: np.ndarray, lengths: np.ndarray
    ) -> pl.Series:
        count = len(views)
        views[:] = every[starts]
        shown = _SHOWN.take(lengths, out=self._shown[:count], mode="clip")
        halves, words = views.view(np.uint64).reshape(count, 2), views.view(np.uint32).reshape(count, 4)
        halves &= shown.view(np.uint64).reshape(count, 2)
        words[:, 0] = lengths
        long = np.flatnonzero(lengths > _INLINE)
        words[long, 2], words[long, 3] = 0, starts[long]
        buffers = [None, pa.py_buffer(views), *([pa.py_buffer(text)] if len(long) else [])]
        cells = pl.Series(pa.Array.from_buffers(pa.string_view(), count, buffers))
        # A long cell in a layout of its own: this one would keep the whole text in memory for as long as the column.
        return pl.Series(cells.to_arrow(compat_level=pl.CompatLevel.oldest())) if len(long) else cells
