"""What every adapter takes and gives.

Belongs here: the two shapes that travel between reading and validating. Does not belong here: any format.

A delivery is read into `RawTable`s, lossless and all text; an adapter maps them to `Mapped` rows of canonical
extracts, still all text, each with the file and line it came from. Types, rules and quarantine come after, in
`extracts/`, the same for every format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import polars as pl

from equity_pipeline.partners.registry import Partner, Source

FILE, LINE, REJECT = "_file", "_line", "_reject"


@dataclass(frozen=True)
class BadRecord:
    """A record that can't be read as a row (wrong number of fields, say). It goes to quarantine as it stands."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class RawTable:
    """One delivered table, lossless: every cell as text, `""` where the cell is empty, None where it is absent.

    `frame`: the delivered columns under their delivered names (made unique), plus `_line` (Int64, the physical line
    on which the record starts, or the record number where a format has no lines). `header_line`: that of the header.
    `name`: the file as delivered, with the member's name behind `!` for archives: `roster.zip!users.csv`.
    """

    name: str
    frame: pl.DataFrame
    bad: Sequence[BadRecord] = ()
    inferred: dict[str, str] = field(
        default_factory=dict
    )  # what was not stated but found: encoding, delimiter, …
    header_line: int = 1


@dataclass(frozen=True)
class Mapped:
    """Rows of one canonical extract, all text, not yet validated.

    `rows`: canonical columns as Utf8 (null = the source does not say), plus `_file` (Utf8, a RawTable's name) and
    `_line` (Int64). Only columns that the source provides are present; `school_year` is always among them and is
    null where the content does not tell. One delivered record may give several rows (an exam each, say).
    `_reject` (Utf8) may be present: where it is not null, the row goes to quarantine with this reason, for what only
    the adapter can see (an enrollment whose class is not in the delivery, say).
    `skipped`: delivered records that rightly give no row, counted by reason (`role is teacher`).
    `unused`: table → the delivered columns that the mapping does not read.
    """

    extract: str
    rows: pl.DataFrame
    skipped: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    unused: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Adapter(Protocol):
    """One source format. Each module in this package offers these three functions; `InBlocks` and `Incremental` are what
    some offer besides."""

    def read(self, path: Path, name: str, source: Source) -> list[RawTable]:
        """Read an archived file (or folder) without changing a cell.

        Raises:
            DeliveryError: the file as a whole can't be read; names the file and, where there is one, the line.
        """
        ...

    def map(self, tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
        """Map to canonical extracts.

        Raises:
            DeliveryError: a needed column is missing (says which were found and which were sought), and the like.
        """
        ...

    def says(self, table: RawTable, source: Source) -> dict[str, str]:
        """The delivered columns that may stand in quarantine, each with the canonical column that it feeds (`student_id`
        for every id of a person, `birth_date`), or its own name where it tells nothing of a person. What is not named,
        a name or an address say, never leaves the archive."""
        ...


class InBlocks(Adapter, Protocol):
    """An adapter whose tables can be mapped a part at a time."""

    def blocks(self, path: Path, name: str, source: Source) -> Iterator[RawTable]:
        """What `read` gives, never held whole."""
        ...


class Incremental(Adapter, Protocol):
    """An adapter of a format in which a delivery may change the one before it."""

    def read_on(self, deliveries: Iterable[tuple[Path, str]], source: Source) -> list[RawTable]:
        """The tables of a delivery and of those after it that change it, each a path and a name."""
        ...
