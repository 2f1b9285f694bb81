"""Ed-Fi Data Standard 5 as JSON lines: one zip per school year, one `<resource>.jsonl` per API resource.

Field names, references and descriptors are those of the Ed-Fi API: a reference is an object with the natural key of what
it refers to, a descriptor a URI. Status that the standard keeps as a program association (special education, English
learner, meals) or as a student characteristic (homeless, foster care) is delivered so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from equity_pipeline.sample import population
from equity_pipeline.sample.climate import SCHOOL_DAYS
from equity_pipeline.sample.population import first_day
from equity_pipeline.sample.profiles import HARBORVIEW
from equity_pipeline.sample.writers.files import by_year, write_zip

LEA = 255901
_GRADES = {
    "07": "Seventh grade", "08": "Eighth grade", "09": "Ninth grade", "10": "Tenth grade", "11": "Eleventh grade",
    "12": "Twelfth grade",
}  # fmt: skip
_RACES = {
    "AmericanIndianOrAlaskaNative": "American Indian or Alaska Native",
    "Asian": "Asian",
    "BlackOrAfricanAmerican": "Black or African American",
    "NativeHawaiianOrPacificIslander": "Native Hawaiian or Pacific Islander",
    "White": "White",
}
_SEXES = {"female": "Female", "male": "Male", "nonbinary": "Non-binary"}
_LEARNERS = {"current": "Limited", "former": "Limited Monitored 1", "never": "NotLimited", "unknown": None}
_SUBJECTS = {
    "english": "English Language Arts", "mathematics": "Mathematics", "science": "Science",
    "social_studies": "Social Studies", "elective": "Other",
}  # fmt: skip
_LEVELS = {"ap": "Advanced Placement", "honors": "Honors", "general": "General"}
_TERMS = {"FY": "Year Round", "S1": "Fall Semester", "S2": "Spring Semester"}
_ACTIONS = {
    "referral": "Office Referral", "iss": "In School Suspension", "oss": "Out of School Suspension", "expulsion": "Expulsion",
}  # fmt: skip


def deliver(tables: dict[str, pl.DataFrame], landing: Path) -> None:
    """Write `edfi_2021-22.zip` and so on."""
    for year, label, students in by_year(tables["students"]):
        one = {
            name: table.filter(school_year=year)
            for name, table in tables.items()
            if "school_year" in table.columns
        }
        resources = (
            _organizations(one, tables["schools"], year)
            | _students(students)
            | _enrollments(one, year)
            | _climate(one, year)
        )
        members = {f"{name}.jsonl": table.write_ndjson().encode() for name, table in resources.items()}
        write_zip(landing / f"edfi_{label}.zip", members)


def planted(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Students of the district who are at no school: Ed-Fi says a grade level only where it says a school."""
    key = ["school_year", "student_id"]
    nowhere = tables["students"].join(tables["school_enrollments"], on=key, how="anti")
    return {"students": {"rejected": nowhere.height, "duplicates": 0}}


def _descriptor(name: str, values: pl.Expr, codes: Mapping[str, str | None]) -> pl.Expr:
    """A canonical value as the URI of a descriptor; null stays null."""
    uris = {value: code and f"uri://ed-fi.org/{name}Descriptor#{code}" for value, code in codes.items()}
    return values.replace_strict(uris, default=None, return_dtype=pl.String)


def _uri(name: str, code: str) -> pl.Expr:
    return pl.lit(f"uri://ed-fi.org/{name}Descriptor#{code}")


def _one(**fields: pl.Expr) -> pl.Expr:
    """A collection of one object."""
    return pl.concat_list(pl.struct(_named(fields)))


def _named(fields: dict[str, pl.Expr]) -> list[pl.Expr]:
    return [value.alias(name) for name, value in fields.items()]


def _student() -> pl.Expr:
    return pl.struct(studentUniqueId="student_id")


def _school() -> pl.Expr:
    return pl.struct(schoolId=pl.col("school_id").cast(pl.Int64))


