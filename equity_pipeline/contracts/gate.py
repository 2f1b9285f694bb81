"""The contracts in pandera's form: the gate that everything stored has passed."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING

from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.contracts.contract import Fault

if TYPE_CHECKING:
    import pandera.polars as pa


def load() -> None:
    """Load pandera while something else is done: it takes half a second, and who finds a
    new delivery will store its rows."""
    Thread(target=import_module, args=("pandera.polars",)).start()


@lru_cache
def schema(extract: str, unique: bool = True) -> pa.DataFrameSchema:
    """The pandera schema of an extract's rows as `Extract.typed` gives them, for eager polars frames (a lazy frame
    would only have its names and types checked). Every rule of the contract is one check; the key is unique,
    unless the rows are not all there yet."""
    import pandera.polars as pa  # takes a second, and only a step that stores rows needs it

    contract = EXTRACTS[extract]

    def check(fault: Fault) -> pa.Check:
        return pa.Check(
            lambda data: data.lazyframe.select((~fault.fails).fill_null(True)), error=fault.reason
        )

    return pa.DataFrameSchema(
        {c.name: pa.Column(c.dtype, nullable=not c.required) for c in contract.columns},
        checks=[check(fault) for fault in contract.value_faults()],
        strict=True,
        ordered=True,
        unique=list(contract.key) if unique and contract.key else None,
        name=extract,
    )
