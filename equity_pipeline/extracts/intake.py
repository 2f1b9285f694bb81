"""Deliveries → typed extracts.

Belongs here: the way of a file from `landing/` into the archive, the ledger and the extracts. Does not belong here: any
format (adapters), any rule about a value (contracts), which row wins (resolve).

A file that can't be taken in is recorded as refused, with the reason, and the others go on. The result does not depend
on the order in which files came, except between undated versions of one file.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from equity_pipeline.adapters.base import FILE
from equity_pipeline.domain.errors import DeliveryError, EquityError, TransientError
from equity_pipeline.extracts import quarantine
from equity_pipeline.extracts.check import check_delivery
from equity_pipeline.extracts.contracts import EXTRACTS, Extract
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.quarantine import DELIVERY, REASON
from equity_pipeline.extracts.reading import (
    UNREADABLE_YEAR,
    YEAR,
    Item,
    Part,
    claiming,
    landed,
    mapping_of,
    matching,
    read_parts,
    stacked,
    unreadable,
    warnings_of,
)
from equity_pipeline.extracts.resolve import UNIT, Resolved, resolve
from equity_pipeline.extracts.versions import version
from equity_pipeline.partners.registry import Partner, Source
from equity_pipeline.storage.atomic import new_file, new_folder
from equity_pipeline.storage.home import Home

__all__ = [
    "DeliveryResult",
    "ExtractLoad",
    "check_delivery",
    "load_extracts",
    "pending_files",
    "take_delivery",
]

_CACHE_BYTES = 1024**3


@dataclass(frozen=True)
class DeliveryResult:
    """What became of one delivered file. `new` is False where it was known and nothing changed.

    `rows`: extract → school year → rows found (0: the school year can't be read).
    """

    file: str
    delivery_id: str
    status: str  # accepted, refused, unclaimed
    source: str | None
    message: str | None
    new: bool
    rows: dict[str, dict[int, int]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExtractLoad:
    """What stands in one extract of one school year after a load. `rows` are stored rows; the other counts are of
    delivered rows (several may merge into one), of the deliveries that stand; `superseded` counts replaced ones."""

    extract: str
    school_year: int
    path: Path
    rows: int
    rows_in: int
    loaded: int
    rejected: int
    duplicates: int
    deliveries: int
    superseded: int
    reasons: dict[str, int] = field(default_factory=dict)


def pending_files(home: Home, partner: Partner) -> list[str]:
    """What `take_delivery` would find to do: files whose bytes are not known, files that were refused or unclaimed and
    have come under another name, and deliveries whose mapping in the partner file has changed."""
    known = {delivery["sha256"]: delivery for delivery in Ledger(home).deliveries(partner.partner_id)}
    due = []
    for item in landed(home.landing(partner.partner_id)):
        before = known.get(item.sha256())
        renamed = before and before["status"] != "accepted" and before["file"] != item.name
        if before is None or (renamed and matching(partner, item.name)):
            due.append(item.name)
    return due + [
        one["file"] for one in known.values() if one["mapping"] != _mapping_now(partner, one["file"])
    ]


def _mapping_now(partner: Partner, file: str) -> str:
    """The fingerprint of the mapping that reads a file now; that of no source where several quarrel over it."""
    try:
        return mapping_of(partner, claiming(partner, file))
    except DeliveryError:
        return mapping_of(partner, [])


def take_delivery(home: Home, partner: Partner) -> list[DeliveryResult]:
    """Take in every file of `landing/<partner>/`: archive it, find its source, learn what it holds, record it.

    A file whose bytes are known is not taken twice, but is read again when the mapping in the partner file changed;
    what was refused or unclaimed is tried again each time. Files stay where they are.

    Raises:
        TransientError: the ledger was busy. What is wrong with a file is in its result, never raised.
    """
    ledger = Ledger(home)
    known = {delivery["sha256"]: delivery for delivery in ledger.deliveries(partner.partner_id)}
    results, seen = [], set()
    # Of two names for the same bytes the one that a source claims counts.
    for item in sorted(
        landed(home.landing(partner.partner_id)),
        key=lambda item: (not matching(partner, item.name), _arrival(item)),
    ):
        sha256 = item.sha256()
        before = known.get(sha256, {"status": None, "message": None})
        if sha256 in seen or before["status"] == "accepted":
            continue
        seen.add(sha256)
        if _archived(home, partner, item, sha256):
            known[sha256] = before | {"sha256": sha256, "file": item.name, "size": item.size()}
        else:
            message = f"{item.name}: changed while it was read; it is taken in when it is complete"
            results.append(DeliveryResult(item.name, sha256[:16], "refused", None, message, new=False))
    held: dict[str, list[dict[str, Any]]] = {}
    for load in ledger.loads(partner.partner_id):
        held.setdefault(load["sha256"], []).append(load)
    return results + [
        _take(home, partner, ledger, before, held.get(sha, [])) for sha, before in known.items()
    ]


def _take(
    home: Home, partner: Partner, ledger: Ledger, before: dict[str, Any], held: list[dict[str, Any]]
) -> DeliveryResult:
    """Learn what an archived delivery holds, unless that is known, and record it. `before`, `held`: what the ledger
    says of the delivery and its loads."""
    file, delivery_id = before["file"], before["sha256"][:16]
    sources: list[Source] = []
    parts: list[Part] = []
    status, message = "accepted", None
    try:
        sources = claiming(partner, file)
        if before["status"] == "accepted" and before["mapping"] == mapping_of(partner, sources):
            return DeliveryResult(
                file, delivery_id, "accepted", before["source"], None, False, _rows_found(held),
                tuple(json.loads(before["inferred"])["warnings"]),
            )  # fmt: skip
        if sources:
            parts = _read(home, partner, before["sha256"], file, sources)
        else:
            status = "unclaimed"
            message = f"{file}: no source claims it; correct `files` in the partner file, or its name"
    except (TransientError, OSError):
        raise
    except EquityError as error:
        status, message = "refused", str(error)
    except Exception as error:  # noqa: BLE001
        # A fault of ours in one file must not hold up the others. Its own words may quote a cell, so they stay here.
        status, message = "refused", f"{file}: reading it failed ({type(error).__name__}); please report this"
    tables = {name: table.inferred for part in parts for name, table in part.tables.items()}
    delivery = {
        "delivery_id": delivery_id, "sha256": before["sha256"], "file": file, "size": before["size"],
        "source": ", ".join(source.name for source in sources) or None, "mapping": mapping_of(partner, sources),
        "status": status, "message": message,
        "as_of": max(filter(None, [version(file).as_of, *(t.get("as_of") for t in tables.values())]), default=None),
        "inferred": {
            "tables": tables, "warnings": warnings_of(parts),
            "skipped": {part.extract.name: part.skipped for part in parts if part.skipped},
        },
    }  # fmt: skip
    loads = [load for part in parts for load in _learned(part)]
    for extract in EXTRACTS:
        rejects = [
            frame for part in parts if part.extract.name == extract for frame in unreadable(part, delivery_id)
        ]
        folder = home.quarantine(extract, partner.partner_id, UNREADABLE_YEAR)
        quarantine.write_delivery(folder, delivery_id, rejects)
    ledger.record(partner.partner_id, delivery, loads)
    return DeliveryResult(
        file=file, delivery_id=delivery_id, status=status, source=delivery["source"], message=message,
        new=status == "accepted" or (before["status"], before["message"]) != (status, message),
        rows=_rows_found(loads), warnings=tuple(delivery["inferred"]["warnings"]),
    )  # fmt: skip


def _rows_found(loads: Iterable[dict[str, Any]]) -> dict[str, dict[int, int]]:
    rows: dict[str, dict[int, int]] = {}
    for load in filter(lambda load: load["rows_in"], loads):
        years = rows.setdefault(load["extract"], {})
        years[load["school_year"]] = years.get(load["school_year"], 0) + load["rows_in"]
    return {extract: dict(sorted(years.items())) for extract, years in sorted(rows.items())}


def load_extracts(home: Home, partner: Partner, school_year: int) -> list[ExtractLoad]:
    """Make the extracts of one school year from the deliveries that stand: the newest of each file's versions.

    Writes `extracts/<extract>/…/part-0.parquet` and the quarantine, and removes the partitions that nothing stands
    behind. Same deliveries, same bytes. Grain of the result: one per extract that holds the year.

    Raises:
        IntegrityError: rows are missing from the account; neither ledger nor later steps see the load as done.
        DeliveryError: an archived file can't be read any more, or its mapping changed since it was taken in.
    """
    ledger = Ledger(home)
    held = ledger.loads(partner.partner_id, school_year)
    results, finished = [], []
    for contract in EXTRACTS.values():
        loads = [load for load in held if load["extract"] == contract.name]
        standing, replaced = _standing(partner, loads)
        folder = home.extract(contract.name, partner.partner_id, school_year)
        rejects_folder = home.quarantine(contract.name, partner.partner_id, school_year)
        if not standing:
            shutil.rmtree(folder, ignore_errors=True)
            quarantine.write_partition(rejects_folder, {})
            continue
        parts = [_part_of(home, partner, load, contract) for load in standing]
        resolved = resolve(contract, stacked(partner, parts, school_year))
        _write(contract, resolved, [load["delivery_id"] for load in standing], folder)
        by_delivery: dict[str, list[pl.DataFrame]] = {}
        for (unit,), rejects in resolved.rejects.group_by(UNIT, maintain_order=True):
            delivery_id = standing[unit]["delivery_id"]
            frame = quarantine.as_delivered(rejects.drop(UNIT), parts[unit].tables, delivery_id)
            by_delivery.setdefault(delivery_id, []).append(frame)
        quarantine.write_partition(rejects_folder, by_delivery)

        finished += _accounted(contract, school_year, resolved, standing, loads)
        total = resolved.account.select(pl.exclude(UNIT, FILE).sum()).row(0, named=True)
        reasons = resolved.rejects.group_by(REASON).len().sort(REASON)
        results.append(
            ExtractLoad(
                contract.name, school_year, folder, resolved.rows.height, **total,
                deliveries=len({load["delivery_id"] for load in standing}), superseded=replaced,
                reasons=dict(reasons.iter_rows()),
            )
        )  # fmt: skip
    ledger.finish(partner.partner_id, school_year, finished)
    return results


def _accounted(
    contract: Extract,
    school_year: int,
    resolved: Resolved,
    standing: list[dict[str, Any]],
    loads: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Ledger entries: where the rows of the files that stand went; the rows of replaced files are all duplicates."""
    stand = {(load["source"], load["delivery_id"]) for load in standing}
    entries = [
        load | {"loaded": 0, "rejected": 0, "duplicates": load["rows_in"], "status": "superseded"}
        for load in loads
        if (load["source"], load["delivery_id"]) not in stand
    ]
    for row in resolved.account.iter_rows(named=True):
        load = standing[row[UNIT]]
        entries.append(
            {
                "delivery_id": load["delivery_id"], "source": load["source"], "file": row[FILE],
                "extract": contract.name, "school_year": school_year, "records": row["rows_in"], "skipped": 0,
                **{count: row[count] for count in ("rows_in", "loaded", "rejected", "duplicates")}, "status": "loaded",
            }
        )  # fmt: skip
    return entries


def _arrival(item: Item) -> tuple[Any, ...]:
    """The order in which files that lie there together are received: a `_corrected` one after its original."""
    named = version(item.name)
    return (named.logical, named.dated, named.marked, item.name)


def _archive_path(home: Home, partner: Partner, sha256: str, file: str) -> Path:
    return home.archive(partner.partner_id) / sha256 / PurePosixPath(file).name


def _archived(home: Home, partner: Partner, item: Item, sha256: str) -> bool:
    """Copy a delivery into the archive unless it is there; False if its bytes changed meanwhile."""
    target = _archive_path(home, partner, sha256, item.name)
    if target.exists():
        return True
    with contextlib.suppress(_Changed), (new_folder if item.set_of else new_file)(target) as scratch:
        if item.copy_to(scratch) != sha256:
            raise _Changed
    return target.exists()


class _Changed(Exception):
    """A file that is still being written; its copy is thrown away."""


_readings: OrderedDict[tuple[str, ...], list[Part]] = OrderedDict()


def _read(home: Home, partner: Partner, sha256: str, file: str, sources: list[Source]) -> list[Part]:
    """Read and map an archived delivery; the latest readings are kept, so that five school years read a file once."""
    key = (partner.partner_id, sha256, file, mapping_of(partner, sources))
    if key not in _readings:
        _readings[key] = read_parts(partner, _archive_path(home, partner, sha256, file), file, sources)
    _readings.move_to_end(key)
    while len(_readings) > 1 and sum(map(_bytes, _readings.values())) > _CACHE_BYTES:
        _readings.popitem(last=False)
    return _readings[key]


def _bytes(parts: list[Part]) -> int:
    frames = {id(table.frame): table.frame for part in parts for table in part.tables.values()}
    return sum(frame.estimated_size() for frame in (*frames.values(), *(part.rows for part in parts)))


def _learned(part: Part) -> Iterator[dict[str, Any]]:
    """Ledger entries of what a delivery holds: per file and school year, nothing loaded yet. What belongs to no school
    year (year 0) is accounted for at once: bad records and rows without a readable year as rejected."""
    counts = {(file, year): n for file, year, n in part.rows.group_by(FILE, YEAR).len().iter_rows()}
    for table in part.bad:
        key = (table.name, UNREADABLE_YEAR)
        counts[key] = counts.get(key, 0) + len(table.bad)
    skipped = sum(part.skipped.values())
    skipped_in = (min(part.tables, default=""), UNREADABLE_YEAR)
    if skipped:
        counts.setdefault(skipped_in, 0)
    for (file, year), rows in sorted(counts.items()):
        passed_over = skipped if (file, year) == skipped_in else 0
        rejected = rows if year == UNREADABLE_YEAR else 0
        yield {
            "source": part.source.name, "file": file, "extract": part.extract.name, "school_year": year,
            "records": rows + passed_over, "skipped": passed_over, "rows_in": rows, "loaded": 0, "rejected": rejected,
            "duplicates": 0, "status": "loaded" if year == UNREADABLE_YEAR else "pending",
        }  # fmt: skip


_SOME_OF_EARLIER_YEARS = ("college_board_ap",)
"""Formats whose file of a year repeats, of the students in it, what they did in earlier years."""


def _standing(partner: Partner, loads: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """One load per source and delivery that stands, in the order of the sources and the newest first; and how many
    deliveries are replaced. The order of arrival only counts between undated versions of one file.

    Where a format's files hold some of earlier years as well, one of a later year is another file, no version: they add up.
    """
    rank = {source.name: position for position, source in enumerate(partner.sources)}
    adding = {source.name for source in partner.sources if source.format in _SOME_OF_EARLIER_YEARS}
    deliveries = {(load["source"], load["delivery_id"]): load for load in loads}
    newest: dict[tuple[str, str, int], tuple[tuple[str, int], dict[str, Any]]] = {}
    for load in deliveries.values():
        named = version(load["delivered_file"])
        candidate = ((named.dated, load["sequence"]), load)
        own_year = load["last_year"] if load["source"] in adding else 0
        key = (load["source"], named.logical, own_year)
        newest[key] = max(newest.get(key, candidate), candidate, key=lambda one: one[0])
    by_age = sorted(newest.items(), key=lambda one: (one[1][0][0], one[0]), reverse=True)
    standing = sorted((load for _, (_, load) in by_age), key=lambda load: rank[load["source"]])
    return standing, len(deliveries) - len(standing)


def _part_of(home: Home, partner: Partner, load: dict[str, Any], contract: Extract) -> Part:
    """What a delivery holds of an extract, read as it was when the ledger learned of it.

    Raises:
        DeliveryError: the partner file reads it in another way now.
    """
    sources = claiming(partner, load["delivered_file"])
    if mapping_of(partner, sources) != load["mapping"]:
        raise DeliveryError(
            "its mapping changed since it was taken in",
            file=load["delivered_file"],
            remedy="take deliveries in again",
        )
    parts = _read(home, partner, load["sha256"], load["delivered_file"], sources)
    return next(part for part in parts if part.source.name == load["source"] and part.extract == contract)


def _write(contract: Extract, resolved: Resolved, delivery_ids: list[str], folder: Path) -> None:
    """Store the rows: one file, in the order of the key, so that the same rows are the same bytes."""
    ids = pl.Series(delivery_ids, dtype=pl.String)
    rows = resolved.rows.select(
        *contract.stored,
        pl.col(UNIT).replace_strict(range(len(ids)), ids, return_dtype=pl.String).alias(DELIVERY),
    )
    with new_folder(folder) as scratch:
        rows.write_parquet(scratch / "part-0.parquet", compression="zstd")
