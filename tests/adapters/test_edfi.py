"""Ed-Fi as JSON lines: two schools and four students, written by hand, with known truth."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import polars as pl
import pytest

from equity_pipeline.adapters import edfi
from equity_pipeline.adapters.base import REJECT, Mapped
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Source


def d(name: str, code: str) -> str:
    return f"uri://ed-fi.org/{name}Descriptor#{code}"


def student(number: str) -> dict:
    return {"studentReference": {"studentUniqueId": number, "link": {"rel": "Student"}}}


def school(number: int) -> dict:
    return {"schoolReference": {"schoolId": number}}


def section(course: str, number: int, year: int = 2026) -> dict:
    return {
        "localCourseCode": course, "schoolId": number, "schoolYear": year, "sectionIdentifier": f"{course}-1",
        "sessionName": "Fall",
    }  # fmt: skip


def stay(who: str, where: int, entry: str, grade: str, **more: object) -> dict:
    year = {"schoolYearTypeReference": {"schoolYear": 2026}}
    return (
        student(who) | school(where) | year | {"entryDate": entry, "entryGradeLevelDescriptor": grade} | more
    )


def about(who: str, organization: int = 255, **more: object) -> dict:
    return student(who) | {"educationOrganizationReference": {"educationOrganizationId": organization}} | more


def absence(who: str, day: str, category: str = "Unexcused Absence", **more: object) -> dict:
    return student(who) | school(1) | {"eventDate": day, "attendanceEventCategoryDescriptor": category} | more


SCED = {
    "courseIdentificationSystemDescriptor": d("CourseIdentificationSystem", "SCED course code"),
    "identificationCode": "03056",
}
LOCAL = {"courseIdentificationSystemDescriptor": "LEA course code", "identificationCode": "99"}
OPEN = {"educationOrganizationReference": {"educationOrganizationId": 255}}
DELIVERY: dict[str, list[dict]] = {
    "schools": [
        {
            "schoolId": 1, "nameOfInstitution": "High",
            "gradeLevels": [
                {"gradeLevelDescriptor": d("GradeLevel", "Twelfth grade")},
                {"gradeLevelDescriptor": d("GradeLevel", "Ninth grade")},
            ],
            "educationOrganizationIdentificationCodes": [
                {"educationOrganizationIdentificationSystemDescriptor": d("X", "SEA"), "identificationCode": "7"},
                {"educationOrganizationIdentificationSystemDescriptor": d("X", "NCES"), "identificationCode": "063000100001"},
            ],
        },
        {"schoolId": 2, "nameOfInstitution": "North"},
    ],
    "courses": [
        OPEN | {
            "courseCode": "BIO", "courseTitle": "AP Biology", "identificationCodes": [LOCAL, SCED],
            "maximumAvailableCredits": 1.5, "academicSubjects": [{"academicSubjectDescriptor": d("AcademicSubject", "Science")}],
            "levelCharacteristics": [
                {"courseLevelCharacteristicDescriptor": d("CourseLevelCharacteristic", "Honors")},
                {"courseLevelCharacteristicDescriptor": d("CourseLevelCharacteristic", "Advanced Placement")},
            ],
        },
        OPEN | {"courseCode": "ART", "courseTitle": "Art", "academicSubjectDescriptor": "Fine and Performing Arts"},
    ],
    "courseOfferings": [
        school(1) | {"localCourseCode": "BIO-L", "sessionReference": {"schoolYear": 2026, "schoolId": 1, "sessionName": "Fall"},
                     "courseReference": {"courseCode": "BIO", "educationOrganizationId": 255}},
        school(2) | {"localCourseCode": "ART", "sessionReference": {"schoolYear": 2026, "schoolId": 2, "sessionName": "Fall"},
                     "courseReference": {"courseCode": "ART", "educationOrganizationId": 255},
                     "courseLevelCharacteristics": [{"courseLevelCharacteristicDescriptor": "General"}]},
        school(2) | {"localCourseCode": "GONE", "localCourseTitle": "Gone", "sessionReference": {"schoolYear": 2026},
                     "courseReference": {"courseCode": "GONE", "educationOrganizationId": 255}},
    ],
    "students": [
        {"studentUniqueId": "a", "birthDate": "2010-01-02", "firstName": "Ann"},
        {"studentUniqueId": "b"}, {"studentUniqueId": "c"}, {"studentUniqueId": "e"},
    ],
    "studentEducationOrganizationAssociations": [
        about("a", 1, sexDescriptor=d("Sex", "Male"), races=[{"raceDescriptor": d("Race", "Asian")}]),
        about("a", sexDescriptor=d("Sex", "Female"), hispanicLatinoEthnicity=False,
              limitedEnglishProficiencyDescriptor=d("LimitedEnglishProficiency", "Limited Monitored 2"),
              races=[{"raceDescriptor": d("Race", "White")}, {"raceDescriptor": d("Race", "Black or African American")}],
              studentCharacteristics=[{"studentCharacteristicDescriptor": d("StudentCharacteristic", "Homeless")}]),
        about("b", sexDescriptor="Non-binary", hispanicLatinoEthnicity=True, races=[],
              limitedEnglishProficiencyDescriptor="NotLimited"),
        about("c", sexDescriptor=d("Sex", "Not Selected"),
              races=[{"raceDescriptor": "Hispanic or Latino"}, {"raceDescriptor": "Choose Not to Respond"}]),
    ],
    "studentSchoolAssociations": [
        stay("a", 1, "2025-08-11", d("GradeLevel", "Tenth grade"), primarySchool=True),
        stay("b", 1, "2025-08-11", d("GradeLevel", "Tenth grade"), exitWithdrawDate="2025-11-28"),
        stay("b", 2, "2025-12-01", d("GradeLevel", "Eleventh grade"), primarySchool=False),
        student("c") | school(2) | {"entryDate": "2025-08-11", "entryGradeLevelDescriptor": "12"},
        stay("zz", 1, "2025-08-11", "Ninth grade"),
        stay("a", 9, "2025-08-11", "Ninth grade"),
    ],
    "studentSectionAssociations": [
        student("a") | {"sectionReference": section("BIO-L", 1), "beginDate": "2025-08-11", "endDate": "2026-06-05"},
        student("b") | {"sectionReference": section("ART", 2), "beginDate": "2025-12-01"},
        student("zz") | {"sectionReference": section("ART", 2), "beginDate": "2025-12-01"},
        student("c") | {"sectionReference": section("LOST", 2), "beginDate": "2025-12-01"},
    ],
    "grades": [
        {"gradeTypeDescriptor": d("GradeType", "Final"), "letterGradeEarned": "B+", "numericGradeEarned": 88,
         "studentSectionAssociationReference": section("BIO-L", 1) | {"studentUniqueId": "a", "beginDate": "2025-08-11"}},
        {"gradeTypeDescriptor": d("GradeType", "Semester"), "letterGradeEarned": "F",
         "studentSectionAssociationReference": section("BIO-L", 1) | {"studentUniqueId": "a", "beginDate": "2025-08-11"}},
        {"gradeTypeDescriptor": "Final", "numericGradeEarned": 71.5,
         "studentSectionAssociationReference": section("ART", 2) | {"studentUniqueId": "b", "beginDate": "2025-12-01"}},
        {"gradeTypeDescriptor": "Final", "numericGradeEarned": 99,
         "studentSectionAssociationReference": section("ART", 2) | {"studentUniqueId": "b", "beginDate": "2026-01-01"}},
    ],
    "studentSpecialEducationProgramAssociations": [
        student("b") | {"beginDate": "2024-08-11", "ideaEligibility": True},
        student("a") | {"beginDate": "2023-08-11", "endDate": "2025-05-30", "ideaEligibility": True},
        student("c") | {"beginDate": "2025-08-11", "ideaEligibility": False},
    ],
    "studentLanguageInstructionProgramAssociations": [
        student("c") | {"beginDate": "2025-08-11", "englishLearnerParticipation": True},
    ],
    "studentSchoolFoodServiceProgramAssociations": [
        student("a") | {"schoolFoodServiceProgramServices": [{"schoolFoodServiceProgramServiceDescriptor": d("S", "Reduced Price Lunch")}]},
        student("b") | {"schoolFoodServiceProgramServices": [{"schoolFoodServiceProgramServiceDescriptor": "Full Price Lunch"}]},
    ],
    "sessions": [
        school(1) | {"schoolYearTypeReference": {"schoolYear": 2026}, "beginDate": "2025-08-11", "endDate": "2026-06-06",
                     "totalInstructionalDays": 180},
        school(1) | {"schoolYearTypeReference": {"schoolYear": 2026}, "beginDate": "2025-08-11", "endDate": "2025-12-19",
                     "totalInstructionalDays": 85},
    ],
    "studentSchoolAttendanceEvents": [
        absence("a", "2025-09-01"), absence("a", "2025-09-01", "Excused Absence"), absence("a", "2025-09-02", eventDuration=0.5),
        absence("a", "2025-09-03", eventDuration=0.25), absence("a", "2025-09-04", "Tardy"), absence("c", "2025-09-05"),
    ],
    "disciplineIncidents": [school(1) | {"incidentIdentifier": "I1", "incidentDate": "2025-10-01"}],
    "disciplineActions": [
        student("a") | {
            "disciplineActionIdentifier": "A1", "disciplineDate": "2025-10-03", "actualDisciplineActionLength": 3,
            "responsibilitySchoolReference": {"schoolId": 1},
            "disciplines": [{"disciplineDescriptor": d("Discipline", "Out of School Suspension")},
                            {"disciplineDescriptor": d("Discipline", "Removal from Classroom")}],
            "studentDisciplineIncidentBehaviorAssociations": [{"studentDisciplineIncidentBehaviorAssociationReference": {
                "behaviorDescriptor": d("Behavior", "Fighting"), "incidentIdentifier": "I1", "schoolId": 1}}],
        },
        student("b") | {"disciplineActionIdentifier": "A2", "disciplineDate": "2026-07-01",
                        "responsibilitySchoolReference": {"schoolId": 2},
                        "disciplines": [{"disciplineDescriptor": "Expulsion with Services"}]},
    ],
}  # fmt: skip


def source(**more: object) -> Source:
    return Source(name="ods", format="edfi", files=["*"], **more)


def write_zip(folder: Path, delivery: dict[str, list[dict]], extra: dict[str, str] | None = None) -> Path:
    path = folder / "edfi.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for resource, records in delivery.items():
            archive.writestr(f"{resource}.jsonl", "".join(json.dumps(record) + "\n" for record in records))
        for name, text in (extra or {}).items():
            archive.writestr(name, text)
    return path


def take(folder: Path, delivery: dict[str, list[dict]] = DELIVERY, **more: object) -> dict[str, Mapped]:
    path = write_zip(folder, delivery)
    tables = edfi.read(path, path.name, source(**more))
    return {mapped.extract: mapped for mapped in edfi.map(tables, source(**more), None)}


def test_schools(tmp_path):
    columns = (
        "school_year",
        "school_id",
        "school_name",
        "nces_school_id",
        "grade_low",
        "grade_high",
        "_file",
        "_line",
    )
    assert take(tmp_path)["schools"].rows.select(columns).rows() == [
        ("2026", "1", "High", "063000100001", "09", "12", "edfi.zip!schools.jsonl", 1),
        ("2026", "2", "North", None, None, None, "edfi.zip!schools.jsonl", 2),
    ]


def test_students(tmp_path):
    students = take(tmp_path)["students"].rows
    columns = (
        "student_id", "grade_level", "sex", "hispanic_latino", "races", "english_learner", "disability_idea",
        "economically_disadvantaged", "homeless", "foster_care",
    )  # fmt: skip
    assert students.select(columns).rows() == [
        # The association with the district speaks before that with a school; the program ended in another year.
        ("a", "10", "female", "no", "BlackOrAfricanAmerican;White", "former", "no", "yes", "yes", None),
        ("b", "11", "nonbinary", "yes", None, "never", "yes", "no", "no", None),
        ("c", "12", "unknown", "yes", None, "current", "no", None, "no", None),
        ("e", None, None, None, None, None, "no", None, None, None),
    ]
    assert students.select("school_year", "birth_date", REJECT, "_line").rows() == [
        ("2026", "2010-01-02", None, 1),
        ("2026", None, None, 2),
        ("2026", None, None, 3),
        ("2026", None, "the student has no studentSchoolAssociation", 4),
    ]
    assert "firstName" not in students.columns


def test_a_status_that_nobody_has_is_not_known(tmp_path):
    less = {name: records for name, records in DELIVERY.items() if "Program" not in name}
    students = take(tmp_path, less)["students"].rows.filter(pl.col(REJECT).is_null())
    assert students["disability_idea"].null_count() == students["foster_care"].null_count() == 3
    assert students["economically_disadvantaged"].null_count() == 3
    assert students["english_learner"].to_list() == ["former", "never", None]


def test_school_enrollments(tmp_path):
    stays = take(tmp_path)["school_enrollments"].rows
    columns = (
        "school_year",
        "student_id",
        "school_id",
        "entry_date",
        "exit_date",
        "is_primary",
        REJECT,
        "_line",
    )
    assert stays.select(columns).rows() == [
        ("2026", "a", "1", "2025-08-11", None, "yes", None, 1),
        ("2026", "b", "1", "2025-08-11", "2025-11-28", None, None, 2),
        ("2026", "b", "2", "2025-12-01", None, "no", None, 3),
        # No school year stated: that of the entry.
        ("2026", "c", "2", "2025-08-11", None, None, None, 4),
        ("2026", "zz", "1", "2025-08-11", None, None, "its student is not in students", 5),
        ("2026", "a", "9", "2025-08-11", None, None, "its school is not in schools", 6),
    ]


def test_courses_are_what_schools_offer(tmp_path):
    columns = (
        "school_year", "school_id", "course_id", "course_title", "sced_code", "course_level", "subject", "credits", REJECT,
    )  # fmt: skip
    assert take(tmp_path)["courses"].rows.select(columns).rows() == [
        ("2026", "1", "BIO-L", "AP Biology", "03056", "advanced placement", "Science", "1.5", None),
        ("2026", "2", "ART", "Art", None, "general", "Fine and Performing Arts", None, None),
        ("2026", "2", "GONE", "Gone", None, None, None, None, "its course is not in courses"),
    ]


def test_course_enrollments_with_final_grades(tmp_path):
    seats = take(tmp_path)["course_enrollments"]
    columns = (
        "school_year", "student_id", "school_id", "course_id", "section_id", "term", "entry_date", "exit_date",
        "final_grade", REJECT,
    )  # fmt: skip
    assert seats.rows.select(columns).rows() == [
        ("2026", "a", "1", "BIO-L", "BIO-L-1", "Fall", "2025-08-11", "2026-06-05", "B+", None),
        ("2026", "b", "2", "ART", "ART-1", "Fall", "2025-12-01", None, "71.5", None),
        (
            "2026",
            "zz",
            "2",
            "ART",
            "ART-1",
            "Fall",
            "2025-12-01",
            None,
            None,
            "its student is not in students",
        ),
        (
            "2026",
            "c",
            "2",
            "LOST",
            "LOST-1",
            "Fall",
            "2025-12-01",
            None,
            None,
            "its course is not in courseOfferings",
        ),
    ]
    assert seats.warnings == ("1 final grades belong to no studentSectionAssociation",)


def test_attendance_counts_days(tmp_path):
    attendance = take(tmp_path)["attendance"]
    columns = ("school_year", "student_id", "school_id", "days_enrolled", "days_absent", "_line")
    # 300 calendar days hold 180 of instruction; b was there for 110 of them. School 2 has no sessions.
    assert attendance.rows.select(columns).rows() == [
        ("2026", "a", "1", "180", "2", 1),
        ("2026", "b", "1", "66", "0", 2),
    ]
    assert attendance.warnings == (
        "1 days of absence at a school without sessions, or in which the student is not enrolled",
        "1 attendance events are no absence",
    )


def test_discipline_has_a_row_per_discipline(tmp_path):
    columns = (
        "school_year", "student_id", "school_id", "incident_id", "incident_date", "action", "days", "behavior", "_line",
    )  # fmt: skip
    assert take(tmp_path)["discipline"].rows.select(columns).rows() == [
        ("2026", "a", "1", "I1", "2025-10-01", "oss", "3", "Fighting", 1),
        ("2026", "a", "1", "I1", "2025-10-01", "removal_from_classroom", "3", "Fighting", 1),
        ("2027", "b", "2", "A2", "2026-07-01", "expulsion", None, None, 2),
    ]


def test_every_record_is_a_row(tmp_path):
    mapped = take(tmp_path)
    for extract, resource in {
        "schools": "schools", "students": "students", "school_enrollments": "studentSchoolAssociations",
        "courses": "courseOfferings", "course_enrollments": "studentSectionAssociations",
    }.items():  # fmt: skip
        assert mapped[extract].rows["_line"].to_list() == [*range(1, len(DELIVERY[resource]) + 1)], extract


def test_values_constants_and_exclusive_exit_dates(tmp_path):
    mapped = take(
        tmp_path,
        constants={"econ_basis": "frl_form"},
        values={"is_primary": {"": "unknown"}},
        options={"exit_date": "first_day_after"},
    )
    assert mapped["students"].rows["econ_basis"].unique().to_list() == ["frl_form"]
    stays = mapped["school_enrollments"].rows
    assert stays["is_primary"].to_list()[:3] == ["yes", "unknown", "no"]
    assert stays["exit_date"].to_list()[1] == "2025-11-27"
    with pytest.raises(PartnerFileError, match="source 'ods': Ed-Fi takes `values` and `constants`"):
        take(tmp_path, columns={"sex": "sexDescriptor"})


def test_broken_lines_are_kept_apart_with_their_number(tmp_path):
    text = '{"studentUniqueId": "a", "_lastModifiedDate": "2025-10-03T09:00:00Z"}\n\n{"studentUniqueId": \n{"studentUniqueId": "b"}\n[1]\n'
    path = write_zip(tmp_path, {}, {"students.jsonl": text})
    (table,) = edfi.read(path, path.name, source())
    assert table.frame.select("studentUniqueId", "_line").rows() == [("a", 1), ("b", 4)]
    assert [(bad.line, bad.text) for bad in table.bad] == [(3, '{"studentUniqueId":'), (5, "[1]")]
    assert table.frame["record"].to_list() == [text.splitlines()[0], '{"studentUniqueId": "b"}']
    assert table.inferred == {"as_of": "2025-10-03"}


def test_what_is_refused_as_a_whole(tmp_path):
    def read(extra: dict[str, str]):
        path = write_zip(tmp_path, {}, extra)
        return edfi.read(path, path.name, source())

    with pytest.raises(DeliveryError, match="edfi.zip: no file is named after an Ed-Fi resource"):
        read({"staffs.jsonl": "{}\n"})
    with pytest.raises(
        DeliveryError, match="edfi.zip!students.jsonl, line 1: no line is an object of students"
    ):
        read({"students.jsonl": "<xml/>\n<more/>\n"})
    with pytest.raises(DeliveryError, match="studentSectionAssociations needs students, courseOfferings"):
        take(tmp_path, {"studentSectionAssociations": DELIVERY["studentSectionAssociations"]})


def test_a_huge_record_is_rejected_and_its_neighbour_is_not(tmp_path):
    huge = student("604824") | {"firstName": "x" * 200_000}
    path = write_zip(tmp_path, {"students": [huge, student("604825")]})
    [table] = edfi.read(path, path.name, source())
    assert table.frame.height == 1
    assert [(bad.line, bad.reason) for bad in table.bad] == [(1, "a cell of more than 131,072 characters")]
