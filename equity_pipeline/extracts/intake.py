"""Deliveries → typed extracts.

Belongs here: the way of a file from `landing/` into the archive, the ledger and the extracts. Does not belong here: any
format (adapters), any rule about a value (contracts), which row wins (resolve).

A file that can't be taken in is recorded as refused, with the reason, and the others go on. The result does not depend
on the order in which files came, except between undated versions of one file.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import glob
import hashlib
import json
import shutil
from collections import Counter, OrderedDict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from equity_pipeline.adapters.base import FILE, LINE
from equity_pipeline.contracts import EXTRACTS, Extract, gate
from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import DeliveryError, EquityError, TransientError, fault_of_ours
from equity_pipeline.domain.versions import version
from equity_pipeline.extracts import cross_file, drift, matching, quarantine
from equity_pipeline.extracts.check import check_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.merging import in_lots
from equity_pipeline.extracts.policy import far_fewer
from equity_pipeline.extracts.pseudonyms import Pseudonyms
from equity_pipeline.extracts.quarantine import COLUMN, DELIVERY, REASON, VALUE
from equity_pipeline.extracts.reading import (
    UNREADABLE_YEAR,
    Item,
    Part,
    Told,
    accepted,
    changes_only,
    check_year,
    claimed_by,
    claiming,
    header_changes,
    headers_before,
    in_blocks,
    landed,
    mapping_of,
    numbered,
    parts_by_block,
    read_parts,
    rekeyed,
    unreadable,
)
from equity_pipeline.extracts.readings import Archived, Reading, reading_of, settle
from equity_pipeline.extracts.resolve import UNIT, YEAR, Resolved, resolve
from equity_pipeline.partners.registry import Partner, Rekey, Source
from equity_pipeline.storage import keys, sealed, trail
from equity_pipeline.storage.atomic import new_file, new_folder, reaching_disk
from equity_pipeline.storage.home import Home

__all__ = [
    "DeliveryResult",
    "ExtractLoad",
    "check_delivery",
    "load_extracts",
    "pending_files",
    "rekey",
    "take_delivery",
]

_CACHE_BYTES = 1024**3
HELD_BACK = "the file holds far fewer rows than the one before and was held back"
_COUNTS = ("rows_in", "loaded", "rejected", "duplicates", "conflicts")
_NOWHERE = dict.fromkeys(_COUNTS[1:], 0)  # no row has gone anywhere yet


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

    @property
    def outcome(self) -> str:
        """Its status, or `held back` where it could be read and yet replaces nothing, as the message says."""
        return "held back" if self.status == "accepted" and self.message else self.status


@dataclass(frozen=True)
class ExtractLoad:
    """What stands in one extract of one school year after a load. `rows` are stored rows; the other counts are of
    delivered rows (several may merge into one), of the deliveries that stand; `conflicts` are the duplicates that say
    otherwise than the row kept; `superseded` counts replaced deliveries."""

    extract: str
    school_year: int
    path: Path
    rows: int
    rows_in: int
    loaded: int
    rejected: int
    duplicates: int
    conflicts: int
    deliveries: int
    superseded: int
    reasons: dict[str, int] = field(default_factory=dict)


def pending_files(home: Home, partner: Partner) -> list[str]:
    """What `take_delivery` would find to do: files whose bytes are not known, files that were refused or unclaimed and
    have come under another name, and deliveries whose mapping in the partner file has changed."""
    partner = _rekeyed(home, partner)
    known = {delivery["sha256"]: delivery for delivery in Ledger(home).deliveries(partner.partner_id)}
    due = []
    for item in landed(home.landing(partner.partner_id)):
        before = known.get(item.sha256())
        renamed = before and before["status"] != "accepted" and before["file"] != item.name
        if before is None or (renamed and claimed_by(partner, item.name)):
            due.append(item.name)
    due += [
        one["file"]
        for one in known.values()
        if one["mapping"] != _mapping_now(home, partner, one, known.values())
    ]
    loads = Ledger(home).loads(partner.partner_id)
    held = _held(partner, loads)
    released = (
        load["delivered_file"] for load in loads if load["status"] == "held" and _unit(load) not in held
    )
    accepted_since = [f"{partner.partner_id}.yml"] if drift.stale(home, partner) else []
    return list(dict.fromkeys([*due, *released, *accepted_since]))


def _mapping_now(
    home: Home, partner: Partner, delivery: dict[str, Any], known: Iterable[dict[str, Any]]
) -> str:
    """The fingerprint of the mapping that reads a delivery now; that of no source where several quarrel over it."""
    try:
        sources = claiming(partner, delivery["file"])
    except DeliveryError:
        sources = []
    is_delta = "based_on" in json.loads(delivery["inferred"])
    return _mapping(home, partner, sources, _based_on(delivery, known) if is_delta else [])


BasedOn = list[list[str]]
"""sha256 and name of each delivery that one changes, the oldest first."""


def _mapping(home: Home, partner: Partner, sources: list[Source], based_on: BasedOn) -> str:
    """The fingerprint of all that the reading of a delivery depends on: see `mapping_of`, and what it changes."""
    mapping = mapping_of(partner, sources, _people(home, partner))
    return hashlib.sha256(f"{mapping}{json.dumps(based_on)}".encode()).hexdigest() if based_on else mapping


def _based_on(delivery: dict[str, Any], known: Iterable[dict[str, Any]]) -> BasedOn:
    """The deliveries that a delta changes: the newest whole one of its source before it, and the deltas since."""
    known = list(known)
    next_number = 1 + max((one.get("sequence", 0) for one in known), default=0)

    def age(one: dict[str, Any]) -> tuple[str, int]:
        return version(one["file"]).dated, one.get("sequence", next_number)

    chain: BasedOn = []
    for one in sorted(known, key=age):
        if one["status"] == "accepted" and one["source"] == delivery["source"] and age(one) < age(delivery):
            part = [one["sha256"], one["file"]]
            chain = [*chain, part] if "based_on" in json.loads(one["inferred"]) else [part]
    return chain


def rekey(home: Home, partner: Partner, file: str, school_year: int, because: str) -> None:
    """Say that all rows of a delivered file belong to a school year, whatever they or the file's name say. It is read
    again when deliveries are next taken in.

    Raises:
        DeliveryError: no delivery has this name.
    """
    if not any(one["file"] == file for one in Ledger(home).deliveries(partner.partner_id)):
        raise DeliveryError("no delivery has this name", file=file, remedy="see `equity-pipeline status`")
    Ledger(home).rekey(partner.partner_id, file, school_year, because)
    trail.log(home, "rekeyed", partner.partner_id, school_year=school_year, because=because)


def _rekeyed(home: Home, partner: Partner) -> Partner:
    """The partner with what the ledger says of school years; the latest word counts."""
    said = [
        Rekey(file=glob.escape(one["file"]), school_year=one["school_year"], because=one["because"])
        for one in Ledger(home).rekeys(partner.partner_id)
    ]
    return partner.model_copy(update={"rekey": [*said, *partner.rekey]}) if said else partner


def _log_acceptances(home: Home, partner: Partner) -> None:
    """Put on record, once, what a person accepts in the partner file."""
    known = [entry["detail"] for entry in trail.entries(home, "accepted", partner.partner_id)]
    for kind in ("accepted_files", "accepted_drift"):
        for one in getattr(partner, kind):
            detail = {"kind": kind} | one.model_dump(mode="json")
            if detail not in known:
                trail.log(home, "accepted", partner.partner_id, **detail)


def _people(home: Home, partner: Partner) -> Pseudonyms:
    return Pseudonyms(keys.key(home, partner.partner_id))


def take_delivery(home: Home, partner: Partner) -> list[DeliveryResult]:
    """Take in every file of `landing/<partner>/`: archive it, find its source, learn what it holds, record it.

    A file whose bytes are known is not taken twice, but is read again when the mapping in the partner file changed;
    what was refused or unclaimed is tried again each time. Files stay where they are.

    Raises:
        TransientError: the ledger was busy. What is wrong with a file is in its result, never raised.
    """
    ledger = Ledger(home)
    partner = _rekeyed(home, partner)
    _log_acceptances(home, partner)
    known = {delivery["sha256"]: delivery for delivery in ledger.deliveries(partner.partner_id)}
    results, seen = [], set()
    # Of two names for the same bytes the one that a source claims counts.
    items = sorted(
        landed(home.landing(partner.partner_id)),
        key=lambda item: (not claimed_by(partner, item.name), _arrival(item)),
    )
    if {item.size() for item in items} - {delivery["size"] for delivery in known.values()}:
        gate.load()
    for item in items:
        sha256 = item.sha256()
        before = known.get(sha256, {"status": None, "message": None})
        if sha256 in seen or before["status"] == "accepted":
            continue
        seen.add(sha256)
        path = _archive_path(home, partner, sha256, item.name)
        if (sha256 in known and path.exists()) or _archived(item, sha256, path):
            known[sha256] = before | {"sha256": sha256, "file": item.name, "size": item.size()}
        else:
            message = f"{item.name}: changed while it was read; it is taken in when it is complete"
            results.append(DeliveryResult(item.name, sha256[:16], "refused", None, message, new=False))
    held: dict[str, list[dict[str, Any]]] = {}
    for load in ledger.loads(partner.partner_id):
        held.setdefault(load["sha256"], []).append(load)
    for sha, before in sorted(known.items(), key=lambda one: _is_delta(home, partner, one[1])):
        taken = _take(home, partner, ledger, before, held.get(sha, []))
        results.append(taken)
        if taken.new:
            trail.log(
                home, "delivered", partner.partner_id, delivery_id=taken.delivery_id, status=taken.status,
                source=taken.source,
            )  # fmt: skip
    ledger.forget_before(partner.partner_id, partner.retention.first_kept(dt.date.today()))
    messages = _hold_back(ledger, partner, drift.stale(home, partner))
    _forget_readings(home, partner, ledger)
    return [
        replace(one, message=messages[one.delivery_id]) if messages.get(one.delivery_id) else one
        for one in results
    ]


def _is_delta(home: Home, partner: Partner, delivery: dict[str, Any]) -> bool:
    """Whether a delivery waits for others that it changes."""
    path = _archive_path(home, partner, delivery["sha256"], delivery["file"])
    with contextlib.suppress(DeliveryError):
        return changes_only(path, delivery["file"], claiming(partner, delivery["file"]))
    return False


def _hold_back(ledger: Ledger, partner: Partner, stale: set[int]) -> dict[str, str | None]:
    """Tell the ledger which files don't replace what they would, for want of rows; the messages by delivery. `stale`:
    school years to be loaded again for another reason."""
    loads = ledger.loads(partner.partner_id)
    few = _held(partner, loads)
    reopened = {
        (load["extract"], load["school_year"])
        for load in loads
        if load["status"] != "pending" and (load["status"] == "held") != (_unit(load) in few)
    }
    again = {("students", year) for year in stale}
    told: dict[str, list[str]] = {}
    for (_, delivery_id, extract, year), (rows, before) in few.items():
        told.setdefault(delivery_id, []).append(
            f"{rows:,} rows of {extract} {school_years.label(year)}, where the file before has {before:,}"
        )
    files = {load["delivery_id"]: load["delivered_file"] for load in loads}
    messages: dict[str, str | None] = {
        load["delivery_id"]: None for load in loads if (load["extract"], load["school_year"]) in reopened
    } | {
        delivery_id: f"{files[delivery_id]}: does not replace the file before: {'; '.join(sorted(parts))}; send it "
        "whole, or accept it under `accepted_files` in the partner file"
        for delivery_id, parts in told.items()
    }
    for delivery in ledger.deliveries(partner.partner_id):
        rows = delivery["delivery_id"] in files
        if delivery["status"] == "accepted" and not rows:
            messages[delivery["delivery_id"]] = f"{delivery['file']}: holds no rows and replaces nothing"
    ledger.hold(partner.partner_id, messages, reopened | again)
    return messages


def _unit(load: dict[str, Any]) -> tuple[str, str, str, int]:
    return load["source"], load["delivery_id"], load["extract"], load["school_year"]


def _held(partner: Partner, loads: list[dict[str, Any]]) -> dict[tuple[str, str, str, int], tuple[int, int]]:
    """The loads that hold far fewer rows than the version of the file that they would replace → both numbers.

    Each version is compared with the one that stands when it comes, in the order of age; the share is policy.
    """
    rows: Counter[tuple[str, str, str, int]] = Counter()
    units = {}
    for load in loads:
        if load["school_year"] != UNREADABLE_YEAR:
            rows[_unit(load)] += load["rows_in"]
            units[_unit(load)] = load
    held: dict[tuple[str, str, str, int], tuple[int, int]] = {}
    standing: dict[tuple[object, ...], int] = {}
    for unit, load in sorted(units.items(), key=lambda one: (_age(one[1]), one[0])):
        name = (unit[0], _logical(load), *unit[2:])
        before = standing.get(name, 0)
        if far_fewer(rows[unit], before) and not accepted(partner, load["delivered_file"]):
            held[unit] = (rows[unit], before)
        else:
            standing[name] = rows[unit]
    return held


def _age(load: dict[str, Any]) -> tuple[str, int]:
    return version(load["delivered_file"]).dated, load["sequence"]


def _take(
    home: Home, partner: Partner, ledger: Ledger, before: dict[str, Any], held: list[dict[str, Any]]
) -> DeliveryResult:
    """Learn what an archived delivery holds, unless that is known, and record it. `before`, `held`: what the ledger
    says of the delivery and its loads."""
    file, delivery_id = before["file"], before["sha256"][:16]
    path = _archive_path(home, partner, before["sha256"], file)
    with reaching_disk(path) if before["status"] is None else contextlib.nullcontext():
        verdict = _verdict(home, partner, ledger, before, path)
    if verdict.found is None:
        return DeliveryResult(
            file, delivery_id, "accepted", before["source"], None, False, _rows_found(held),
            tuple(json.loads(before["inferred"])["warnings"]),
        )  # fmt: skip
    sources, based_on, found = verdict.sources, verdict.based_on, verdict.found
    status, message = verdict.status, verdict.message
    changes = header_changes(headers_before(ledger, partner, before["sha256"], file), found.headers)
    delivery = {
        "delivery_id": delivery_id, "sha256": before["sha256"], "file": file, "size": before["size"],
        "source": ", ".join(source.name for source in sources) or None, "mapping": _mapping(home, partner, sources, based_on),
        "status": status, "message": message,
        "as_of": max(filter(None, [version(file).as_of, *(t.get("as_of") for t in found.tables.values())]), default=None),
        "inferred": {
            "tables": found.tables, "headers": found.headers, "warnings": [*found.warnings, *changes],
            "skipped": found.skipped, **({"based_on": based_on} if based_on else {}),
        },
    }  # fmt: skip
    for extract in EXTRACTS:
        folder = home.quarantine(extract, partner.partner_id, UNREADABLE_YEAR)
        quarantine.write_delivery(folder, delivery_id, found.unreadable.get(extract, []))
    ledger.record(partner.partner_id, delivery, found.loads)
    return DeliveryResult(
        file=file, delivery_id=delivery_id, status=status, source=delivery["source"], message=message,
        new=status == "accepted" or (before["status"], before["message"]) != (status, message),
        rows=_rows_found(found.loads), warnings=tuple(delivery["inferred"]["warnings"]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Learned:
    """What a delivery holds. `tables`: file → what was inferred; `headers`: file → its header; `skipped`: extract → reason → records; `loads`: for
    the ledger; `unreadable`: extract → quarantine of what belongs to no school year."""

    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    headers: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    skipped: dict[str, dict[str, int]] = field(default_factory=dict)
    loads: list[dict[str, Any]] = field(default_factory=list)
    unreadable: dict[str, list[pl.DataFrame | Path]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Verdict:
    """What became of a delivery. `based_on`: what its changes are made to; `found`: None where what the ledger knows of it stands."""

    sources: list[Source]
    based_on: BasedOn
    status: str
    message: str | None = None
    found: _Learned | None = field(default_factory=_Learned)


def _verdict(home: Home, partner: Partner, ledger: Ledger, before: dict[str, Any], path: Path) -> _Verdict:
    file = before["file"]
    sources: list[Source] = []
    based_on: BasedOn = []
    try:
        sources = claiming(partner, file)
        if changes_only(path, file, sources):
            based_on = _based_on(before | {"source": sources[0].name}, ledger.deliveries(partner.partner_id))
            if not based_on:
                raise DeliveryError(
                    "it holds only changes (delta), and no whole set of its source came before",
                    file=file, remedy="send a bulk export",
                )  # fmt: skip
        if before["status"] == "accepted" and before["mapping"] == _mapping(home, partner, sources, based_on):
            return _Verdict(sources, based_on, "accepted", found=None)
        if not sources:
            message = f"{file}: no source claims it; correct `files` in the partner file, or its name"
            return _Verdict(sources, based_on, "unclaimed", message)
        found = _learn(home, partner, before["sha256"], file, sources, based_on)
        if not rekeyed(partner, file):
            check_year(file, _rows_found(found.loads))
        return _Verdict(sources, based_on, "accepted", found=found)
    except (TransientError, OSError, sealed.SealError):
        raise  # nothing that the file itself is to blame for
    except EquityError as error:
        return _Verdict(sources, based_on, "refused", str(error))
    except Exception as error:  # noqa: BLE001 - a fault of ours in one file must not hold up the others
        # It is not lost: the file is refused, its check fails, and the message names the place in our code.
        return _Verdict(sources, based_on, "refused", f"{file}: {fault_of_ours(error)}")


def _learn(
    home: Home, partner: Partner, sha256: str, file: str, sources: list[Source], based_on: BasedOn
) -> _Learned:
    if all(map(in_blocks, sources)):
        reading = _reading(home, partner, sha256, file, sources)
        return _Learned(
            reading.tables,
            reading.headers,
            reading.warnings,
            {one.extract: dict(one.skipped) for one in reading.found if one.skipped},
            [
                load
                for one in reading.found
                for load in _loads_of(
                    one.source,
                    one.extract,
                    {k: sum(n) for k, n in one.counts.items()},
                    one.skipped,
                    reading.tables,
                )
            ],
            {
                one.extract: [*reading.files(one.extract, one.source, UNREADABLE_YEAR, "rejects")]
                for one in reading.found
            },
        )
    parts = _read(home, partner, sha256, file, sources, based_on)
    told = Told(parts)
    return _Learned(
        told.inferred,
        told.headers,
        told.warnings(),
        {part.extract.name: part.skipped for part in parts if part.skipped},
        [load for part in parts for load in _learned(part)],
        {
            part.extract.name: [quarantine.joined(frames)]
            for part in parts
            if (frames := list(unreadable(part, sha256[:16])))
        },
    )


def _rows_found(loads: Iterable[dict[str, Any]]) -> dict[str, dict[int, int]]:
    rows: dict[str, dict[int, int]] = {}
    for load in filter(lambda load: load["rows_in"], loads):
        years = rows.setdefault(load["extract"], {})
        years[load["school_year"]] = years.get(load["school_year"], 0) + load["rows_in"]
    return {extract: dict(sorted(years.items())) for extract, years in sorted(rows.items())}


def load_extracts(home: Home, partner: Partner, school_year: int) -> list[ExtractLoad]:
    """Make the extracts of one school year from the deliveries that stand: the newest of each file's versions.

    Writes `extracts/<extract>/…/part-<n>.parquet` and the quarantine, and removes the partitions that nothing stands
    behind. Same deliveries, same bytes. Grain of the result: one per extract that holds the year.

    Raises:
        IntegrityError: rows are missing from the account; neither ledger nor later steps see the load as done.
        DeliveryError: an archived file can't be read any more, or its mapping changed since it was taken in.
    """
    ledger = Ledger(home)
    partner = _rekeyed(home, partner)
    held = ledger.loads(partner.partner_id, school_year)
    few = _held(partner, held)
    results, finished = [], []
    for contract in EXTRACTS.values():
        loads = [load for load in held if load["extract"] == contract.name]
        standing, replaced = _standing(partner, [load for load in loads if _unit(load) not in few])
        folder = home.extract(contract.name, partner.partner_id, school_year)
        rejects_folder = home.quarantine(contract.name, partner.partner_id, school_year)
        if not standing:
            shutil.rmtree(folder, ignore_errors=True)
            quarantine.write_partition(rejects_folder, {})
            continue
        store = _placed if _alone(partner, standing) else _merged
        load = store(home, partner, contract, school_year, standing)
        for one in {_unit(one): one for one in loads if _unit(one) in few}.values():
            load.rejects.setdefault(one["delivery_id"], []).extend(_held_rows(home, partner, one, contract))
        quarantine.write_partition(rejects_folder, load.rejects)
        finished += _accounted(load.account, contract, school_year, standing, loads, few)
        total = load.account.select(pl.exclude(UNIT, FILE).sum()).row(0, named=True)
        results.append(
            ExtractLoad(
                contract.name, school_year, folder, load.rows, **total,
                deliveries=len({load["delivery_id"] for load in standing}), superseded=replaced,
                reasons=load.reasons,
            )
        )  # fmt: skip
    matching.match(home, partner, school_year)
    drift.compare(home, partner, school_year)
    cross_file.check(home, partner, school_year)
    ledger.finish(partner.partner_id, school_year, finished)
    _forget_readings(home, partner, ledger)
    return results


def _forget_readings(home: Home, partner: Partner, ledger: Ledger) -> None:
    """Students' rows stay in no further place than they must."""
    if not ledger.pending(partner.partner_id):
        shutil.rmtree(home.readings(partner.partner_id), ignore_errors=True)


