"""Takes files of others in as a partner's, and says what became of every record of theirs."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from equity_pipeline.extracts.intake import load_extracts, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.resolve import CONFLICT
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home
from tests.unmasked import unmasked


@dataclass(frozen=True)
class Account:
    """`status`: file → accepted, refused or unclaimed. `counts`: delivered file, extract → (loaded, rejected,
    duplicates, skipped). `reasons`: extract, reason → rejected rows in quarantine; `conflicts`: extract, columns →
    duplicates in quarantine that say otherwise than the row kept. `skipped`: file → extract → reason → records.
    """

    home: Home
    status: dict[str, str]
    counts: dict[tuple[str, str], tuple[int, int, int, int]]
    reasons: dict[tuple[str, str], int]
    conflicts: dict[tuple[str, str], int]
    skipped: dict[str, dict[str, dict[str, int]]]

    def rows(self, extract: str) -> pl.DataFrame:
        """All stored rows of an extract, with `school_year`."""
        return unmasked(
            pl.concat(
                pl.read_parquet(path, hive_partitioning=True)
                for path in sorted((self.home.root / "extracts" / extract).rglob("*.parquet"))
            )
        )


def take_in(partner_file: Path, home: Home, files: dict[str, Path]) -> Account:
    """Land files (or folders; a name in `.zip` packs a folder) under their names, take them in, load every year."""
    partner = registry.load(partner_file)
    landing = home.landing(partner.partner_id)
    landing.mkdir(parents=True)
    for name, path in files.items():
        if path.is_dir() and name.endswith(".zip"):
            with zipfile.ZipFile(landing / name, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(path.iterdir()):
                    archive.write(file, file.name)
        elif path.is_dir():
            shutil.copytree(path, landing / name)
        else:
            shutil.copy(path, landing / name)
    status = {result.file: result.status for result in take_delivery(home, partner)}
    ledger = Ledger(home)
    for year in sorted(ledger.pending(partner.partner_id)):
        load_extracts(home, partner, year)
    counts: dict[tuple[str, str], list[int]] = {}
    for load in ledger.loads(partner.partner_id):
        assert load["status"] == "loaded"
        assert load["records"] == load["skipped"] + load["loaded"] + load["rejected"] + load["duplicates"]
        counted = counts.setdefault((load["delivered_file"], load["extract"]), [0, 0, 0, 0])
        for position, name in enumerate(("loaded", "rejected", "duplicates", "skipped")):
            counted[position] += load[name]
    reasons: Counter[tuple[str, str]] = Counter()
    conflicts: Counter[tuple[str, str]] = Counter()
    for path in (home.root / "quarantine").rglob("*.parquet"):
        extract = path.relative_to(home.root / "quarantine").parts[0]
        for reason in pl.read_parquet(path, hive_partitioning=False)["_reason"]:
            if reason.startswith(CONFLICT):
                conflicts[extract, reason.removeprefix(f"{CONFLICT}: ")] += 1
            else:
                reasons[extract, reason] += 1
    skipped = {
        delivery["file"]: json.loads(delivery["inferred"])["skipped"]
        for delivery in ledger.deliveries(partner.partner_id)
    }
    return Account(
        home, status, {key: tuple(value) for key, value in counts.items()}, dict(reasons), dict(conflicts),
        {file: told for file, told in skipped.items() if told},
    )  # fmt: skip
