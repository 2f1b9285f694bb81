"""Ed-Fi interchange XML (Data Standard 3 to 5) → the records of Ed-Fi's API.

Belongs here: how the standard's XML and the JSON of its API write the same record. Does not belong here: what a record
means.

The two differ by rule: XML has `SexDescriptor` as `Sex`, a key of a reference inside as many `…Identity` elements as it
is deep, a collection as an element repeated, and a school year as `2021-2022`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO
from xml.sax import ContentHandler, SAXException, SAXParseException

from defusedxml import DefusedXmlException, sax

from equity_pipeline.domain.errors import DeliveryError

Shape = dict[str, "Shape"]
"""The fields wanted of an object; a collection's name ends in `[]`, a single value has no fields of its own."""

_COLLECTIONS = {
    "identificationCodes": "CourseIdentificationCode",
    "levelCharacteristics": "CourseLevelCharacteristic",
    "values": "SurveyQuestionResponseValue",
}
"""Collections whose elements are called otherwise than the collection in the singular."""
_WRAPPERS = {"AttendanceEvent", "BirthData"}
"""Elements that the API's JSON does not have: their fields are the record's own."""
_MAX_DEPTH = 100


class _Node:
    """An element: its children, or its text."""

    __slots__ = ("children", "line", "tag", "text")

    def __init__(self, tag: str, line: int) -> None:
        self.tag, self.line = tag, line
        self.text: list[str] = []
        self.children: list[_Node] = []

    def value(self) -> str:
        node = self
        while node.children:
            node = node.children[0]
        return "".join(node.text).strip()

    def own(self) -> Iterator[_Node]:
        """The fields of the record itself, without those behind a reference."""
        for child in self.children:
            yield from child.own() if child.tag in _WRAPPERS else (child,)

    def leaves(self) -> Iterator[_Node]:
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


class _Handler(ContentHandler):
    """Hands on each record as soon as it is whole; no more than one is held."""

    def __init__(self, found: Callable[[_Node], None]) -> None:
        super().__init__()
        self._found = found
        self._open: list[_Node] = []

    def startElement(self, name: str, attrs: object) -> None:
        node = _Node(name.rsplit(":", 1)[-1], self._locator.getLineNumber())
        if len(self._open) > 1:
            self._open[-1].children.append(node)
        self._open.append(node)
        if len(self._open) > _MAX_DEPTH:
            raise SAXParseException(f"more than {_MAX_DEPTH} elements inside each other", None, self._locator)

    def characters(self, content: str) -> None:
        self._open[-1].text.append(content)

    def endElement(self, name: str) -> None:
        node = self._open.pop()
        if len(self._open) == 1:
            self._found(node)
            self._open[0].text.clear()


def read_interchange(
    stream: BinaryIO, name: str, shapes: dict[str, Shape], found: Callable[[str, int, dict], None]
) -> dict[str, int]:
    """Call `found(resource, line, record)` for each record of a resource in `shapes`, as the API's JSON would hold the
    fields wanted; the elements of other kinds by name and number. The file is read as a stream.

    Raises:
        DeliveryError: not XML, cut short, or it declares a document type or entities, which data never needs and
            which can be made to read other files or to fill the memory.
    """
    others: dict[str, int] = {}

    def take(node: _Node) -> None:
        resource = resource_of(node.tag)
        if shape := shapes.get(resource):
            found(resource, node.line, _filled(shape, node))
        else:
            others[node.tag] = others.get(node.tag, 0) + 1

    try:
        sax.parse(stream, _Handler(take), forbid_dtd=True)
    except DefusedXmlException as error:
        raise DeliveryError(
            "it declares a document type or entities",
            file=name,
            remedy="send plain interchange XML without <!DOCTYPE …>",
        ) from error
    except SAXParseException as error:
        raise DeliveryError(
            "it is not well-formed XML from here on or was cut short",
            file=name, line=error.getLineNumber(), remedy="export it again and compare the sizes",
        ) from error  # fmt: skip
    except (SAXException, UnicodeError, LookupError, ValueError) as error:
        raise DeliveryError("it is not readable as XML", file=name, remedy="send UTF-8") from error
    return others


def resource_of(element: str) -> str:
    """`StudentSchoolAssociation` → `studentSchoolAssociations`, the resource of the API."""
    return f"{element[:1].lower()}{element[1:]}s"


def _filled(shape: Shape, node: _Node) -> dict[str, object]:
    record: dict[str, object] = {}
    for name, below in shape.items():
        if name.endswith("[]"):
            items = list(_items(name[:-2], below, node))
            if items:
                record[name[:-2]] = items
        elif name == "schoolYearTypeReference":
            if (year := _leaf("schoolYear", node.own())) is not None:
                record[name] = {"schoolYear": year}
        elif below:
            reference = next((child for child in node.own() if _called(child.tag, name)), None)
            if reference is not None:
                record[name] = _keys(below, reference)
        elif (value := _leaf(name, [*node.own()] or [node])) is not None:
            record[name] = value
    return record


def _items(name: str, below: Shape, node: _Node) -> Iterator[dict[str, object]]:
    """A collection of objects, of single descriptors, or of references."""
    ((only, its_own),) = list(below.items())[:1]
    if only.endswith("Reference") and len(below) == 1:
        yield from ({only: _keys(its_own, child)} for child in node.own() if _called(child.tag, only))
        return
    tag = _COLLECTIONS.get(name, name.removesuffix("s"))
    yield from (_filled(below, child) for child in node.own() if _called(child.tag, tag))


def _keys(wanted: Shape, reference: _Node) -> dict[str, object]:
    leaves = list(reference.leaves())
    values = {name: _leaf(name, leaves) for name in wanted}
    return {name: value for name, value in values.items() if value is not None}


def _leaf(name: str, nodes: object) -> str | None:
    text = next((node.value() for node in nodes if _called(node.tag, name)), None)
    if text and name == "schoolYear" and (years := re.fullmatch(r"\d{4}-(\d{4})", text)):
        return years[1]
    return text or None


def _called(tag: str, name: str) -> bool:
    """Whether an element holds a field of the JSON."""
    tag = tag[:1].lower() + tag[1:]
    name = name[:1].lower() + name[1:]
    return tag in (name, name.removesuffix("Descriptor"))