@dataclass(frozen=True)
class _Stored:
    """`rows`: how many are stored; `account`: see `Resolved`; `reasons`: reason → rejected rows; `rejects`: delivery →
    quarantine, of the conflicts too."""

    rows: int
    account: pl.DataFrame
    reasons: dict[str, int]
    rejects: dict[str, list[pl.DataFrame | Path]]


def _held_rows(
    home: Home, partner: Partner, load: dict[str, Any], contract: Extract
) -> Iterator[pl.DataFrame]:
    """Quarantine of a file that was held back for want of rows."""
    for part in _parts_of(home, partner, load, contract):
        rows = part.rows.filter(pl.col(YEAR) == load["school_year"])
        if rows.height:
            told = rows.select(
                FILE, LINE, pl.lit(HELD_BACK).alias(REASON), pl.lit(None, pl.String).alias(COLUMN),
                pl.lit(None, pl.String).alias(VALUE),
            )  # fmt: skip
            frame = quarantine.as_delivered(told, part.tables, load["delivery_id"], part.shown)
            yield quarantine.joined([frame])


def _alone(partner: Partner, standing: list[dict[str, Any]]) -> bool:
    """Whether one source, read block by block, brings all rows: then none has to be merged with another's."""
    names = {load["source"] for load in standing}
    return len(names) == 1 and all(in_blocks(source) for source in partner.sources if source.name in names)


