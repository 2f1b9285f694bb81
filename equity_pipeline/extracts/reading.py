"""What lies before us and what its sources make of it.

Belongs here: finding deliveries in a folder, the source that claims each, reading and mapping it, the school year of
its rows. Does not belong here: the ledger, or anything that writes.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar, cast

import polars as pl

from equity_pipeline.adapters import ADAPTERS
from equity_pipeline.adapters.base import FILE, LINE, REJECT, InBlocks, Incremental, Mapped, RawTable
from equity_pipeline.adapters.delimited import OF_ALL_RECORDS
from equity_pipeline.contracts import EXTRACTS, Extract
from equity_pipeline.contracts.contract import school_year
from equity_pipeline.contracts.distinct import by_distinct
from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import DeliveryError
from equity_pipeline.domain.versions import version
from equity_pipeline.extracts import quarantine
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.pseudonyms import SEVERAL, Pseudonyms, withheld_in
from equity_pipeline.extracts.quarantine import COLUMN, REASON, VALUE
from equity_pipeline.extracts.resolve import SOURCE, UNIT, YEAR
from equity_pipeline.partners.registry import Partner, Rekey, Source
from equity_pipeline.storage import sealed

UNREADABLE_YEAR = 0
_NO_MORE = object()
T = TypeVar("T")
Opened = io.BufferedReader | io.BytesIO
_ONEROSTER_FILES = {
    "manifest", "academicsessions", "categories", "classes", "classresources", "courses", "courseresources",
    "demographics", "enrollments", "lineitems", "lineitemlearningobjectiveids", "lineitemscorescales", "orgs",
    "relationships",
    "resources", "resultlearningobjectiveids", "results", "resultscorescales", "roles", "scorescales", "userprofiles",
    "userflags", "userresources", "users",
}  # fmt: skip


def _plain(path: Path) -> Opened:
    return path.open("rb")


@dataclass(frozen=True)
class Item:
    """A file, or a folder with the files of one OneRoster set, as it lies before us."""

    name: str
    path: Path
    set_of: tuple[Path, ...] = ()

    def sha256(self, opened: Callable[[Path], Opened] = _plain) -> str:
        """Of the bytes; of a set: of its file names and theirs. `opened`: what lies in the archive may be sealed."""
        if not self.set_of:
            return _sha256(self.path, opened)
        lines = "".join(f"{file.name}\t{_sha256(file, opened)}\n" for file in self.set_of)
        return hashlib.sha256(lines.encode()).hexdigest()

    def size(self) -> int:
        """Bytes of the file, or of all files of a set."""
        return sum(file.stat().st_size for file in self.set_of or (self.path,))

    def copy_to(self, target: Path) -> str:
        """Copy to a new file, or the files of a set into a folder; the sha256 of the copy."""
        if not self.set_of:
            return sealed.copied(self.path, target)
        lines = "".join(f"{file.name}\t{sealed.copied(file, target / file.name)}\n" for file in self.set_of)
        return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True)
class Part:
    """What one source makes of one delivery for one extract.

    `rows`: canonical columns as text, people as pseudonyms, `_file`, `_line` and the school year as `_year`, 0 where it
    can't be read. `tables`: as delivered, names and all: nothing of them may be stored but what is `shown`.
    `bad`: the tables with records that are no rows, each counted by every extract that the table feeds.
    """

    source: Source
    extract: Extract
    rows: pl.DataFrame
    tables: dict[str, RawTable]
    bad: tuple[RawTable, ...]
    skipped: dict[str, int]
    warnings: tuple[str, ...]
    unused: dict[str, tuple[str, ...]]
    people: Pseudonyms

    def shown(self, table: RawTable, records: pl.DataFrame) -> pl.DataFrame:
        """Some records of a table as they may leave the archive."""
        says = ADAPTERS[self.source.format].says(table, self.source)
        return self.people.delivered(records, says, _choices(self.source))


def landed(folder: Path, name: str = "") -> Iterator[Item]:
    """Deliveries below a folder: each file, and each folder's OneRoster files as one, which bears the folder's name, or
    that of its manifest (or else `orgs.csv`) where it lies at the top. Hidden files are none."""
    if not folder.is_dir():
        return
    inside = [
        path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and not path.is_symlink()
    ]
    files = {path.stem.lower(): path for path in inside if path.is_file() and path.suffix.lower() == ".csv"}
    roster = ()
    if "manifest" in files or {"orgs", "users"} <= files.keys():
        roster = tuple(path for stem, path in files.items() if stem in _ONEROSTER_FILES)
        first = files["manifest" if "manifest" in files else "orgs"]
        yield Item(name or first.name, folder, roster)
    for path in inside:
        called = f"{name}/{path.name}" if name else path.name
        if path.is_dir():
            yield from landed(path, called)
        elif path not in roster:
            yield Item(called, path)


def _sha256(path: Path, opened: Callable[[Path], Opened]) -> str:
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def claimed_by(partner: Partner, file: str) -> list[Source]:
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
    sources = claimed_by(partner, file)
    shared = all(source.format == "delimited" for source in sources)
    if len(sources) > 1 and not (shared and len({source.extract for source in sources}) == len(sources)):
        names = " and ".join(repr(source.name) for source in sources)
        raise DeliveryError(
            f"sources {names} both claim this file",
            file=file,
            remedy="narrow their `files` in the partner file",
        )
    return sources


def _is_named(file: str, pattern: str) -> bool:
    """Whether a pattern matches a file's path or its base name, in any case of letters."""
    file, pattern = file.lower(), pattern.lower()
    return fnmatchcase(file, pattern) or fnmatchcase(file.rsplit("/", 1)[-1], pattern)


