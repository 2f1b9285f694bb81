"""Whatever bytes come: a reader gives tables or a DeliveryError that names the file and the line, and loses no record."""

import csv
import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.adapters import readers, records
from equity_pipeline.adapters.readers import read_batches, read_delimited, read_fixed, read_workbook
from equity_pipeline.domain.errors import DeliveryError
from tests.adapters.test_workbooks import here

PIECES = st.sampled_from(
    [b"a", b"1", b",", b",", b";", b"|", b"\t", b"\n", b"\r\n", b"\r", b'"', b'""', b'="0"', b"\\", b" ", b"\xff", b"\0",
     b"\xc3\xa9", b"\xef\xbb\xbf", b"\xff\xfe", b'"x\ny"', b"a,b\n", b"1,2\n", b"Total\n"]
)  # fmt: skip
MESS = st.one_of(st.binary(max_size=80), st.lists(PIECES, max_size=30).map(b"".join))


WITHOUT_LINES = ("the file is empty", "not a text file", "not a readable workbook", "the sheet is empty")


def outcome(content, read):
    try:
        return read()
    except DeliveryError as refusal:
        assert refusal.file == "f.csv"
        if refusal.problem.startswith(WITHOUT_LINES):
            assert str(refusal).startswith("f.csv: ")
        else:
            assert 1 <= refusal.line <= 1 + content.count(b"\n") + content.count(b"\r")
            assert str(refusal).startswith(f"f.csv, line {refusal.line}: ")
        return None


@settings(max_examples=250)
@given(
    content=MESS, block=st.sampled_from([1, 7, 8 * 1024**2]), escape=st.sampled_from(["none", "backslash"])
)
def test_any_bytes_are_a_table_or_a_refusal_that_names_file_and_line(content, block, escape):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "_BLOCK", block)
        table = outcome(content, lambda: read_delimited(content, "f.csv", escape=escape))
    if table is not None:
        lines = [*table.frame["_line"], *(bad.line for bad in table.bad)]
        assert len(lines) == len(set(lines))


@settings(max_examples=100)
@given(content=MESS)
def test_any_bytes_as_fixed_widths_or_workbook(content):
    outcome(content, lambda: list(read_fixed(content, "f.csv", {"a": "1-2", "b": "4-5"})))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers.subprocess, "run", here)
        outcome(content, lambda: read_workbook(content, "f.csv", None, ()))


@settings(max_examples=150)
@given(
    rows=st.lists(
        st.lists(st.text(st.sampled_from('ab ,;"\n\té='), max_size=5), min_size=3, max_size=3), min_size=1, max_size=12
    ),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    ends=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    block=st.sampled_from([5, 64, 8 * 1024**2]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_rows_come_back_as_they_were_written_whatever_stands_between_them(
    rows, encoding, ends, quoting, block, seed
):
    """Bad records and repeated headers among the rows; each is counted, none costs a row."""
    noise = random.Random(seed)
    header = ["one", "two", "three"]
    kept = [row for row in rows if row != header]
    out, bad, repeated = io.StringIO(newline=""), 0, 0
    writer = csv.writer(out, quoting=quoting, lineterminator=ends)
    writer.writerow(header)
    for row in kept:
        match noise.randrange(4):
            case 0:
                writer.writerow(["short", "er"])
                bad += 1
            case 1:
                writer.writerow(header)
                repeated += 1
            case 2:
                out.write(ends)
        writer.writerow(row)
    content = out.getvalue().encode(encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "_BLOCK", block)
        patch.setattr(records, "_HEAD", 30)
        # The head is too short for a delimiter to be found by width where it is read byte by byte.
        tables = list(read_batches(content, "f.csv", delimiter=",", encoding=encoding))
    found = [row[:-1] for table in tables for row in table.frame.rows()]
    assert found == [tuple(row) for row in kept]
    assert sum(len(table.bad) for table in tables) == bad
    assert int(tables[-1].inferred.get("repeated_headers", 0)) == repeated


def fields_of(text: str, delimiter: str) -> list[int]:
    """The fields of each record by RFC 4180, letter by letter; a lone field of blanks is no record."""
    widths, fields, quoted, blank, before = [], 1, False, True, ""
    for letter in text:
        if letter == '"':
            blank = blank and (quoted or before != '"')  # a second one, outside, is the letter itself
            quoted = not quoted
        elif letter == delimiter and not quoted:
            fields, blank = fields + 1, False
        elif letter == "\n" and not quoted:
            widths.append(0 if blank else fields)
            fields, blank = 1, True
        elif not letter.isspace():
            blank = False
        before = letter
    return widths


@settings(max_examples=150)
@given(
    rows=st.lists(st.lists(st.text(st.sampled_from('ab ,;"é'), max_size=4), min_size=1, max_size=5), max_size=12),
    ends=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    block=st.sampled_from([5, 64, 8 * 1024**2]),
)  # fmt: skip
def test_the_widths_of_records_are_those_of_a_reader_letter_by_letter(rows, ends, delimiter, quoting, block):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=ends).writerows(
        [["x", "y", "z"], *rows]
    )
    widths = [fields for fields in fields_of(out.getvalue(), delimiter)[1:] if fields]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "_BLOCK", block)
        patch.setattr(records, "_HEAD", 30)
        try:
            table = read_delimited(out.getvalue().encode(), "f.csv", delimiter=delimiter)
        except DeliveryError as refusal:
            assert "no record fits" in str(refusal) and 3 not in widths
            return
    assert (table.frame.height, len(table.bad)) == (widths.count(3), len(widths) - widths.count(3))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_file_without_end_quotes_is_read_in_bounded_time(encoding):
    """Each stray quote may swallow what is behind it; it must not be sought to the end of the file each time."""
    content = ("a,b\n" + '1,"x\n2,y\n' * 3000).encode(encoding)
    table = read_delimited(content, "f.csv")
    assert (table.frame.height, len(table.bad)) == (3000, 3000)
