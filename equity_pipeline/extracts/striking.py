"""Strikes one student's records out of a delivered file, and leaves every other byte of it.

Belongs here: how a record is cut out of each kind of file. Does not belong here: where files lie and what is told of it.

A record is a student's where a column that holds ids of people (`Adapter.says`) has one of hers. Other ids that such a
record gives her (OneRoster's `identifier` beside `sourcedId`) are hers too. A workbook can't be cut without being written
anew by another program: it goes whole. What is left of an id in any other place, a parent's list of children say, is
blanked where the id is long enough to be no other number.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any
from xml.parsers import expat

import polars as pl

from equity_pipeline.adapters import ADAPTERS
from equity_pipeline.adapters.base import LINE, RawTable
from equity_pipeline.adapters.readers import WORKBOOKS, is_zip
from equity_pipeline.contracts.persons import PERSONS
from equity_pipeline.domain.errors import DeliveryError
from equity_pipeline.partners.registry import Source
from equity_pipeline.storage import sealed

_SURE = 5
"""Characters of an id that no count, grade or code has by chance."""


@dataclass
class Struck:
    """`records`: how many were cut out; `blanked`: ids blanked elsewhere; `gone`: whether the file must go whole; `files`: what
    stands in each file without her, where that is something else."""

    records: int = 0
    blanked: int = 0
    gone: bool = False
    files: dict[Path, bytes] = field(default_factory=dict)

    def put(self, path: Path, content: bytes) -> None:
        """Say what a file holds without her."""
        if sealed.read(path) != content:
            self.files[path] = content

    def opened(self, path: Path) -> io.BufferedReader | io.BytesIO:
        """A file without her, to read from."""
        return io.BytesIO(self.files[path]) if path in self.files else sealed.opened(path)


def strike(path: Path, name: str, sources: list[Source], student_id: str) -> Struck:
    """Cut a student out of an archived file, or of each file of a folder; nothing is written.

    `sources`: those that read it; where none does, or it can't be read, the id alone is looked for.
    """
    struck = Struck()
    tables = [table for source in sources for table in _tables(path, name, source)]
    ids = _all_ids(tables, student_id)
    lines: dict[str, set[int]] = {}
    starts: dict[str, set[int]] = {}
    for table, people in tables:
        member = table.name.partition("!")[2] or path.name
        starts.setdefault(member, set()).update(table.frame[LINE], (bad.line for bad in table.bad))
        hers = _hers(table, people, ids)
        lines.setdefault(member, set()).update(hers)
        lines[member].update(bad.line for bad in table.bad if _token(ids).search(bad.text))

    def cut(member: str, content: bytes) -> bytes:
        suffix = PurePath(member).suffix.lower()
        if suffix in WORKBOOKS or (suffix == ".parquet"):
            struck.gone |= bool(lines.get(member))
            return content
        if suffix == ".xml":
            content, count = _without_elements(content, ids)
        elif content.lstrip()[:1] == b"[" and suffix == ".json":
            content, count = _without_objects(content, ids)
        else:
            content, count = _without_lines(content, lines.get(member, set()), starts.get(member, set()))
        struck.records += count
        return _blanked(content, ids, struck)

    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            struck.put(file, cut(file.relative_to(path).as_posix(), sealed.read(file)))
    elif is_zip(path):
        with sealed.opened(path) as file, zipfile.ZipFile(file) as archive:
            kept = [(entry, cut(entry.filename, archive.read(entry))) for entry in archive.infolist()]
        if struck.records or struck.blanked:
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                for entry, content in kept:
                    archive.writestr(zipfile.ZipInfo(entry.filename, entry.date_time), content)
            struck.put(path, out.getvalue())
    else:
        struck.put(path, cut(path.name, sealed.read(path)))
    return struck


def _tables(path: Path, name: str, source: Source) -> Iterator[tuple[RawTable, dict[str, str]]]:
    """The tables of a delivery, each with its columns of people's ids."""
    adapter = ADAPTERS[source.format]
    try:
        for table in adapter.read(path, name, source):
            says = adapter.says(table, source)
            yield table, {column: said for column, said in says.items() if said in PERSONS}
    except DeliveryError:
        return


