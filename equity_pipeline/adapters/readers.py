"""Bytes → tables of text, without changing a cell.

Belongs here: containers (folders, zips), encodings, delimiters, record boundaries. Does not belong here: the meaning
of any column.
"""

from __future__ import annotations

import codecs
import csv
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import polars as pl

from equity_pipeline.adapters.base import LINE, BadRecord, RawTable
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError

MAX_UNZIPPED = 2 * 1024**3
MAX_RATIO = 200
_RATIO_FLOOR = 1024**2  # a small file of blanks compresses 1000:1 and harms nobody
_ARCHIVES = {".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst"}
_DELIMITERS = (",", "\t", ";", "|")
_CHUNK = 50_000  # records
_BLOCK = 8 * 1024**2  # characters
_RESERVED = {"_line", "_file", "_reason", "_column", "_value", "_delivery_id"}


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
                yield file.relative_to(path).as_posix(), file
    elif zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                for entry in _checked(archive, name):
                    yield entry.filename, archive.read(entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise DeliveryError(
                "the zip is damaged or was cut short", file=name, remedy="send it again and compare the sizes"
            ) from error
    else:
        yield path.name, path


def _checked(archive: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    """The entries worth reading, after every entry passed."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    packed = sum(entry.compress_size for entry in entries)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNZIPPED or unpacked > max(_RATIO_FLOOR, MAX_RATIO * packed):
        raise DeliveryError(
            f"the zip unpacks to {unpacked:,} bytes from {packed:,}",
            file=name,
            remedy="send smaller zips or plain files",
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
        elif entry.filename in seen:
            problem = "two files of one name"
        if problem:
            raise DeliveryError(
                f"the zip holds {problem}", file=name, remedy="send a plain zip of plain files, unencrypted"
            )
        seen.add(entry.filename)
        kept.append(entry)
    return sorted(kept, key=lambda entry: entry.filename)


def read_delimited(
    path: Path | bytes, name: str, *, encoding: str = "auto", delimiter: str = "auto"
) -> RawTable:
    """Read delimited text (RFC 4180 quoting) into a table of text; `_line` is the line on which a record starts.

    A record with another number of fields than the header, or with broken quotes, is a `BadRecord`: it is never padded
    or cut. Lines without any text are no records. A header repeated in the body (files that were glued together) is
    passed over and counted in `inferred["repeated_headers"]`.

    `encoding`, `delimiter`: `auto` finds UTF-8, UTF-16 or Windows-1252, and comma, tab, semicolon or bar.

    Raises:
        DeliveryError: not text, not in the encoding, no header, or no record that fits the header.
        PartnerFileError: the encoding that the partner file states does not exist.
    """
    data = io.BytesIO(path) if isinstance(path, bytes) else None
    with data or open(path, "rb") as stream:
        inferred = {}
        if encoding == "auto":
            encoding = inferred["encoding"] = _find_encoding(stream, name)
        plain = _is_plain(stream, encoding)
        stream.seek(0)
        text = _Lines(io.TextIOWrapper(stream, encoding=encoding, newline=""))
        try:
            if delimiter == "auto":
                delimiter = inferred["delimiter"] = _find_delimiter(text)
            return _read_records(text, name, delimiter, plain, inferred)
        except UnicodeError as error:
            raise DeliveryError(
                f"the text is not {encoding}",
                file=name,
                line=text.line,
                remedy="state `encoding` or send UTF-8",
            ) from error


class _Lines:
    """Physical lines with their count, and the way back to an earlier one of the record at hand."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self._waiting = text, []
        self.taken: list[str] = []
        self.line = 1  # of the first line taken

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._waiting.pop() if self._waiting else next(self._text)
        self.taken.append(line)
        return line

    def block(self) -> list[str]:
        """Many whole lines at once, without their ends; for text of which no line is waiting."""
        text = self._text.read(_BLOCK)
        return (text + self._text.readline()).removesuffix("\n").split("\n") if text else []

    def accept(self) -> None:
        """The record at hand is read: the next one starts behind it."""
        self.line += len(self.taken)
        self.taken = []

    def give_back(self, keep: int = 0) -> None:
        """All lines taken but the first `keep` are still to come."""
        self._waiting.extend(reversed(self.taken[keep:]))
        del self.taken[keep:]


def _read_records(
    lines: _Lines, name: str, delimiter: str, plain: bool, inferred: dict[str, str]
) -> RawTable:
    """`plain`: no record is longer than its line, so that records can be split in whole columns."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] = []
    header_line = repeated = 0
    rows: list[list[str]] = []
    starts: list[int] = []
    chunks: list[pl.DataFrame] = []
    bad: list[BadRecord] = []

    def flush() -> None:
        columns = zip(*rows, strict=True) if rows else ((),) * len(header)
        frame = {h: pl.Series(h, c, pl.String) for h, c in zip(header, columns, strict=True)}
        chunks.append(pl.DataFrame(frame | {LINE: pl.Series(starts, dtype=pl.Int64)}))
        rows.clear()
        starts.clear()

    while True:
        try:
            record = next(reader)
            problem = None if len(record) == len(header) else _other_width(len(record), len(header))
        except StopIteration:
            break
        except csv.Error:
            record, problem = None, "broken quotes"
        if record is not None and len(record) < 2 and not "".join(record).strip():
            lines.accept()
        elif not header:
            if problem == "broken quotes":
                raise DeliveryError(
                    "the header has broken quotes", file=name, line=lines.line, remedy="export again"
                )
            header_line, original = lines.line, [cell.strip() for cell in record]
            header = _unique(original)
            lines.accept()
            if plain:
                repeated = _read_plain(lines, delimiter, original, header, chunks, bad)
                break
        elif problem is None and record[0].strip() == original[0] and [c.strip() for c in record] == original:
            repeated += 1
            lines.accept()
        elif problem is None:
            rows.append(record)
            starts.append(lines.line)
            lines.accept()
            if len(rows) == _CHUNK:
                flush()
        else:
            # One stray quote would swallow the records behind it: only the first line is given up.
            lines.give_back(keep=1)
            bad.append(BadRecord(lines.line, lines.taken[0].rstrip("\r\n"), problem))
            lines.accept()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
    if not header:
        raise DeliveryError("the file is empty", file=name, remedy="send it with a header row")
    flush()
    frame = pl.concat(chunks)
    if bad and frame.is_empty():
        raise DeliveryError(
            f"no record fits the header of {len(header)} fields on line {header_line} ({bad[0].reason})",
            file=name, line=bad[0].line, remedy="check that the first row is the header and the delimiter is right",
        )  # fmt: skip
    if repeated:
        inferred["repeated_headers"] = str(repeated)
    return RawTable(name=name, frame=frame, bad=tuple(bad), inferred=inferred)


def _read_plain(
    lines: _Lines,
    delimiter: str,
    original: list[str],
    header: list[str],
    chunks: list[pl.DataFrame],
    bad: list[BadRecord],
) -> int:
    """The same records as csv would find, block by block into `chunks` and `bad`; the number of repeated headers."""
    repeated, width = 0, len(header)
    while block := lines.block():
        frame = pl.DataFrame({"text": block}, schema={"text": pl.String}).with_row_index(
            LINE, offset=lines.line
        )
        lines.line += len(block)
        frame = frame.select(
            pl.col("text").str.strip_suffix("\r"),
            pl.col(LINE).cast(pl.Int64),
            (pl.col("text").str.count_matches(delimiter, literal=True) + 1).alias("width"),
        ).filter((pl.col("width") > 1) | (pl.col("text").str.strip_chars() != ""))
        for text, line, found in frame.filter(pl.col("width") != width).iter_rows():
            bad.append(BadRecord(line, text, _other_width(found, width)))
        fields = pl.col("text").str.split_exact(delimiter, width - 1).struct.rename_fields(header)
        rows = frame.filter(pl.col("width") == width).select(fields, LINE).unnest("text")
        is_header = pl.all_horizontal(
            pl.col(h).str.strip_chars() == o for h, o in zip(header, original, strict=True)
        )
        records = rows.filter(~is_header)
        repeated += rows.height - records.height
        chunks.append(records)
    return repeated


def _other_width(found: int, expected: int) -> str:
    return f"{found} fields where the header has {expected}"


def _unique(names: list[str]) -> list[str]:
    """Delivered names, the second `Filler` as `Filler (2)`; an empty one, and one that polars would take for a pattern, as
    `column 7`."""
    used, result = set(_RESERVED), []
    for position, name in enumerate(names, 1):
        if not name or name == "*" or name.startswith("^"):
            name = f"column {position}"
        candidate, count = name, 1
        while candidate in used:
            count += 1
            candidate = f"{name} ({count})"
        used.add(candidate)
        result.append(candidate)
    return result


def _find_encoding(stream: io.BufferedIOBase, name: str) -> str:
    """By mark, else UTF-8 if every byte agrees, else Windows-1252, which US student systems still write."""
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
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _is_plain(stream: io.BufferedIOBase, encoding: str) -> bool:
    """No quotes, and every line ends in LF or CR LF: then a line is a record."""
    try:
        if not '"\r\n'.encode(encoding).endswith(b'"\r\n'):
            return False
    except LookupError as error:
        raise PartnerFileError(
            f"there is no encoding {encoding!r}; say `auto` or, for instance, `cp1252`"
        ) from error
    stream.seek(0)
    held = b""
    while block := stream.read(1024**2):
        block = held + block
        held = b"\r" if block.endswith(b"\r") else b""
        block = block.removesuffix(b"\r")
        if b'"' in block or block.count(b"\r") != block.count(b"\r\n"):
            return False
    return not held


def _find_delimiter(lines: _Lines) -> str:
    """The one that splits the first record into the most fields, the earlier in the list when two do."""
    try:
        for line in lines:
            if line.strip():
                break
    except StopIteration:
        pass
    first = lines.taken[-1] if lines.taken else ""
    lines.give_back()
    return max(_DELIMITERS, key=lambda delimiter: len(next(csv.reader([first], delimiter=delimiter), ())))