def _placed(
    home: Home, partner: Partner, contract: Extract, school_year: int, standing: list[dict[str, Any]]
) -> _Stored:
    """Store the rows of one source out of its readings."""
    [source] = {load["source"] for load in standing}
    readings = [
        _reading(home, partner, load["sha256"], load["delivered_file"], _sources_of(home, partner, load))
        for load in standing
    ]
    with new_folder(home.extract(contract.name, partner.partner_id, school_year)) as scratch:
        settled = settle(contract, readings, source, school_year, scratch)
    rejects: dict[str, list[pl.DataFrame | Path]] = {
        load["delivery_id"]: [*reading.files(contract.name, source, school_year, "rejects")]
        for load, reading in zip(standing, readings, strict=True)
    }
    for (unit,), rows in settled.conflicts.group_by(UNIT, maintain_order=True):
        delivery_id = standing[unit]["delivery_id"]
        told = quarantine.joined([quarantine.marks_only(rows.drop(UNIT), delivery_id)])
        rejects[delivery_id].append(told)
    conflicts = Counter(settled.conflicts.select(UNIT, FILE).iter_rows())
    account: list[tuple[int, str, int, int, int, int, int]] = []
    reasons: Counter[str] = Counter()
    for unit, reading in enumerate(readings):
        found = reading.of(source, contract.name)
        reasons.update(found.reasons.get(school_year, {}))
        for (file, year), (sound, rejected) in sorted(found.counts.items()):
            if year == school_year:
                gone = settled.duplicates[unit, file]
                contrary = conflicts[unit, file]
                account.append((unit, file, sound + rejected, sound - gone, rejected, gone, contrary))
    columns = {UNIT: pl.Int32, FILE: pl.String} | dict.fromkeys(_COUNTS, pl.Int64)
    counted = pl.DataFrame(account, columns, orient="row")
    return _Stored(settled.rows, counted, dict(sorted(reasons.items())), rejects)


