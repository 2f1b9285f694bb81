"""CSV and Parquet of the published marts: the same frames give the same bytes, and no cell runs as a formula."""

from __future__ import annotations

import io
import re

import pandas as pd

_RUNS = ("=", "+", "-", "@", "\t", "\r")
_BREAKS = re.compile(r"[\x00-\x1f]+")


def harmless(text: object) -> object:
    """A text that a spreadsheet would run as a formula, with an apostrophe in front (OWASP, CSV injection), and on one line."""
    if not isinstance(text, str):
        return text
    return _BREAKS.sub(" ", f"'{text}" if text.startswith(_RUNS) else text)


def both(path: str, frame: pd.DataFrame) -> dict[str, bytes]:
    """`<path>.csv` and `<path>.parquet`. The two say the same in every cell, so both carry the harmless text."""
    texts = [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])]
    safe = frame.assign(
        **{
            column: frame[column].map(harmless, na_action="ignore").astype(frame[column].dtype)
            for column in texts
        }
    )
    return {f"{path}.csv": csv(safe), f"{path}.parquet": parquet(safe)}


def csv(frame: pd.DataFrame) -> bytes:
    """UTF-8, `\\n`, header, empty for null, `true`/`false`, shortest decimal that reads back to the same number."""
    flags = [column for column in frame.columns if pd.api.types.is_bool_dtype(frame[column])]
    said = frame.assign(
        **{flag: frame[flag].map({True: "true", False: "false"}, na_action="ignore") for flag in flags}
    )
    return said.to_csv(index=False, lineterminator="\n").encode()


def parquet(frame: pd.DataFrame) -> bytes:
    """Parquet with zstd."""
    sink = io.BytesIO()
    frame.to_parquet(sink, engine="pyarrow", compression="zstd", index=False)
    return sink.getvalue()
