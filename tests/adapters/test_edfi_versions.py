"""Ed-Fi over time and across Data Standards: runs of an API export, periods, and the names of 3 and 6."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from equity_pipeline.adapters import edfi
from equity_pipeline.adapters.base import REJECT, Mapped
from equity_pipeline.domain.errors import DeliveryError
from tests.adapters.test_edfi import DELIVERY, about, d, school, source, stay, student, take


def files(folder: Path, members: dict[str, list[dict] | str]) -> dict[str, Mapped]:
    path = folder / "edfi.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, records in members.items():
            text = records if isinstance(records, str) else "".join(json.dumps(r) + "\n" for r in records)
            archive.writestr(name, text)
    tables = edfi.read(path, path.name, source())
    return {one.extract: one for one in edfi.map(tables, source(), None)}


def test_arrays_give_what_lines_give(tmp_path):
    by_line = take(tmp_path)
    by_array = files(
        tmp_path, {f"{name}.json": json.dumps(records, indent=2) for name, records in DELIVERY.items()}
    )
    assert by_array.keys() == by_line.keys()
    for extract, mapped in by_line.items():
        assert by_array[extract].rows.drop("_file", "_line").equals(mapped.rows.drop("_file", "_line")), (
            extract
        )


def test_an_array_knows_its_lines_and_its_bad_records(tmp_path):
    text = (
        '\n[\n {"studentUniqueId": "a"},\n {"studentUniqueId":\n   "b"}, 7,\n\n {"studentUniqueId": "c"}]\n'
    )
    path = tmp_path / "students.json"
    path.write_text(text)
    (table,) = edfi.read(path, path.name, source())
    assert table.frame.select("studentUniqueId", "_line").rows() == [("a", 3), ("b", 4), ("c", 7)]
    assert [(bad.line, bad.text) for bad in table.bad] == [(5, "7")]
    path.write_text(text[:40])
    with pytest.raises(
        DeliveryError, match="students.json, line 4: the array is not valid JSON from here on"
    ):
        edfi.read(path, path.name, source())
    for empty in (" [ ] ", "[,]"):
        path.write_text(empty)
        assert edfi.read(path, path.name, source())[0].frame.is_empty()


@pytest.mark.parametrize(
    ("lines", "good", "bad"),
    [
        # One after the other with a comma between them, two broken lines are one object, and one line is two.
        (['{"studentUniqueId": "a"', '"birthDate": "2010-01-02"}', '{"studentUniqueId": "b"}'], ["b"], [1, 2]),
        (['{"studentUniqueId": "a"},{"studentUniqueId": "x"}', '{"studentUniqueId": "b"', '"x": 1}', '{"studentUniqueId": "c"}'], ["c"], [1, 2, 3]),
        (["null", '{"studentUniqueId": "b"}', "7"], ["b"], [1, 3]),
    ],
)  # fmt: skip
def test_broken_lines_do_not_run_into_each_other(tmp_path, lines, good, bad):
    path = tmp_path / "students.jsonl"
    path.write_text("\n".join(lines))
    (table,) = edfi.read(path, path.name, source())
    assert table.frame["studentUniqueId"].to_list() == good
    assert [record.line for record in table.bad] == bad


SCHOOL = {"schools.jsonl": [{"schoolId": 1, "nameOfInstitution": "High"}]}


def enrolled(*names: str, **more: object) -> list[dict]:
    return [{"id": f"id-{name}"} | stay(name, 1, "2025-08-11", "Tenth grade", **more) for name in names]


def stays_of(mapped: dict[str, Mapped]) -> list[tuple]:
    rows = mapped["school_enrollments"].rows
    return rows.select("student_id", "exit_date", "_file").sort("student_id").rows()


@pytest.mark.parametrize(
    ("first", "second", "deletes"),
    [
        ("2025-10-01/studentSchoolAssociations.jsonl", "2025-10-02/studentSchoolAssociations.jsonl", "2025-10-02/deletes/studentSchoolAssociations.jsonl"),
        ("studentSchoolAssociations_2025-10-01.jsonl", "studentSchoolAssociations_2025-10-02.jsonl", "studentSchoolAssociations_deletes_2025-10-02.jsonl"),
        ("studentSchoolAssociations/20251001.jsonl", "studentSchoolAssociations/20251002.jsonl", "studentSchoolAssociations/deletes_20251002.jsonl"),
    ],
)  # fmt: skip
def test_later_runs_replace_and_delete(tmp_path, first, second, deletes):
    mapped = files(
        tmp_path,
        SCHOOL | {
            "students.jsonl": [{"studentUniqueId": name} for name in "abcd"],
            second: enrolled("b", exitWithdrawDate="2026-01-09") + enrolled("d"),
            first: enrolled("a", "b", "c"),
            deletes: [{"id": "id-c", "changeVersion": 7}],
        },
    )  # fmt: skip
    assert stays_of(mapped) == [
        ("a", None, f"edfi.zip!{first}"), ("b", "2026-01-09", f"edfi.zip!{second}"), ("d", None, f"edfi.zip!{second}"),
    ]  # fmt: skip
    assert mapped["school_enrollments"].skipped == {
        "deleted later": 1, "replaced by a later record": 1, "says what was deleted": 1,
    }  # fmt: skip


def test_a_record_made_anew_stands(tmp_path):
    """Deleted and made again under a new id within one run: the natural key of the delete is the new record's as well."""
    keys = {"studentUniqueId": "a", "schoolId": 1, "entryDate": "2025-08-11"}
    again = [{"id": "new"} | stay("a", 1, "2025-08-11", "Tenth grade")]
    gone = [{"id": "other", "keyValues": {"studentUniqueId": "b", "schoolId": 1, "entryDate": "2025-08-11"}}]
    mapped = files(
        tmp_path,
        SCHOOL | {
            "students.jsonl": [{"studentUniqueId": "a"}, {"studentUniqueId": "b"}],
            "2025-10-01/studentSchoolAssociations.jsonl": enrolled("a", "b"),
            "2025-10-02/studentSchoolAssociations.jsonl": again,
            "2025-10-02/studentSchoolAssociations_deletes.jsonl": [{"id": "id-a", "keyValues": keys}, *gone],
        },
    )  # fmt: skip
    # b is known in the deletes by its key alone, a by both.
    assert [row[0] for row in stays_of(mapped)] == ["a"]
    assert mapped["school_enrollments"].skipped == {"deleted later": 2, "says what was deleted": 2}


