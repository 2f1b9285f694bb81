"""CSV and Parquet of the published marts: the same frames give the same bytes, and no cell runs as a formula."""

from __future__ import annotations

import io

import pandas as pd

_RUNS = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: object) -> object:
    """A text that a spreadsheet would run as a formula, with an apostrophe in front (OWASP, CSV injection)."""
    return f"'{text}" if isinstance(text, str) and text.startswith(_RUNS) else text


def csv(frame: pd.DataFrame) -> bytes:
    """UTF-8, `\\n`, header, empty for null, `true`/`false`, shortest decimal that reads back to the same number."""
    said = {}
    for name, column in frame.items():
        if pd.api.types.is_bool_dtype(column):
            said[name] = column.map({True: "true", False: "false"}, na_action="ignore")
        elif pd.api.types.is_numeric_dtype(column):
            said[name] = column
        else:
            said[name] = column.map(harmless, na_action="ignore")
    return pd.DataFrame(said, columns=frame.columns).to_csv(index=False, lineterminator="\n").encode()


def parquet(frame: pd.DataFrame) -> bytes:
    """Parquet with zstd; text stays as it is, nothing runs it."""
    sink = io.BytesIO()
    frame.to_parquet(sink, engine="pyarrow", compression="zstd", index=False)
    return sink.getvalue()
