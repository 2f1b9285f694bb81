"""A delivery that is read once and block by block: never held whole, and on disk until its school years are loaded.

Belongs here: typed rows and rejected rows of one delivery as Parquet, and the extracts of a school year made of them.
Does not belong here: the ledger, and rows of one key from several sources, which are merged in memory (resolve).

A reading is a folder: `<source>-<extract>/<school year>/rows-<n>.arrow` holds what is stored, with a hash of each row's
key and where the row stood, `rejects-<n>.parquet` the quarantine. It can be thrown away at any time: it is made again
from the archive.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from equity_pipeline.adapters.base import FILE, LINE
from equity_pipeline.contracts import Extract
from equity_pipeline.contracts.contract import Typing
from equity_pipeline.contracts.distinct import plain
from equity_pipeline.extracts import quarantine
from equity_pipeline.extracts.ledger import IntegrityError
from equity_pipeline.extracts.pseudonyms import Pseudonyms
from equity_pipeline.extracts.quarantine import COLUMN, DELIVERY, REASON, VALUE
from equity_pipeline.extracts.reading import (
    UNREADABLE_YEAR,
    Part,
    Told,
    ahead,
    parts_by_block,
    unreadable,
)
from equity_pipeline.extracts.resolve import (
    KEY,
    SOURCE,
    UNIT,
    YEAR,
    beaten,
    judged,
    validated,
)
from equity_pipeline.partners.registry import Partner, Source
from equity_pipeline.storage import sealed
from equity_pipeline.storage.atomic import new_folder

_PLACE, _POSITION = "_place", "_position"
_STANDS_ALONE = 100_000  # rows of a Parquet file that is not worth joining with its neighbours
_WRITERS = 2  # files of a school year that are written side by side
_AT_ONCE = 1_000_000  # rows with a repeated key that are compared in memory
_SUMMARY = "summary.json"
_CONFLICT = {
    UNIT: pl.Int32, FILE: pl.String, LINE: pl.Int64, REASON: pl.String, COLUMN: pl.String, VALUE: pl.String
}  # fmt: skip


@dataclass
class Found:
    """What one source makes of one delivery for one extract. `counts`: (file, school year) → rows that passed the
    contract and rows that did not; `reasons`: school year → reason → rejected rows."""

    source: str
    extract: str
    counts: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    reasons: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Reading:
    """A delivery as read. `delivery_id`: see `Archived`; `tables`: file → what was inferred; `headers`: file → delivered header."""

    folder: Path
    delivery_id: str
    found: tuple[Found, ...]
    tables: dict[str, dict[str, str]]
    headers: dict[str, list[str]]
    warnings: list[str]

    def files(self, extract: str, source: str, year: int, kind: str) -> list[Path]:
        """The `rows` or `rejects` files of a school year, in the order of the delivery."""
        return sorted(_folder_of(self.folder, source, extract, year).glob(f"{kind}-*"))

    def of(self, source: str, extract: str) -> Found:
        """What was found of one source and extract."""
        return next(one for one in self.found if (one.source, one.extract) == (source, extract))


def _folder_of(folder: Path, source: str, extract: str, year: int) -> Path:
    return folder / f"{source.encode().hex()}-{extract}" / str(year)


@dataclass(frozen=True)
class Archived:
    """A delivery as it lies in the archive, and who reads it."""

    partner: Partner
    path: Path
    file: str
    sources: list[Source]
    delivery_id: str
    people: Pseudonyms


def reading_of(folder: Path, delivery: Archived) -> Reading:
    """The reading of a delivery: the one in the folder, or a new one, made there.

    Raises:
        EquityError: the delivery can't be read or mapped as a whole.
    """
    if not (folder / _SUMMARY).exists():
        with new_folder(folder) as scratch:
            summary = _read(scratch, delivery)
            (scratch / _SUMMARY).write_text(json.dumps(summary))
    summary = json.loads((folder / _SUMMARY).read_text())
    found = tuple(
        Found(
            one["source"], one["extract"], {(file, year): counts for file, year, counts in one["counts"]},
            {year: Counter(reasons) for year, reasons in one["reasons"]}, Counter(one["skipped"]),
        )
        for one in summary["found"]
    )  # fmt: skip
    told = summary["tables"], summary["headers"], summary["warnings"]
    return Reading(folder, delivery.delivery_id, found, *told)


def _read(folder: Path, delivery: Archived) -> dict[str, Any]:
    found: dict[tuple[str, str], Found] = {}
    told = Told()
    typings: dict[str, Typing] = {}
    number = 0
    for source in delivery.sources:
        blocks = parts_by_block(delivery.partner, delivery.path, delivery.file, source, delivery.people)
        for several in ahead(map(partial(_judged, typings), ahead(blocks))):
            told.add(one.part for one in several)
            for one in several:
                name = one.part.extract.name
                of_all = found.setdefault((source.name, name), Found(source.name, name))
                _write(one, _Place(folder, number, delivery.delivery_id), of_all)
            number += 1
    return {
        "found": [
            {
                "source": one.source, "extract": one.extract, "skipped": one.skipped,
                "counts": [[file, year, counts] for (file, year), counts in one.counts.items()],
                "reasons": list(one.reasons.items()),
            }
            for one in found.values()
        ],
        "tables": told.inferred,
        "headers": told.headers,
        "warnings": told.warnings(),
    }  # fmt: skip


@dataclass(frozen=True)
class _Place:
    """Where the rows of one block go."""

    folder: Path
    number: int
    delivery_id: str

    def of(self, kind: str, found: Found, year: int) -> Path:
        folder = _folder_of(self.folder, found.source, found.extract, year)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{kind}-{self.number:06d}"

    def reject(self, frame: pl.DataFrame, found: Found, year: int) -> None:
        sealed.write_parquet(frame, self.of("rejects", found, year).with_suffix(".parquet"))


@dataclass(frozen=True)
class _Judged:
    """A part, and its rows each judged by itself: see `resolve.judged`."""

    part: Part
    sound: pl.DataFrame
    rejects: pl.DataFrame


def _judged(typings: dict[str, Typing], parts: list[Part]) -> list[_Judged]:
    """The parts of one block. `typings`: by extract; what they know of the blocks before makes less work of this one."""
    unit = pl.lit(0, pl.Int32).alias(UNIT)
    judgements = []
    for part in parts:
        contract = part.extract
        if contract.name not in typings:
            typings[contract.name] = Typing(contract, contract.required, coded=True)
        rows = _of_some_year(part).with_columns(unit)
        judgements.append(_Judged(part, *judged(typings[contract.name], rows)))
    return judgements


def _of_some_year(part: Part) -> pl.DataFrame:
    known = part.rows[YEAR] != UNREADABLE_YEAR
    return part.rows if known.all() else part.rows.filter(known)


def _write(one: _Judged, place: _Place, found: Found) -> None:
    """Write the rows of a block: those that pass, and the others as they were delivered."""
    part, sound, contract = one.part, one.sound, one.part.extract
    [file] = part.tables  # a block is of one
    found.skipped.update(part.skipped)
    if without_year := list(unreadable(part, place.delivery_id)):
        frame = quarantine.joined(without_year)
        place.reject(frame, found, UNREADABLE_YEAR)
        _count(found, part, frame.with_columns(pl.lit(UNREADABLE_YEAR).alias(YEAR)), 1)
    _count(found, part, sound, 0)
    _count(found, part, one.rejects, 1)
    for year in one.rejects[YEAR].unique().sort():
        of_year = one.rejects.filter(pl.col(YEAR) == year).drop(UNIT, YEAR)
        shown = quarantine.as_delivered(of_year, part.tables, place.delivery_id, part.shown)
        place.reject(quarantine.joined([shown]), found, year)
    stored = plain(sound.select(column.name for column in contract.columns))
    validated(contract, stored, unique=False)
    keys = (stored.select(contract.key) if contract.key else sound.select(LINE)).hash_rows(seed=0)
    sound = sound.with_columns(keys.alias(KEY))
    years = sound[YEAR].unique().sort()
    for year in years:
        rows = sound if len(years) == 1 else sound.filter(pl.col(YEAR) == year)
        kept = rows.select(*contract.stored, KEY, pl.lit(file, pl.Enum([file])).alias(FILE), LINE)
        sealed.write_ipc(kept, place.of("rows", found, year).with_suffix(".arrow"))


def _count(found: Found, part: Part, rows: pl.DataFrame, position: int) -> None:
    [file] = part.tables  # a block is of one
    for year, count in rows[YEAR].value_counts().sort(YEAR).iter_rows():
        found.counts[file, year][position] += count
    if position:
        for year, reason, count in rows.group_by(YEAR, REASON).len().sort(YEAR, REASON).iter_rows():
            found.reasons[year][reason] += count


@dataclass(frozen=True)
class Settled:
    """`rows`: how many are stored; `duplicates`: (unit, file) → rows that gave way to another of their key; `conflicts`: see
    `resolve.Resolved`."""

    rows: int
    duplicates: Counter[tuple[int, str]]
    conflicts: pl.DataFrame


@dataclass(frozen=True)
class _Piece:
    """One block's rows of one unit and delivery."""

    unit: int
    delivery_id: str
    path: Path

    def columns(self, names: Iterable[str]) -> pl.DataFrame:
        return sealed.read_ipc(self.path, list(names))

    @cached_property
    def hashes(self) -> np.ndarray:
        return self.columns([KEY])[KEY].to_numpy().copy()