def test_a_changed_key_replaces_by_id(tmp_path):
    moved = [enrolled("a")[0] | {"entryDate": "2025-08-18"}]
    mapped = files(
        tmp_path,
        SCHOOL | {
            "students.jsonl": [{"studentUniqueId": "a"}],
            "studentSchoolAssociations_2025-10-01.jsonl": enrolled("a"),
            "studentSchoolAssociations_2025-10-02.jsonl": moved,
        },
    )  # fmt: skip
    assert mapped["school_enrollments"].rows["entry_date"].to_list() == ["2025-08-18"]


def test_in_one_file_every_record_stands(tmp_path):
    mapped = files(
        tmp_path,
        SCHOOL
        | {
            "students.jsonl": [{"studentUniqueId": "a"}],
            "studentSchoolAssociations.jsonl": enrolled("a", "a"),
        },
    )
    assert (
        mapped["school_enrollments"].rows.height == 2
    )  # which of them counts is for the contract's key to say


def people(*names: str) -> dict[str, list[dict]]:
    return SCHOOL | {
        "students.jsonl": [{"studentUniqueId": name} for name in names],
        "studentSchoolAssociations.jsonl": [
            student(name) | school(1)
            | {"entryDate": f"{year - 1}-08-11", "schoolYearTypeReference": {"schoolYear": year}, "entryGradeLevelDescriptor": "12"}
            for name in names
            for year in (2025, 2026)
        ],
    }  # fmt: skip


def trait(code: str, *periods: tuple[str | None, str | None]) -> dict:
    known = {"studentCharacteristicDescriptor": d("StudentCharacteristic", code)}
    open_close = [
        {key: day for key, day in zip(("beginDate", "endDate"), period, strict=True) if day}
        for period in periods
    ]
    return known | ({"periods": open_close} if periods else {})


