"""Ed-Fi interchange XML (Data Standard 3 to 5) → the records of Ed-Fi's API.

Belongs here: how the standard's XML and the JSON of its API write the same record. Does not belong here: what a record
means.

The two differ by rule: XML has `SexDescriptor` as `Sex`, a key of a reference inside as many `…Identity` elements as it
is deep, a collection as an element repeated, and a school year as `2021-2022`. A reference may also only name the `id`
that another record of the file bears (`ref="SEC_1"`), before or after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO
from xml.parsers import expat

from equity_pipeline.domain.errors import DeliveryError

Shape = dict[str, "Shape"]
"""The fields wanted of an object; a collection's name ends in `[]`, a single value has no fields of its own."""

_COLLECTIONS = {
    "identificationCodes": "courseIdentificationCode",
    "levelCharacteristics": "courseLevelCharacteristic",
    "values": "surveyQuestionResponseValue",
}
"""Collections whose elements are called otherwise than the collection in the singular."""
_WRAPPERS = {"attendanceEvent", "birthData"}
"""Elements that the API's JSON does not have: their fields are the record's own."""
_MAX_DEPTH = 100


class _Node:
    """An element, under the name that a field of the JSON has: its children, or its text."""

    __slots__ = ("children", "id", "line", "name", "ref", "text")

    def __init__(self, name: str, line: int, attributes: Mapping[str, str] = MappingProxyType({})) -> None:
        self.name, self.line = name, line
        self.id, self.ref = attributes.get("id"), attributes.get("ref")
        self.text = ""
        self.children: list[_Node] = []

    def value(self) -> str:
        node = self
        while node.children:
            node = node.children[0]
        return node.text.strip()

    def fields(self) -> Iterator[_Node]:
        """The fields of the record itself, without those behind a reference."""
        for child in self.children:
            if child.name in _WRAPPERS:
                yield from child.fields()
            else:
                yield child

    def leaves(self) -> Iterator[_Node]:
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


class _Records:
    """Hands on each record as soon as it is whole; no more than one is held."""

    def __init__(self, found: Callable[[_Node], None]) -> None:
        self._found = found
        self._open: list[_Node] = []
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag[tag.find(":") + 1 :]
        node = _Node(tag[:1].lower() + tag[1:], self.parser.CurrentLineNumber, attributes)
        if len(self._open) > 1:
            self._open[-1].children.append(node)
        self._open.append(node)
        if len(self._open) > _MAX_DEPTH:
            raise _Refused(f"it has more than {_MAX_DEPTH} elements inside each other")

    def _characters(self, content: str) -> None:
        node = self._open[-1]
        if not node.children:
            node.text += content

    def _end(self, tag: str) -> None:
        node = self._open.pop()
        if len(self._open) == 1:
            self._found(node)
            self._open[0].text = ""


class _Refused(Exception):
    """What no data needs, and what can be made to harm."""


def _refuse(*declared: object) -> None:
    raise _Refused("it declares a document type or entities")


def read_interchange(
    stream: BinaryIO, name: str, shapes: dict[str, Shape], found: Callable[[str, int, dict[str, Any]], None]
) -> dict[str, int]:
    """Call `found(resource, line, record)` for each record of a resource in `shapes`, as the API's JSON would hold the
    fields wanted; the elements of other kinds by name and number. The file is read as a stream.

    Raises:
        DeliveryError: not XML, cut short, or it declares a document type or entities, which data never needs and
            which can be made to read other files or to fill the memory.
    """
    others: dict[str, int] = {}
    references = _References(shapes)
    waiting: list[_Node] = []

    def take(node: _Node) -> None:
        resolved = references.resolve(node)
        references.note(node)
        resource = f"{node.name}s"
        if shape := shapes.get(resource):
            if resolved:
                found(resource, node.line, _filled(shape, node))
            else:
                waiting.append(node)
        else:
            kind = node.name[:1].upper() + node.name[1:]
            others[kind] = others.get(kind, 0) + 1

    parser = _Records(take).parser
    try:
        parser.ParseFile(stream)
    except _Refused as error:
        raise DeliveryError(
            str(error),
            file=name,
            line=parser.CurrentLineNumber,
            remedy="send plain interchange XML, without <!DOCTYPE …>",
        ) from error
    except expat.ExpatError as error:
        raise DeliveryError(
            "it is not well-formed XML from here on or was cut short",
            file=name, line=error.lineno, remedy="export it again and compare the sizes",
        ) from error  # fmt: skip
    except (UnicodeError, LookupError, ValueError) as error:
        raise DeliveryError(
            "it is not readable as XML", file=name, line=parser.CurrentLineNumber, remedy="send UTF-8"
        ) from error
    for node in waiting:
        references.resolve(node)  # what still is not there, nothing in the file bears
        found(f"{node.name}s", node.line, _filled(shapes[f"{node.name}s"], node))
    return others