def _merged(
    home: Home, partner: Partner, contract: Extract, school_year: int, standing: list[dict[str, Any]]
) -> _Stored:
    """Store the rows of several sources, merged."""
    blocks = (
        numbered(partner, part, unit, school_year)
        for unit, load in enumerate(standing)
        for part in _parts_of(home, partner, load, contract)
    )
    loads = Ledger(home).loads(partner.partner_id, school_year, contract.name)
    several = len({load["source"] for load in standing}) > 1
    delivery_ids = [load["delivery_id"] for load in standing]
    rows, done = 0, []
    waiting = home.readings(partner.partner_id)
    waiting.mkdir(parents=True, exist_ok=True)
    folder = home.extract(contract.name, partner.partner_id, school_year)
    with new_folder(folder) as scratch, TemporaryDirectory(dir=waiting) as lots:
        texts = in_lots(contract, blocks, sum(load["rows_in"] for load in loads), Path(lots))
        for number, text in enumerate(texts):
            resolved = resolve(contract, text, several)
            _write(contract, resolved, delivery_ids, scratch / f"part-{number}.parquet")
            rows += resolved.rows.height
            done.append((resolved.rejects, resolved.conflicts, resolved.account))
    rejects, conflicts, accounts = (pl.concat(of_all_lots) for of_all_lots in zip(*done, strict=True))
    account = accounts.group_by(UNIT, FILE).agg(pl.col(_COUNTS).sum()).sort(UNIT, FILE)
    by_delivery: dict[str, list[pl.DataFrame]] = {}
    for (unit,), told in pl.concat([rejects, conflicts]).group_by(UNIT, maintain_order=True):
        frames = _as_delivered(home, partner, contract, standing[unit], told.drop(UNIT))
        by_delivery.setdefault(delivery_ids[unit], []).extend(frames)
    held: dict[str, list[pl.DataFrame | Path]] = {
        delivery_id: [quarantine.joined(frames)] for delivery_id, frames in by_delivery.items()
    }
    reasons = rejects.group_by(REASON).len().sort(REASON)
    return _Stored(rows, account, dict(reasons.iter_rows()), held)


