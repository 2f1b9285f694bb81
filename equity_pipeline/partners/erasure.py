"""Remove a partner from every layer of a home.

Deleting is enough because partners never share a file, except the ledger: it is rewritten after its rows are deleted,
since SQLite keeps deleted text in the file.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.storage import atomic
from equity_pipeline.storage.home import Home


def erase_partner(home: Home, partner_id: str) -> Path:
    """Remove what was delivered, derived and published, and the partner file; returns the receipt.

    The receipt says what was removed and how many files, and names no file: their names may name students.

    Raises:
        EquityError: there is nothing of this partner in the home.
    """
    folders = [folder for folder in home.folders_of(partner_id) if folder.exists()]
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
    now = dt.datetime.now(dt.UTC)
    receipt = home.erasures / f"{partner_id}-{now:%Y%m%dT%H%M%SZ}.json"
    content = {
        "partner_id": partner_id,
        "erased_at": now.isoformat(timespec="seconds"),
        "ledger_rows": ledger_rows,
        "files_removed": removed,
    }
    with atomic.new_file(receipt) as scratch:
        scratch.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return receipt