def test_a_characteristic_counts_on_the_snapshot_date(tmp_path):
    described = [
        about("a", studentCharacteristics=[trait("Homeless", ("2024-09-01", "2024-10-01"))]),
        about(
            "b",
            studentCharacteristics=[trait("Homeless", ("2024-10-02", "2025-06-01"), ("2025-09-30", None))],
        ),
        about(
            "c",
            studentCharacteristics=[trait("Homeless"), trait("Economic Disadvantaged", (None, "2025-06-30"))],
        ),
        about("d"),
    ]
    mapped = files(
        tmp_path,
        people("a", "b", "c", "d", "e") | {"studentEducationOrganizationAssociations.jsonl": described},
    )
    rows = mapped["students"].rows.select(
        "student_id", "school_year", "homeless", "economically_disadvantaged"
    )
    assert rows.rows() == [
        ("a", "2025", "yes", None), ("a", "2026", "no", None),
        ("b", "2025", "no", None), ("b", "2026", "yes", None),
        ("c", "2025", "yes", "yes"), ("c", "2026", "yes", None),
        ("d", "2025", "no", None), ("d", "2026", "no", None),
        ("e", "2025", None, None), ("e", "2026", None, None),
    ]  # fmt: skip


def test_section_504_and_homeless_programs_and_meals_by_school_year(tmp_path):
    lunch = [{"schoolFoodServiceProgramServiceDescriptor": "Free Lunch"}]
    mapped = files(
        tmp_path,
        people("a", "b") | {
            "studentSection504ProgramAssociations.jsonl": [
                student("a") | {"beginDate": "2025-08-11", "section504Eligibility": True},
                student("b") | {"beginDate": "2025-08-11", "section504Eligibility": False},
            ],
            "studentHomelessProgramAssociations.jsonl": [student("b") | {"beginDate": "2024-08-11", "endDate": "2025-05-01"}],
            "studentSchoolFoodServiceProgramAssociations.jsonl": [
                student("a") | {"beginDate": "2025-08-11", "schoolFoodServiceProgramServices": lunch},
            ],
        },
    )  # fmt: skip
    rows = mapped["students"].rows.select(
        "student_id", "school_year", "section_504", "homeless", "economically_disadvantaged"
    )
    assert rows.rows() == [
        ("a", "2025", "no", "no", None), ("a", "2026", "yes", "no", "yes"),
        ("b", "2025", "no", "yes", None), ("b", "2026", "no", "no", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Not Qualified", "no"),
        ("Eligible For Free Meals", "yes"),
        ("Eligible For Reduced-Price Meals", "yes"),
        ("Unknown", "unknown"),
    ],
)
def test_economic_disadvantage_of_data_standard_6(tmp_path, code, expected):
    described = [about("a", economicDisadvantageDescriptor=d("EconomicDisadvantage", code))]
    mapped = files(tmp_path, people("a") | {"studentEducationOrganizationAssociations.jsonl": described})
    assert mapped["students"].rows["economically_disadvantaged"].to_list() == [expected, expected]


def test_discipline_of_data_standard_3(tmp_path):
    (action,) = [
        record for record in DELIVERY["disciplineActions"] if record["disciplineActionIdentifier"] == "A1"
    ]
    cause = {"incidentIdentifier": "I1", "schoolId": 1, "studentUniqueId": "a"}
    old = {key: value for key, value in action.items() if not key.startswith("studentDisciplineIncident")} | {
        "studentDisciplineIncidentAssociations": [{"studentDisciplineIncidentAssociationReference": cause}]
    }
    mapped = files(
        tmp_path,
        {"disciplineActions.jsonl": [old], "disciplineIncidents.jsonl": DELIVERY["disciplineIncidents"]},
    )
    assert mapped["discipline"].rows.select("incident_id", "incident_date", "school_id", "action", "behavior").rows() == [
        ("I1", "2025-10-01", "1", "oss", None), ("I1", "2025-10-01", "1", "removal_from_classroom", None),
    ]  # fmt: skip


SURVEY = {"surveyIdentifier": "S", "namespace": "uri://x"}


def asked(question: str, respondent: str, **more: object) -> dict:
    return {
        "surveyQuestionReference": SURVEY | {"questionCode": question},
        "surveyResponseReference": SURVEY | {"surveyResponseIdentifier": respondent},
    } | more


