"""Bytes → tables of text, without changing a cell.

Belongs here: containers (folders, zips) and encodings. Does not belong here: records (records), or the meaning of any
column.
"""

from __future__ import annotations

import codecs
import io
import re
import stat
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from equity_pipeline.adapters.base import LINE, BadRecord, RawTable
from equity_pipeline.adapters.records import WIDEST, Records, without_the_longest
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.storage import sealed

MAX_UNZIPPED = 2 * 1024**3
MAX_RATIO = 200
MAX_FILES = 10_000
_RATIO_FLOOR = 1024**2  # a small file of blanks compresses 1000:1 and harms nobody
_ARCHIVES = {".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst"}
WORKBOOKS = {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}
# Bytes read at once; twice as much is memory that the system clears anew for each block.
_BLOCK = 16 * 1024**2
_TAIL = 4096  # at the end of which the last line end of a block is sought
# Of the process that reads a workbook; a sheet of all its 1,048,576 rows and 20 columns takes 2.6 GiB and 12 seconds.
_MEMORY = 3 * 1024**3
_SECONDS = 120
_WHICH_SHEET = 3  # see `sheet`
_MACROS = re.compile(r"(?i)vbaProject|/macrosheets/|(^|/)Basic/")
_AS_XLSX = "save it again as .xlsx, or as CSV"
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


