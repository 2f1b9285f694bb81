"""Workbooks: macros and what asks for more memory than a workbook needs are refused with a reason, whatever is inside."""

from __future__ import annotations

import io
import random
import zipfile
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.adapters import readers, sheet
from equity_pipeline.adapters.readers import read_workbook
from equity_pipeline.domain.errors import DeliveryError

_OF = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def cell(place: str, text: str = "x") -> str:
    row = place.strip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return f'<row r="{row}"><c r="{place}" t="inlineStr"><is><t>{text}</t></is></c></row>'


def members(rows: str, **more: str) -> dict[str, str]:
    """The files of a workbook, as small as it can be."""
    return {
        "[Content_Types].xml": f'<Types xmlns="{_OF}/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_OF}/relationships"><Relationship Id="r" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets><sheet name="S" sheetId="1" r:id="r"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_OF}/relationships"><Relationship Id="r" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_SHEET}"><sheetData>{rows}</sheetData></worksheet>',
        **more,
    }  # fmt: skip


def packed(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


GOOD = cell("A1", "id") + cell("A2", "7")
MANY = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 30_001))
LONG = f'<sst xmlns="{_SHEET}"><si><t>{"x" * 100_000}</t></si></sst>'
ASKS = "not a readable workbook, or it asks for more than 3 GiB"
HOSTILE = {
    "a cell in the last row and column": (members(GOOD + cell("XFD1048576")), ASKS),
    "a cell beyond": (members(GOOD + cell("ZZZZZZ4294967295")), ASKS),
    "one text in many cells": (members(MANY, **{"xl/sharedStrings.xml": LONG}), ASKS),
    "a million columns": (
        members('<row r="1">' + "".join(f"<c><v>{n}</v></c>" for n in range(1_000_000)) + "</row>"),
        ASKS,
    ),
    "six thousand columns": (
        members('<row r="1">' + "".join(f"<c><v>{n}</v></c>" for n in range(6_000)) + "</row>"),
        "columns, more than 5,000",
    ),
    "a bomb": (members(GOOD + " " * 30_000_000), "the workbook unpacks to 30,0"),
    "a macro": (members(GOOD, **{"xl/vbaProject.bin": "x"}), "the workbook has macros"),
    "a macro sheet": (members(GOOD, **{"xl/macrosheets/sheet1.xml": "x"}), "the workbook has macros"),
    "a macro of LibreOffice": (
        members(GOOD, **{"Basic/Standard/Module1.xml": "x"}),
        "the workbook has macros",
    ),
    "an archive": (members(GOOD, **{"xl/embeddings/more.zip": "x"}), "an archive inside the archive"),
    "a way out": (members(GOOD, **{"../more.xml": "x"}), "a path that leads out"),
    "entities": (
        members("") | {"xl/worksheets/sheet1.xml": f'<!DOCTYPE x [<!ENTITY a "{"x" * 9}">]><worksheet xmlns="{_SHEET}"><sheetData>{cell("A1", "&a;")}</sheetData></worksheet>'},
        ASKS,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_workbook_is_refused_with_a_reason(monkeypatch, files, reason):
    monkeypatch.setattr(readers, "_SECONDS", 3)
    with pytest.raises(DeliveryError) as told:
        read_workbook(packed(files), "f.xlsx", None, ())
    assert str(told.value).startswith("f.xlsx") and reason in str(told.value)


@pytest.mark.parametrize(
    "content", [b"\xd0\xcf\x11\xe0" + "_VBA_PROJECT".encode("utf-16-le"), packed(members(GOOD, **{"XL/VBAPROJECT.BIN": "x"}))],
    ids=["old", "other case"],  # a packed file holds the time, and every process must name the tests alike
)  # fmt: skip
def test_macros_are_seen_in_old_workbooks_and_in_any_case(content):
    with pytest.raises(DeliveryError, match="the workbook has macros"):
        read_workbook(content, "f.xls", None, ())


def test_a_workbook_is_read_and_says_no_word_of_a_cell_where_it_is_not(capfd):
    table = read_workbook(packed(members(GOOD)), "f.xlsx", None, ())
    assert table.frame.rows() == [("7", 2)]
    with pytest.raises(DeliveryError) as told:
        read_workbook(packed(members(cell("A1", "Canary") + "<row><c><Canary")), "f.xlsx", None, ())
    assert "Canary" not in "".join([str(told.value), *capfd.readouterr()])


def here(command, input, **_):
    """`sheet` in this process, where a hundred workbooks take a second; what it dies of there is its exit code here."""
    out = io.BytesIO()
    try:
        code = sheet.read(input, command[-1] or None, out)
    except BaseException as error:  # noqa: BLE001 - Rust's panics are no `Exception`
        assert not isinstance(error, KeyboardInterrupt)
        return SimpleNamespace(returncode=1, stdout=b"")
    return SimpleNamespace(returncode=code, stdout=out.getvalue())


PIECES = [
    "<",
    ">",
    '"',
    "&",
    "&#0;",
    "\0",
    "]]>",
    "A1",
    'r="',
    "<c>",
    "</row>",
    "<v>",
    "-1",
    "1e999",
    "99999999999",
    "é",
]


@settings(max_examples=120)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_spoilt_workbook_is_a_table_or_a_refusal_that_names_it(seed):
    luck = random.Random(seed)
    files = members(GOOD + cell("B3", "eight"))
    for _ in range(luck.randint(1, 3)):
        name = luck.choice(sorted(files))
        text = files[name]
        at = luck.randrange(len(text) + 1)
        to = at + luck.choice([0, 1, 5, 30])
        files[name] = text[:at] + luck.choice([*PIECES, text[at:to] * 2, ""]) + text[to:]
    content = packed(files)
    if luck.random() < 0.2:
        content = content[: luck.randrange(len(content))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers.subprocess, "run", here)
        try:
            read_workbook(content, "f.xlsx", None, ())
        except DeliveryError as refusal:
            assert str(refusal).startswith("f.xlsx")