def _hers(table: RawTable, people: Iterable[str], ids: set[str]) -> list[int]:
    found = pl.any_horizontal(pl.lit(False), *(pl.col(c).str.strip_chars().is_in(list(ids)) for c in people))
    return table.frame.filter(found.fill_null(False))[LINE].to_list()


def _all_ids(tables: list[tuple[RawTable, dict[str, str]]], student_id: str) -> set[str]:
    """Hers, and what records of hers call her besides."""
    ids = {student_id.strip()}
    for table, people in tables * 2:
        same = [column for column, said in people.items() if said == "student_id"]
        if len(same) > 1:
            hers = table.frame.filter(pl.col(LINE).is_in(_hers(table, same, ids)))
            ids |= {text.strip() for column in same for text in hers[column].drop_nulls() if text.strip()}
    return ids


def _token(ids: set[str]) -> re.Pattern[str]:
    return re.compile(
        rf"(?<![0-9A-Za-z])(?:{'|'.join(map(re.escape, sorted(ids, key=len, reverse=True)))})(?![0-9A-Za-z])"
    )


def _without_lines(content: bytes, hers: set[int], starts: set[int]) -> tuple[bytes, int]:
    """Text without the records that begin on these lines; a record ends where the next begins."""
    if not hers:
        return content, 0
    encoding = _encoding(content)
    text = content.decode(encoding)
    end = "\n" if "\n" in text else "\r"
    lines: list[str | None] = [*text.split(end)]
    order = sorted(starts)
    for start in hers:
        following = next((line for line in order if line > start), len(lines) + 1)
        last = following - 1 if following <= len(lines) else len(lines)
        for number in range(start, last + 1):
            lines[number - 1] = None
    return end.join(line for line in lines if line is not None).encode(encoding), len(hers)


def _encoding(content: bytes) -> str:
    """One that gives every byte back as it was."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") and len(content) % 2 == 0:
        return "utf-16-le" if content[0] == 0xFF else "utf-16-be"
    return "latin-1"


def _without_objects(content: bytes, ids: set[str]) -> tuple[bytes, int]:
    try:
        records = json.loads(content)
    except ValueError:
        return content, 0
    kept = [record for record in records if not _names(record, ids)]
    if len(kept) == len(records):
        return content, 0
    return json.dumps(kept, ensure_ascii=False).encode(), len(records) - len(kept)


def _names(value: object, ids: set[str], key: str = "") -> bool:
    """Whether a record of Ed-Fi's API is of a person with one of the ids."""
    if isinstance(value, dict):
        return any(_names(below, ids, name) for name, below in value.items())
    if isinstance(value, list):
        return any(_names(below, ids) for below in value)
    return key.endswith("UniqueId") and str(value).strip() in ids


def _without_elements(content: bytes, ids: set[str]) -> tuple[bytes, int]:
    """Interchange XML without the records of which a person's id is one of these."""
    spans: list[tuple[int, int]] = []
    open_: list[str] = []
    state: dict[str, Any] = {"start": 0, "hers": False, "text": ""}
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(tag: str, _: object) -> None:
        if len(open_) == 1:
            state.update(start=parser.CurrentByteIndex, hers=False)
        open_.append(tag)
        state["text"] = ""

    def end(tag: str) -> None:
        if tag.endswith("UniqueId") and state["text"].strip() in ids:
            state["hers"] = True
        open_.pop()
        if len(open_) == 1 and state["hers"]:
            spans.append((state["start"], content.index(b">", parser.CurrentByteIndex) + 1))

    def characters(text: str) -> None:
        state["text"] += text

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    try:
        parser.Parse(content, True)
    except expat.ExpatError:
        return content, 0
    for first, last in reversed(spans):
        content = content[:first] + content[last:]
    return content, len(spans)


def _blanked(content: bytes, ids: set[str], struck: Struck) -> bytes:
    sure = {one for one in ids if len(one) >= _SURE}
    if not sure:
        return content
    encoding = _encoding(content)
    # The ids in the bytes that they have in the file, whatever the text around them is.
    written = {one.encode("utf-8" if encoding == "latin-1" else encoding).decode(encoding) for one in sure}
    text, count = _token(written).subn("erased", content.decode(encoding))
    struck.blanked += count
    return text.encode(encoding) if count else content
