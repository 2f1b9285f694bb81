"""Who did what, when: an append-only record of a home in which each entry carries the hash of the one before.

Belongs here: writing an entry and checking the chain. Does not belong here: a student's value, or the name of a delivered
file, which may name a student: nothing here is ever erased.

One JSON object a line. The newest entry stands in a file of its own as well, written before it is appended: the next one goes
on from there, so that a cut end shows for ever, and what a killed writer did not append is made up for. Whoever can write
both can forge both: write the head that `status --audit` prints down somewhere else, or ship the file away.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import getpass
import hashlib
import json
import os
from dataclasses import dataclass
from typing import IO, Any

from equity_pipeline.storage.atomic import new_file
from equity_pipeline.storage.home import Home

_START = "0" * 64
_BLOCK = 64 * 1024


@dataclass(frozen=True)
class Checked:
    """`entries`: how many there are; `head`: the hash of the last; `fault`: where the chain breaks, or None."""

    entries: int
    head: str
    fault: str | None


def log(home: Home, action: str, partner_id: str | None = None, **detail: Any) -> int:
    """Append an entry: `delivered`, `released`, `erased` …, and what a person needs to know of it; its number."""
    home.trail.parent.mkdir(parents=True, exist_ok=True)
    with home.trail.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        number, previous, newest = _head(home)
        last = _last(file)
        if newest and newest["hash"] != last and newest["previous"] == last:
            _append(file, _line(newest))  # its writer was killed
        entry = {
            "number": number + 1,
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "who": getpass.getuser(),
            "action": action,
            "partner_id": partner_id,
            "detail": detail,
            "previous": previous,
        }
        entry["hash"] = _hash(entry)
        with new_file(home.trail_head) as scratch:
            scratch.write_bytes(f"{number + 1} {entry['hash']}\n".encode("ascii") + _line(entry))
        _append(file, _line(entry))
    return number + 1


def _head(home: Home) -> tuple[int, str, dict[str, Any] | None]:
    """Number and hash of the newest entry, and itself. Where they are gone the chain begins anew, which shows."""
    try:
        said, *line = home.trail_head.read_bytes().splitlines()
        number, newest = said.decode("ascii").split()
        return int(number), newest, _entry(line[0]) if line else None
    except (FileNotFoundError, ValueError):
        return 0, _START, None


def _last(file: IO[bytes]) -> str | None:
    """The hash of the last entry, after cutting off what a killed writer left of one; None where the line is no entry. Read
    from the end: the record grows for years."""
    start, end = file.seek(0, os.SEEK_END), b""
    while start and end.count(b"\n") < 2:
        begin = max(start - _BLOCK, 0)
        file.seek(begin)
        end = file.read(start - begin) + end
        start = begin
    whole = end[: end.rfind(b"\n") + 1]
    file.truncate(start + len(whole))
    if not whole:
        return _START
    entry = _entry(whole.splitlines()[-1])
    return str(entry["hash"]) if entry else None


def _append(file: IO[bytes], line: bytes) -> None:
    file.write(line)
    file.flush()
    os.fsync(file.fileno())


def entries(home: Home, action: str | None = None, partner_id: str | None = None) -> list[dict[str, Any]]:
    """The entries that are as they were written, all or those of one action and one partner, in order."""
    found = map(_entry, _lines(home)[0])
    return [
        entry
        for entry in found
        if entry and action in (None, entry["action"]) and partner_id in (None, entry["partner_id"])
    ]


def check(home: Home) -> Checked:
    """Whether every entry is as it was written, and none is missing."""
    previous, number = _START, 0
    lines, (written, head, _) = _lines(home)
    for number, line in enumerate(lines, 1):
        entry = _entry(line)
        if entry is None or (entry["number"], entry["previous"]) != (number, previous):
            return Checked(len(lines), previous, f"entry {number} was changed, moved or put in")
        previous = entry["hash"]
    fault = (
        None
        if (written, head) == (number, previous)
        else f"entries are missing: {number} of {written} are there"
    )
    return Checked(number, previous, fault)


def _lines(home: Home) -> tuple[list[bytes], tuple[int, str, dict[str, Any] | None]]:
    """The record and its head, as no writer is between the two."""
    if not home.trail.exists():
        return [], _head(home)
    with home.trail.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return file.read().splitlines(), _head(home)


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True).encode("ascii") + b"\n"


def _entry(line: bytes) -> dict[str, Any] | None:
    """The entry of a line; None where it is not as it was written."""
    try:
        entry: dict[str, Any] = json.loads(line)
        return entry if entry["hash"] == _hash(entry) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _hash(entry: dict[str, Any]) -> str:
    said = {key: value for key, value in entry.items() if key != "hash"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