def _session(year: int) -> dict[str, pl.Expr]:
    return {
        "schoolId": pl.col("school_id").cast(pl.Int64),
        "schoolYear": pl.lit(year),
        "sessionName": pl.format(f"{year - 1}-{year} {{}}", pl.col("term").replace(_TERMS)),
    }


def _section(year: int) -> dict[str, pl.Expr]:
    return {
        "localCourseCode": pl.col("course_id"),
        "sectionIdentifier": pl.col("section_id"),
        **_session(year),
    }


def _organizations(one: dict[str, pl.DataFrame], schools: pl.DataFrame, year: int) -> dict[str, pl.DataFrame]:
    """schools, courses, sessions, courseOfferings and sections."""
    district = pl.struct(educationOrganizationId=pl.lit(LEA))
    taught = one["course_enrollments"]
    sections = taught.unique("section_id", maintain_order=True).sort("section_id")
    offered = sections.unique(["school_id", "course_id"], maintain_order=True)
    days = population.terms(HARBORVIEW, year)
    terms = pl.DataFrame(
        [(term, *days[term]) for term in days], schema=["term", "begin", "end"], orient="row"
    )
    grades = pl.Series(list(_GRADES))
    in_school = schools.join(pl.DataFrame({"grade": grades}), how="cross").filter(
        pl.col("grade").is_between(pl.col("grade_low"), pl.col("grade_high"))
    )
    return {
        "schools": in_school.group_by("school_id", "school_name", maintain_order=True).agg(
            gradeLevels=pl.struct(gradeLevelDescriptor=_descriptor("GradeLevel", pl.col("grade"), _GRADES)),
        ).select(
            schoolId=pl.col("school_id").cast(pl.Int64),
            nameOfInstitution="school_name",
            educationOrganizationCategories=_one(
                educationOrganizationCategoryDescriptor=_uri("EducationOrganizationCategory", "School")
            ),
            gradeLevels="gradeLevels",
            localEducationAgencyReference=pl.struct(localEducationAgencyId=pl.lit(LEA)),
        ),
        "courses": one["courses"].select(
            courseCode="course_id",
            educationOrganizationReference=district,
            courseTitle="course_title",
            numberOfParts=pl.lit(1),
            maximumAvailableCredits="credits",
            academicSubjects=_one(academicSubjectDescriptor=_descriptor("AcademicSubject", pl.col("subject"), _SUBJECTS)),
            levelCharacteristics=_one(
                courseLevelCharacteristicDescriptor=_descriptor("CourseLevelCharacteristic", pl.col("course_level"), _LEVELS)
            ),
            identificationCodes=_one(
                courseIdentificationSystemDescriptor=_uri("CourseIdentificationSystem", "LEA course code"),
                identificationCode=pl.col("course_id"),
            ),
        ),
        "sessions": schools.join(terms, how="cross").select(
            **_session(year),
            schoolReference=_school(),
            schoolYearTypeReference=pl.struct(schoolYear=pl.lit(year)),
            termDescriptor=_descriptor("Term", pl.col("term"), _TERMS),
            beginDate="begin",
            endDate="end",
            totalInstructionalDays=pl.when(pl.col("term") == "FY").then(SCHOOL_DAYS).otherwise(SCHOOL_DAYS // 2),
        ).drop("schoolId", "schoolYear"),
        "courseOfferings": offered.select(
            localCourseCode="course_id",
            courseReference=pl.struct(courseCode="course_id", educationOrganizationId=pl.lit(LEA)),
            schoolReference=_school(),
            sessionReference=pl.struct(_named(_session(year))),
        ),
        "sections": sections.select(
            sectionIdentifier="section_id",
            courseOfferingReference=pl.struct(_named({"localCourseCode": pl.col("course_id"), **_session(year)})),
        ),
    }  # fmt: skip


def _students(students: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """students, their association with the district (race, sex, English proficiency) and with its programs."""
    races = pl.col("races").str.split(";")
    race = pl.element().replace_strict(
        {name: f"uri://ed-fi.org/RaceDescriptor#{code}" for name, code in _RACES.items()}
    )
    listed = [
        pl.when(pl.col(column) == "yes").then(pl.concat_list(_uri("StudentCharacteristic", code)))
        .otherwise(pl.lit([], pl.List(pl.String)))
        for column, code in (("homeless", "Homeless"), ("foster_care", "Foster Care"))
    ]  # fmt: skip
    income = pl.col("economically_disadvantaged")
    meal = (
        pl.when((income == "yes") & (pl.col("student_id").cast(pl.Int64) % 5 == 0)).then(pl.lit("Reduced Price Lunch"))
        .when(income == "yes").then(pl.lit("Free Lunch"))
        .when(income == "no").then(pl.lit("Full Price Lunch"))
    )  # fmt: skip
    begin = pl.lit(first_day(HARBORVIEW, int(students["school_year"][0])))
    special = students.filter(disability_idea="yes")
    learners = students.filter(english_learner="current")
    meals = students.with_columns(meal=meal).drop_nulls("meal")
    service = pl.format("uri://ed-fi.org/SchoolFoodServiceProgramServiceDescriptor#{}", "meal")
    return {
        "students": students.select(
            studentUniqueId="student_id", firstName=pl.lit("Invented"), lastSurname=pl.lit("Student"), birthDate="birth_date"
        ),
        "studentEducationOrganizationAssociations": students.select(
            educationOrganizationReference=pl.struct(educationOrganizationId=pl.lit(LEA)),
            studentReference=_student(),
            hispanicLatinoEthnicity=pl.col("hispanic_latino").replace_strict({"yes": True, "no": False, "unknown": None}),
            sexDescriptor=_descriptor("Sex", pl.col("sex"), _SEXES),
            limitedEnglishProficiencyDescriptor=_descriptor("LimitedEnglishProficiency", pl.col("english_learner"), _LEARNERS),
            races=races.list.eval(pl.struct(raceDescriptor=race)).fill_null([]),
            studentCharacteristics=pl.concat_list(listed).list.eval(pl.struct(studentCharacteristicDescriptor=pl.element())),
        ),
        "studentSpecialEducationProgramAssociations": special.select(
            **_program("Special Education", "Special Education", begin), ideaEligibility=pl.lit(True)
        ),
        "studentLanguageInstructionProgramAssociations": learners.select(
            **_program("English as a Second Language (ESL)", "English as a Second Language (ESL)", begin),
            englishLearnerParticipation=pl.lit(True),
        ),
        "studentSchoolFoodServiceProgramAssociations": meals.select(
            **_program("National School Lunch Program", "Other", begin),
            schoolFoodServiceProgramServices=_one(schoolFoodServiceProgramServiceDescriptor=service),
        ),
    }  # fmt: skip


def _program(name: str, type_: str, begin: pl.Expr) -> dict[str, pl.Expr]:
    return {
        "beginDate": begin,
        "educationOrganizationReference": pl.struct(educationOrganizationId=pl.lit(LEA)),
        "programReference": pl.struct(
            educationOrganizationId=pl.lit(LEA),
            programName=pl.lit(name),
            programTypeDescriptor=_uri("ProgramType", type_),
        ),
        "studentReference": _student(),
    }


def _enrollments(one: dict[str, pl.DataFrame], year: int) -> dict[str, pl.DataFrame]:
    """studentSchoolAssociations, studentSectionAssociations and final grades."""
    grade = one["students"].select("student_id", "grade_level")
    stints = one["school_enrollments"].join(grade, on="student_id", how="left", maintain_order="left")
    taken = one["course_enrollments"]
    return {
        "studentSchoolAssociations": stints.select(
            entryDate="entry_date",
            schoolReference=_school(),
            studentReference=_student(),
            schoolYearTypeReference=pl.struct(schoolYear=pl.lit(year)),
            entryGradeLevelDescriptor=_descriptor("GradeLevel", pl.col("grade_level"), _GRADES),
            exitWithdrawDate="exit_date",
            primarySchool=pl.col("is_primary").replace_strict({"yes": True, "no": False, "unknown": None}),
        ),
        "studentSectionAssociations": taken.select(
            beginDate="entry_date",
            endDate="exit_date",
            sectionReference=pl.struct(_named(_section(year))),
            studentReference=_student(),
        ),
        "grades": taken.drop_nulls("final_grade").select(
            gradeTypeDescriptor=_uri("GradeType", "Final"),
            gradingPeriodReference=pl.struct(
                gradingPeriodDescriptor=_uri("GradingPeriod", "End of Year"),
                gradingPeriodName=pl.lit("End of Year"),
                schoolId=pl.col("school_id").cast(pl.Int64),
                schoolYear=pl.lit(year),
            ),
            studentSectionAssociationReference=pl.struct(
                _named(
                    {
                        "beginDate": pl.col("entry_date"),
                        **_section(year),
                        "studentUniqueId": pl.col("student_id"),
                    }
                )
            ),
            letterGradeEarned="final_grade",
        ),
    }


def _climate(one: dict[str, pl.DataFrame], year: int) -> dict[str, pl.DataFrame]:
    """An attendance event for each day absent; incidents, who took part and what followed."""
    absent = one["attendance"].join(
        one["school_enrollments"].group_by("student_id", "school_id").agg(pl.col("entry_date").min()),
        on=["student_id", "school_id"], maintain_order="left",
    ).filter(pl.col("days_absent") > 0)  # fmt: skip
    every = pl.col("days_enrolled") // pl.col(
        "days_absent"
    )  # spread over the weekdays that the student was enrolled
    events = (
        absent.with_columns(every=every, number=pl.int_ranges("days_absent"))
        .explode("number")
        .with_columns(
            day=pl.col("entry_date").dt.add_business_days(pl.col("number") * pl.col("every"), roll="forward"),
            term=pl.lit("FY"),
        )
    )
    incidents = one["discipline"]
    incident = pl.struct(incidentIdentifier="incident_id", schoolId=pl.col("school_id").cast(pl.Int64))
    behavior = pl.format("uri://ed-fi.org/BehaviorDescriptor#{}", "behavior")
    return {
        "studentSchoolAttendanceEvents": events.select(
            attendanceEventCategoryDescriptor=pl.when(pl.col("number") % 3 == 0)
            .then(_uri("AttendanceEventCategory", "Excused Absence"))
            .otherwise(_uri("AttendanceEventCategory", "Unexcused Absence")),
            eventDate="day",
            schoolReference=_school(),
            sessionReference=pl.struct(_named(_session(year))),
            studentReference=_student(),
        ),
        "disciplineIncidents": incidents.select(
            incidentIdentifier="incident_id",
            schoolReference=_school(),
            incidentDate="incident_date",
            behaviors=_one(behaviorDescriptor=behavior),
        ),
        "studentDisciplineIncidentBehaviorAssociations": incidents.select(
            behaviorDescriptor=behavior, disciplineIncidentReference=incident, studentReference=_student()
        ),
        "disciplineActions": incidents.select(
            disciplineActionIdentifier="incident_id",
            disciplineDate="incident_date",
            studentReference=_student(),
            responsibilitySchoolReference=_school(),
            disciplines=_one(disciplineDescriptor=_descriptor("Discipline", pl.col("action"), _ACTIONS)),
            actualDisciplineActionLength="days",
            studentDisciplineIncidentBehaviorAssociations=_one(
                studentDisciplineIncidentBehaviorAssociationReference=pl.struct(
                    behaviorDescriptor=behavior,
                    incidentIdentifier="incident_id",
                    schoolId=pl.col("school_id").cast(pl.Int64),
                    studentUniqueId="student_id",
                )
            ),
        ),
    }