def members(path: Path, name: str | None = None) -> Iterator[tuple[str, bytes | Path]]:
    """The files inside a delivery, by name in order: of a folder as paths, of a zip as bytes, of a plain file itself.

    `name` is what errors call the delivery. Hidden files and macOS resource forks are passed over.

    Raises:
        DeliveryError: a damaged zip, or one that could harm: paths that lead out, links, encrypted or nested
            archives, more than 2 GiB or 200 times the packed size unpacked.
    """
    name = name or path.name
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink()):
            if not file.name.startswith("."):
                yield file.relative_to(path).as_posix(), sealed.source(file)
    elif is_zip(path):
        try:
            with sealed.opened(path) as file, zipfile.ZipFile(file) as archive:
                for entry in _checked(archive, name):
                    yield entry.filename, archive.read(entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise DeliveryError(
                "the zip is damaged or was cut short", file=name, remedy="send it again and compare the sizes"
            ) from error
    else:
        yield path.name, sealed.source(path)


def is_zip(path: Path) -> bool:
    """Whether a file is read as a zip: by its name or its bytes, but for workbooks, which are zips too."""
    suffix = path.suffix.lower()
    if suffix in WORKBOOKS or suffix == ".zip":
        return suffix == ".zip"
    with sealed.opened(path) as file:
        return zipfile.is_zipfile(file)


def _checked(archive: zipfile.ZipFile, name: str, kind: str = "zip") -> list[zipfile.ZipInfo]:
    """The entries worth reading, after every entry passed."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_FILES:
        raise DeliveryError(
            f"the {kind} holds {len(entries):,} files, more than {MAX_FILES:,}",
            file=name,
            remedy="send fewer",
        )
    packed = sum(entry.compress_size for entry in entries)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNZIPPED or unpacked > max(_RATIO_FLOOR, MAX_RATIO * packed):
        raise DeliveryError(
            f"the {kind} unpacks to {unpacked:,} bytes from {packed:,}",
            file=name,
            remedy="send smaller files or plain text",
        )
    kept, seen = [], set()
    for entry in entries:
        parts = PurePosixPath(entry.filename.replace("\\", "/"))
        if "__MACOSX" in parts.parts or parts.name.startswith("."):
            continue
        problem = None
        if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
            problem = "a path that leads out of the zip"
        elif stat.S_ISLNK(entry.external_attr >> 16):
            problem = "a link"
        elif entry.flag_bits & 0x1:
            problem = "an encrypted file"
        elif parts.suffix.lower() in _ARCHIVES:
            problem = "an archive inside the archive"
        elif entry.filename.casefold() in seen:
            problem = "two files of one name"
        if problem:
            raise DeliveryError(
                f"the {kind} holds {problem}",
                file=name,
                remedy="send a plain zip of plain files, unencrypted",
            )
        seen.add(entry.filename.casefold())
        kept.append(entry)
    return sorted(kept, key=lambda entry: entry.filename)


def read_delimited(path: Path | bytes, name: str, **options: Any) -> RawTable:
    """The whole of `read_batches` as one table."""
    return as_one(list(read_batches(path, name, **options)))


def as_one(blocks: Sequence[RawTable]) -> RawTable:
    """The blocks of a table as one table."""
    return replace(
        blocks[-1],
        frame=pl.concat(block.frame for block in blocks),
        bad=tuple(record for block in blocks for record in block.bad),
    )


def read_batches(
    path: Path | bytes,
    name: str,
    *,
    encoding: str = "auto",
    delimiter: str = "auto",
    escape: str = "none",
    expects: Collection[str] = (),
) -> Iterator[RawTable]:
    """Read delimited text (RFC 4180 quoting) into tables of text, some 32 MiB of the file at a time; `_line` is the
    line on which a record starts.

    A record with another number of fields than the header, or with broken quotes, is a `BadRecord`: it is never padded
    or cut. Lines without any text are no records. A header repeated in the body (files that were glued together) is
    passed over and counted in `inferred["repeated_headers"]`.

    `encoding`, `delimiter`: `auto` finds UTF-8, UTF-16, Windows-1252 or Latin-1, and comma, tab, semicolon or bar.
    `escape`: `backslash` where a backslash before a quote stands for a quote inside quotes, as some databases write it.
    `expects`: headers that the mapping looks for: of the first 50 records the one that holds most of them is the
    header, and what stands before it (a report's title, a row of group names) is passed over and counted in
    `inferred["lines_before_header"]`.

    There is one table even if the file has no records. All share one `inferred`, complete with the last.

    Raises:
        DeliveryError: not text, not in the encoding, no header, or no record that fits the header.
        PartnerFileError: the encoding, delimiter or escape that the partner file states does not exist.
    """
    if escape not in ("none", "backslash"):
        raise PartnerFileError(f"there is no escape {escape!r}; say `none` or `backslash`")
    if delimiter != "auto" and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise PartnerFileError(f"{delimiter!r} is no delimiter; say `auto` or one character")
    with io.BytesIO(path) if isinstance(path, bytes) else open(path, "rb") as stream:
        inferred: dict[str, str] = {}
        if encoding == "auto":
            encoding = inferred["encoding"] = _find_encoding(stream, name)
        stream.seek(0)
        yield from Records(name, _blocks(stream, encoding, name), delimiter, escape, expects, inferred)


def read_workbook(path: Path | bytes, name: str, sheet: str | None, expects: Collection[str]) -> RawTable:
    """One sheet of an Excel or OpenDocument workbook as a table of text; `_line` is the row of the sheet.

    Numbers are written as shortly as they can be, dates in ISO. `sheet`: its name; may be None if there is only one.
    Rows without any cell are no records. `expects`: see `read_batches`.

    Raises:
        DeliveryError: no readable workbook, one with macros or that asks for too much, no such sheet (says which there
            are), or no table in it.
    """
    cells = _cells(path if isinstance(path, bytes) else path.read_bytes(), name, sheet)
    cells = cells.select(pl.all().str.replace(r"^(\d{4}-\d\d-\d\d) 00:00:00$", "$1"))
    if not cells.width:
        raise DeliveryError("the sheet is empty", file=name, remedy="send it with a header row")
    breaks = cells.select(pl.sum_horizontal(pl.all().str.count_matches("\n"))).to_series()
    first_lines = (breaks + 1).cum_sum().shift(1, fill_value=0) + 1
    table = read_delimited(
        cells.write_csv(include_header=False).encode(), name, encoding="utf-8", delimiter=",", expects=expects
    )
    frame = table.frame.filter(pl.any_horizontal(pl.exclude(LINE) != ""))
    rows = first_lines.search_sorted(frame[LINE]).cast(pl.Int64) + 1
    header_row = int(first_lines.search_sorted(table.header_line)) + 1
    return replace(table, frame=frame.with_columns(rows.alias(LINE)), header_line=header_row)


def _cells(content: bytes, name: str, sheet: str | None) -> pl.DataFrame:
    """The cells of a sheet as text, read by `sheet` in a process of its own."""
    macros = "_VBA_PROJECT".encode("utf-16-le") in content  # as .xls names them
    if zipfile.is_zipfile(io.BytesIO(content)):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                _checked(archive, name, "workbook")
                macros = any(_MACROS.search(entry.filename) for entry in archive.infolist())
        except zipfile.BadZipFile as error:
            raise DeliveryError("not a readable workbook", file=name, remedy=_AS_XLSX) from error
    if macros:
        raise DeliveryError("the workbook has macros", file=name, remedy=_AS_XLSX)
    command = [
        sys.executable,
        "-P",
        str(Path(__file__).with_name("sheet.py")),
        str(_MEMORY),
        str(_SECONDS),
        sheet or "",
    ]
    read = subprocess.run(command, input=content, capture_output=True, check=False)
    if read.returncode == _WHICH_SHEET:
        raise DeliveryError(
            f"the workbook has the sheets {', '.join(read.stdout.decode().splitlines())}",
            file=name,
            remedy="say which under `options: {sheet: …}`",
        )
    if read.returncode:  # what it said may quote a cell
        raise DeliveryError(
            f"not a readable workbook, or it asks for more than {_MEMORY // 1024**3} GiB or {_SECONDS} seconds",
            file=name,
            remedy=_AS_XLSX,
        )
    return pl.read_ipc(read.stdout)


def read_parquet(content: Path | bytes, name: str) -> RawTable:
    """A Parquet file as a table of text, its cells as CSV would hold them; `_line` is the number of the record.

    Raises:
        DeliveryError: not readable, columns that are no cells, too many, or more cells than so few bytes can say.
    """
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    try:
        lazy = pl.scan_parquet(io.BytesIO(content) if isinstance(content, bytes) else content)
        columns = len(lazy.collect_schema())
        if columns > WIDEST:
            raise DeliveryError(
                f"{columns:,} columns, more than {WIDEST:,}",
                file=name,
                remedy="send the columns that are asked for",
            )
        cells = columns * lazy.select(pl.len()).collect().item()
        if cells > max(_RATIO_FLOOR, MAX_RATIO * size):
            raise DeliveryError(
                f"{cells:,} cells from {size:,} bytes", file=name, remedy="send smaller files or plain text"
            )
        frame = lazy.collect()
    except (PolarsError, OSError) as error:
        raise DeliveryError("not a readable Parquet file", file=name, remedy="write it again") from error
    if nested := [column for column, dtype in frame.schema.items() if dtype.is_nested()]:
        raise DeliveryError(
            f"columns with lists or structures: {', '.join(nested)}",
            file=name,
            remedy="write one value per cell",
        )
    frame = frame.drop(LINE, strict=False).cast(pl.String)
    frame = frame.with_row_index(LINE, offset=1).with_columns(pl.col(LINE).cast(pl.Int64))
    return RawTable(name, *without_the_longest(frame))


def read_fixed(
    path: Path | bytes, name: str, layout: Mapping[str, str], encoding: str = "auto"
) -> Iterator[RawTable]:
    """Read text of fixed widths, block by block. `layout`: column → its first and last character, counted from 1:
    `{student_number: 1-10}`. Blanks around a cell are dropped; a line that ends before the last column begins is a
    `BadRecord`.

    Raises:
        DeliveryError: not text, or not in the encoding.
        PartnerFileError: a column of the layout has no two positions, or the encoding does not exist.
    """
    places = {}
    for column, place in layout.items():
        match = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", str(place))
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise PartnerFileError(f"fixed_widths: {column} is {place!r}, no place such as 1-10")
        places[column] = int(match[1]) - 1, int(match[2])
    shortest = max(start for start, _ in places.values()) + 1
    with io.BytesIO(path) if isinstance(path, bytes) else open(path, "rb") as stream:
        inferred: dict[str, str] = {}
        if encoding == "auto":
            encoding = inferred["encoding"] = _find_encoding(stream, name)
        stream.seek(0)
        rest, line = b"", 1
        for block in chain(_blocks(stream, encoding, name), [None]):
            text, end, rest = (rest + block).rpartition(b"\n") if block is not None else (rest, b"", b"")
            if block is not None and not end:
                continue
            lines = pl.DataFrame(
                {"text": text.decode().split("\n") if text or end else []}, schema={"text": pl.String}
            )
            lines = lines.with_columns(
                pl.col("text").str.strip_suffix("\r"),
                pl.int_range(line, line + lines.height, dtype=pl.Int64).alias(LINE),
            )
            line += lines.height
            lines = lines.filter(pl.col("text").str.strip_chars() != "")
            whole = pl.col("text").str.len_chars() >= shortest
            bad = [
                BadRecord(at, short, f"{len(short)} characters where at least {shortest} are needed")
                for short, at in lines.filter(~whole).iter_rows()
            ]
            frame = lines.filter(whole).select(
                *(
                    pl.col("text").str.slice(start, stop - start).str.strip_chars().alias(c)
                    for c, (start, stop) in places.items()
                ),
                LINE,
            )
            yield RawTable(name, frame, tuple(bad), inferred)


def _blocks(stream: io.BufferedIOBase, encoding: str, name: str) -> Iterator[bytes]:
    """The text as UTF-8, block by block, with the line ends of old Macintosh files as LF.

    Raises:
        DeliveryError: bytes that are no text in this encoding; names the line.
        PartnerFileError: no such encoding.
    """
    try:
        codec = codecs.lookup(encoding).name
        decoder = codecs.getincrementaldecoder("utf-8-sig" if codec == "utf-8" else encoding)()
        ascii_as_it_is = codec in ("ascii", "utf-8", "cp1252", "iso8859-1")
    except LookupError as error:
        raise PartnerFileError(
            f"there is no encoding {encoding!r}; say `auto` or, for instance, `cp1252`"
        ) from error
    macintosh = None
    while True:
        raw = stream.read(_to_a_line_end(stream))
        try:
            if ascii_as_it_is and raw.isascii() and not decoder.getstate()[0]:
                block = raw
            else:
                block = decoder.decode(raw, final=not raw).encode()
        except UnicodeError as error:
            place = 0  # UTF-16 without its mark is an error that says no place
            if isinstance(error, UnicodeDecodeError):
                place = stream.tell() - len(error.object) + error.start
            line = _line_at(stream, place, encoding)
            raise DeliveryError(
                f"the text is not {encoding}", file=name, line=line, remedy="state `encoding` or send UTF-8"
            ) from error
        if macintosh is None and block:
            macintosh = b"\r" in block[:-1] and b"\n" not in block
        if macintosh:
            block = block.replace(b"\r", b"\n")
        if block:
            yield block
        if not raw:
            return


def _to_a_line_end(stream: io.BufferedIOBase) -> int:
    """How many bytes to read next: up to the end of a line, so that no block has to be joined with the rest of another."""
    start, tail = stream.tell(), min(_TAIL, _BLOCK)
    stream.seek(start + _BLOCK - tail)
    beyond = tail - (stream.read(tail).rfind(b"\n") + 1)
    stream.seek(start)
    return _BLOCK - beyond % tail


def _line_at(stream: io.BufferedIOBase, place: int, encoding: str) -> int:
    """The line on which a byte lies. Counted only where it is asked for: it takes another reading."""
    stream.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    ends = Counter[str]()
    while raw := stream.read(min(place, _BLOCK)):
        place -= len(raw)
        text = decoder.decode(raw)
        ends.update({end: text.count(end) for end in "\r\n"})
    return 1 + (ends["\n"] or ends["\r"])  # old Macintosh files have no LF


def _find_encoding(stream: io.BufferedIOBase, name: str) -> str:
    """By mark, else UTF-8 if every byte agrees, else Windows-1252, which US student systems still write; Latin-1 if it
    has bytes that mean nothing there."""
    head = stream.read(4096)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(head) > 1 and head[:2].count(0) == 1 and head.count(0) > len(head) / 4:
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")) or b"\0" in head:
        raise DeliveryError("not a text file", file=name, remedy="export it as CSV, not as a workbook")
    stream.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := stream.read(1024**2):
            if not block.isascii() or decoder.getstate()[0]:
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "latin-1" if _has_bytes(stream, _NOT_IN_CP1252) else "cp1252"
    return "utf-8"


def _has_bytes(stream: io.BufferedIOBase, sought: bytes) -> bool:
    stream.seek(0)
    return any(
        len(block.translate(None, sought)) < len(block) for block in iter(lambda: stream.read(1024**2), b"")
    )
