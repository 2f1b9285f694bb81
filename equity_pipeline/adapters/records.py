"""Text → records, block by block: which record is the header, where each ends, how many fields it has.

Belongs here: quoting, delimiters, record boundaries. Does not belong here: encodings and containers (readers), or the
meaning of any column.

Two ways lead to the same records. Python's csv in its strict mode is the measure of what is right, and reads every
block that holds anything odd. Of every other block numpy proves where each field and record ends, and which records have
the width of the header; of those the columns are made.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np
import polars as pl

from equity_pipeline.adapters.base import LINE, BadRecord, RawTable
from equity_pipeline.adapters.cells import Cells
from equity_pipeline.domain.errors import DeliveryError

DELIMITERS = (",", "\t", ";", "|")
_RESERVED = {"_line", "_file", "_reason", "_column", "_value", "_delivery_id"}
_HEAD = 1024**2  # bytes in which the header must lie
_HEADER_AMONG = 50  # records
_LONGEST = 1024**2  # bytes of one record
WIDEST = 5_000  # columns; the widest export known has some hundreds
_LONGEST_CELL = csv.field_size_limit()  # characters
_TOO_LONG = f"a cell of more than {_LONGEST_CELL:,} characters"
_HOPELESS = 100_000  # bad records before the first good one
_LF, _CR, _QUOTE = b'\n\r"'


def without_the_longest(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[BadRecord, ...]]:
    """The records of a table that did not come from text, and those with a cell longer than one of a text may be."""
    cells = pl.col(LINE) * 0, pl.exclude(LINE).str.len_chars()  # there may be none but the line
    longest = frame.select(pl.max_horizontal(*cells)).to_series()
    bad = tuple(BadRecord(line, "", _TOO_LONG) for line in frame.filter(longest > _LONGEST_CELL)[LINE])
    return frame.filter(longest <= _LONGEST_CELL), bad


class Records:
    """The tables of a delimited text, one for each of its blocks; there is one even if the text has no records.

    `blocks`: UTF-8. The other arguments: see `readers.read_batches`.

    Raises:
        DeliveryError: no header, or no record that fits it.
    """

    def __init__(
        self,
        name: str,
        blocks: Iterator[bytes],
        delimiter: str,
        escape: str,
        expects: Collection[str],
        inferred: dict[str, str],
    ) -> None:
        self._name, self._blocks, self._inferred = name, blocks, inferred
        self._dialect: dict[str, Any] = {"strict": True}
        if escape == "backslash":
            self._dialect |= {"escapechar": "\\", "doublequote": False}
        self._repeated = 0
        self._found = self._one = np.empty(0, bool)
        self._cells = Cells()
        block = next(blocks, b"")
        while 0 < len(block) < _HEAD and (more := next(blocks, b"")):
            block += more
        self._rest = block[self._find_header(block, delimiter, expects) :]
        self._provable = escape == "none" and self._delimiter.isascii() and len(self._header) > 1

    @property
    def _delimiter(self) -> str:
        return str(self._dialect["delimiter"])

    def _find_header(self, block: bytes, delimiter: str, expects: Collection[str]) -> int:
        """Learn delimiter and header; returns how many bytes of the block come before the first record."""
        head = block[:_HEAD]
        text = (head[: head.rfind(b"\n") + 1] or head).decode(errors="ignore")
        sought = {name.strip().casefold() for name in expects}

        def hits(record: list[str] | None) -> int:
            return len(sought.intersection(cell.strip().casefold() for cell in record or ()))

        candidates = []
        for one in DELIMITERS if delimiter == "auto" else (delimiter,):
            lines = _Lines(text, 1)
            records = islice(_records(lines, self._dialect | {"delimiter": one}), _HEADER_AMONG)
            found = [(record, lines.line, lines.line + len(lines.taken)) for record, _ in records]
            if found:
                candidates.append((one, *max(found, key=lambda each: hits(each[0]))))
        if not candidates:
            raise DeliveryError("the file is empty", file=self._name, remedy="send it with a header row")
        self._dialect["delimiter"], record, self._header_line, self._line = max(
            candidates, key=lambda each: (hits(each[1]), len(each[1] or ()))
        )
        if record is None:
            raise DeliveryError(
                "the header has broken quotes", file=self._name, line=self._header_line, remedy="export again"
            )
        if len(record) > WIDEST:
            raise DeliveryError(
                f"a header of {len(record):,} columns, more than {WIDEST:,}",
                file=self._name, line=self._header_line, remedy="send the columns that are asked for",
            )  # fmt: skip
        if delimiter == "auto":
            self._inferred["delimiter"] = self._delimiter
        before = list(islice(io.StringIO(text, newline=""), self._line - 1))
        if passed := sum(bool(line.strip()) for line in before[: self._header_line - 1]):
            self._inferred["lines_before_header"] = str(passed)
        self._original = [cell.strip() for cell in record]
        self._header = _unique(self._original)
        return len("".join(before).encode())

    def __iter__(self) -> Iterator[RawTable]:
        misfits: list[BadRecord] = []
        fits = False
        for block in chain([b""], self._blocks, [None]):
            buffer, final = self._rest + (block or b""), block is None
            if not final and b"\n" not in buffer and len(buffer) <= _LONGEST:
                self._rest = buffer
                continue
            if b'"' in buffer and b'="' in buffer:  # one byte is found ten times faster than two
                self._inferred["excel_guards"] = "yes"
            table = self._proved(buffer, final) or self._careful(buffer, final)
            if fits:
                yield table
                continue
            misfits += table.bad
            if len(misfits) > _HOPELESS or (final and misfits and table.frame.is_empty()):
                raise DeliveryError(
                    f"no record fits the header of {len(self._header)} fields on line {self._header_line} "
                    f"({misfits[0].reason})", file=self._name, line=misfits[0].line,
                    remedy="check that the first row is the header and the delimiter is right",
                )  # fmt: skip
            if final or not table.frame.is_empty():
                fits = True
                yield replace(table, bad=tuple(misfits))

    def _table(self, frame: pl.DataFrame, bad: list[BadRecord]) -> RawTable:
        """The rows of a block without the headers among them."""
        if (frame[self._header[0]].str.strip_chars() == self._original[0]).any():
            alike = (
                pl.col(h).str.strip_chars() == o for h, o in zip(self._header, self._original, strict=True)
            )
            records = frame.filter(~pl.all_horizontal(alike))
            self._repeated += frame.height - records.height
            frame = records
        if self._repeated:
            self._inferred["repeated_headers"] = str(self._repeated)
        return RawTable(self._name, frame, tuple(bad), self._inferred, self._header_line)

    def _proved(self, buffer: bytes, final: bool) -> RawTable | None:
        """The whole records at the start of the buffer, or None where only csv can say what they are."""
        if not self._provable:
            return None
        if final and not buffer.endswith(b"\n"):
            buffer += b"\n"
        quoted = b'"' in buffer
        if b"\r" in buffer and not quoted:
            buffer = buffer.replace(b"\r\n", b"\n")
            if b"\r" in buffer[:-1]:
                return None
        text = np.frombuffer(buffer, np.uint8)
        marks = self._positions(text, _LF, ord(self._delimiter), *([_QUOTE] if quoted else []))
        if quoted:
            returns = np.flatnonzero(text[:-1] == _CR)
            if (text[returns + 1] != _LF).any():
                return None
            breaks = marks[text[marks] == _LF]
            marks = _outside_quotes(text, marks, self._delimiter)
            if marks is None:
                return None
        width = len(self._header)
        ends = self._ends(text, marks)
        stops = marks[ends] + 1
        size = int(stops[-1]) if len(stops) else 0
        if len(buffer) - size > (0 if final else _LONGEST):
            return None
        starts = np.concatenate(([0], stops[:-1]))[: len(stops)]
        if len(stops) and (stops - starts).max() > _LONGEST_CELL:
            return None
        if quoted:
            lines = self._line + np.searchsorted(breaks, starts)
            read = int(np.searchsorted(breaks, size))
        else:
            lines, read = self._line + np.arange(len(stops)), len(stops)
        widths = np.diff(ends, prepend=-1)
        fits = widths == width
        bad = []
        for record in np.flatnonzero(~fits):
            line = buffer[starts[record] : stops[record]].decode()
            if widths[record] == 1 and not "".join(*csv.reader([line], **self._dialect)).strip():
                continue
            if "\n" in line[:-1]:
                return None  # a stray quote may have swallowed the records behind it
            bad.append(
                BadRecord(int(lines[record]), line.rstrip("\r\n"), _other_width(int(widths[record]), width))
            )
        if not fits.all():
            marks = marks[: ends[-1] + 1][np.repeat(fits, widths)]
            starts, lines = starts[fits], lines[fits]
        self._rest = buffer[size:]
        self._line += read
        return self._table(self._split(buffer, starts, marks[: len(starts) * width], quoted, lines), bad)

    def _ends(self, text: np.ndarray, marks: np.ndarray) -> np.ndarray:
        """Which of the marks end a record. Where every record has as many fields as the header, it is told without a look at
        each mark: those a header's width apart are line ends, and the text has no other."""
        width = len(self._header)
        expected = np.arange(width - 1, len(marks), width)
        line_ends = np.count_nonzero(np.equal(text, _LF, out=self._one[: len(text)]))
        if line_ends == len(expected) and (text[marks[expected]] == _LF).all():
            return expected
        return np.flatnonzero(text[marks] == _LF)

    def _positions(self, text: np.ndarray, first: int, *others: int) -> np.ndarray:
        """Where any of these bytes stands. The masks are kept, because fresh pages cost more than the comparing."""
        if len(text) > len(self._found):
            self._found, self._one = np.empty(len(text), bool), np.empty(len(text), bool)
        found, one = self._found[: len(text)], self._one[: len(text)]
        np.equal(text, first, out=found)
        for byte in others:
            np.logical_or(found, np.equal(text, byte, out=one), out=found)
        return np.flatnonzero(found)

    def _split(
        self, buffer: bytes, starts: np.ndarray, marks: np.ndarray, quoted: bool, lines: np.ndarray
    ) -> pl.DataFrame:
        """Records as columns: where each begins, and where their fields end, all of the width of the header."""
        width = len(self._header)
        ends = np.ascontiguousarray(marks.astype(np.int32).reshape(-1, width).T)
        begins = np.empty_like(ends)
        begins[0] = starts
        np.add(ends[:-1], 1, out=begins[1:])
        if quoted:
            text = np.frombuffer(buffer, np.uint8)
            ends[-1] -= text[ends[-1] - 1] == _CR
            within = text[begins] == _QUOTE
            begins += within
            ends -= within
        cells = self._cells.columns(buffer, begins, ends)
        if quoted and b'""' in buffer:  # a cell without quotes around it has none in it
            cells = (column.str.replace_all('""', '"', literal=True) for column in cells)
        frame = pl.DataFrame([column.alias(name) for name, column in zip(self._header, cells, strict=True)])
        return frame.with_columns(pl.Series(LINE, lines, pl.Int64))

    def _careful(self, buffer: bytes, final: bool) -> RawTable:
        """The whole records at the start of the buffer as csv finds them."""
        cut = len(buffer) if final else buffer.rfind(b"\n") + 1
        if not cut and not final:
            raise DeliveryError(
                f"a line of more than {_LONGEST:,} bytes",
                file=self._name,
                line=self._line,
                remedy="check that this is a table",
            )
        lines = _Lines(buffer[:cut].decode(), self._line)
        rows, starts, bad = [], [], []
        for record, problem in _records(lines, self._dialect, len(self._header), open_end=not final):
            if problem:
                bad.append(BadRecord(lines.line, lines.taken[0].rstrip("\r\n"), problem))
            elif record is not None:
                rows.append(record)
                starts.append(lines.line)
        self._rest = "".join(lines.taken).encode() + buffer[cut:]
        self._line = lines.line
        return self._table(self._frame(rows, starts), bad)

    def _frame(self, rows: list[list[str]], lines: list[int]) -> pl.DataFrame:
        columns = zip(*rows, strict=True) if rows else ((),) * len(self._header)
        cells = {h: pl.Series(h, c, pl.String) for h, c in zip(self._header, columns, strict=True)}
        return pl.DataFrame(cells | {LINE: pl.Series(lines, dtype=pl.Int64)})


