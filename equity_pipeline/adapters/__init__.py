"""One module per source format. A format's name in a partner file leads to its module here, and nowhere else."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

from equity_pipeline.adapters.base import Adapter
from equity_pipeline.domain.errors import EquityError

_MODULES = {
    format: f"{__name__}.{format}"
    for format in (
        "aggregate",
        "canonical",
        "college_board_ap",
        "delimited",
        "edfi",
        "ib",
        "oneroster",
        "survey",
    )
}


class _Adapters(Mapping[str, Adapter]):
    """Format name → adapter module. Imported at first use: reading a CSV must not wait for XML and survey code."""

    def __getitem__(self, format: str) -> Adapter:
        """The adapter of a format.

        Raises:
            KeyError: no such format.
            EquityError: the format is known, but this version has no adapter for it.
        """
        module = _MODULES[format]
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise EquityError(f"files of format {format!r} can't be read by this version") from error

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


ADAPTERS: Mapping[str, Adapter] = _Adapters()
