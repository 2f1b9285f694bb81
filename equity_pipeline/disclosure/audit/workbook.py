"""The workbook of a release, as its parts lie in the file: whatever Excel shows, hides or keeps beside a sheet."""

from __future__ import annotations

import itertools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from equity_pipeline.disclosure.audit.finding import Finding
from equity_pipeline.disclosure.audit.order import Order
from equity_pipeline.disclosure.audit.said import (
    DISTRICT,
    HIDDEN,
    STATUSES,
    Row,
    Said,
    half_up,
    hidden,
    numbers,
    written,
)
from equity_pipeline.domain.errors import DisclosureError

PATH = "data/gap_tracker.xlsx"
_PARTS = re.compile(
    r"\[Content_Types\]\.xml|_rels/\.rels|docProps/(app|core)\.xml|xl/_rels/workbook\.xml\.rels|xl/(sharedStrings|styles|workbook)\.xml|"
    r"xl/comments\d+\.xml|xl/drawings/vmlDrawing\d+\.vml|xl/theme/theme1\.xml|xl/worksheets/(_rels/)?sheet\d+\.xml(\.rels)?"
)  # fmt: skip
# What a sheet is made of. All else (formulas, conditional formats, validations, groups of rows) may follow from what is hidden.
_SHEET = {
    "worksheet", "sheetPr", "pageSetUpPr", "dimension", "sheetViews", "sheetView", "pane", "selection", "sheetFormatPr", "cols",
    "col", "sheetData", "row", "c", "v", "autoFilter", "printOptions", "pageMargins", "pageSetup", "headerFooter", "oddFooter", "legacyDrawing",
}  # fmt: skip
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_NAMES = ("_xlnm._FilterDatabase", "_xlnm.Print_Titles")
# Column → what stands there of a row: figures told as they are in the data files, and differences of rates as whole points.
_TOLD = {
    "F": "n",
    "G": "rate",
    "H": "rate_band",
    "I": "reference_rate",
    "J": "reference_rate_band",
    "P": "students_needed",
}
_POINTS = {
    "K": ("gap", 0),
    "L": ("gap_low", 0),
    "M": ("gap_high", 0),
    "N": ("gap_change", 0),
    "Q": ("goal_gap", 1),
}
_SAYS_NUMBERS = {"95%", "95"}


def findings(release_dir: Path, said: Said, order: Order) -> list[Finding]:
    """What the workbook says that the data files do not.

    Raises:
        DisclosureError: it can't be read; what can't be attacked is not safe.
    """
    if not (release_dir / PATH).exists():
        return []
    try:
        with zipfile.ZipFile(release_dir / PATH) as book:
            parts = {name: book.read(name) for name in book.namelist()}
        methods = (release_dir / "methods.html").read_text(encoding="utf-8").partition("<main")[2]
        known = set(numbers(methods)) | set(numbers(said.partner))
        return list(dict.fromkeys(_Workbook(parts, said, order, known).findings()))
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, ValueError, OSError) as error:
        raise DisclosureError(
            f"{PATH} can't be read as a workbook ({type(error).__name__}); not safe"
        ) from None


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