def accepted(partner: Partner, file: str) -> bool:
    """Whether a person accepts that this file holds far less than the one it replaces."""
    return any(_is_named(file, one.file) for one in partner.accepted_files)


def rekeyed(partner: Partner, file: str) -> Rekey | None:
    """What a person says of the school year of a file, if anything."""
    return next((one for one in partner.rekey if _is_named(file, one.file)), None)


def check_year(file: str, years: Mapping[str, Collection[int]]) -> None:
    """`years`: extract → school years found.

    Raises:
        DeliveryError: the file's name says a school year, and its rows none but others.
    """
    named = version(file).school_year
    found = {year for extract, of in years.items() if EXTRACTS[extract].year for year in of} - {
        UNREADABLE_YEAR
    }
    if named and found and named not in found:
        raise DeliveryError(
            f"the name says {school_years.label(named)}, the rows say {', '.join(map(school_years.label, sorted(found)))}",
            file=file, remedy="send the right file, or state its year under `rekey` in the partner file",
        )  # fmt: skip


def headers_before(ledger: Ledger, partner: Partner, sha256: str, file: str) -> dict[str, list[str]]:
    """The headers of the accepted version of a file that came before it, or of none."""
    headers: dict[str, list[str]] = {}
    for delivery in ledger.deliveries(partner.partner_id):
        if delivery["sha256"] == sha256:
            break
        if delivery["status"] == "accepted" and version(delivery["file"]).logical == version(file).logical:
            headers = json.loads(delivery["inferred"]).get("headers", {})
    return headers


def header_changes(before: dict[str, list[str]], now: dict[str, list[str]]) -> list[str]:
    """What changed in the headers of a file since its last version, each table by the last part of its name."""
    old, new = ({name.rsplit("!", 1)[-1]: h for name, h in one.items()} for one in (before, now))
    if len(old) == len(new) == 1:  # the versions of a plain file have different names
        old = dict(zip(new, old.values(), strict=True))
    changes = []
    for name in sorted(old.keys() & new.keys()):
        gone = [header for header in old[name] if header not in new[name]]
        come = [header for header in new[name] if header not in old[name]]
        if gone or come:
            said = [f"no longer {', '.join(gone)}"] * bool(gone) + [f"new {', '.join(come)}"] * bool(come)
            changes.append(f"{name}: header changed since the last delivery: {'; '.join(said)}")
    return changes


