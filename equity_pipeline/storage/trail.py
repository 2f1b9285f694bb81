"""Who did what, when: an append-only record of a home in which each entry carries the hash of the one before.

Belongs here: writing an entry and checking the chain. Does not belong here: a student's value, or the name of a delivered
file, which may name a student: nothing here is ever erased.

One JSON object a line. The last hash stands in a file of its own beside it, so that a cut end shows as well. Whoever can
write both can forge both: write the head that `status --audit` prints down somewhere else, or ship the file away.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import getpass
import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any

from equity_pipeline.storage.atomic import new_file
from equity_pipeline.storage.home import Home

_START = "0" * 64


@dataclass(frozen=True)
class Checked:
    """`entries`: how many there are; `head`: the hash of the last; `fault`: where the chain breaks, or None."""

    entries: int
    head: str
    fault: str | None


def log(home: Home, action: str, partner_id: str | None = None, **detail: Any) -> None:
    """Append an entry: `delivered`, `released`, `erased` …, and what a person needs to know of it."""
    home.trail.parent.mkdir(parents=True, exist_ok=True)
    with home.trail.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        lines = file.read().splitlines()
        entry = {
            "number": len(lines) + 1,
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "who": getpass.getuser(),
            "action": action,
            "partner_id": partner_id,
            "detail": detail,
            "previous": json.loads(lines[-1])["hash"] if lines else _START,
        }
        entry["hash"] = _hash(entry)
        file.write(json.dumps(entry, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
        with new_file(home.trail_head) as scratch:
            scratch.write_text(f"{entry['number']} {entry['hash']}\n", encoding="ascii")


def entries(home: Home, action: str | None = None, partner_id: str | None = None) -> list[dict[str, Any]]:
    """The entries, all or those of one action and one partner, in order."""
    lines = home.trail.read_text(encoding="utf-8").splitlines() if home.trail.exists() else []
    return [
        entry
        for entry in map(json.loads, lines)
        if action in (None, entry["action"]) and partner_id in (None, entry["partner_id"])
    ]


def check(home: Home) -> Checked:
    """Whether every entry is as it was written, and none is missing."""
    previous, number = _START, 0
    lines = home.trail.read_text(encoding="utf-8").splitlines() if home.trail.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            whole = (
                entry["number"] == number and entry["previous"] == previous and entry["hash"] == _hash(entry)
            )
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            return Checked(len(lines), previous, f"entry {number} was changed, moved or put in")
        previous = entry["hash"]
    head = home.trail_head.read_text(encoding="ascii").split() if home.trail_head.exists() else ["0", _START]
    fault = (
        None if head == [str(number), previous] else f"entries are missing: {number} of {head[0]} are there"
    )
    return Checked(number, previous, fault)


def _hash(entry: dict[str, Any]) -> str:
    said = {key: value for key, value in entry.items() if key != "hash"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