class _Lines:
    """Physical lines with their count, and the way back to an earlier one of the record at hand."""

    def __init__(self, text: str, line: int) -> None:
        self._text = io.StringIO(text, newline="")
        self._waiting: list[str] = []
        self.taken: list[str] = []
        self.line = line  # of the first line taken
        self.exhausted = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._waiting.pop() if self._waiting else self._text.readline()
        if not line:
            self.exhausted = True
            raise StopIteration
        self.taken.append(line)
        return line

    def accept(self) -> None:
        """The record at hand is read: the next one starts behind it."""
        self.line += len(self.taken)
        self.taken = []

    def give_back(self) -> None:
        """All lines taken but the first are still to come."""
        self.exhausted = False
        self._waiting.extend(reversed(self.taken[1:]))
        del self.taken[1:]


def _records(
    lines: _Lines, dialect: dict[str, Any], width: int | None = None, open_end: bool = False
) -> Iterator[tuple[list[str] | None, str | None]]:
    """Each record and what is wrong with it; of a wrong one only the first line is given up, because one stray quote
    would swallow the records behind it. `open_end`: a record that the text breaks off is left in `lines.taken`."""
    reader = None
    while True:
        reader = reader or csv.reader(lines, **dialect)
        try:
            record, problem = next(reader), None
        except StopIteration:
            return
        except csv.Error as error:
            if open_end and lines.exhausted and sum(map(len, lines.taken)) <= _LONGEST:
                return
            record, problem = None, _TOO_LONG if "limit" in str(error) else "broken quotes"
        if record is None or len(record) > 1 or "".join(record).strip():
            if record is not None and width and len(record) != width:
                problem = _other_width(len(record), width)
            if problem:
                lines.give_back()
                reader = None
            yield record, problem
        lines.accept()


def _outside_quotes(text: np.ndarray, marks: np.ndarray, delimiter: str) -> np.ndarray | None:
    """Of the positions of delimiters, line ends and quotes those that end a field; None unless every quote opens a
    field, closes one, or is one of two that stand for one."""
    quotes = text[marks] == _QUOTE
    inside = np.cumsum(quotes, dtype=np.uint8) & 1 == 1
    opening, closing = marks[quotes & inside], marks[quotes & ~inside]
    before = np.zeros(256, bool)
    before[[_LF, _QUOTE, ord(delimiter)]] = True
    after = before.copy()
    after[_CR] = True
    if not (before[text[opening - 1]] | (opening == 0)).all():
        return None
    if not after[text[closing[closing + 1 < len(text)] + 1]].all():
        return None
    ends: np.ndarray = marks[~quotes & ~inside]
    return ends


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
