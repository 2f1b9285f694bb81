"""The dry run of a delivery, for its sender.

Belongs here: what taking a file in would do. Does not belong here: doing it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from equity_pipeline.adapters.base import FILE, LINE
from equity_pipeline.contracts import Extract
from equity_pipeline.contracts.contract import Typing
from equity_pipeline.contracts.distinct import plain
from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import DeliveryError, EquityError, TransientError
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.pseudonyms import Pseudonyms
from equity_pipeline.extracts.quarantine import COLUMN, REASON
from equity_pipeline.extracts.reading import (
    UNREADABLE_YEAR,
    Item,
    Part,
    Told,
    check_year,
    claiming,
    header_changes,
    headers_before,
    in_blocks,
    landed,
    parts_by_block,
    read_parts,
    rekeyed,
    unreadable,
)
from equity_pipeline.extracts.resolve import (
    KEY,
    SOURCE,
    UNIT,
    YEAR,
    beaten,
    judged,
)
from equity_pipeline.partners.registry import Partner, Source
from equity_pipeline.storage.home import Home

_BEST, _ROW = "_best", "_row"
_LINES = 5
_NO_KEY = b""
"""The dry run stores nothing: no id that it reads can meet another of the same person."""


@dataclass(frozen=True)
class Finding:
    """Rows of one file that a load would reject for one reason, with the first of their lines."""

    file: str
    extract: str
    school_year: int
    column: str | None
    reason: str
    rows: int
    lines: tuple[int, ...]


@dataclass(frozen=True)
class DeliveryCheck:
    """The dry run of one file. `counts`: per file, extract and school year: rows_in, loaded, rejected, duplicates.

    `columns`: extract → canonical columns that the file provides. Holds no cell of the file.
    """

    file: str
    status: str
    source: str | None
    message: str | None
    inferred: dict[str, dict[str, str]] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    counts: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    warnings: tuple[str, ...] = ()


def check_delivery(home: Home, partner: Partner, files: Iterable[Path]) -> list[DeliveryCheck]:
    """What taking in these files would do: which source, which columns, which rows are accepted and which are not,
    and why. Changes nothing. Each file is judged alone: a required column that the file does not have at all is no
    fault where another source of the partner may bring it, and is told as a warning."""
    landing = home.landing(partner.partner_id)
    items: list[Item] = []
    for path in files:
        path = Path(path)
        inside = path.resolve().is_relative_to(landing.resolve())
        name = path.resolve().relative_to(landing.resolve()) if inside else path
        name = name.as_posix().lstrip("./")  # as the sender wrote it
        items += landed(path, name) if path.is_dir() else [Item(name, path)]
    return [_checked(home, partner, item) for item in items]


def _checked(home: Home, partner: Partner, item: Item) -> DeliveryCheck:
    named = None
    try:
        sources = claiming(partner, item.name)
        named = ", ".join(source.name for source in sources) or None
        if not sources:
            return DeliveryCheck(
                item.name, "unclaimed", None, "no source of the partner file claims this file"
            )
        if not item.path.exists():
            raise DeliveryError("there is no such file", file=item.name)
        dry = _DryRun(partner)
        for parts in _blocks(partner, item, sources):
            dry.add(parts)
        if not rekeyed(partner, item.name):
            check_year(item.name, dry.years())
        otherwise = dry.otherwise(lambda: _blocks(partner, item, sources))
    except TransientError:
        raise
    except EquityError as error:
        return DeliveryCheck(item.name, "refused", named, str(error))
    warnings = [*dry.told.warnings(), *dry.absent(), *otherwise]
    if home.ledger.exists():
        before = headers_before(Ledger(home), partner, item.sha256(), item.name)
        warnings += header_changes(before, dry.told.headers)
    return DeliveryCheck(
        item.name, "accepted", named, None, dry.told.inferred, dry.columns, dry.counts(), dict(dry.skipped),
        dry.findings(), tuple(warnings),
    )  # fmt: skip


def _blocks(partner: Partner, item: Item, sources: list[Source]) -> Iterator[list[Part]]:
    people = Pseudonyms(_NO_KEY)
    if all(map(in_blocks, sources)):
        for source in sources:
            yield from parts_by_block(partner, item.path, item.name, source, people)
    else:
        yield read_parts(partner, item.path, item.name, sources, people)


class _DryRun:
    """What a load would make of a delivery, block by block; of the rows that pass only hashes of their keys stay."""

    def __init__(self, partner: Partner) -> None:
        self._alone = len(partner.sources) == 1
        self.told = Told()
        self.columns: dict[str, tuple[str, ...]] = {}
        self.skipped: Counter[str] = Counter()
        self._contracts: dict[str, Extract] = {}
        self._rejected: Counter[tuple[str, int, str]] = Counter()
        self._sound: dict[tuple[str, int], list[pl.DataFrame]] = {}
        self._findings: dict[tuple[str, str, int, str | None, str], tuple[int, list[int]]] = {}

    def add(self, parts: list[Part]) -> None:
        """Judge the rows of a block."""
        self.told.add(parts)
        for part in parts:
            name = part.extract.name
            self._contracts[name] = part.extract
            self.columns[name] = tuple(c.name for c in part.extract.columns if c.name in part.rows.columns)
            self.skipped.update({f"{name}: {reason}": n for reason, n in part.skipped.items()})
            for frame in unreadable(part, ""):
                self._reject(name, frame.with_columns(pl.lit(UNREADABLE_YEAR).alias(YEAR)))
            sound, rejects = self._judged(part)
            self._reject(name, rejects)
            best = [pl.col(part.extract.best).alias(_BEST)] if part.extract.best else []
            for (year,), of_year in sound.group_by(YEAR, maintain_order=True):
                self._sound.setdefault((name, year), []).append(of_year.select(KEY, FILE, *best))

    def _judged(self, part: Part) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows of a part that pass, with a hash of the key, and those that do not."""
        rows = part.rows.filter(pl.col(YEAR) != UNREADABLE_YEAR).with_columns(pl.lit(0, pl.Int32).alias(UNIT))
        required = [c for c in part.extract.required if c not in self._elsewhere(part.extract)]
        coded, rejects = judged(Typing(part.extract, required, coded=True), rows)
        sound = plain(coded)
        return sound.with_columns(
            sound.select(part.extract.key or LINE).hash_rows(seed=0).alias(KEY)
        ), rejects

    def _elsewhere(self, contract: Extract) -> list[str]:
        """Required columns that the file does not have at all, and another source may bring."""
        if self._alone:
            return []
        given = self.columns[contract.name]
        return [c for c in contract.required if c not in given and c not in contract.key]

    def _reject(self, extract: str, rejects: pl.DataFrame) -> None:
        groups = (
            rejects.sort(FILE, LINE)
            .group_by(FILE, YEAR, COLUMN, REASON, maintain_order=True)
            .agg(pl.len(), pl.col(LINE).head(_LINES))
        )
        for file, year, column, reason, n, lines in groups.iter_rows():
            self._rejected[extract, year, file] += n
            before = self._findings.get((file, extract, year, column, reason), (0, []))
            found = before[0] + n, [*before[1], *lines][:_LINES]
            self._findings[file, extract, year, column, reason] = found

    def years(self) -> dict[str, set[int]]:
        """Extract → the school years of its rows."""
        found: dict[str, set[int]] = {extract: set() for extract in self._contracts}
        for extract, year in {*self._sound, *((extract, year) for extract, year, _ in self._rejected)}:
            found[extract].add(year)
        return found

    def absent(self) -> Iterator[str]:
        """Warnings of the required columns that must come from elsewhere."""
        for contract in self._contracts.values():
            if absent := self._elsewhere(contract):
                yield f"{contract.name}: {', '.join(absent)} must come from another file, or every row is rejected"

    def counts(self) -> list[dict[str, Any]]:
        """See `DeliveryCheck`; of several rows of a key all but one are duplicates."""
        loaded: Counter[tuple[str, int, str]] = Counter()
        sound: Counter[tuple[str, int, str]] = Counter()
        for (extract, year), frames in self._sound.items():
            rows = pl.concat(frames)
            order = [KEY, *([_BEST] if _BEST in rows.columns else []), FILE]
            descending = [name == _BEST for name in order]
            kept = rows.sort(order, descending=descending, nulls_last=True)
            if self._contracts[extract].key:
                kept = kept.unique(KEY, keep="first", maintain_order=True)
            for total, frame in ((sound, rows), (loaded, kept)):
                total.update({(extract, year, file): n for file, n in frame[FILE].value_counts().iter_rows()})
        rank = list(self._contracts)
        return [
            {"file": key[2], "extract": key[0], "school_year": key[1], "rows_in": sound[key] + self._rejected[key],
             "loaded": loaded[key], "rejected": self._rejected[key], "duplicates": sound[key] - loaded[key]}
            for key in sorted(sound.keys() | self._rejected.keys(), key=lambda key: (rank.index(key[0]), *key[1:]))
        ]  # fmt: skip

    def otherwise(self, again: Callable[[], Iterable[list[Part]]]) -> list[str]:
        """Warnings of the duplicates that say otherwise than the row kept. `again`: the blocks once more; looked at only where
        keys are repeated, because no row was kept."""
        repeated = {}
        for place, frames in self._sound.items():
            keys = pl.concat(frames)[KEY]
            if (
                self._contracts[place[0]].key
                and (several := keys.filter(keys.is_duplicated()).unique()).len()
            ):
                repeated[place] = several
        rivals: dict[tuple[str, int], list[pl.DataFrame]] = {}
        for parts in again() if repeated else ():
            for part in parts:
                for (year,), rows in self._judged(part)[0].group_by(YEAR, maintain_order=True):
                    if (place := (part.extract.name, year)) in repeated:
                        rows = rows.filter(pl.col(KEY).is_in(repeated[place].implode()))
                        rivals.setdefault(place, []).append(
                            rows.with_columns(pl.lit(0, pl.Int32).alias(SOURCE))
                        )
        told = []
        for (extract, year), frames in rivals.items():
            rows = pl.concat(frames).with_row_index(_ROW)
            _, contrary = beaten(self._contracts[extract], rows, [_ROW])
            lines = contrary.group_by(FILE, REASON).agg(pl.len(), pl.col(LINE).min()).sort(FILE, LINE)
            told += [
                f"{file}, line {line}: {n:,} rows of {extract} {school_years.label(year)}: {reason}"
                for file, reason, n, line in lines.iter_rows()
            ]
        return told

    def findings(self) -> list[Finding]:
        """Of each extract by school year, in the order of the file."""
        found = [
            Finding(file, extract, year, column, reason, rows, tuple(lines))
            for (file, extract, year, column, reason), (rows, lines) in self._findings.items()
        ]
        rank = list(self._contracts)
        return sorted(found, key=lambda one: (rank.index(one.extract), one.school_year))
