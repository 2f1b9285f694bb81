"""Who is behind a pseudonym, for tests that compare what is stored with what was delivered."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from equity_pipeline.contracts.persons import PERSONS
from equity_pipeline.extracts.pseudonyms import Pseudonyms

_KNOWN: dict[str, str] = {}


def remember() -> None:
    """From now on, remember every pseudonym that is made in this process."""
    make = Pseudonyms._of

    def of(self: Pseudonyms, kind: str, texts: Iterable[str]) -> list[str]:
        texts = list(texts)
        made = make(self, kind, texts)
        if kind == "person":
            _KNOWN.update(zip(made, texts, strict=True))
        return made

    Pseudonyms._of = of


def unmasked(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the ids that were delivered, and in their order."""
    people = [column for column in rows.columns if column in PERSONS]
    known = rows.with_columns(pl.col(pl.String).replace(list(_KNOWN), list(_KNOWN.values())))
    return known.sort(people, maintain_order=True) if people else known
