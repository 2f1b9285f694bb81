"""What lies before us and what its sources make of it.

Belongs here: finding deliveries in a folder, the source that claims each, reading and mapping it, the school year of
its rows. Does not belong here: the ledger, or anything that writes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import polars as pl

from equity_pipeline.adapters import ADAPTERS
from equity_pipeline.adapters.base import FILE, LINE, REJECT, Mapped, RawTable
from equity_pipeline.domain.errors import DeliveryError
from equity_pipeline.extracts import quarantine
from equity_pipeline.extracts.contracts import EXTRACTS, Extract, school_year
from equity_pipeline.extracts.quarantine import COLUMN, REASON, VALUE
from equity_pipeline.extracts.resolve import SOURCE, UNIT
from equity_pipeline.partners.registry import Partner, Source

UNREADABLE_YEAR = 0
YEAR = "_year"
_ONEROSTER_FILES = {
    "manifest", "academicsessions", "categories", "classes", "classresources", "courses", "courseresources",
    "demographics", "enrollments", "lineitems", "lineitemlearningobjectiveids", "lineitemscorescales", "orgs",
    "relationships",
    "resources", "resultlearningobjectiveids", "results", "resultscorescales", "roles", "scorescales", "userprofiles",
    "userflags", "userresources", "users",
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """A file, or a folder with the files of one OneRoster set, as it lies before us."""

    name: str
    path: Path
    set_of: tuple[Path, ...] = ()

    def sha256(self) -> str:
        """Of the bytes; of a set: of its file names and theirs."""
        if not self.set_of:
            return _sha256(self.path)
        lines = "".join(f"{file.name}\t{_sha256(file)}\n" for file in self.set_of)
        return hashlib.sha256(lines.encode()).hexdigest()

    def size(self) -> int:
        return sum(file.stat().st_size for file in self.set_of or (self.path,))

    def copy_to(self, target: Path) -> str:
        """Copy to a new file, or the files of a set into a folder; the sha256 of the copy."""
        if not self.set_of:
            shutil.copyfile(self.path, target)
            return Item(self.name, target).sha256()
        for file in self.set_of:
            shutil.copyfile(file, target / file.name)
        return Item(self.name, target, tuple(target / file.name for file in self.set_of)).sha256()


@dataclass(frozen=True)
class Part:
    """What one source makes of one delivery for one extract.

    `rows`: canonical columns as text, `_file`, `_line` and the school year as `_year`, 0 where it can't be read.
    `bad`: the tables with records that are no rows, each counted by every extract that the table feeds.
    """

    source: Source
    extract: Extract
    rows: pl.DataFrame
    tables: dict[str, RawTable]
    bad: tuple[RawTable, ...]
    skipped: dict[str, int]
    warnings: tuple[str, ...]


def landed(folder: Path, name: str = "") -> Iterator[Item]:
    """Deliveries below a folder: each file, and each folder's OneRoster files as one. Hidden files are none."""
    if not folder.is_dir():
        return
    inside = [
        path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and not path.is_symlink()
    ]
    files = {path.stem.lower(): path for path in inside if path.is_file() and path.suffix.lower() == ".csv"}
    roster = ()
    if "manifest" in files or {"orgs", "users"} <= files.keys():
        roster = tuple(path for stem, path in files.items() if stem in _ONEROSTER_FILES)
        yield Item(name or "oneroster", folder, roster)
    for path in inside:
        called = f"{name}/{path.name}" if name else path.name
        if path.is_dir():
            yield from landed(path, called)
        elif path not in roster:
            yield Item(called, path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matching(partner: Partner, file: str) -> list[Source]:
    """The sources whose `files` match the path or any tail of it, in any case of letters."""
    steps = file.lower().split("/")
    tails = ["/".join(steps[start:]) for start in range(len(steps))]
    return [
        source
        for source in partner.sources
        if any(fnmatchcase(tail, pattern.lower()) for tail in tails for pattern in source.files)
    ]


def claiming(partner: Partner, file: str) -> list[Source]:
    """The sources that read a file: one, or none. Only `delimited` sources may share it, each for its own extract.

    Raises:
        DeliveryError: sources that may not share it match; names them.
    """
    sources = matching(partner, file)
    shared = all(source.format == "delimited" for source in sources)
    if len(sources) > 1 and not (shared and len({source.extract for source in sources}) == len(sources)):
        names = " and ".join(repr(source.name) for source in sources)
        raise DeliveryError(
            f"sources {names} both claim this file",
            file=file,
            remedy="narrow their `files` in the partner file",
        )
    return sources


def mapping_of(partner: Partner, sources: list[Source]) -> str:
    """A fingerprint of everything in the partner file that the reading of a delivery depends on."""
    said = {
        "sources": [source.model_dump(mode="json") for source in sources],
        "order": [source.name for source in partner.sources],
        "first_school_year": partner.first_school_year,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_parts(partner: Partner, path: Path, file: str, sources: list[Source]) -> list[Part]:
    """Read and map a delivery by each source that claims it; one part per source and extract.

    Raises:
        EquityError: it can't be read or mapped as a whole.
    """
    parts = []
    for source in sources:
        adapter = ADAPTERS[source.format]
        tables = adapter.read(path, file, source)
        by_extract: dict[str, list[Mapped]] = {}
        for mapped in adapter.map(tables, source, partner):
            by_extract.setdefault(mapped.extract, []).append(mapped)
        rows = {
            extract: pl.concat(
                [_with_year(m.rows, EXTRACTS[extract], partner) for m in several], how="diagonal"
            )
            for extract, several in by_extract.items()
        }
        fed = {extract: set(frame[FILE].unique()) for extract, frame in rows.items()}
        broken = [table for table in tables if table.bad]
        orphans = [table for table in broken if not any(table.name in files for files in fed.values())]
        for extract, several in by_extract.items():
            skipped: dict[str, int] = {}
            for reason, count in (item for mapped in several for item in mapped.skipped.items()):
                skipped[reason] = skipped.get(reason, 0) + count
            parts.append(
                Part(
                    source=source,
                    extract=EXTRACTS[extract],
                    rows=rows[extract],
                    tables={table.name: table for table in tables},
                    bad=(
                        *(t for t in broken if t.name in fed[extract]),
                        *(orphans if extract == min(fed) else ()),
                    ),
                    skipped=skipped,
                    warnings=tuple(warning for mapped in several for warning in mapped.warnings),
                )
            )
    return parts


def _with_year(rows: pl.DataFrame, contract: Extract, partner: Partner) -> pl.DataFrame:
    """Only canonical columns, plus `_file`, `_line`, `_reject` and `_year`. A reference table that says no year holds
    from the partner's first school year on."""
    said = [column for column in (contract.year, "school_year") if column in rows.columns]
    text = pl.coalesce(
        pl.lit(None, pl.String), *(pl.col(column).str.strip_chars().replace("", None) for column in said)
    )
    year = school_year(text)
    if contract.year is None:
        year = pl.when(text.is_null()).then(partner.first_school_year).otherwise(year)
    columns = [
        column.name
        for column in contract.columns
        if column.name in rows.columns and column.name != contract.year
    ]
    return rows.select(
        *columns, FILE, LINE, pl.col(REJECT) if REJECT in rows.columns else pl.lit(None, pl.String).alias(REJECT),
        *([text.alias(contract.year)] if contract.year else []),
        year.fill_null(UNREADABLE_YEAR).cast(pl.Int32).alias(YEAR),
    )  # fmt: skip


def unreadable(part: Part, delivery_id: str) -> Iterator[pl.DataFrame]:
    """Quarantine frames of what belongs to no school year: records that are no rows, rows without a readable year."""
    for table in part.bad:
        yield quarantine.unreadable(table.bad, table.name, delivery_id)
    rows = part.rows.filter(pl.col(YEAR) == UNREADABLE_YEAR)
    if rows.height:
        column = part.extract.year
        value = pl.col(column) if column else pl.lit(None, pl.String)
        why = pl.lit(
            "school_year is not a school year"
        )  # a reference table that says none has the partner's first
        if column:
            why = (
                pl.when(value.is_null())
                .then(pl.lit(f"{column} is missing"))
                .otherwise(pl.lit(f"{column} is not a school year"))
            )
        rejects = rows.select(
            FILE, LINE, pl.coalesce(REJECT, why).alias(REASON), pl.lit(column or "school_year").alias(COLUMN),
            value.alias(VALUE),
        )  # fmt: skip
        yield quarantine.as_delivered(rejects, part.tables, delivery_id)


def warnings_of(parts: list[Part]) -> list[str]:
    warnings = [warning for part in parts for warning in part.warnings]
    for name, table in {name: table for part in parts for name, table in part.tables.items()}.items():
        if "repeated_headers" in table.inferred:
            warnings.append(
                f"{name}: header repeated {table.inferred['repeated_headers']} times in the body, passed over"
            )
        if table.bad:
            warnings.append(
                f"{name}: {len(table.bad)} records are no rows, first on line {table.bad[0].line}"
            )
        if table.frame.is_empty() and not table.bad:
            warnings.append(f"{name}: no records")
    return list(dict.fromkeys(warnings))


def stacked(partner: Partner, parts: list[Part], year: int) -> pl.DataFrame:
    """The rows of one school year of all parts, with the number of the part and the rank of its source."""
    rank = {source.name: position for position, source in enumerate(partner.sources)}
    return pl.concat(
        [
            part.rows.filter(pl.col(YEAR) == year)
            .drop(YEAR)
            .with_columns(
                pl.lit(unit, pl.Int32).alias(UNIT), pl.lit(rank[part.source.name], pl.Int32).alias(SOURCE)
            )
            for unit, part in enumerate(parts)
        ],
        how="diagonal",
    )