def settle(contract: Extract, readings: Iterable[Reading], source: str, year: int, folder: Path) -> Settled:
    """Store one source's rows of a school year, one per key, in the folder; see `resolve` for which row is kept.

    `readings`: one per unit, the newest first. Rows are in the order of the units and of their files; short pieces are
    joined and put in the order of the key. Keys are compared only where two rows have the same hash.

    Raises:
        IntegrityError: rows got lost; a fault of the product.
    """
    pieces = [
        _Piece(unit, reading.delivery_id, path)
        for unit, reading in enumerate(readings)
        for path in reading.files(contract.name, source, year, "rows")
    ]
    losers, conflicting = _losers(contract, pieces)
    lost = {place: frame[_POSITION].to_numpy() for (place,), frame in losers.group_by(_PLACE)}
    heights = [len(piece.hashes) - len(lost.get(place, ())) for place, piece in enumerate(pieces)]

    def kept(place: int) -> pl.DataFrame:
        rows = pieces[place].columns(contract.stored)
        if place in lost:
            stays = np.ones(rows.height, bool)
            stays[lost[place]] = False
            rows = rows.filter(pl.Series(stays))
        delivery_id = pieces[place].delivery_id
        return rows.with_columns(pl.lit(delivery_id, pl.Enum([delivery_id])).alias(DELIVERY))

    def write(number: int, places: list[int]) -> int:
        target = folder / f"part-{number}.parquet"
        rows = [kept(place) for place in places]
        if len(rows) == 1 and rows[0].height >= _STANDS_ALONE:
            sealed.write_coded(rows[0], target)
        else:
            nothing = pl.DataFrame(schema=contract.stored | {DELIVERY: pl.String})
            order = contract.key or list(contract.stored)
            sealed.write_parquet(pl.concat([nothing, *map(plain, rows)]).sort(order), target)
        return sum(frame.height for frame in rows)

    with ThreadPoolExecutor(_WRITERS) as writers:
        written = sum(writers.map(write, *zip(*enumerate(_together(heights)), strict=True)))
    if written != sum(heights):
        raise IntegrityError(
            f"{contract.name}: {written} rows stored of {sum(heights)} that are no duplicates"
        )
    duplicates = losers.group_by(UNIT, FILE).len()
    by_file = Counter({(unit, file): n for unit, file, n in duplicates.iter_rows()})
    return Settled(written, by_file, conflicting)