def mapping_of(partner: Partner, sources: list[Source], people: Pseudonyms) -> str:
    """A fingerprint of everything in the partner file that the reading of a delivery depends on, and of the key."""
    said = {
        "key_id": people.key_id,
        "sources": [source.model_dump(mode="json") for source in sources],
        "order": [source.name for source in partner.sources],
        "first_school_year": partner.first_school_year,
    }
    if partner.rekey:
        said["rekey"] = [one.model_dump(mode="json") for one in partner.rekey]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_parts(
    partner: Partner,
    path: Path,
    file: str,
    sources: list[Source],
    people: Pseudonyms,
    based_on: Sequence[tuple[Path, str]] = (),
) -> list[Part]:
    """Read and map a delivery by each source that claims it; one part per source and extract.

    `based_on`: path and name of the deliveries that it only changes.

    Raises:
        EquityError: it can't be read or mapped as a whole.
    """
    parts = []
    for source in sources:
        adapter = ADAPTERS[source.format]
        tables = (
            cast(Incremental, adapter).read_on([*based_on, (path, file)], source)
            if based_on
            else adapter.read(path, file, source)
        )
        parts += _parts(tables, adapter.map(tables, source, partner), source, partner, file, people)
    return parts


def changes_only(path: Path, file: str, sources: list[Source]) -> bool:
    """Whether a delivery only says what changed since another."""
    adapters = [ADAPTERS[source.format] for source in sources]
    return any(adapter.changes_only(path, file) for adapter in adapters if hasattr(adapter, "changes_only"))


