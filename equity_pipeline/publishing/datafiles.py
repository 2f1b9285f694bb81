"""CSV and Parquet of the published marts: the same frames give the same bytes, and no cell runs as a formula."""

from __future__ import annotations

import io
import re
import unicodedata

import pandas as pd
import polars as pl
import pyarrow as pa
from pyarrow import parquet

_SIGNS = "=+-@"
_BREAKS = re.compile(r"[\x00-\x1f]+")


def harmless(text: object) -> object:
    """A text that a spreadsheet would run as a formula, with an apostrophe in front (OWASP, CSV injection), and on one line.
    The same behind each `;`, which parts cells where the comma is the decimal sign."""
    if not isinstance(text, str):
        return text
    parts = ";".join(f"'{part}" if _runs(part) else part for part in text.split(";"))
    return _BREAKS.sub(" ", parts)


def _runs(text: str) -> bool:
    """Whether the first sign to be seen begins a formula, in whatever width it is written; or a control character does."""
    seen = (sign for sign in text if sign not in "\"'" and unicodedata.category(sign)[0] not in "ZC")
    return text[:1] in ("\t", "\r", "\n", "\0") or unicodedata.normalize("NFKC", next(seen, "x"))[0] in _SIGNS


def both(path: str, frame: pd.DataFrame) -> dict[str, bytes]:
    """`<path>.csv` and `<path>.parquet`. The two say the same in every cell, so both carry the harmless text."""
    texts = [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])]
    safe = _table(frame.assign(**{column: _harmless(frame[column]) for column in texts}))
    return {f"{path}.csv": _csv(safe), f"{path}.parquet": _parquet(safe)}


def _harmless(texts: pd.Series) -> pd.Series:
    """Each different text is looked at once: a column of a mart repeats few."""
    changed = {text: said for text in texts.dropna().unique() if (said := harmless(text)) != text}
    return (
        texts.map(lambda text: changed.get(text, text), na_action="ignore").astype(texts.dtype)
        if changed
        else texts
    )


def csv(frame: pd.DataFrame) -> bytes:
    r"""UTF-8, `\n`, header, empty for null, `true`/`false`, shortest decimal that reads back to the same number."""
    return _csv(_table(frame))


def _table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def _csv(table: pa.Table) -> bytes:
    return pl.DataFrame(table).write_csv().encode()


def _parquet(table: pa.Table) -> bytes:
    """Parquet with zstd."""
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()
