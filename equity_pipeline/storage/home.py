"""Every path of a home. No other module joins path pieces that start at the home.

Layout: see `Home` in the contracts. Left of `releases/` everything is restricted: folders 0700, files 0600.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from equity_pipeline.domain.identifiers import check_partner_id

CELERY_URL = "EQUITY_CELERY_URL"
KUBERNETES_IMAGE = "EQUITY_KUBERNETES_IMAGE"


@dataclass(frozen=True)
class Home:
    """A home directory: one installation's partners, deliveries, warehouses and releases."""

    root: Path

    @classmethod
    def resolve(cls, path: str | Path | None = None) -> Home:
        """The home given, else `$EQUITY_HOME`, else `./equity_home`."""
        return cls(Path(path or os.environ.get("EQUITY_HOME") or "equity_home").resolve())

    @property
    def partners(self) -> Path:
        """The partner files."""
        return self.root / "partners"

    @property
    def is_shared(self) -> bool:
        """Whether workers on other machines write here too; their URL or image is in the environment of all."""
        return bool(os.environ.get(CELERY_URL) or os.environ.get(KUBERNETES_IMAGE))

    @property
    def ledger(self) -> Path:
        """The delivery ledger, SQLite: several processes write it at once, which DuckDB does not allow."""
        return self.root / "ledger.sqlite"

    @property
    def keys(self) -> Path:
        """The partners' secret keys, unless `$EQUITY_KEYS` names a better place; see `storage.keys`."""
        return self.root / "keys"

    @property
    def trail(self) -> Path:
        """Who did what, see `storage.trail`."""
        return self.root / "audit.jsonl"

    @property
    def trail_head(self) -> Path:
        """The newest link of the audit trail."""
        return self.root / "audit.head"

    @property
    def dagster(self) -> Path:
        """What Dagster keeps of its own."""
        return self.root / ".dagster"

    def lock(self, name: str) -> Path:
        """Held by whoever writes for a partner, or for the network (`_network`)."""
        return self.root / "locks" / name

    def partner_file(self, partner_id: str) -> Path:
        """The partner's YAML file."""
        return self.partners / f"{check_partner_id(partner_id)}.yml"

    def landing(self, partner_id: str) -> Path:
        """Where the partner's deliveries arrive."""
        return self.root / "landing" / check_partner_id(partner_id)

    def archive(self, partner_id: str) -> Path:
        """Deliveries as they came."""
        return self.root / "archive" / check_partner_id(partner_id)

    def readings(self, partner_id: str) -> Path:
        """Deliveries as read, until what they hold is loaded."""
        return self.root / "readings" / check_partner_id(partner_id)

    def extract(self, extract: str, partner_id: str, school_year: int) -> Path:
        """The rows of an extract of one school year."""
        return self._partition("extracts", extract, partner_id, school_year)

    def quarantine(self, extract: str, partner_id: str, school_year: int) -> Path:
        """The rows of an extract and school year that were refused."""
        return self._partition("quarantine", extract, partner_id, school_year)

    def warehouse(self, partner_id: str) -> Path:
        """The partner's finished DuckDB file. Constant name: dbt-duckdb takes the catalog name from it."""
        return self.root / "warehouse" / check_partner_id(partner_id) / "warehouse.duckdb"

    def releases(self, partner_id: str) -> Path:
        """What was published of the partner."""
        return self.root / "releases" / check_partner_id(partner_id)

    def withdrawn(self, name: str) -> Path:
        """What was published and taken back, of a partner or of the network (`_network`)."""
        return self.root / "withdrawn" / name

    @property
    def network_releases(self) -> Path:
        """What was published of all partners together."""
        return self.root / "releases" / "_network"

    @property
    def erasures(self) -> Path:
        """Receipts of what was erased."""
        return self.root / "erasures"

    def folders_of(self, partner_id: str) -> list[Path]:
        """Every folder that holds something of one partner and nothing of another."""
        check_partner_id(partner_id)
        layers = [
            self.root / layer / partner_id
            for layer in ("landing", "readings", "warehouse", "releases", "withdrawn")
        ]
        return [*layers, *self.sealed_folders_of(partner_id)]

    def sealed_folders_of(self, partner_id: str) -> list[Path]:
        """The folders of one partner whose files are encrypted where there is a key for it; see `storage.sealed`."""
        partitions = [
            folder
            for layer in ("extracts", "quarantine")
            for folder in sorted((self.root / layer).glob(f"*/partner_id={partner_id}"))
        ]
        return [self.archive(partner_id), *partitions]

    def _partition(self, layer: str, extract: str, partner_id: str, school_year: int) -> Path:
        return (
            self.root
            / layer
            / extract
            / f"partner_id={check_partner_id(partner_id)}"
            / f"school_year={school_year}"
        )