def _as_delivered(
    home: Home, partner: Partner, contract: Extract, load: dict[str, Any], told: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    """Quarantine of one delivery's rows, which is read once more for their cells. `told`: see `quarantine.as_delivered`."""
    delivery_id = load["delivery_id"]
    for part in _parts_of(home, partner, load, contract):
        lines = pl.concat(
            table.frame.select(pl.lit(name).alias(FILE), LINE) for name, table in part.tables.items()
        )
        here = told.join(lines, on=[FILE, LINE], how="semi")
        told = told.join(lines, on=[FILE, LINE], how="anti")
        if here.height:
            yield quarantine.as_delivered(here, part.tables, delivery_id, part.shown)
        if told.is_empty():
            return
    yield quarantine.marks_only(told, delivery_id)


def _accounted(
    account: pl.DataFrame,
    contract: Extract,
    school_year: int,
    standing: list[dict[str, Any]],
    loads: list[dict[str, Any]],
    few: Container[tuple[str, str, str, int]],
) -> list[dict[str, Any]]:
    """Ledger entries: where the rows of the files that stand went; the rows of replaced files are all duplicates,
    those of files that were held back all rejected."""
    stand = {(load["source"], load["delivery_id"]) for load in standing}
    entries = []
    for load in loads:
        if _unit(load) in few:
            entries.append(load | _NOWHERE | {"rejected": load["rows_in"], "status": "held"})
        elif (load["source"], load["delivery_id"]) not in stand:
            entries.append(load | _NOWHERE | {"duplicates": load["rows_in"], "status": "superseded"})
    for row in account.iter_rows(named=True):
        load = standing[row[UNIT]]
        entries.append(
            {
                "delivery_id": load["delivery_id"], "source": load["source"], "file": row[FILE],
                "extract": contract.name, "school_year": school_year, "records": row["rows_in"], "skipped": 0,
                **{count: row[count] for count in _COUNTS}, "status": "loaded",
            }
        )  # fmt: skip
    return entries


def _arrival(item: Item) -> tuple[Any, ...]:
    """The order in which files that lie there together are received: a `_corrected` one after its original."""
    named = version(item.name)
    return (named.logical, named.dated, named.marked, item.name)


def _archive_path(home: Home, partner: Partner, sha256: str, file: str) -> Path:
    return home.archive(partner.partner_id) / sha256 / PurePosixPath(file).name


def _archived(item: Item, sha256: str, target: Path) -> bool:
    """Copy a delivery into the archive, in place of what was left there by one who was killed; False if its bytes changed
    meanwhile. It reaches the disk before the ledger knows of it (see `_take`)."""
    new = new_folder(target) if item.set_of else new_file(target, sync=False)
    with contextlib.suppress(_Changed), new as scratch:
        if item.copy_to(scratch) != sha256:
            raise _Changed
        return True
    return False


class _Changed(Exception):
    """A file that is still being written; its copy is thrown away."""


def _reading(home: Home, partner: Partner, sha256: str, file: str, sources: list[Source]) -> Reading:
    """A delivery's reading, made anew from the archive where it is not there."""
    made_by = f"{sha256[:16]}-{mapping_of(partner, sources, _people(home, partner))[:16]}-{pl.__version__}"
    path, people = _archive_path(home, partner, sha256, file), _people(home, partner)
    delivery = Archived(partner, path, file, sources, sha256[:16], people)
    return reading_of(home.readings(partner.partner_id) / made_by, delivery)


_readings: OrderedDict[tuple[str, ...], list[Part]] = OrderedDict()


def _read(
    home: Home, partner: Partner, sha256: str, file: str, sources: list[Source], based_on: BasedOn
) -> list[Part]:
    """Read and map an archived delivery; the latest readings are kept, so that five school years read a file once."""
    key = (partner.partner_id, sha256, file, _mapping(home, partner, sources, based_on))
    if key not in _readings:
        path, *earlier = ((_archive_path(home, partner, *one), one[1]) for one in ([sha256, file], *based_on))
        _readings[key] = read_parts(partner, *path, sources, _people(home, partner), earlier)
    _readings.move_to_end(key)
    while len(_readings) > 1 and sum(map(_bytes, _readings.values())) > _CACHE_BYTES:
        _readings.popitem(last=False)
    return _readings[key]


def _bytes(parts: list[Part]) -> int:
    frames = {id(table.frame): table.frame for part in parts for table in part.tables.values()}
    return sum(int(frame.estimated_size()) for frame in (*frames.values(), *(part.rows for part in parts)))


def _learned(part: Part) -> Iterator[dict[str, Any]]:
    """Ledger entries of what a delivery holds of one extract."""
    counts = {(file, year): n for file, year, n in part.rows.group_by(FILE, YEAR).len().iter_rows()}
    for table in part.bad:
        key = (table.name, UNREADABLE_YEAR)
        counts[key] = counts.get(key, 0) + len(table.bad)
    yield from _loads_of(part.source.name, part.extract.name, counts, part.skipped, part.tables)


def _loads_of(
    source: str,
    extract: str,
    counts: dict[tuple[str, int], int],
    skipped: Mapping[str, int],
    tables: Iterable[str],
) -> Iterator[dict[str, Any]]:
    """Ledger entries per file and school year, nothing loaded yet. What belongs to no school year (year 0) is accounted
    for at once: bad records and rows without a readable year as rejected."""
    passed_over = sum(skipped.values())
    skipped_in = (min(tables, default=""), UNREADABLE_YEAR)
    if passed_over:
        counts.setdefault(skipped_in, 0)
    for (file, year), rows in sorted(counts.items()):
        skips = passed_over if (file, year) == skipped_in else 0
        yield _NOWHERE | {
            "source": source, "file": file, "extract": extract, "school_year": year,
            "records": rows + skips, "skipped": skips, "rows_in": rows,
            "rejected": 0 if year else rows, "status": "pending" if year else "loaded",
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
        key = (load["source"], _logical(load), own_year)
        newest[key] = max(newest.get(key, candidate), candidate, key=lambda one: one[0])
    by_age = sorted(newest.items(), key=lambda one: (one[1][0][0], one[0]), reverse=True)
    standing = sorted((load for _, (_, load) in by_age), key=lambda load: rank[load["source"]])
    return standing, len(deliveries) - len(standing)


def _parts_of(home: Home, partner: Partner, load: dict[str, Any], contract: Extract) -> Iterator[Part]:
    """What a delivery holds of an extract, read as it was when the ledger learned of it; block by block where its source
    can be read so.

    Raises:
        DeliveryError: the partner file reads it in another way now.
    """
    sources = _sources_of(home, partner, load)
    [source] = (one for one in sources if one.name == load["source"])
    sha256, file = load["sha256"], load["delivered_file"]
    if in_blocks(source):
        path = _archive_path(home, partner, sha256, file)
        read = parts_by_block(partner, path, file, source, _people(home, partner))
    else:
        read = iter([_read(home, partner, sha256, file, sources, _recorded_base(load))])
    for parts in read:
        yield from (part for part in parts if part.source.name == source.name and part.extract == contract)


def _recorded_base(load: dict[str, Any]) -> BasedOn:
    based_on: BasedOn = json.loads(load["based_on"] or "[]")
    return based_on


def _logical(load: dict[str, Any]) -> str:
    """The logical name of a delivery's file; a delta is a version of the file that it changes."""
    base = _recorded_base(load)
    return version(base[0][1] if base else load["delivered_file"]).logical


def _sources_of(home: Home, partner: Partner, load: dict[str, Any]) -> list[Source]:
    """The sources that read a delivery, as they did when the ledger learned of it.

    Raises:
        DeliveryError: the partner file reads it in another way now.
    """
    sources = claiming(partner, load["delivered_file"])
    if _mapping(home, partner, sources, _recorded_base(load)) != load["mapping"]:
        raise DeliveryError(
            "its mapping changed since it was taken in",
            file=load["delivered_file"],
            remedy="take deliveries in again",
        )
    return sources


def _write(contract: Extract, resolved: Resolved, delivery_ids: list[str], path: Path) -> None:
    """Store the rows in the order of the key, so that the same rows are the same bytes."""
    ids = pl.Series(delivery_ids, dtype=pl.String)
    rows = resolved.rows.select(
        *contract.stored,
        pl.col(UNIT).replace_strict(range(len(ids)), ids, return_dtype=pl.String).alias(DELIVERY),
    )
    sealed.write_parquet(rows, path)
