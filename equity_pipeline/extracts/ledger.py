"""The ledger: every delivery, what it holds, and where each of its rows went.

Belongs here: the two tables and the questions asked of them. Does not belong here: a cell of a delivery.

SQLite, because several processes record at once. One transaction a step: a step that dies leaves the ledger as it was.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from equity_pipeline.domain.errors import EquityError, TransientError
from equity_pipeline.storage.home import Home

_CONFLICTS = "conflicts INTEGER NOT NULL DEFAULT 0 CHECK (conflicts <= duplicates)"
"""Of the duplicates those that say otherwise than the row kept; ledgers of old do not have it."""
_TABLES = f"""
CREATE TABLE IF NOT EXISTS deliveries (
    partner_id TEXT NOT NULL, delivery_id TEXT NOT NULL, sha256 TEXT NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL,
    sequence INTEGER NOT NULL, received_at TEXT NOT NULL, source TEXT, mapping TEXT,
    status TEXT NOT NULL CHECK (status IN ('accepted', 'refused', 'unclaimed')), message TEXT, as_of TEXT,
    inferred TEXT NOT NULL DEFAULT '{{}}',
    PRIMARY KEY (partner_id, sha256)
);
CREATE TABLE IF NOT EXISTS loads (
    partner_id TEXT NOT NULL, delivery_id TEXT NOT NULL, source TEXT NOT NULL, file TEXT NOT NULL, extract TEXT NOT NULL,
    school_year INTEGER NOT NULL, records INTEGER NOT NULL, skipped INTEGER NOT NULL, rows_in INTEGER NOT NULL,
    loaded INTEGER NOT NULL, rejected INTEGER NOT NULL, duplicates INTEGER NOT NULL, {_CONFLICTS},
    status TEXT NOT NULL CHECK (status IN ('pending', 'loaded', 'superseded', 'held')),
    PRIMARY KEY (partner_id, delivery_id, source, file, extract, school_year),
    CHECK (records = rows_in + skipped),
    CHECK (status = 'pending' OR rows_in = loaded + rejected + duplicates)
);
CREATE TABLE IF NOT EXISTS rekeys (
    partner_id TEXT NOT NULL, file TEXT NOT NULL, school_year INTEGER NOT NULL, because TEXT NOT NULL, who TEXT NOT NULL,
    at TEXT NOT NULL
);
"""
_EMPTIED = (
    "UPDATE loads SET records = 0, skipped = 0, rows_in = 0, loaded = 0, rejected = 0, conflicts = 0, duplicates = 0, "
    "status = 'pending'"
)
_COUNTS = ("records", "skipped", "rows_in", "loaded", "rejected", "duplicates", "conflicts")


class IntegrityError(EquityError):
    """Rows in are not loaded + rejected + duplicates: a fault of the product, never of a file. Nothing was recorded."""


def compact(path: Path) -> None:
    """Rewrite a file of SQLite, which keeps deleted text."""
    with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as con:
        con.execute("VACUUM")
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _counts_conflicts(con: sqlite3.Connection) -> bool:
    return any(column["name"] == "conflicts" for column in con.execute("PRAGMA table_info(loads)"))


class Ledger:
    """The deliveries of one home. `loads.school_year` 0 holds the rows whose school year can't be read."""

    def __init__(self, home: Home) -> None:
        self._path = home.ledger
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as con:
            # WAL shares memory between its users, which those on several machines do not have.
            con.execute(f"PRAGMA journal_mode = {'DELETE' if home.is_shared else 'WAL'}")
            con.executescript(_TABLES)
            if not _counts_conflicts(con):
                con.execute("BEGIN IMMEDIATE")
                if not _counts_conflicts(con):  # another process may have been as quick
                    con.execute(f"ALTER TABLE loads ADD COLUMN {_CONFLICTS}")
                con.execute("COMMIT")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        con = sqlite3.connect(self._path, timeout=60, isolation_level=None)
        con.row_factory = sqlite3.Row
        try:
            yield con
        except sqlite3.IntegrityError as error:
            raise IntegrityError(f"the ledger refused a record: {error}") from error
        except sqlite3.OperationalError as error:
            raise TransientError(f"the ledger can't be used now ({error}); try again") from error
        finally:
            con.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as con:
            con.execute("BEGIN IMMEDIATE")
            yield con
            con.execute("COMMIT")

    def _rows(self, query: str, values: Iterable[Any] = ()) -> list[dict[str, Any]]:
        with self._connection() as con:
            return [dict(row) for row in con.execute(query, tuple(values))]

    def deliveries(self, partner_id: str) -> list[dict[str, Any]]:
        """Every delivery of the partner in the order received."""
        return self._rows("SELECT * FROM deliveries WHERE partner_id = ? ORDER BY sequence", [partner_id])

    def record(self, partner_id: str, delivery: dict[str, Any], loads: list[dict[str, Any]]) -> None:
        """Record a delivery and what it holds, in one transaction.

        `delivery`: the columns of `deliveries` but partner_id, and but sequence and received_at, which a delivery
        keeps from its first coming. `loads`: the columns of `loads` but partner_id and delivery_id. What an earlier reading of the
        delivery found and this one does not (its mapping changed) stays as a pending load of no rows, so that
        the school year is loaded again without it.
        """
        columns = ("delivery_id", "sha256", "file", "size", "source", "mapping", "status", "message", "as_of")
        inferred = json.dumps(delivery["inferred"], sort_keys=True)
        with self._transaction() as con:
            con.execute(
                f"INSERT INTO deliveries (partner_id, {', '.join(columns)}, inferred, received_at, sequence) "
                f"VALUES (?, {', '.join('?' * len(columns))}, ?, ?, "
                "(SELECT coalesce(max(sequence), 0) + 1 FROM deliveries WHERE partner_id = ?)) "
                "ON CONFLICT DO UPDATE SET file = excluded.file, source = excluded.source, mapping = excluded.mapping, "
                "status = excluded.status, message = excluded.message, as_of = excluded.as_of, inferred = excluded.inferred",
                [
                    partner_id, *(delivery[column] for column in columns), inferred,
                    dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), partner_id,
                ],
            )  # fmt: skip
            con.execute(
                "DELETE FROM loads WHERE partner_id = ? AND delivery_id = ? AND school_year = 0",
                [partner_id, delivery["delivery_id"]],
            )
            con.execute(
                f"{_EMPTIED} WHERE partner_id = ? AND delivery_id = ?", [partner_id, delivery["delivery_id"]]
            )
            self._put(con, partner_id, [load | {"delivery_id": delivery["delivery_id"]} for load in loads])

    def finish(self, partner_id: str, school_year: int, loads: list[dict[str, Any]]) -> None:
        """Record where the rows of a school year went; loads of no rows are forgotten.

        Raises:
            IntegrityError: rows are missing from the account; nothing is recorded.
        """
        with self._transaction() as con:
            self._put(con, partner_id, loads)
            con.execute(
                "DELETE FROM loads WHERE partner_id = ? AND school_year = ? AND records = 0",
                [partner_id, school_year],
            )

    @staticmethod
    def _put(con: sqlite3.Connection, partner_id: str, loads: list[dict[str, Any]]) -> None:
        columns = ("delivery_id", "source", "file", "extract", "school_year", *_COUNTS, "status")
        con.executemany(
            f"INSERT OR REPLACE INTO loads (partner_id, {', '.join(columns)}) "
            f"VALUES (?, {', '.join('?' * len(columns))})",
            [[partner_id, *(load[column] for column in columns)] for load in loads],
        )

    def rekey(self, partner_id: str, file: str, school_year: int, because: str) -> None:
        """Record that a delivered file belongs to another school year than it says, who says so, and why."""
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        with self._transaction() as con:
            con.execute(
                "INSERT INTO rekeys VALUES (?, ?, ?, ?, ?, ?)",
                [partner_id, file, school_year, because, getpass.getuser(), at],
            )

    def rekeys(self, partner_id: str) -> list[dict[str, Any]]:
        """Every re-keying of the partner, the latest first."""
        return self._rows("SELECT * FROM rekeys WHERE partner_id = ? ORDER BY rowid DESC", [partner_id])

    def rewritten(self, partner_id: str, old: str, new: str, size: int) -> None:
        """Record that a delivery's bytes are others now (a student was erased from them); it will be read again."""
        with self._transaction() as con:
            con.execute(
                "UPDATE deliveries SET sha256 = ?, delivery_id = ?, size = ?, mapping = '' "
                "WHERE partner_id = ? AND sha256 = ?",
                [new, new[:16], size, partner_id, old],
            )
            con.execute(
                "UPDATE OR REPLACE loads SET delivery_id = ? WHERE partner_id = ? AND delivery_id = ?",
                [new[:16], partner_id, old[:16]],
            )

    def reopen(self, partner_id: str, delivery_id: str) -> None:
        """Forget a delivery that is in the archive no more; its school years are loaded again without it."""
        with self._transaction() as con:
            con.execute(f"{_EMPTIED} WHERE partner_id = ? AND delivery_id = ?", [partner_id, delivery_id])
            con.execute(
                "DELETE FROM deliveries WHERE partner_id = ? AND delivery_id = ?", [partner_id, delivery_id]
            )

    def forget_before(self, partner_id: str, school_year: int) -> None:
        """Forget the loads of earlier school years, which are kept no more."""
        with self._transaction() as con:
            con.execute(
                "DELETE FROM loads WHERE partner_id = ? AND school_year > 0 AND school_year < ?",
                [partner_id, school_year],
            )

    def hold(self, partner_id: str, messages: dict[str, str | None], reopened: set[tuple[str, int]]) -> None:
        """Say of deliveries (by id) that they don't replace what they would, or no longer; `reopened`: extracts and
        school years to be loaded again because of that."""
        with self._transaction() as con:
            con.executemany(
                "UPDATE deliveries SET message = ? WHERE partner_id = ? AND delivery_id = ?",
                [(message, partner_id, delivery_id) for delivery_id, message in messages.items()],
            )
            con.executemany(
                "UPDATE loads SET status = 'pending' WHERE partner_id = ? AND extract = ? AND school_year = ?",
                [(partner_id, extract, year) for extract, year in reopened],
            )

    def loads(
        self, partner_id: str, school_year: int | None = None, extract: str | None = None
    ) -> list[dict[str, Any]]:
        """Loads with their delivery's `delivered_file`, `sha256`, `mapping`, `sequence`, `as_of` and `based_on` (JSON) and
        the last school year that it holds, `last_year`, in a fixed order."""
        return self._rows(
            "SELECT l.*, d.file AS delivered_file, d.sha256, d.mapping, d.sequence, d.as_of, "
            "json_extract(d.inferred, '$.based_on') AS based_on, "
            "(SELECT max(m.school_year) FROM loads m WHERE m.partner_id = l.partner_id "
            "AND m.delivery_id = l.delivery_id) AS last_year FROM loads l JOIN deliveries d USING (partner_id, delivery_id) WHERE partner_id = ? AND records > 0 "
            "AND (? IS NULL OR school_year = ?) AND (? IS NULL OR extract = ?) "
            "ORDER BY school_year, extract, source, sequence, l.file",
            [partner_id, school_year, school_year, extract, extract],
        )

    def pending(self, partner_id: str) -> set[int]:
        """School years that hold something not yet loaded."""
        return {
            row["school_year"]
            for row in self._rows(
                "SELECT DISTINCT school_year FROM loads WHERE partner_id = ? AND status = 'pending'",
                [partner_id],
            )
        }

    def current(self, partner_id: str, school_year: int, extract: str | None = None) -> list[dict[str, Any]]:
        """The loads that stand in the extracts of a school year now: loaded, and not replaced by a newer file."""
        return [load for load in self.loads(partner_id, school_year, extract) if load["status"] == "loaded"]

    def counts(self, partner_id: str, school_year: int | None = None) -> dict[str, int]:
        """Sums of records, skipped, rows_in, loaded, rejected, duplicates and (of them) conflicts over all loads, replaced
        ones too."""
        loads = self.loads(partner_id, school_year)
        return {count: sum(load[count] for load in loads) for count in _COUNTS}

    def summary(self, partner_id: str | None = None) -> list[dict[str, Any]]:
        """One row per partner × school year × extract: deliveries, counts, pending and the latest `as_of`.

        Files that a newer one replaced, or that were held back, are not in the counts but in `superseded`.
        """
        counted = ", ".join(
            f"sum(CASE WHEN l.status IN ('superseded', 'held') THEN 0 ELSE l.{count} END) AS {count}"
            for count in _COUNTS
        )
        return self._rows(
            f"SELECT partner_id, school_year, extract, {counted}, "
            "count(DISTINCT CASE WHEN l.status NOT IN ('superseded', 'held') THEN delivery_id END) AS deliveries, "
            "count(DISTINCT CASE WHEN l.status IN ('superseded', 'held') THEN delivery_id END) AS superseded, "
            "count(DISTINCT CASE WHEN l.status = 'held' THEN delivery_id END) AS held, "
            "max(l.status = 'pending') AS pending, max(d.as_of) AS as_of "
            "FROM loads l JOIN deliveries d USING (partner_id, delivery_id) WHERE ? IS NULL OR partner_id = ? "
            "GROUP BY partner_id, school_year, extract ORDER BY partner_id, school_year, extract",
            [partner_id, partner_id],
        )

    def school_years(self) -> set[int]:
        """Every school year that any partner has delivered."""
        return {row["school_year"] for row in self._rows("SELECT DISTINCT school_year FROM loads")} - {0}

    def erase(self, partner_id: str) -> int:
        """Delete all records of a partner and rewrite the file, because SQLite keeps deleted text; returns their number."""
        with self._transaction() as con:
            deleted = [
                con.execute(f"DELETE FROM {table} WHERE partner_id = ?", [partner_id]).rowcount
                for table in ("deliveries", "loads", "rekeys")
            ]
        self.compact()
        return sum(deleted)

    def compact(self) -> None:
        """Rewrite the file."""
        compact(self._path)