class _References:
    """What the records of one file that bear an `id` say of themselves, as far as a reference may want it."""

    def __init__(self, shapes: dict[str, Shape]) -> None:
        self._wanted = {name for shape in shapes.values() for below in _references(shape) for name in below}
        self._wanted |= {name.removesuffix("Descriptor") for name in self._wanted}
        self._records: dict[str, list[_Node]] = {}

    def note(self, node: _Node) -> None:
        if node.id:
            kept = [leaf for leaf in node.leaves() if leaf.name in self._wanted and not leaf.ref]
            self._records[node.id] = kept

    def resolve(self, node: _Node) -> bool:
        """Give each reference that only names an id the keys of the record that bears it; whether all are known."""
        known = True
        for leaf in list(node.leaves()):
            if leaf.ref and not leaf.text.strip():
                leaf.children = self._records.get(leaf.ref, [])
                known &= bool(leaf.children)
        return known


def _references(shape: Shape) -> Iterator[Shape]:
    """The keys that each reference of a shape has."""
    for name, below in shape.items():
        if name.removesuffix("[]").endswith("Reference"):
            yield below
        yield from _references(below)


def _filled(shape: Shape, node: _Node) -> dict[str, object]:
    fields: dict[str, list[_Node]] = {}
    for field in node.fields() if node.children else (node,):
        fields.setdefault(field.name, []).append(field)
    record: dict[str, object] = {}
    for name, below in shape.items():
        if name.endswith("[]"):
            if items := _items(name[:-2], below, fields):
                record[name[:-2]] = items
        elif name == "schoolYearTypeReference":
            if year := _value("schoolYear", fields):
                record[name] = {"schoolYear": year}
        elif below:
            if name in fields:
                record[name] = _keys(below, fields[name][0])
        elif value := _value(name, fields):
            record[name] = value
    return record


def _items(name: str, below: Shape, fields: dict[str, list[_Node]]) -> list[dict[str, object]]:
    """A collection of objects, of single descriptors, or of references."""
    only = next(iter(below))
    if len(below) == 1 and only.endswith("Reference"):
        return [{only: _keys(below[only], node)} for node in fields.get(only, ())]
    element = _COLLECTIONS.get(name, name.removesuffix("s"))
    return [_filled(below, node) for node in fields.get(element, ())]


def _keys(wanted: Shape, reference: _Node) -> dict[str, object]:
    leaves: dict[str, list[_Node]] = {}
    for leaf in reference.leaves():
        leaves.setdefault(leaf.name, []).append(leaf)
    return {name: value for name in wanted if (value := _value(name, leaves))}


def _value(name: str, fields: dict[str, list[_Node]]) -> str | None:
    """The text of a field; XML has a descriptor without the word."""
    node = fields.get(name) or fields.get(name.removesuffix("Descriptor"))
    text = node[0].value() if node else None
    if text and name == "schoolYear" and (years := re.fullmatch(r"\d{4}-(\d{4})", text)):
        return years[1]
    return text or None