def test_surveys(tmp_path):
    mapped = files(
        tmp_path,
        {
            "surveys.jsonl": [SURVEY | {"schoolYearTypeReference": {"schoolYear": 2026}, "educationOrganizationReference": {"educationOrganizationId": 1}}],
            "surveyQuestions.jsonl": [
                {"questionCode": "Q1", "questionText": "I belong.", "surveyReference": SURVEY,
                 "surveySectionReference": SURVEY | {"surveySectionTitle": "Belonging"},
                 "responseChoices": [{"sortOrder": 1, "numericValue": 5}, {"sortOrder": 2, "numericValue": 1}]},
            ],
            "surveyResponses.jsonl": [
                student("a") | {"surveyResponseIdentifier": "r1", "surveyReference": SURVEY, "responseDate": "2025-11-03"},
                {"surveyResponseIdentifier": "r2", "surveyReference": SURVEY, "staffReference": {"staffUniqueId": "t"}},
                {"surveyResponseIdentifier": "r3", "surveyReference": SURVEY, "surveyLevelDescriptor": "Ninth grade"},
                {"surveyResponseIdentifier": "r4", "surveyReference": SURVEY, "parentReference": {"parentUniqueId": "p"}},
            ],
            "surveyQuestionResponses.jsonl": [
                asked("Q1", "r1", noResponse=False, values=[{"numericResponse": 4, "textResponse": "Agree"}]),
                asked("Q1", "r2", noResponse=True),
                asked("Q1", "r3", values=[{"textResponse": "Math"}, {"textResponse": "Art"}]),
                asked("Q1", "r4"),
                asked("Q1", "r9"),
            ],
        },
    )  # fmt: skip
    columns = ("school_year", "survey_id", "respondent_type", "respondent_id", "student_id", "school_id", "item_id", "response", "submitted_at", REJECT)  # fmt: skip
    assert mapped["survey_responses"].rows.select(columns).rows() == [
        ("2026", "S", "student", "r1", "a", "1", "Q1", "4", "2025-11-03", None),
        ("2026", "S", "staff", "r2", None, "1", "Q1", "_skipped", None, None),
        ("2026", "S", "student", "r3", None, "1", "Q1", "Math;Art", None, None),
        ("2026", "S", "family", "r4", None, "1", "Q1", None, None, None),
        ("2026", "S", None, "r9", None, "1", "Q1", None, None, "its respondent is not in surveyResponses"),
    ]
    assert mapped["survey_items"].rows.select("school_year", "survey_id", "item_id", "construct", "text", "scale_min", "scale_max").rows() == [
        ("2026", "S", "Q1", "Belonging", "I belong.", "1", "5")
    ]  # fmt: skip


def test_assessments(tmp_path):
    def taken(identifier: str, *results: tuple[str, object], **more: object) -> dict:
        return student("a") | {
            "assessmentReference": {"assessmentIdentifier": identifier}, "administrationDate": "2025-10-08T09:00:00Z",
            "scoreResults": [{"assessmentReportingMethodDescriptor": d("M", method), "result": str(r)} for method, r in results],
        } | more  # fmt: skip

    mapped = files(
        tmp_path,
        {
            "studentAssessments.jsonl": [
                taken("SAT Mathematics", ("Percentile", 88), ("Scale score", 640)),
                taken("PSAT/NMSQT", ("Scale score", 1210), schoolYearTypeReference={"schoolYear": 2025}),
                taken("PSAT 10 Evidence-Based Reading and Writing", ("Scale score", 510)),
                taken("AP Biology", ("College Board examination scores", 4)),
                taken("State Reading", ("Scale score", 1500)),
                taken("SATURN test", ("Scale score", 1)),
            ]
        },
    )
    scores = mapped["readiness_scores"]
    assert scores.rows.select("school_year", "student_id", "assessment", "section", "score").rows() == [
        ("2026", "a", "sat", "math", "640"), ("2025", "a", "psat_nmsqt", "total", "1210"), ("2026", "a", "psat_10", "ebrw", "510"),
    ]  # fmt: skip
    assert scores.skipped == {"assessment is none of SAT, PSAT and AP": 2}
    exams = mapped["exam_results"].rows.select("exam_year", "student_id", "program", "exam_code", "score")
    assert exams.rows() == [("2026", "a", "ap", "20", "4")]
