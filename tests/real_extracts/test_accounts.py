"""Every file of others that the adapters cover is taken in by a partner file, and every record of it is accounted for.

The numbers of records are counted here by other means: Python's csv, and the tags of XML.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from equity_pipeline.storage.home import Home
from tests.real_extracts.account import Account, take_in


@pytest.fixture
def account(tmp_path, extract, partner_file):
    def take(partner_id: str, files: dict[str, str]) -> Account:
        taken = take_in(
            partner_file(partner_id), Home(tmp_path), {name: extract(path) for name, path in files.items()}
        )
        assert sum(taken.reasons.values()) == sum(rejected for _, rejected, _, _ in taken.counts.values())
        return taken

    return take


def records(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_edfi_interchange_xml(account, extract):
    name = "grand_bend_xml.zip"
    taken = account("grand_bend", {name: "edfi_grand_bend/xml"})
    elements: Counter[str] = Counter()
    for file in extract("edfi_grand_bend/xml").iterdir():
        elements.update(
            re.findall(r"\n\s?(?: {2,4})?<([A-Z]\w+)(?: id=\"[^\"]*\")?>", file.read_text(encoding="utf-8"))
        )
    whole = {extract_: sum(counts) for (_, extract_), counts in taken.counts.items()}
    for extract_, kind in {
        "schools": "School", "students": "Student", "courses": "CourseOffering", "discipline": "DisciplineAction",
        "attendance": "StudentSchoolAttendanceEvent", "survey_responses": "SurveyQuestionResponse",
        "survey_items": "SurveyQuestion", "readiness_scores": "StudentAssessment",
    }.items():  # fmt: skip
        assert whole[extract_] == elements[kind], extract_
    assert taken.counts == {
        (name, "schools"): (3, 0, 0, 0),
        (name, "students"): (0, 960, 0, 0),
        (name, "courses"): (84, 0, 85, 0),  # fall and spring are one course of the year
        (name, "attendance"): (0, 0, 0, 1917),
        (name, "discipline"): (21, 0, 4, 0),
        (name, "survey_responses"): (60, 0, 0, 0),
        (name, "survey_items"): (5, 0, 0, 0),
        (name, "readiness_scores"): (26, 13, 0, 369),
    }
    assert taken.reasons == {
        ("students", "grade_level is missing"): 960,
        ("readiness_scores", "score is not on the scale of its section"): 13,
    }
    assert taken.skipped[name] == {
        "attendance": {"no studentSchoolAssociations say of how many days": 1917},
        "readiness_scores": {"assessment is none of SAT, PSAT and AP": 369},
    }


def test_edfi_programs_of_students(extract, partner_file):
    """What the students would be, were there grade levels: by the programs that the XML has for them."""
    from equity_pipeline.adapters import edfi
    from equity_pipeline.partners import registry

    partner = registry.load(partner_file("grand_bend"))
    tables = edfi.read(extract("edfi_grand_bend/xml"), "xml", partner.sources[0])
    mapped = {one.extract: one for one in edfi.map(tables, partner.sources[0], partner)}
    text = (extract("edfi_grand_bend/xml") / "StudentProgram.xml").read_text(encoding="utf-8")

    def members(kind: str) -> int:
        found = re.findall(rf"<{kind}>.*?<StudentUniqueId>(\d+)<", text, re.DOTALL)
        return len(set(found))

    students = mapped["students"].rows
    for column, value, kind in (
        ("disability_idea", "yes", "StudentSpecialEducationProgramAssociation"),
        ("english_learner", "current", "StudentLanguageInstructionProgramAssociation"),
        ("economically_disadvantaged", "yes", "StudentSchoolFoodServiceProgramAssociation"),
        ("section_504", "yes", "StudentSection504ProgramAssociation"),
        ("homeless", "yes", "StudentHomelessProgramAssociation"),
    ):
        assert students.filter(students[column] == value).height == members(kind) > 0, column
    assert Counter(mapped["discipline"].rows["action"]) == {"iss": 24, "expulsion": 1}
    levels = Counter(mapped["courses"].rows["course_level"])
    assert sum(levels.values()) == 169


EXAMS = {
    "SAMPLE_AP_2324.csv": "assessments/AP/SAMPLE_AP_2324.csv",
    "ib.csv": "assessments/IB/sample_anonymized_file.csv",
} | {
    f"sample_anonymized_file_{kind}.csv": f"assessments/PSAT_SAT/sample_anonymized_file_{kind}.csv"
    for kind in ("sat", "psat_89", "psat_10", "psat_nmsqt")
}


def test_exams_and_readiness(account, extract):
    taken = account("grand_bend", EXAMS)
    assert taken.counts == {
        ("SAMPLE_AP_2324.csv", "exam_results"): (12, 0, 0, 1),
        ("ib.csv", "exam_results"): (3, 0, 0, 2),
        ("sample_anonymized_file_sat.csv", "readiness_scores"): (
            54,
            0,
            6,
            0,
        ),  # two sittings in one school year
        ("sample_anonymized_file_psat_89.csv", "readiness_scores"): (30, 0, 0, 0),
        ("sample_anonymized_file_psat_10.csv", "readiness_scores"): (30, 0, 0, 0),
        ("sample_anonymized_file_psat_nmsqt.csv", "readiness_scores"): (30, 0, 0, 0),
    }
    assert taken.reasons == {}
    sittings = re.compile(r"(?:LATEST|ADMIN\d)_P?SAT_(?:TOTAL|EBRW|MATH_SECTION|READING|WRIT_LANG|MATH_TEST)")
    for name, path in EXAMS.items():
        if (name, "readiness_scores") in taken.counts:
            filled = sum(
                bool(cell)
                for row in records(extract(path))
                for key, cell in row.items()
                if sittings.fullmatch(key)
            )
            assert sum(taken.counts[name, "readiness_scores"]) == filled, name
    with extract(EXAMS["SAMPLE_AP_2324.csv"]).open(newline="", encoding="utf-8-sig") as file:
        header, *students = csv.reader(file)
    slots = [position for position, column in enumerate(header) if re.fullmatch(r"Exam Code \d\d", column)]
    assert sum(taken.counts["SAMPLE_AP_2324.csv", "exam_results"]) == sum(
        bool(student[slot]) for student in students for slot in slots
    )
    best = taken.rows("readiness_scores").filter(
        student_id="604930", assessment="sat", section="math", school_year=2022
    )
    assert best["score"].to_list() == [510.0]


def test_cambridge_letters_are_exams_without_a_score(account):
    taken = account("grand_bend", {"cambridge.csv": "assessments/Cambridge/sample_anonymized_file.csv"})
    assert taken.counts == {("cambridge.csv", "exam_results"): (3, 0, 0, 2)}
    exams = taken.rows("exam_results")
    assert exams.select("student_id", "exam_code", "score").rows() == [
        ("605000", "8021", None), ("605002", "8021", None), ("605004", "8021", None),
    ]  # fmt: skip


def test_what_no_measure_reads_is_reported(account, extract):
    files = {
        path.name: str(path.relative_to(extract("")))
        for folder in ("ACT", "ACCESS")
        for path in extract(f"assessments/{folder}").iterdir()
    } | {"Student_NSC_Enrollment.csv": "sdp_longitudinal/Student_NSC_Enrollment.csv"}
    taken = account("grand_bend", files)
    assert taken.status == dict.fromkeys(files, "unclaimed") and len(files) == 6
    assert taken.counts == {}


_NO_GRADE = (
    "grade_level is not one of IT, PR, PK, TK, KG, 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11, 12, 13, PS, UG"
)

FORMS = {
    name: f"surveys/google_forms/{name}"
    for name in (
        "ContactSurvey.csv", "InternetAccessSurvey.csv", "staffkey-1030-ContactSurvey-1.csv",
        "staffkey-1030-ContactSurvey-2.csv", "staffkey-1030-InternetAccessSurvey.csv",
    )
}  # fmt: skip


def test_google_forms_of_students(account, extract):
    taken = account("buzz", FORMS)
    assert taken.counts == {
        # Respondents who are in another file of the survey as well count by their latest submission.
        ("ContactSurvey.csv", "survey_responses"): (423, 0, 0, 0),
        ("InternetAccessSurvey.csv", "survey_responses"): (423, 0, 0, 0),
        ("staffkey-1030-ContactSurvey-1.csv", "survey_responses"): (0, 0, 15, 0),
        ("staffkey-1030-ContactSurvey-2.csv", "survey_responses"): (936, 0, 423, 0),
        ("staffkey-1030-InternetAccessSurvey.csv", "survey_responses"): (0, 0, 423, 0),
    }
    for (name, _), counts in taken.counts.items():
        assert sum(counts) == 3 * len(records(extract(FORMS[name])))
    rows = taken.rows("survey_responses")
    assert rows.filter(rows["submission"] > 1).height == 936
    assert set(rows.filter(rows["submission"] > 1)["mark"]) == {"duplicate"}
    assert rows.filter(survey_id="internet_access")["submitted_at"].unique().to_list() == [
        "2020-08-21T20:59:14"
    ]


def test_google_forms_of_parents(account, extract):
    files = {
        name: f"surveys/google_forms/{name}"
        for name in ("SampleSurveyResults-Grandbend.csv", "InternetAccessSurvey-Small.csv")
    }
    taken = account("grand_bend", files)
    assert taken.counts == {
        ("SampleSurveyResults-Grandbend.csv", "survey_responses"): (3 * 194, 0, 0, 0),
        ("InternetAccessSurvey-Small.csv", "survey_responses"): (4 * 77, 0, 0, 0),
    }
    rows = taken.rows("survey_responses")
    family = rows.filter(respondent_type="family")
    # Two parents of a child are two respondents.
    assert (family["respondent_id"].n_unique(), family["student_id"].n_unique()) == (194, 160)
    blank = sum(
        not row[question]
        for row in records(extract(files["SampleSurveyResults-Grandbend.csv"]))
        for question in [*row][-3:]
    )
    assert family.filter(response="_skipped").height == blank > 0
    assert set(rows["school_year"]) == {2020}


def test_qualtrics(account):
    files = {name: f"surveys/qualtrics/{name}" for name in ("sample.csv", "sample_legacy.csv")}
    taken = account("qualtrics", files)
    assert taken.counts == {
        ("sample.csv", "survey_responses"): (2, 0, 0, 2),
        ("sample_legacy.csv", "survey_responses"): (2, 0, 0, 1),
    }
    rows = taken.rows("survey_responses").sort("survey_id", "item_id")
    assert rows.select("survey_id", "respondent_id", "item_id", "response", "submitted_at").rows() == [
        (survey, "R_2YPOQ602ER1jkf1", item, answer, "2017-07-18T08:28:48")
        for survey in ("long_ago", "now")
        for item, answer in (("choice", "2"), ("text", "_free_text"))
    ]


def test_matrix_questions_of_an_online_school(account, extract):
    taken = account("online_courses", {"pre_survey.csv": "surveys/long_wide/pre_survey.csv"})
    delivered = records(extract("surveys/long_wide/pre_survey.csv"))
    assert taken.counts == {("pre_survey.csv", "survey_responses"): (10 * len(delivered), 0, 0, 0)}
    rows = taken.rows("survey_responses")
    unknown = [
        row for row in delivered if row["opdata_username"] == "" or row["opdata_username"].startswith("@X@")
    ]
    nobody = rows.filter(rows["mark"].str.contains("unknown_respondent").fill_null(False))
    assert nobody.height == 10 * len(unknown) and nobody["student_id"].null_count() == nobody.height
    known = {(row["opdata_username"], row["opdata_CourseID"]) for row in delivered if row not in unknown}
    first = rows.filter(
        (rows["submission"] == 1) & rows["student_id"].is_not_null() & (rows["item_id"] == "q1_1")
    )
    assert first.height == len(known)
    answered = sum(bool(row[key]) for row in delivered for key in row if key.startswith("Q1"))
    assert rows["response"].drop_nulls().len() == answered


@pytest.mark.parametrize(
    ("version", "counts", "reasons"),
    [
        (
            "1p0",
            {"schools": (1, 0, 0, 1), "students": (0, 8, 0, 2), "school_enrollments": (8, 0, 0, 2), "courses": (2, 0, 0, 0),
             "course_enrollments": (10, 0, 10, 4)},
            # 1.0 has no grade, and repeats each enrollment for the second term without days that would tell them apart.
            {("students", "grade_level is missing"): 8},
        ),
        (
            "1p1",
            {"schools": (1, 0, 0, 1), "students": (8, 2, 0, 0), "school_enrollments": (8, 2, 0, 0), "courses": (2, 0, 0, 0),
             "course_enrollments": (20, 0, 0, 4)},
            {("students", "19 fields where the header has 18"): 2, ("school_enrollments", "19 fields where the header has 18"): 2},
        ),
    ],
)  # fmt: skip
def test_one_school_in_two_versions_of_oneroster(account, version, counts, reasons):
    name = f"lms_toolkit_{version}"
    taken = account(name, {name: f"oneroster/{name}"})
    assert taken.counts == {(name, extract): numbers for extract, numbers in counts.items()}
    assert taken.reasons == reasons


def test_school_data_sync(account, extract):
    name = "SDS v2.1"
    taken = account("school_data_sync", {name: "sds/SDS v2.1"})
    assert taken.status == {name: "accepted"}
    assert taken.counts == {
        (name, "schools"): (1, 0, 0, 3),
        (name, "students"): (3, 1, 0, 4),
        (name, "school_enrollments"): (3, 1, 0, 4),
        (name, "courses"): (3, 0, 0, 0),
        (name, "course_enrollments"): (3, 1, 0, 2),
    }
    assert taken.reasons == {
        ("students", _NO_GRADE): 1, ("school_enrollments", "the user is at no school"): 1,
        ("course_enrollments", "its school is not a school of orgs.csv"): 1,
    }  # fmt: skip
    assert sum(taken.counts[name, "course_enrollments"]) == len(
        records(extract("sds/SDS v2.1") / "enrollments.csv")
    )
    assert sum(taken.counts[name, "courses"]) == len(records(extract("sds/SDS v2.1") / "courses.csv"))
    students = taken.rows("students")
    assert dict(students.select("student_id", "races").rows()) == {
        "114001": None,
        "114003": "Asian",
        "114004": "White",
    }
    assert dict(students.select("student_id", "disability_idea").rows())["114001"] == "yes"
    assert dict(students.select("student_id", "section_504").rows())["114004"] == "yes"
    assert dict(students.select("student_id", "economically_disadvantaged").rows())["114003"] == "yes"


SDS_V1 = (
    "School.csv",
    "Student.csv",
    "Section.csv",
    "StudentEnrollment.csv",
    "Teacher.csv",
    "TeacherRoster.csv",
)


@pytest.mark.parametrize("users", ["100 Users", "25 Users"])
def test_school_data_sync_of_the_first_version(account, extract, users):
    taken = account("school_data_sync_v1", {name: f"sds/SDS Format/{users}/{name}" for name in SDS_V1})
    assert {name for name, status in taken.status.items() if status == "unclaimed"} == {
        "Teacher.csv",
        "TeacherRoster.csv",
    }
    assert taken.counts == {
        (file, extract_): (len(records(extract(f"sds/SDS Format/{users}/{file}"))), 0, 0, 0)
        for file, extract_ in (
            ("School.csv", "schools"), ("Student.csv", "students"), ("Student.csv", "school_enrollments"),
            ("Section.csv", "courses"), ("StudentEnrollment.csv", "course_enrollments"),
        )
    }  # fmt: skip


def test_the_least_that_school_data_sync_asks_for_is_too_little_for_students_and_courses(account):
    folder = "sds/SDS Format/Min Required Attributes"
    taken = account("school_data_sync_v1", {name: f"{folder}/{name}" for name in SDS_V1})
    assert taken.status == {
        "School.csv": "accepted", "StudentEnrollment.csv": "accepted", "Student.csv": "refused", "Section.csv": "refused",
        "Teacher.csv": "unclaimed", "TeacherRoster.csv": "unclaimed",
    }  # fmt: skip
    assert taken.counts == {
        ("School.csv", "schools"): (2, 0, 0, 0),
        ("StudentEnrollment.csv", "course_enrollments"): (44, 0, 0, 0),
    }


def test_a_set_that_says_no_school_year_is_refused(account):
    taken = account("school_data_sync", {"SDS v2.1": "sds/SDS v2"})
    assert taken.status == {"SDS v2.1": "refused"}
    assert taken.counts == {}


def counted(taken: Account, extract, folder: str, files: dict[str, str]) -> None:
    """Every record of every file is somewhere: in each extract that its file feeds."""
    for (name, extract_), counts in taken.counts.items():
        assert sum(counts) == len(records(extract(f"{folder}/{files[name]}"))), (name, extract_)


def test_two_districts_in_one_layout(account, extract):
    files = {name: name for name in ("schools.csv", "students_anytown.csv", "students_someville.csv")}
    taken = account("two_districts", {name: f"two_districts/{name}" for name in files})
    counted(taken, extract, "two_districts", files)
    assert taken.counts == {
        ("schools.csv", "schools"): (6, 0, 0, 0),
        ("students_anytown.csv", "students"): (1199, 0, 0, 0),
        ("students_someville.csv", "students"): (1198, 0, 1, 0),  # one id is in both districts
        ("students_anytown.csv", "school_enrollments"): (1199, 0, 0, 0),
        ("students_someville.csv", "school_enrollments"): (1199, 0, 0, 0),
    }
    # Two people, not one who moved: nothing that both rows say of them is the same but the id.
    said = "grade_level, sex, hispanic_latino, birth_date, state_id, match_key"
    assert taken.conflicts == {("students", said): 1}
    races = dict(taken.rows("students")["races"].value_counts().rows())
    assert races == {
        None: 517, "Asian": 473, "BlackOrAfricanAmerican": 484, "DemographicRaceTwoOrMoreRaces": 443, "White": 480,
    }  # fmt: skip


def test_six_years_of_a_longitudinal_file(account, extract):
    files = {
        f"Student_{kind}_Raw.csv": f"Student_{kind}_Raw.csv" for kind in ("Classifications", "Demographics")
    }
    taken = account("longitudinal", {name: f"sdp_longitudinal/{name}" for name in files})
    counted(taken, extract, "sdp_longitudinal", files)
    classifications, demographics = files
    assert taken.counts == {
        (classifications, "students"): (87524, 6, 730, 0),  # grade 17; student-years that are there twice
        (classifications, "attendance"): (86251, 1299, 710, 0),
        (demographics, "students"): (87524, 6, 4, 0),  # the demographics of those whose grade was refused
    }
    assert taken.reasons["attendance", "days_absent is more than days_enrolled"] == 1299
    assert taken.conflicts == {
        ("students", "grade_level"): 229,
        ("students", "economically_disadvantaged"): 177,
        ("students", "disability_idea"): 137,
        ("students", "economically_disadvantaged, disability_idea"): 8,
        ("students", "hispanic_latino"): 2,
        ("students", "sex, races"): 1,
    }
    students = taken.rows("students")
    assert (
        dict(students["races"].value_counts().rows())["AmericanIndianOrAlaskaNative"] == 1129
    )  # `NA` is a race
    assert students["birth_date"].dt.year().is_between(1980, 2000).all()


def test_a_course_catalogue_in_two_tables(account, extract):
    files = {
        "School.csv": "EducationOrganization/School.csv", "Course.csv": "EducationOrganization/Course.csv",
        "CourseOffering.csv": "MasterSchedule/CourseOffering.csv",
    }  # fmt: skip
    taken = account("course_catalog", {name: f"course_catalog/{path}" for name, path in files.items()})
    counted(taken, extract, "course_catalog", files)
    assert taken.counts == {
        ("School.csv", "schools"): (5, 0, 0, 0),
        ("Course.csv", "courses"): (184, 0, 0, 0),
        ("CourseOffering.csv", "courses"): (184, 0, 184, 0),  # fall and spring
    }
    courses = taken.rows("courses")
    assert courses["course_title"].null_count() == 0
    assert courses.filter(courses["course_level"] == "ap").height == 16


def test_daily_batches_and_corrections(account, extract):
    files = {
        f"{batch}_{called}.csv": f"batches/{batch}/student{name}.csv"
        for batch in ("batch1", "batch2")
        for called, name in (
            ("demographics", "demographics"),
            ("marks", "sectionmark"),
            ("attendance", "attendance"),
        )
    } | {
        f"{day}_{called}.csv": f"corrections/{day}/{name}/part1.csv"
        for day in ("day1", "day2")
        for called, name in (("students", "students"), ("marks", "studentsectionmark"))
    }
    files |= {
        f"{day}_attendance.csv": f"corrections/{day}/studentattendance/part1.csv" for day in ("day1", "day2")
    }
    taken = account("contoso_batches", {name: f"contoso_sis/{path}" for name, path in files.items()})
    counted(taken, extract, "contoso_sis", files)
    assert set(taken.status.values()) == {"accepted"}
    events = records(extract("contoso_sis/batches/batch1/studentattendance.csv"))
    absent = Counter(row["student_id"] for row in events if row["AttendanceCode"] == "A")
    attendance = taken.rows("attendance")
    assert {row["student_id"]: row["days_absent"] for row in attendance.iter_rows(named=True)} == {
        row["student_id"]: absent[row["student_id"]] for row in events
    }
    assert set(attendance["days_enrolled"]) == {20}
    assert {name: counts for (name, of), counts in taken.counts.items() if of == "attendance"} == {
        "batch1_attendance.csv": (600, 0, 0, 11400),
        "batch2_attendance.csv": (0, 0, 0, 20),
        "day1_attendance.csv": (0, 0, 0, 1462),
        "day2_attendance.csv": (0, 0, 0, 1467),
    }
    assert set(taken.reasons) == {("students", "grade_level is missing")}  # demographics without a grade
    assert taken.reasons["students", "grade_level is missing"] == 97
    assert taken.conflicts == {
        ("course_enrollments", "final_grade"): 22, ("students", "economically_disadvantaged"): 1,
    }  # fmt: skip