def in_blocks(source: Source) -> bool:
    """Whether the source's files can be read block by block."""
    return hasattr(ADAPTERS[source.format], "blocks") and not OF_ALL_RECORDS.intersection(source.options)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made while its predecessor is worked on."""
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, items, _NO_MORE)
        while (item := coming.result()) is not _NO_MORE:
            coming = worker.submit(next, items, _NO_MORE)
            yield cast(T, item)


def parts_by_block(
    partner: Partner, path: Path, file: str, source: Source, people: Pseudonyms
) -> Iterator[list[Part]]:
    """The same as `read_parts`, one block of the file after the other; for sources that can be read so."""
    adapter = cast(InBlocks, ADAPTERS[source.format])
    for table in ahead(adapter.blocks(path, file, source)):
        yield _parts([table], adapter.map([table], source, partner), source, partner, file, people)


def _parts(
    tables: list[RawTable],
    mapped: list[Mapped],
    source: Source,
    partner: Partner,
    file: str,
    people: Pseudonyms,
) -> list[Part]:
    stated = rekeyed(partner, file)
    year = stated.school_year if stated else None
    told = (
        [f"{file}: taken as school year {school_years.label(stated.school_year)}, because {stated.because}"]
        if stated
        else []
    )
    by_extract: dict[str, list[Mapped]] = {}
    for one in mapped:
        by_extract.setdefault(one.extract, []).append(one)
    rows = {
        extract: pl.concat(
            [
                people.hidden(
                    _with_year(people.matched(m.rows), EXTRACTS[extract], partner, year),
                    choices=_choices(source),
                )
                for m in several
            ],
            how="diagonal",
        )
        for extract, several in by_extract.items()
    }
    fed = {extract: set(frame[FILE].unique()) for extract, frame in rows.items()}
    broken = [table for table in tables if table.bad]
    orphans = [table for table in broken if not any(table.name in files for files in fed.values())]
    parts = []
    for extract, several in by_extract.items():
        skipped: Counter[str] = Counter()
        for one in several:
            skipped.update(one.skipped)
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
                skipped=dict(skipped),
                warnings=(
                    *told,
                    *(warning for one in several for warning in one.warnings),
                    *(
                        f"{file}: {column}: what no {SEVERAL} people say and no list names was withheld as somebody's own "
                        f"words; name choices under `values: {{{column}: …}}`"
                        for column in withheld_in(rows[extract])
                    ),
                ),
                unused={name: headers for one in several for name, headers in one.unused.items()},
                people=people,
            )
        )
    return parts


def _choices(source: Source) -> dict[str, set[str]]:
    """Canonical column → the answers that the partner file names, as they are delivered and as they are called here."""
    named = {column: {*codes, *codes.values()} for column, codes in source.values.items()}
    stated = {choice for choices in source.options.get("several", {}).values() for choice in choices}
    return named | {"response": named.get("response", set()) | stated}


def _with_year(rows: pl.DataFrame, contract: Extract, partner: Partner, rekeyed: int | None) -> pl.DataFrame:
    """Only canonical columns, plus `_file`, `_line`, `_reject` and `_year`. A reference table that says no year holds
    from the partner's first school year on."""
    if rekeyed:
        stated = {contract.year or "school_year", "school_year"}
        rows = rows.with_columns(pl.lit(str(rekeyed)).alias(column) for column in sorted(stated))
    said = [column for column in (contract.year, "school_year") if column in rows.columns]
    if len(set(said)) == 1:
        texts = rows[said[0]].alias(YEAR)
    else:
        stripped = (pl.col(column).str.strip_chars().replace("", None) for column in said)
        texts = rows.select(pl.coalesce(pl.lit(None, pl.String), *stripped).alias(YEAR)).to_series()

    def read(texts: pl.DataFrame) -> pl.DataFrame:
        text = pl.col(YEAR).str.strip_chars().replace("", None)
        year = school_year(text)
        if contract.year is None:
            year = pl.when(text.is_null()).then(partner.first_school_year).otherwise(year)
        return texts.select(text, year.fill_null(UNREADABLE_YEAR).cast(pl.Int32).alias("year"))

    said_year, year = by_distinct(texts, read)
    columns = [
        column.name
        for column in contract.columns
        if column.name in rows.columns and column.name != contract.year
    ]
    return rows.select(
        *columns, FILE, LINE, pl.col(REJECT) if REJECT in rows.columns else pl.lit(None, pl.String).alias(REJECT),
        *([said_year.alias(contract.year)] if contract.year else []),
        year.alias(YEAR),
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
        yield quarantine.as_delivered(rejects, part.tables, delivery_id, part.shown)


class Told:
    """What a person should know about the tables of a delivery, gathered part by part. By table: what was inferred, the
    delivered header, how many rows, and of the records that are no rows the line of the first and their number."""

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        self.inferred: dict[str, dict[str, str]] = {}
        self.headers: dict[str, list[str]] = {}
        self._rows: Counter[str] = Counter()
        self._bad: dict[str, tuple[int, int]] = {}
        self._warnings: list[str] = []
        self._unused: dict[str, dict[tuple[str, str], tuple[str, ...]]] = {}
        self._readers: dict[str, str] = {}
        self.add(parts)

    def add(self, parts: Iterable[Part]) -> None:
        """Parts of one block: each of its tables counts once, whatever extracts and sources read it."""
        tables: dict[str, RawTable] = {}
        for part in parts:
            self._warnings += part.warnings
            for name, unused in part.unused.items():
                self._unused.setdefault(name, {})[part.source.name, part.extract.name] = unused
            tables |= {
                name: table
                for name, table in part.tables.items()
                if self._readers.setdefault(name, part.source.name) == part.source.name
            }
        for name, table in tables.items():
            self.inferred[name] = table.inferred  # complete when the last block is read
            self.headers[name] = [header for header in table.frame.columns if header != LINE]
            self._rows[name] += table.frame.height
            if table.bad:
                first, count = self._bad.get(name, (table.bad[0].line, 0))
                self._bad[name] = first, count + len(table.bad)

    def warnings(self) -> list[str]:
        """Of the mapping, then of each table."""
        warnings = list(self._warnings)
        for name, found in self.inferred.items():
            by_reader = list(self._unused.get(name, {}).values()) or [()]
            if unused := [header for header in by_reader[0] if all(header in one for one in by_reader)]:
                warnings.append(f"{name}: not used: {', '.join(unused)}")
            if passed := found.get("repeated_headers"):
                warnings.append(f"{name}: header repeated {passed} times in the body, passed over")
            if passed := found.get("lines_before_header"):
                warnings.append(f"{name}: {passed} lines before the header, passed over")
            if name in self._bad:
                line, count = self._bad[name]
                warnings.append(f"{name}: {count} records are no rows, first on line {line}")
            elif not self._rows[name]:
                warnings.append(f"{name}: no records")
        return list(dict.fromkeys(warnings))


def numbered(partner: Partner, part: Part, unit: int, year: int) -> pl.DataFrame:
    """The rows of one school year of a part, with the number of its delivery and the rank of its source."""
    rank = [source.name for source in partner.sources].index(part.source.name)
    return (
        part.rows.filter(pl.col(YEAR) == year)
        .drop(YEAR)
        .with_columns(pl.lit(unit, pl.Int32).alias(UNIT), pl.lit(rank, pl.Int32).alias(SOURCE))
    )
