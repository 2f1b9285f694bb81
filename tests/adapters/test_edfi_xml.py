"""Ed-Fi interchange XML: what it says is what the API's JSON says of the same records."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from equity_pipeline.adapters import edfi
from equity_pipeline.adapters.base import FILE, LINE, Mapped
from equity_pipeline.adapters.edfi_xml import read_interchange
from equity_pipeline.domain.errors import DeliveryError
from tests.adapters.test_edfi import DELIVERY, source, take

NAMESPACE = 'xmlns="http://ed-fi.org/5.2.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
WRAPPED = {
    "birthDate": "BirthData", "eventDate": "AttendanceEvent", "eventDuration": "AttendanceEvent",
    "attendanceEventCategoryDescriptor": "AttendanceEvent",
}  # fmt: skip
SINGULAR = {
    "identificationCodes": "CourseIdentificationCode",
    "levelCharacteristics": "CourseLevelCharacteristic",
}


def element(tag: str, content: str) -> str:
    return f"\t<{tag}>{content}</{tag}>\n"


def capital(name: str) -> str:
    return name[:1].upper() + name[1:].removesuffix("Descriptor")


def text(name: str, value: object) -> str:
    if name == "schoolYear":
        return f"{int(value) - 1}-{value}"
    if isinstance(value, bool):
        return "1" if value else "0"
    return escape(str(value))


def reference(name: str, keys: dict) -> str:
    """Every key inside an identity of its own, as the standard nests references of references."""
    content = "".join(
        f"<{capital(key)}Holder>{element(capital(key), text(key, value))}</{capital(key)}Holder>"
        for key, value in keys.items()
        if key != "link"
    )
    return element(capital(name), f"<{capital(name).removesuffix('Reference')}Identity>{content}</{capital(name).removesuffix('Reference')}Identity>")  # fmt: skip


def fields(record: dict) -> str:
    """The fields of a record of the API, as XML."""
    out = ""
    for name, value in record.items():
        if name == "schoolYearTypeReference":
            out += element("SchoolYear", text("schoolYear", value["schoolYear"]))
        elif isinstance(value, dict):
            out += reference(name, value)
        elif isinstance(value, list):
            for item in value:
                (only, inner), *more = item.items()
                if isinstance(inner, dict):
                    out += reference(only, inner)
                elif more or name == "identificationCodes":
                    out += element(SINGULAR.get(name, capital(name.removesuffix("s"))), fields(item))
                else:
                    out += element(SINGULAR.get(name, capital(name.removesuffix("s"))), text(only, inner))
        elif name in WRAPPED:
            out += element(WRAPPED[name], element(capital(name), text(name, value)))
        else:
            out += element(capital(name), text(name, value))
    return out


def interchange(delivery: dict[str, list[dict]]) -> str:
    records = "".join(
        element(capital(resource.removesuffix("s")), fields(record))
        for resource, records in delivery.items()
        for record in records
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<InterchangeTest {NAMESPACE}>\n{records}</InterchangeTest>\n'


def write(folder: Path, *members: tuple[str, str]) -> Path:
    path = folder / "edfi.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def take_xml(folder: Path, *members: tuple[str, str]) -> dict[str, Mapped]:
    path = write(folder, *members)
    return {one.extract: one for one in edfi.map(edfi.read(path, path.name, source()), source(), None)}


def test_xml_says_what_json_says(tmp_path):
    by_json = take(tmp_path)
    by_xml = take_xml(tmp_path, ("All.xml", interchange(DELIVERY)))
    assert by_xml.keys() == by_json.keys()
    for extract, mapped in by_json.items():
        assert_frame_equal(by_xml[extract].rows.drop(FILE, LINE), mapped.rows.drop(FILE, LINE))
        assert (by_xml[extract].skipped, by_xml[extract].warnings) == (mapped.skipped, mapped.warnings)


def test_resources_may_lie_in_any_file_and_beside_json(tmp_path):
    whole = take_xml(tmp_path, ("All.xml", interchange(DELIVERY)))
    half = list(DELIVERY)[::2]
    mixed = take_xml(
        tmp_path,
        ("a.xml", interchange({name: DELIVERY[name] for name in half})),
        *((f"{name}.XML", interchange({name: DELIVERY[name]})) for name in DELIVERY if name not in half),
    )
    for extract, mapped in whole.items():
        assert_frame_equal(mixed[extract].rows.drop(FILE, LINE), mapped.rows.drop(FILE, LINE))


def test_rows_say_the_line_on_which_the_record_begins(tmp_path):
    text = interchange(
        {"students": [{"studentUniqueId": "a", "birthDate": "2010-01-02"}, {"studentUniqueId": "b"}]}
    )
    path = write(
        tmp_path,
        ("Student.xml", text.replace("<Student>", "<edfi:Student>").replace("</Student>", "</edfi:Student>")),
    )
    (table,) = edfi.read(path, path.name, source())
    assert table.name == "edfi.zip!Student.xml!students"
    assert table.frame.select("studentUniqueId", "birthDate", LINE).rows() == [
        ("a", "2010-01-02", 3),
        ("b", None, 7),
    ]


def test_what_is_not_used_is_told(tmp_path):
    text = interchange(
        {"students": [{"studentUniqueId": "a"}], "locations": [{"x": 1}, {"x": 2}], "sections": [{"y": 1}]}
    )
    path = write(tmp_path, ("Mixed.xml", text))
    (table,) = edfi.read(path, path.name, source())
    assert table.inferred == {"not_used": "2 Location, 1 Section"}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_a_reference_may_name_the_id_of_another_record(order):
    records = [
        '<Student id="STU_1"><StudentUniqueId>a</StudentUniqueId></Student>',
        (
            '<Section id="SEC_1"><SectionIdentifier>s1</SectionIdentifier><CourseOfferingReference>'
            "<CourseOfferingIdentity><LocalCourseCode>APBIO</LocalCourseCode></CourseOfferingIdentity>"
            "</CourseOfferingReference></Section>"
        ),
        (
            '<StudentSectionAssociation><StudentReference ref="STU_1"/><SectionReference ref="SEC_1"/>'
            "<BeginDate>2025-08-20</BeginDate></StudentSectionAssociation><StudentSectionAssociation>"
            '<StudentReference ref="NOBODY"/></StudentSectionAssociation>'
        ),
    ]
    shapes = {
        "studentSectionAssociations": {
            "studentReference": {"studentUniqueId": {}}, "beginDate": {},
            "sectionReference": {"sectionIdentifier": {}, "localCourseCode": {}},
        }
    }  # fmt: skip
    found = []
    text = f"<x>{''.join(records[place] for place in order)}</x>".encode()
    read_interchange(io.BytesIO(text), "x.xml", shapes, lambda resource, line, record: found.append(record))
    assert sorted(found, key=len, reverse=True) == [
        {
            "studentReference": {"studentUniqueId": "a"}, "beginDate": "2025-08-20",
            "sectionReference": {"sectionIdentifier": "s1", "localCourseCode": "APBIO"},
        },
        {"studentReference": {}},
    ]  # fmt: skip


ENTITY = '<!DOCTYPE x [<!ENTITY a "b">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
BILLION = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "declared", [ENTITY, EXTERNAL, BILLION, "<!DOCTYPE x>", '<!DOCTYPE x SYSTEM "http://localhost/x.dtd">']
)
def test_document_types_and_entities_are_refused(tmp_path, declared):
    path = write(
        tmp_path,
        (
            "Student.xml",
            f"<?xml version='1.0'?>{declared}<x><Student><StudentUniqueId>&a;</StudentUniqueId></Student></x>",
        ),
    )
    with pytest.raises(
        DeliveryError, match="edfi.zip!Student.xml, line 1: it declares a document type or entities"
    ):
        edfi.read(path, path.name, source())


def test_what_is_cut_short_is_refused_with_the_line(tmp_path):
    text = interchange({"students": [{"studentUniqueId": "a"}, {"studentUniqueId": "b"}]})
    path = write(tmp_path, ("Student.xml", text[: text.index("b</")]))
    with pytest.raises(DeliveryError, match="edfi.zip!Student.xml, line 5: it is not well-formed XML"):
        edfi.read(path, path.name, source())
    deep = write(tmp_path, ("Student.xml", "<x>" * 200))
    with pytest.raises(DeliveryError, match="edfi.zip!Student.xml, line 1"):
        edfi.read(deep, deep.name, source())


class _Endless(io.RawIOBase):
    """A file too large for any memory: one student again and again."""

    def __init__(self) -> None:
        self.waiting = b"<x>"

    def read(self, size: int = -1) -> bytes:
        while len(self.waiting) < size:
            self.waiting += b"<Student><StudentUniqueId>a</StudentUniqueId></Student>"
        given, self.waiting = self.waiting[:size], self.waiting[size:]
        return given


def test_records_come_while_the_file_is_read():
    class Enough(Exception):
        pass

    seen = []

    def found(resource, line, record):
        seen.append((resource, record))
        if len(seen) == 1_000:
            raise Enough

    with pytest.raises(Enough):
        read_interchange(_Endless(), "endless.xml", {"students": {"studentUniqueId": {}}}, found)
    assert set(map(str, seen)) == {str(("students", {"studentUniqueId": "a"}))}


def test_without_enrollment_what_is_there_is_loaded(tmp_path):
    less = {
        name: records
        for name, records in DELIVERY.items()
        if name not in ("studentSchoolAssociations", "studentSectionAssociations", "grades")
    }
    mapped = take_xml(tmp_path, ("All.xml", interchange(less)))
    students = mapped["students"]
    assert students.rows.select("school_year", "student_id", "grade_level", "disability_idea").rows() == [
        ("2026", "a", None, "no"), ("2026", "b", None, "yes"), ("2026", "c", None, "no"), ("2026", "e", None, "no"),
    ]  # fmt: skip
    assert students.warnings == ("no studentSchoolAssociations in the delivery: grade levels are not known",)
    assert mapped["attendance"].rows.is_empty()
    assert mapped["attendance"].skipped == {"no studentSchoolAssociations say of how many days": 6}
    assert "school_enrollments" not in mapped
    assert mapped["courses"].rows.height == 3


def test_nothing_is_left_of_a_name(tmp_path):
    text = interchange(
        {"students": [{"studentUniqueId": "a", "firstName": "Ann", "birthDate": "2010-01-02"}]}
    )
    path = write(tmp_path, ("Student.xml", text))
    (table,) = edfi.read(path, path.name, source())
    assert not any("Ann" in str(value) for value in table.frame.row(0))
    assert table.frame.schema[LINE] == pl.Int64
