"""What a row of each extract must be, whatever file it came from: the one agreement of adapters, extracts and warehouse.

`contract` says what one is, `canonical` and `programmes` are the contracts, `gate` is their form in pandera,
`persons` says which columns tell who somebody is.
"""

from __future__ import annotations

from equity_pipeline.contracts.canonical import CANONICAL
from equity_pipeline.contracts.contract import Extract
from equity_pipeline.contracts.programmes import PROGRAMMES

__all__ = ["EXTRACTS", "PROGRAMMES", "Extract"]

EXTRACTS: dict[str, Extract] = {extract.name: extract for extract in (*CANONICAL, *PROGRAMMES)}