class _Workbook:
    def __init__(self, parts: dict[str, bytes], said: Said, order: Order, known: set[str]) -> None:
        self.said, self.order, self.parts, self.known = said, order, parts, known
        shared = ElementTree.fromstring(parts["xl/sharedStrings.xml"])
        self.strings = [
            "".join(text.text or "" for text in entry.iter() if _local(text) == "t") for entry in shared
        ]
        self.used: set[int] = set()
        self.places: dict[str, list[str]] = {"District": [DISTRICT]}
        for school in sorted({key[1] for key in said.rows} - {DISTRICT}):
            self.places.setdefault(said.school(school), []).append(school)
        self.year = {written(year): year for year in said.years}

    def findings(self) -> Iterator[Finding]:
        for name in self.parts:
            if not _PARTS.fullmatch(name):
                yield Finding("a part that no rule knows", PATH, name)
        yield from self._frame()
        for name, part in self.sheets():
            yield from self._sheet(name, ElementTree.fromstring(self.parts[part]))
        if len(self.used) < len(self.strings):
            yield Finding("a text that no cell holds", PATH, "shared strings")

    def sheets(self) -> list[tuple[str, str]]:
        """Name and part of each sheet."""
        book = ElementTree.fromstring(self.parts["xl/workbook.xml"])
        parts = {
            e.get("Id"): e.get("Target", "")
            for e in ElementTree.fromstring(self.parts["xl/_rels/workbook.xml.rels"])
        }
        return [
            (sheet.get("name", ""), "xl/" + parts[next(v for k, v in sheet.items() if k.endswith("}id"))])
            for sheet in book.iter()
            if _local(sheet) == "sheet"
        ]

    def _frame(self) -> Iterator[Finding]:
        """What the workbook says beside its cells: hidden sheets, names, properties, notes."""
        for element in ElementTree.fromstring(self.parts["xl/workbook.xml"]).iter():
            if _local(element) == "sheet" and element.get("state"):
                yield Finding("a hidden sheet", PATH, element.get("name", ""))
            if _local(element) == "definedName" and element.get("name") not in _NAMES:
                yield Finding("a name that no rule knows", PATH, element.get("name", ""))
        for element in ElementTree.fromstring(self.parts["docProps/core.xml"]):
            date = _local(element) in ("created", "modified") and element.text == "1980-01-01T00:00:00Z"
            if numbers(element.text) and not date and element.text != self.said.partner:
                yield Finding("a number in the properties", PATH, _local(element))
        for name, part in self.parts.items():
            if name.startswith("xl/comments"):
                text = " ".join(ElementTree.fromstring(part).itertext())
                if set(numbers(text)) - _SAYS_NUMBERS:
                    yield Finding("a number in a note", PATH, name)

    def _sheet(self, name: str, sheet: ElementTree.Element) -> Iterator[Finding]:
        styles: dict[str, str] = {}
        listed: list[tuple[Any, ...]] = []
        for tag in sorted({element.tag for element in sheet.iter()}):
            if tag.removeprefix(_MAIN) not in _SHEET:
                yield Finding("an element that no rule knows", PATH, f"{name} {tag.removeprefix(_MAIN)}")
        for element in itertools.chain(sheet.iter(f"{_MAIN}col"), sheet.iter(f"{_MAIN}row")):
            if not {"hidden", "outlineLevel", "collapsed"}.isdisjoint(element.keys()):
                yield Finding("a hidden row or column", PATH, name)
        for element in sheet.iter(f"{_MAIN}row"):
            cells = {cell.get("r", "").rstrip("0123456789"): cell for cell in element}
            row: dict[str, Any] = {
                column: value for column, cell in cells.items() if (value := self._value(cell)) is not None
            }
            if name == "Read me" or element.get("r") == "1":
                if {n for value in row.values() for n in numbers(str(value))} - _SAYS_NUMBERS - self.known:
                    yield Finding("a number that no rule knows", PATH, name)
                continue
            if any(
                styles.setdefault(column, cell.get("s", "")) != cell.get("s", "")
                for column, cell in cells.items()
            ):
                yield Finding("a cell that looks unlike the others", PATH, f"{name} row {element.get('r')}")
            label, place, *group_labels = (str(row.get(column, "")) for column in "ABCD")
            where, year = f"{label} {place} {' '.join(group_labels)}", self.year.get(label, 0)
            group = self.said.called.get((group_labels[0], group_labels[1]))
            schools = self.places.get(place, [])
            found = [
                told
                for school in schools
                if (told := self.said.rows.get((name, school, *(group or ("", ""))), {}).get(year))
            ]
            wrong = [_wrong(row, told, self.said) for told in found]
            if not found:
                yield Finding("a row of no group", PATH, f"{name} {where}")
            elif all(wrong):
                yield Finding(
                    "a figure that the data files do not say",
                    PATH,
                    f"{name} {where} {min(wrong, key=len)[0]}",
                )
            listed.append((-year, place, group))
        yield from self._in_order(name, listed)

    def _value(self, cell: ElementTree.Element) -> object:
        value = cell.findtext(f"{_MAIN}v")
        if not value:
            return None
        if cell.get("t") == "s":
            self.used.add(int(value))
            return self.strings[int(value)]
        return float(value)

    def _in_order(self, name: str, listed: list[tuple[Any, ...]]) -> Iterator[Finding]:
        """Newest year first, the district before its schools, groups as everywhere."""
        blocks: dict[tuple[int, str], list[tuple[str, str] | None]] = {}
        for year, place, group in listed:
            blocks.setdefault((year, place), []).append(group)
        places = [
            (year, self.places.get(place, [""])[0] != DISTRICT, self.places.get(place, [""]))
            for year, place in blocks
        ]
        whole = len(listed) == sum(map(len, blocks.values())) and [
            k for k in dict.fromkeys((y, p) for y, p, _ in listed)
        ] == list(blocks)
        if places != sorted(places) or not whole or not all(map(self.order.keeps, blocks.values())):
            yield Finding("an order of its own", PATH, name)


def _wrong(row: dict[str, object], told: Row, said: Said) -> list[str]:
    """Columns in which a row says what is not told of the group; it may say less."""
    wrong = [column for column in row if column > "R" or len(column) > 1]
    compared = said.group(told["dimension"], told["reference_subgroup"] or "")
    for column, name in _TOLD.items():
        value = row.get(column)
        if value is not None and (
            told[name] is None
            or (abs(value - told[name]) > 1e-9 if isinstance(value, float) else value != told[name])
        ):
            wrong.append(name)
    for column, (name, digits) in _POINTS.items():
        value = row.get(column)
        if value is not None and (told[name] is None or value != half_up(100 * told[name], digits)):
            wrong.append(name)
    if row.get("O", "") not in ("", STATUSES.get(told["status"])):
        wrong.append("status")
    if hidden(told) and row.get("R") != HIDDEN or numbers(str(row.get("R", ""))):
        wrong.append("note")
    if row.get("E", compared) not in ("everyone else", "all students", compared):
        wrong.append("compared with")
    return wrong