def _together(heights: Iterable[int]) -> list[list[int]]:
    """The pieces (by place) of each Parquet file, of which there is one even if there is no piece: a large one by itself,
    short ones with their neighbours."""
    files: list[list[int]] = []
    waiting: list[int] = []
    rows = 0
    for place, height in enumerate(heights):
        alone = height >= _STANDS_ALONE
        if waiting and (alone or rows >= _STANDS_ALONE):
            files.append(waiting)
            waiting, rows = [], 0
        if alone:
            files.append([place])
        else:
            waiting.append(place)
            rows += height
    return [*files, waiting] if waiting or not files else files


def _losers(contract: Extract, pieces: list[_Piece]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`_place` (of the piece), `_position` (in it), `_unit`, `_file` of the rows that give way to another of their key, and
    those of them that say otherwise, as `beaten` tells them."""
    conflicting: list[pl.DataFrame] = []
    losers = [pl.DataFrame(schema={_PLACE: pl.Int32, _POSITION: pl.UInt32, UNIT: pl.Int32, FILE: pl.String})]
    hashes = np.concatenate([piece.hashes for piece in pieces if contract.key] or [np.empty(0, np.uint64)])
    hashes.sort()
    repeated = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    del hashes
    for start in range(0, len(repeated), _AT_ONCE):
        lot = pl.Series(repeated[start : start + _AT_ONCE])
        rivals = []
        for place, piece in enumerate(pieces):
            rival = pl.Series(piece.hashes).is_in(lot)
            if rival.any():
                rows = piece.columns([*contract.stored, FILE, LINE]).with_row_index(_POSITION)
                # In a layout that shares no text with the piece, which would stay in memory with them.
                apart = plain(rows.filter(rival)).to_arrow(compat_level=pl.CompatLevel.oldest())
                rivals.append(
                    pl.DataFrame(apart).with_columns(
                        pl.lit(place, pl.Int32).alias(_PLACE), pl.lit(piece.unit, pl.Int32).alias(UNIT),
                        pl.lit(0, pl.Int32).alias(SOURCE),
                    )
                )  # fmt: skip
        rows = pl.concat(rivals)
        others, contrary = beaten(contract, rows, [_PLACE, _POSITION])
        losers.append(others.select(_PLACE, _POSITION, UNIT, FILE))
        conflicting.append(contrary)
    return pl.concat(losers), pl.concat(conflicting or [pl.DataFrame(schema=_CONFLICT)])
