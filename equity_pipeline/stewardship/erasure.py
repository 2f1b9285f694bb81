"""Remove a partner, or one student, from every layer of a home.

For a partner deleting is enough because partners never share a file, except the ledger: it is rewritten after its rows are
deleted, since SQLite keeps deleted text in the file. A student is struck out of every delivered file that names her; all
that was derived is made again from what is left. Releases stay: they hold no person.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.domain.errors import DeliveryError, EquityError
from equity_pipeline.domain.versions import version
from equity_pipeline.extracts import intake, quarantine
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.reading import UNREADABLE_YEAR, claiming, landed
from equity_pipeline.extracts.striking import strike
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage import atomic, keys, sealed, trail
from equity_pipeline.storage.home import Home

_ERASED = "erased"


def erase_partner(home: Home, partner_id: str, keep_releases: bool = False) -> Path:
    """Remove what was delivered, derived and published, and the partner file; returns the receipt.

    `keep_releases`: what was published holds no person and may stay.

    The receipt says what was removed and how many files, and names no file: their names may name students.

    Raises:
        EquityError: there is nothing of this partner in the home.
    """
    kept = {home.releases(partner_id)} if keep_releases else set()
    folders = [folder for folder in home.folders_of(partner_id) if folder.exists() and folder not in kept]
    partner_file = home.partner_file(partner_id)
    if not folders and not partner_file.exists():
        raise EquityError(f"{partner_id}: there is nothing of this partner in {home.root}")
    removed = {
        str(folder.relative_to(home.root)): sum(1 for path in folder.rglob("*") if path.is_file())
        for folder in folders
    }
    ledger_rows = Ledger(home).erase(partner_id)
    for folder in folders:
        shutil.rmtree(folder)
    partner_file.unlink(missing_ok=True)
    keys.destroy(home, partner_id)
    return _receipt(home, partner_id, {"ledger_rows": ledger_rows, "files_removed": removed})


def erase_student(home: Home, partner: Partner, student_id: str) -> Path:
    """Strike a student out of the archive and `landing/`, and make the extracts and the quarantine again from what is
    left; returns the receipt. The warehouse and the release follow with the partner's next run.

    The receipt counts, and names neither the student nor a file.

    Raises:
        EquityError: no file of the partner names this student.
    """
    ledger = Ledger(home)
    counts: Counter[str] = Counter()
    _clear_up(home, partner, ledger)
    for delivery in ledger.deliveries(partner.partner_id):
        _strike_delivery(home, partner, ledger, delivery, student_id, counts)
    if not counts:
        raise EquityError(f"{partner.partner_id}: no file names this student")
    shutil.rmtree(home.readings(partner.partner_id), ignore_errors=True)
    ledger.compact()
    intake.take_delivery(home, partner)
    for year in sorted(ledger.pending(partner.partner_id)):
        intake.load_extracts(home, partner, year)
    return _receipt(home, partner.partner_id, {"one_student": dict(sorted(counts.items()))})


def retain(home: Home, partner: Partner, today: dt.date) -> Path | None:
    """Remove what is older than the partner's `retention`: extracts and quarantine of earlier school years, and the
    deliveries that hold nothing newer, from archive and `landing/`; the receipt, or None where there was nothing.

    A file that holds a kept year as well stays whole until its last year has passed. The warehouse follows with the next
    run; releases stay.
    """
    first = partner.retention.first_kept(today)
    ledger = Ledger(home)
    counts: Counter[str] = Counter()
    last_year = {load["sha256"]: load["last_year"] for load in ledger.loads(partner.partner_id)}
    for delivery in ledger.deliveries(partner.partner_id):
        if 0 < last_year.get(delivery["sha256"], 0) < first:
            _remove(home, partner, ledger, delivery)
            counts["files_removed"] += 1
    for layer in ("extracts", "quarantine"):
        for folder in (home.root / layer).glob(f"*/partner_id={partner.partner_id}/school_year=*"):
            if 0 < int(folder.name.removeprefix("school_year=")) < first:
                counts[f"{layer}_removed"] += 1
                shutil.rmtree(folder)
    if not counts:
        return None
    ledger.forget_before(partner.partner_id, first)
    ledger.compact()
    return _receipt(home, partner.partner_id, {"older_than": first, **dict(sorted(counts.items()))})


def _clear_up(home: Home, partner: Partner, ledger: Ledger) -> None:
    """Remove from the archive what the ledger does not know: left there by one who was killed."""
    known = {delivery["sha256"] for delivery in ledger.deliveries(partner.partner_id)}
    for folder in home.archive(partner.partner_id).glob("*"):
        if folder.name not in known:
            shutil.rmtree(folder)


def _remove(home: Home, partner: Partner, ledger: Ledger, delivery: dict[str, Any]) -> None:
    """Remove a delivered file from the archive and `landing/`; its school years are loaded again without it."""
    for item in landed(home.landing(partner.partner_id)):
        if item.sha256() == delivery["sha256"]:
            for file in item.set_of or (item.path,):
                file.unlink()
    shutil.rmtree(home.archive(partner.partner_id) / delivery["sha256"], ignore_errors=True)
    for extract in EXTRACTS:
        folder = home.quarantine(extract, partner.partner_id, UNREADABLE_YEAR)
        quarantine.write_delivery(folder, delivery["delivery_id"], [])
    ledger.reopen(partner.partner_id, delivery["delivery_id"])


def _strike_delivery(
    home: Home,
    partner: Partner,
    ledger: Ledger,
    delivery: dict[str, Any],
    student_id: str,
    counts: Counter[str],
) -> None:
    sha256 = delivery["sha256"]
    [path] = (home.archive(partner.partner_id) / sha256).iterdir()
    try:
        sources = claiming(partner, delivery["file"])
    except DeliveryError:
        sources = []
    struck = strike(path, delivery["file"], sources, student_id)
    if struck.gone:
        counts["files_removed_whole"] += 1
        _remove(home, partner, ledger, delivery)
        return
    if not struck.files:
        return
    counts["files_rewritten"] += 1
    counts["records_removed"] += struck.records
    counts["ids_blanked"] += struck.blanked
    archived = next(item for item in landed(path.parent) if item.path == path)
    files = archived.set_of or (path,)
    new = archived.sha256(struck.opened)
    # Without her two deliveries may be the same: then the newer counts.
    same = [one for one in ledger.deliveries(partner.partner_id) if one["sha256"] == new]
    *older, newest = sorted([*same, delivery], key=lambda one: (version(one["file"]).dated, one["sequence"]))
    # What is there goes last: whoever comes after one who was killed begins with it again.
    if newest is delivery:
        with atomic.new_folder(path.parent.with_name(new)) as scratch:
            for file in files:
                at = scratch / file.relative_to(path.parent)
                at.parent.mkdir(exist_ok=True)
                sealed.write(at, struck.opened(file).read())
    for item in landed(home.landing(partner.partner_id)):
        if item.sha256() == sha256:
            for file in item.set_of or (item.path,):
                file.write_bytes(struck.opened(path / file.name if item.set_of else path).read())
    for extract in EXTRACTS:
        folder = home.quarantine(extract, partner.partner_id, UNREADABLE_YEAR)
        quarantine.write_delivery(folder, delivery["delivery_id"], [])
    for one in older:
        ledger.reopen(partner.partner_id, one["delivery_id"])
    if newest is delivery:
        size = sum(len(struck.opened(file).read()) for file in files)
        ledger.rewritten(partner.partner_id, sha256, new, size)
    shutil.rmtree(path.parent)


def tell(receipt: Path, release: str) -> None:
    """Add to the receipt what became of the partner's release without what was erased."""
    _write(receipt, json.loads(receipt.read_text(encoding="utf-8")) | {"release": release})


def last_receipt(home: Home, partner_id: str) -> Path:
    """The receipt of the partner's newest erasure."""
    return _receipt_of(home, partner_id, trail.entries(home, _ERASED, partner_id)[-1]["number"])


def _receipt(home: Home, partner_id: str, counts: dict[str, Any]) -> Path:
    number = trail.log(home, _ERASED, partner_id, **counts)
    receipt = _receipt_of(home, partner_id, number)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    _write(receipt, {"partner_id": partner_id, "erased_at": now, "entry": number} | counts)
    return receipt


def _receipt_of(home: Home, partner_id: str, number: int) -> Path:
    """Named by its entry in the audit trail: a clock may say the same twice."""
    return home.erasures / f"{partner_id}-{number:06}.json"


def _write(receipt: Path, content: dict[str, Any]) -> None:
    with atomic.new_file(receipt) as scratch:
        scratch.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
