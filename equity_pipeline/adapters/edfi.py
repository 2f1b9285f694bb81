"""Ed-Fi Data Standard 3 to 6: resources as its API gives them (JSON lines or arrays), or interchange XML.

Belongs here: what Ed-Fi's resources and descriptors mean. Does not belong here: how XML writes them (`edfi_xml`), types
and rules of canonical columns (`extracts/`).

A delivery is a zip or folder of `<resource>.jsonl` or `.json`, such as `studentSchoolAssociations.jsonl`, and of
interchange XML under any name. A resource may come in several files: the run date in their paths
(`2025-10-01/grades.jsonl`, `grades_2025-10-01.jsonl`) says which is later, and a record replaces the earlier ones with
its id or natural key; `deletes` in the path (`grades_deletes_2025-10-02.json`) marks what was deleted by then. A
descriptor may be a URI (`uri://ed-fi.org/SexDescriptor#Female`) or the bare code. Resources not used here stay in the
archive.

What a record does not say is not known. Where a status is kept only for those who have it (special education, section
504, homeless, foster care), the others are `no` if anybody in the delivery has it, else not known. Meals: only `full
price` is a no. A characteristic with periods holds in the school years on whose snapshot date one of them is open.

Option: `exit_date: first_day_after` where the source's exit and end dates are the first day after the last.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import polars as pl
from polars.exceptions import ComputeError, PolarsError

from equity_pipeline.adapters.base import FILE, LINE, REJECT, BadRecord, Mapped, RawTable
from equity_pipeline.adapters.college_board_ap import EXAM_NAMES
from equity_pipeline.adapters.delimited import member_name, with_values
from equity_pipeline.adapters.edfi_xml import Shape, read_interchange
from equity_pipeline.adapters.readers import members
from equity_pipeline.adapters.records import without_the_longest
from equity_pipeline.adapters.survey import SKIPPED
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.contracts.contract import GRADES
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.domain.versions import version
from equity_pipeline.partners.registry import Partner, Source

RECORD = "record"
"""The delivered line itself."""
_MODIFIED = "_lastModifiedDate"
_RUN, _DELETES = "_run", "_deletes"

_SECTION = "localCourseCode schoolId schoolYear sectionIdentifier sessionName"
_SURVEY = "surveyReference.surveyIdentifier surveyReference.namespace"
_PROGRAM = "studentReference.studentUniqueId beginDate endDate"
_PROGRAM_KEY = "studentReference.studentUniqueId beginDate programReference.programName programReference.programTypeDescriptor"
_INCIDENTS = ("studentDisciplineIncidentBehaviorAssociation", "studentDisciplineIncidentAssociation")
"""Of which behavior an action is the consequence; the second up to Data Standard 3.2."""
_RESOURCES = {
    "schools": "schoolId nameOfInstitution gradeLevels[].gradeLevelDescriptor "
    "educationOrganizationIdentificationCodes[].educationOrganizationIdentificationSystemDescriptor "
    "educationOrganizationIdentificationCodes[].identificationCode",
    "courses": "courseCode educationOrganizationReference.educationOrganizationId courseTitle "
    "maximumAvailableCredits academicSubjectDescriptor academicSubjects[].academicSubjectDescriptor "
    "levelCharacteristics[].courseLevelCharacteristicDescriptor "
    "identificationCodes[].courseIdentificationSystemDescriptor identificationCodes[].identificationCode",
    "sessions": "schoolReference.schoolId schoolYearTypeReference.schoolYear beginDate endDate totalInstructionalDays",
    "courseOfferings": "localCourseCode localCourseTitle schoolReference.schoolId sessionReference.schoolYear "
    "courseReference.courseCode courseReference.educationOrganizationId "
    "courseLevelCharacteristics[].courseLevelCharacteristicDescriptor",
    "students": "studentUniqueId birthDate",
    "studentEducationOrganizationAssociations": "studentReference.studentUniqueId "
    "educationOrganizationReference.educationOrganizationId sexDescriptor hispanicLatinoEthnicity "
    "limitedEnglishProficiencyDescriptor genderIdentity economicDisadvantageDescriptor races[].raceDescriptor "
    "studentCharacteristics[].studentCharacteristicDescriptor studentCharacteristics[].periods[].beginDate "
    "studentCharacteristics[].periods[].endDate",
    "studentSchoolAssociations": "studentReference.studentUniqueId schoolReference.schoolId "
    "schoolYearTypeReference.schoolYear entryDate exitWithdrawDate entryGradeLevelDescriptor primarySchool",
    "studentSectionAssociations": "studentReference.studentUniqueId beginDate endDate "
    + " ".join(f"sectionReference.{name}" for name in _SECTION.split()),
    "grades": "gradeTypeDescriptor letterGradeEarned numericGradeEarned "
    + " ".join(f"studentSectionAssociationReference.{name}" for name in f"studentUniqueId beginDate {_SECTION}".split()),
    "studentSpecialEducationProgramAssociations": f"{_PROGRAM} ideaEligibility",
    "studentLanguageInstructionProgramAssociations": f"{_PROGRAM} englishLearnerParticipation",
    "studentSection504ProgramAssociations": f"{_PROGRAM} section504Eligibility",
    "studentHomelessProgramAssociations": _PROGRAM,
    "studentSchoolFoodServiceProgramAssociations": f"{_PROGRAM} "
    "schoolFoodServiceProgramServices[].schoolFoodServiceProgramServiceDescriptor",
    "studentSchoolAttendanceEvents": "studentReference.studentUniqueId schoolReference.schoolId eventDate eventDuration "
    "attendanceEventCategoryDescriptor",
    "disciplineIncidents": "incidentIdentifier schoolReference.schoolId incidentDate",
    "disciplineActions": "disciplineActionIdentifier disciplineDate studentReference.studentUniqueId "
    "responsibilitySchoolReference.schoolId actualDisciplineActionLength disciplineActionLength "
    "disciplines[].disciplineDescriptor " + " ".join(
        f"{incident}s[].{incident}Reference.{name}"
        for incident in _INCIDENTS
        for name in ("incidentIdentifier", "schoolId", "behaviorDescriptor")
    ),
    "surveys": "surveyIdentifier namespace surveyTitle schoolYearTypeReference.schoolYear "
    "educationOrganizationReference.educationOrganizationId sessionReference.schoolId",
    "surveyQuestions": f"questionCode questionText {_SURVEY} surveySectionReference.surveySectionTitle "
    "responseChoices[].numericValue",
    "surveyResponses": f"surveyResponseIdentifier {_SURVEY} responseDate surveyLevelDescriptor "
    "studentReference.studentUniqueId staffReference.staffUniqueId contactReference.contactUniqueId "
    "parentReference.parentUniqueId",
    "surveyQuestionResponses": "surveyQuestionReference.questionCode surveyQuestionReference.surveyIdentifier "
    "surveyQuestionReference.namespace surveyResponseReference.surveyResponseIdentifier noResponse "
    "values[].numericResponse values[].textResponse",
    "studentAssessments": "studentAssessmentIdentifier studentReference.studentUniqueId administrationDate "
    "schoolYearTypeReference.schoolYear assessmentReference.assessmentIdentifier scoreResults[].result "
    "scoreResults[].assessmentReportingMethodDescriptor",
}  # fmt: skip
_KEYS = {
    "schools": "schoolId",
    "courses": "courseCode educationOrganizationReference.educationOrganizationId",
    "sessions": "schoolReference.schoolId schoolYearTypeReference.schoolYear sessionName",
    "courseOfferings": "localCourseCode schoolReference.schoolId sessionReference.schoolYear "
    "sessionReference.sessionName",
    "students": "studentUniqueId",
    "studentEducationOrganizationAssociations": "studentReference.studentUniqueId "
    "educationOrganizationReference.educationOrganizationId",
    "studentSchoolAssociations": "studentReference.studentUniqueId schoolReference.schoolId entryDate",
    "studentSectionAssociations": "studentReference.studentUniqueId beginDate "
    + " ".join(f"sectionReference.{name}" for name in _SECTION.split()),
    "grades": "gradeTypeDescriptor gradingPeriodReference.gradingPeriodDescriptor "
    "gradingPeriodReference.periodSequence gradingPeriodReference.gradingPeriodName "
    + " ".join(f"studentSectionAssociationReference.{name}" for name in f"studentUniqueId beginDate {_SECTION}".split()),
    "studentSchoolAttendanceEvents": "studentReference.studentUniqueId schoolReference.schoolId eventDate "
    "attendanceEventCategoryDescriptor sessionReference.sessionName",
    "disciplineIncidents": "incidentIdentifier schoolReference.schoolId",
    "disciplineActions": "disciplineActionIdentifier disciplineDate studentReference.studentUniqueId",
    "surveys": "surveyIdentifier namespace",
    "surveyQuestions": f"questionCode {_SURVEY}",
    "surveyResponses": f"surveyResponseIdentifier {_SURVEY}",
    "surveyQuestionResponses": "surveyQuestionReference.questionCode surveyQuestionReference.surveyIdentifier "
    "surveyQuestionReference.namespace surveyResponseReference.surveyResponseIdentifier",
    "studentAssessments": "studentAssessmentIdentifier assessmentReference.assessmentIdentifier "
    "studentReference.studentUniqueId",
}  # fmt: skip
"""The natural key of each resource; of all others, the student programs', it is `_PROGRAM_KEY`."""
_NEEDED = {
    "studentSchoolAssociations": ("students", "schools"),
    "studentSectionAssociations": ("students", "courseOfferings"),
    "courseOfferings": ("courses",),
    "surveyQuestionResponses": ("surveys", "surveyResponses"),
    "surveyQuestions": ("surveys",),
}
_EXTRACTS = (
    "schools", "students", "school_enrollments", "courses", "course_enrollments", "attendance", "discipline",
    "survey_responses", "survey_items", "exam_results", "readiness_scores",
)  # fmt: skip
_SNAPSHOT = (10, 1)
"""Month and day on which a status counts for the school year, as for enrollment."""

_GRADES = {
    "infant/toddler": "IT", "preschool": "PR", "prekindergarten": "PK", "transitional kindergarten": "TK",
    "kindergarten": "KG", "first grade": "01", "second grade": "02", "third grade": "03", "fourth grade": "04",
    "fifth grade": "05", "sixth grade": "06", "seventh grade": "07", "eighth grade": "08", "ninth grade": "09",
    "tenth grade": "10", "eleventh grade": "11", "twelfth grade": "12", "grade 13": "13", "postsecondary": "PS",
    "ungraded": "UG",
}  # fmt: skip
_RACES = {
    "american indian or alaska native": "AmericanIndianOrAlaskaNative",
    "american indian - alaska native": "AmericanIndianOrAlaskaNative",
    "asian": "Asian",
    "black or african american": "BlackOrAfricanAmerican",
    "black - african american": "BlackOrAfricanAmerican",
    "native hawaiian or pacific islander": "NativeHawaiianOrPacificIslander",
    "native hawaiian - pacific islander": "NativeHawaiianOrPacificIslander",
    "middle eastern or north african": "MiddleEasternOrNorthAfrican",
    "white": "White",
}
_SEXES = {"female": "female", "male": "male", "non-binary": "nonbinary", "not selected": "unknown"}
_LEARNERS = {
    "limited": "current", "limited monitored 1": "former", "limited monitored 2": "former", "notlimited": "never",
}  # fmt: skip
_DISADVANTAGE = {
    "not qualified": "no", "eligible for free meals": "yes", "eligible for reduced-price meals": "yes",
    "other economic disadvantage": "yes", "unknown": "unknown",
}  # fmt: skip
"""economicDisadvantageDescriptor, which replaces the characteristic and the meals program in Data Standard 6."""
_READINESS = {
    "sat": "sat", "psat/nmsqt": "psat_nmsqt", "psat 10": "psat_10", "psat 8/9": "psat_8_9",
}  # fmt: skip
_SECTIONS = {
    "total": "total", "": "total", "evidence-based reading and writing": "ebrw", "mathematics": "math", "math": "math",
    "critical reading": "critical_reading", "writing": "writing",
}  # fmt: skip
_SCORES = ("raw score", "scale score", "number score", "college board examination scores")
"""Reporting methods of a score on the test's own scale; percentiles and the like are other things."""
_LEVELS = (
    "advanced placement",
    "international baccalaureate",
    "dual credit",
    "college-level",
    "honors",
    "advanced",
)
_ACTIONS = {"in school suspension": "iss", "out of school suspension": "oss", "office referral": "referral"}

_STUDENT, _SCHOOL = "studentReference.studentUniqueId", "schoolReference.schoolId"
_Resources = dict[str, pl.DataFrame]


# --- reading -----------------------------------------------------------------------------------------------------


def read(path: Path, name: str, source: Source) -> list[RawTable]:
    """One table per resource and file: the record (`record`) and its single values under their path as text.

    Of XML, `record` holds the fields that are used here, as the API's JSON would; the table is called
    `<file>!<resource>`. A line that is not an object of the resource's shape is a `BadRecord`.

    Raises:
        DeliveryError: no file holds a resource that is used here, or one is not readable as what it is.
    """
    tables = []
    for member, content in members(path, name):
        file, called = PurePosixPath(member), member_name(path, name, member)
        if file.suffix.lower() == ".xml":
            tables += _read_xml(content, called)
        elif file.suffix.lower() in (".jsonl", ".ndjson", ".json") and (resource := _resource_in(member)):
            data = content if isinstance(content, bytes) else content.read_bytes()
            tables.append(_read_json(data, called, resource))
    if not tables:
        raise DeliveryError(
            "no file is named after an Ed-Fi resource or holds one as interchange XML",
            file=name,
            remedy=f"name each `<resource>.jsonl`; used are {', '.join(_RESOURCES)}",
        )
    return tables


def _words(member: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", member.rsplit("!", 1)[-1].lower().removesuffix(".json"))


def _resource_in(member: str) -> str | None:
    """The resource that a file's name says, or, where it says only when, that of its folder."""
    known = {resource.lower(): resource for resource in _RESOURCES}
    words = (word for part in reversed(PurePosixPath(member).parts[-2:]) for word in _words(part))
    return next((known[word] for word in words if word in known), None)


def _tells_deletes(member: str) -> bool:
    return not {"delete", "deletes", "deleted"}.isdisjoint(_words(member))


def _read_json(data: bytes, name: str, resource: str) -> RawTable:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DeliveryError(
            "the text is not UTF-8",
            file=name,
            line=data.count(b"\n", 0, error.start) + 1,
            remedy="send UTF-8",
        ) from error
    if name.lower().endswith(".json") and text.lstrip().startswith("["):
        items = list(_items(text, name))
        lines, records = [line for line, _ in items], [record for _, record in items]
    else:
        records = text.split("\n")
        lines = range(1, len(records) + 1)
    return _table(lines, records, name, resource)


def _items(text: str, name: str) -> Iterator[tuple[int, str]]:
    """The objects of an array, each with the line on which it begins."""
    decoder, blank = json.JSONDecoder(), re.compile(r"[\s,]*")
    start, line, counted = text.index("[") + 1, 1, 0
    while True:
        start = next(blank.finditer(text, start)).end()
        line, counted = line + text.count("\n", counted, start), start
        if text.startswith("]", start):
            return
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            raise DeliveryError(
                "the array is not valid JSON from here on or was cut short",
                file=name, line=line, remedy="export it again, or send JSON lines",
            ) from error  # fmt: skip
        yield line, text[start:end]
        start = end


def _read_xml(content: bytes | Path, name: str) -> list[RawTable]:
    found: dict[str, tuple[list[int], list[str]]] = {}

    def keep(resource: str, line: int, record: dict[str, object]) -> None:
        lines, records = found.setdefault(resource, ([], []))
        lines.append(line)
        records.append(json.dumps(record, ensure_ascii=False))

    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as stream:
        others = read_interchange(stream, name, _SHAPES, keep)
    tables = [_table(*found[resource], f"{name}!{resource}", resource) for resource in sorted(found)]
    if tables and others:
        tables[0].inferred["not_used"] = ", ".join(
            f"{count} {kind}" for kind, count in sorted(others.items())
        )
    return tables


def _table(lines: Iterable[int], records: Iterable[str], name: str, resource: str) -> RawTable:
    frame = pl.DataFrame({LINE: lines, RECORD: records}, schema={LINE: pl.Int64, RECORD: pl.String})
    frame = frame.with_columns(pl.col(RECORD).str.strip_chars()).filter(pl.col(RECORD) != "")
    frame, bad = without_the_longest(frame)
    paths = [*_PATHS[resource], *_deleted_keys(resource)] if _tells_deletes(name) else _PATHS[resource]
    shape = _struct(_tree(paths))
    try:
        decoded = _decoded(frame[RECORD], shape)
    except PolarsError:
        broken = _misfits(frame[RECORD], shape)
        if len(broken) == frame.height:
            raise DeliveryError(
                f"no line is an object of {resource}", file=name, line=frame[LINE][0],
                remedy="send JSON lines: one object per line, fields as in the Ed-Fi API",
            ) from None  # fmt: skip
        bad += tuple(
            BadRecord(line, text, f"not an object of {resource}")
            for text, line in frame[broken].select(RECORD, LINE).iter_rows()
        )
        frame = frame.with_row_index("at").filter(~pl.col("at").is_in(broken)).drop("at")
        decoded = _decoded(frame[RECORD], shape)
    frame = frame.with_columns(decoded.alias("decoded")).select(
        RECORD, LINE, *(_at(path).replace("", None).alias(path) for path in paths if "[]" not in path)
    )
    modified = frame.select(_day(_MODIFIED).max()).item()
    return RawTable(name, frame, bad, {} if modified is None else {"as_of": modified.isoformat()})


def _key(resource: str) -> list[str]:
    return _KEYS.get(resource, _PROGRAM_KEY).split()


def _deleted_keys(resource: str) -> list[str]:
    """Under which names the API's `deletes` repeat a natural key: without the reference that it is part of."""
    return [f"keyValues.{path.rsplit('.', 1)[-1]}" for path in _key(resource)]


def _tree(paths: Iterable[str]) -> Shape:
    """The fields of an object with text at these paths; `[]` marks a collection of objects."""
    tree: Shape = {}
    for path in paths:
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})
    return tree


def _struct(tree: Shape) -> pl.Struct:
    fields = {}
    for part, below in tree.items():
        inner = _struct(below) if below else pl.String
        fields[part.removesuffix("[]")] = pl.List(inner) if part.endswith("[]") else inner
    return pl.Struct(fields)


def _at(path: str) -> pl.Expr:
    value = pl.col("decoded")
    for part in path.split("."):
        value = value.struct.field(part)
    return value.str.strip_chars()


_PATHS = {
    resource: list(dict.fromkeys([*paths.split(), *_key(resource), "id", _MODIFIED]))
    for resource, paths in _RESOURCES.items()
}
_SHAPES = {resource: _tree(paths) for resource, paths in _PATHS.items()}


def _decoded(records: pl.Series, shape: pl.Struct) -> pl.Series:
    """The records as objects, one each.

    polars reads all records as one array, in which broken ones may run into each other; each carries its number, so that
    none can be taken for another or get lost.

    Raises:
        PolarsError: a record is no object of the shape.
    """
    numbered = pl.Series(range(len(records)), dtype=pl.Int64)
    framed = pl.select(
        pl.concat_str(pl.lit('{"number":'), numbered, pl.lit(',"record":'), records, pl.lit("}"))
    )
    decoded = (
        framed.to_series().str.json_decode(pl.Struct({"number": pl.Int64, "record": shape})).struct.unnest()
    )
    if not decoded["number"].equals(numbered.alias("number")) or decoded["record"].null_count():
        raise ComputeError("a record is no object")
    return decoded["record"]


def _misfits(records: pl.Series, shape: pl.Struct, start: int = 0) -> list[int]:
    """Positions of the records that can't be decoded, by halving."""
    try:
        _decoded(records, shape)
    except PolarsError:
        if len(records) == 1:
            return [start]
        half = len(records) // 2
        return _misfits(records[:half], shape, start) + _misfits(records[half:], shape, start + half)
    return []


# --- mapping -----------------------------------------------------------------------------------------------------


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """Every extract whose resource is in the delivery: schools, students, school_enrollments, courses,
    course_enrollments, attendance, discipline, survey_responses, survey_items, exam_results and readiness_scores.

    Counted as skipped: records that a later file of the delivery replaces or deletes.

    Raises:
        PartnerFileError: the source maps columns, or has an option or canonical column that does not exist.
        DeliveryError: a resource refers to another that is not in the delivery.
    """
    _check(source)
    live, replaced = _together(tables)
    for resource, needed in _NEEDED.items():
        if absent := [other for other in needed if resource in live and other not in live]:
            raise DeliveryError(
                f"{resource} needs {', '.join(absent)}",
                file=live[resource][FILE][0] if live[resource].height else tables[0].name,
                line=next(iter(live[resource][LINE]), None),
                remedy="send these resources in one zip or folder",
            )
    delivered = set(live)
    for resource in _RESOURCES.keys() - delivered:
        columns = [path for path in _PATHS[resource] if "[]" not in path]
        live[resource] = pl.DataFrame(
            schema=dict.fromkeys((*columns, RECORD, FILE), pl.String) | {LINE: pl.Int64}
        )
    stays = _stays(live, source)
    years = sorted(
        {
            *stays["school_year"].drop_nulls(),
            *live["courseOfferings"]["sessionReference.schoolYear"].drop_nulls(),
            *live["sessions"]["schoolYearTypeReference.schoolYear"].drop_nulls(),
        }
    )
    extracts: dict[str, Callable[[], Mapped]] = {
        "schools": lambda: _schools(live, years),
        "students": lambda: _students(live, delivered, stays, years),
        "studentSchoolAssociations": lambda: _school_enrollments(stays),
        "courseOfferings": lambda: _courses(live),
        "studentSectionAssociations": lambda: _course_enrollments(live, source),
        "studentSchoolAttendanceEvents": lambda: _attendance(live, delivered, stays),
        "disciplineActions": lambda: _discipline(live),
        "surveyQuestionResponses": lambda: _survey_responses(live),
        "surveyQuestions": lambda: _survey_items(live),
    }
    made = {resource: make() for resource, make in extracts.items() if resource in delivered}
    if "studentAssessments" in delivered:
        made["studentAssessments"], made["studentAssessments of AP"] = _assessments(live)
    return [
        _finished(replace(mapped, skipped=replaced.get(resource, {}) | mapped.skipped), source)
        for resource, mapped in made.items()
    ]


def says(table: RawTable, source: Source) -> dict[str, str]:
    """The single values that are used here; not the record itself."""
    return {
        path: "student_id" if path.endswith("studentUniqueId")
        else "staff_id" if path.endswith("UniqueId")
        else {"birthDate": "birth_date", "genderIdentity": "gender_identity"}.get(path, path)
        for path in table.frame.columns
        if path not in (RECORD, LINE)
    }  # fmt: skip


def _check(source: Source) -> None:
    known = {column.name for extract in _EXTRACTS for column in EXTRACTS[extract].columns}
    unknown = (source.values.keys() | source.constants.keys()) - known
    if source.columns or unknown or source.options.keys() - {"exit_date"}:
        raise PartnerFileError(
            f"source {source.name!r}: Ed-Fi takes `values` and `constants` of {', '.join(sorted(known))} and the "
            "option `exit_date`; its columns are those of the standard"
        )
    if source.options.get("exit_date", "last_day") not in ("last_day", "first_day_after"):
        raise PartnerFileError(f"source {source.name!r}: exit_date is `last_day` or `first_day_after`")


def _together(tables: list[RawTable]) -> tuple[_Resources, dict[str, dict[str, int]]]:
    """Resource → its records that stand; resource → how many others there are, by reason."""
    parts: dict[str, list[pl.DataFrame]] = {}
    for table in tables:
        run = version(table.name.split("!", 1)[-1]).dated
        deletes = _tells_deletes(table.name)
        told = table.frame.with_columns(
            pl.lit(table.name).alias(FILE), pl.lit(run).alias(_RUN), pl.lit(deletes).alias(_DELETES)
        )
        if resource := _resource_in(table.name):
            parts.setdefault(resource, []).append(told)
    live, others = {}, {}
    for resource, frames in parts.items():
        live[resource], others[resource] = _standing(resource, pl.concat(frames, how="diagonal"))
    return live, others


def _standing(resource: str, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Records that no later file replaces or deletes.

    What a run deletes is older than what it delivers: a record made anew has the natural key of the deleted one. An id
    is never used twice, so that one deleted stays so. Within a file every record stands.
    """
    if frame[FILE].n_unique() == 1:
        return frame.drop(_RUN, _DELETES), {}
    key = _key(resource)
    if names := [name for name in _deleted_keys(resource) if name in frame.columns]:
        frame = frame.with_columns(
            pl.coalesce(path, name).alias(path) for path, name in zip(key, names, strict=True)
        )
    age = pl.struct(_RUN, ~pl.col(_DELETES), FILE).rank("dense")
    keyed = pl.any_horizontal(pl.col(key).is_not_null())
    frame = frame.with_columns(age.alias("age")).with_columns(
        same_key=pl.when(keyed).then(pl.col("age").max().over(key)),
        same_id=pl.when(pl.col("id").is_not_null()).then(pl.col("age").max().over("id")),
        deleted_key=pl.when(keyed).then(pl.col("age").filter(_DELETES).max().over(key)),
        deleted_id=pl.col("id").is_not_null() & pl.col(_DELETES).any().over("id"),
    )
    reason = (
        pl.when(_DELETES).then(pl.lit("says what was deleted"))
        .when(pl.col("deleted_id") | (pl.col("age") < pl.col("deleted_key"))).then(pl.lit("deleted later"))
        .when(pl.col("age") < pl.max_horizontal("same_key", "same_id")).then(pl.lit("replaced by a later record"))
    )  # fmt: skip
    frame = frame.with_columns(reason.alias("reason"))
    counts = dict(frame["reason"].drop_nulls().value_counts().sort("reason").iter_rows())
    return frame.filter(pl.col("reason").is_null()).drop(_RUN, _DELETES, "reason"), counts


def _finished(mapped: Mapped, source: Source) -> Mapped:
    constants = {
        column.name: source.constants[column.name]
        for column in EXTRACTS[mapped.extract].columns
        if column.name in source.constants
    }
    rows = mapped.rows.with_columns(pl.lit(value).alias(column) for column, value in constants.items())
    rows = with_values(rows.with_columns(pl.exclude(LINE).cast(pl.String)), source)
    return replace(mapped, rows=rows)


def _code(descriptor: pl.Expr) -> pl.Expr:
    """`uri://ed-fi.org/SexDescriptor#Female` or `Female` → `Female`."""
    return descriptor.str.split("#").list.last().str.strip_chars()


def _coded(descriptor: pl.Expr, codes: dict[str, str]) -> pl.Expr:
    """The canonical value of a descriptor; a code that has none stays as it is."""
    return (
        _code(descriptor)
        .str.to_lowercase()
        .replace_strict(codes, default=_code(descriptor), return_dtype=pl.String)
    )


def _collections(frame: pl.DataFrame, resource: str) -> pl.DataFrame:
    """The frame with the resource's collections as list columns under their own names."""
    paths = [path for path in _RESOURCES[resource].split() if "[]" in path]
    names = sorted({path.split("[]")[0] for path in paths})
    decoded = pl.col(RECORD).str.json_decode(_struct(_tree(paths)))
    return frame.with_columns(decoded.alias("decoded")).with_columns(
        pl.col("decoded").struct.field(name).fill_null([]).alias(name) for name in names
    )


def _codes(collection: str, field: str) -> pl.Expr:
    return pl.col(collection).list.eval(_code(pl.element().struct.field(field)).str.to_lowercase())


def _date(text: pl.Expr) -> pl.Expr:
    return text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)


def _day(column: str) -> pl.Expr:
    return _date(pl.col(column))


def _last_day(column: str, source: Source) -> pl.Expr:
    """An exit or end date as the last day; text that is no date stays for the contract to judge."""
    day = _day(column) - pl.duration(days=int(source.options.get("exit_date") == "first_day_after"))
    return pl.coalesce(day.cast(pl.String), column)


def _truth(column: str) -> pl.Expr:
    """`true` or, in XML, `1` → True; other text → False; null stays null."""
    return pl.col(column).str.to_lowercase().is_in(["true", "1"])


def _yes_no(column: str) -> pl.Expr:
    return pl.when(_truth(column)).then(pl.lit("yes")).when(~_truth(column)).then(pl.lit("no"))


def _year_of(day: pl.Expr) -> pl.Expr:
    """The school year of a day, as `domain.school_years.of_date`: July 1 begins the next one."""
    return (day.dt.year() + (day.dt.month() >= 7).cast(pl.Int32)).cast(pl.String)


# --- extracts ----------------------------------------------------------------------------------------------------


def _stays(live: _Resources, source: Source) -> pl.DataFrame:
    """studentSchoolAssociations, one row each: ids, school year, entry, exit, grade, primary and why it is rejected."""
    known = [
        (
            live["students"].select(pl.col("studentUniqueId").alias(_STUDENT)).unique(),
            _STUDENT,
            "student_known",
        ),
        (live["schools"].select(pl.col("schoolId").alias(_SCHOOL)).unique(), _SCHOOL, "school_known"),
    ]
    frame = live["studentSchoolAssociations"]
    for ids, key, flag in known:
        frame = frame.join(
            ids.with_columns(pl.lit(True).alias(flag)), on=key, how="left", maintain_order="left"
        )
    return frame.select(
        FILE,
        LINE,
        student_id=_STUDENT,
        school_id=_SCHOOL,
        school_year=pl.coalesce("schoolYearTypeReference.schoolYear", _year_of(_day("entryDate"))),
        entry_date="entryDate",
        exit_date=_last_day("exitWithdrawDate", source),
        grade_level=_coded(pl.col("entryGradeLevelDescriptor"), _GRADES),
        is_primary=_yes_no("primarySchool"),
        **{
            REJECT: pl.when(pl.col("student_known").is_null())
            .then(pl.lit("its student is not in students"))
            .when(pl.col("school_known").is_null())
            .then(pl.lit("its school is not in schools"))
        },
    )


def _schools(live: _Resources, years: list[str]) -> Mapped:
    """schools, in each school year of the delivery."""
    frame = _collections(live["schools"], "schools")
    rank = {grade: position for position, grade in enumerate(GRADES)}
    ranks = pl.col("gradeLevels").list.eval(
        _coded(pl.element().struct.field("gradeLevelDescriptor"), _GRADES).replace_strict(
            rank, default=None, return_dtype=pl.Int32
        )
    )
    grade = dict(enumerate(GRADES))
    codes = pl.col("educationOrganizationIdentificationCodes")
    system = "educationOrganizationIdentificationSystemDescriptor"
    nces = codes.list.eval(
        pl.element()
        .struct.field("identificationCode")
        .filter(_code(pl.element().struct.field(system)).str.to_lowercase() == "nces")
    )
    rows = frame.select(
        FILE, LINE,
        school_id="schoolId",
        school_name="nameOfInstitution",
        nces_school_id=nces.list.first(),
        grade_low=ranks.list.min().replace_strict(grade, default=None, return_dtype=pl.String),
        grade_high=ranks.list.max().replace_strict(grade, default=None, return_dtype=pl.String),
    ).join(pl.DataFrame({"school_year": years}, schema={"school_year": pl.String}), how="cross", maintain_order="left")  # fmt: skip
    return Mapped("schools", rows)


def _students(live: _Resources, delivered: set[str], stays: pl.DataFrame, years: list[str]) -> Mapped:
    """students, one row per school year in which the student has a studentSchoolAssociation; where none is delivered,
    one in each school year of the delivery, without a grade level.

    Grade: that of the year's primary school, else of the school entered last. Sex, ethnicity, races, English learner
    and characteristics: from the association with the district, where that does not say from one with a school.
    """
    warnings = []
    grades = (
        stays.drop_nulls(["student_id", "school_year"])
        .sort(
            "student_id",
            "school_year",
            pl.col("is_primary").eq_missing("yes"),
            "entry_date",
            "school_id",
            descending=[False, False, True, True, False],
            nulls_last=True,
        )
        .unique(["student_id", "school_year"], keep="first", maintain_order=True)
        .select("student_id", "school_year", "grade_level")
    )
    placed = "studentSchoolAssociations" in delivered
    if not placed:
        warnings.append("no studentSchoolAssociations in the delivery: grade levels are not known")
        every_year = pl.DataFrame({"school_year": years}, schema={"school_year": pl.String})
        grades = (
            live["students"]
            .select(student_id="studentUniqueId", grade_level=pl.lit(None, pl.String))
            .unique(maintain_order=True)
            .join(every_year, how="cross")
        )
    alone = pl.lit(years[0] if len(years) == 1 else None, pl.String)
    rows = (
        live["students"]
        .select(FILE, LINE, student_id="studentUniqueId", birth_date="birthDate")
        .join(grades, on="student_id", how="left", maintain_order="left")
        .join(_attributes(live), on="student_id", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("school_year", alone).alias("school_year"),
            pl.when(pl.col("school_year").is_null() & pl.lit(placed))
            .then(pl.lit("the student has no studentSchoolAssociation"))
            .alias(REJECT),
        )
    )
    attended = grades.select("student_id", "school_year")
    for more in (_programs(live, attended), _traits(live, attended)):
        rows = rows.join(more, on=["student_id", "school_year"], how="left", maintain_order="left")

    def kept(resource: str) -> pl.Expr:
        return pl.lit(live[resource].height > 0)

    def status(has: pl.Expr, others: pl.Expr) -> pl.Expr:
        return pl.when(has.fill_null(False)).then(pl.lit("yes")).when(others).then(pl.lit("no"))

    described = pl.col("described").fill_null(False)
    anybody = _characteristics(live)["trait"].unique()
    rows = rows.with_columns(
        disability_idea=status(pl.col("idea"), kept("studentSpecialEducationProgramAssociations")),
        section_504=status(pl.col("plan_504"), kept("studentSection504ProgramAssociations")),
        homeless=status(
            pl.col("homeless") | pl.col("homeless_program"),
            (described & ("homeless" in anybody)) | kept("studentHomelessProgramAssociations"),
        ),
        foster_care=status(pl.col("foster care"), described & ("foster care" in anybody)),
        english_learner=pl.coalesce(
            "english_learner", pl.when(pl.col("learner").fill_null(False)).then(pl.lit("current"))
        ),
        economically_disadvantaged=pl.coalesce(
            pl.when(pl.col("economic disadvantaged").fill_null(False)).then(pl.lit("yes")),
            "economically_disadvantaged",
            "meals",
        ),
    )
    helpers = (
        "idea",
        "plan_504",
        "homeless_program",
        "learner",
        "meals",
        "described",
        "foster care",
        "economic disadvantaged",
    )
    return Mapped("students", rows.drop(helpers).sort(FILE, LINE, "school_year"), warnings=tuple(warnings))


def _attributes(live: _Resources) -> pl.DataFrame:
    """One row per student from studentEducationOrganizationAssociations."""
    resource = "studentEducationOrganizationAssociations"
    organization = "educationOrganizationReference.educationOrganizationId"
    schools = live["schools"]["schoolId"].unique()
    frame = _collections(live[resource], resource).sort(
        pl.col(organization).is_in(schools.implode()), FILE, LINE, maintain_order=True
    )
    races = _codes("races", "raceDescriptor")
    named = races.list.eval(
        pl.element().replace_strict(_RACES, default=None, return_dtype=pl.String).drop_nulls()
    )
    frame = frame.select(
        student_id=_STUDENT,
        sex=_coded(pl.col("sexDescriptor"), _SEXES),
        hispanic_latino=pl.when(races.list.contains("hispanic or latino"))
        .then(pl.lit("yes"))
        .otherwise(_yes_no("hispanicLatinoEthnicity")),
        races=named.list.unique().list.sort().list.join(";").replace("", None),
        english_learner=_coded(pl.col("limitedEnglishProficiencyDescriptor"), _LEARNERS),
        gender_identity="genderIdentity",
        economically_disadvantaged=_coded(pl.col("economicDisadvantageDescriptor"), _DISADVANTAGE),
    )
    return frame.group_by("student_id", maintain_order=True).agg(
        pl.exclude("student_id").drop_nulls().first(), described=pl.lit(True)
    )


def _characteristics(live: _Resources) -> pl.DataFrame:
    """One row per student × characteristic × period: student_id, trait, first, last (null: open, or no period said)."""
    resource = "studentEducationOrganizationAssociations"
    period = pl.col("periods").struct
    return (
        _collections(live[resource], resource)
        .select("studentCharacteristics", student_id=_STUDENT)
        .explode("studentCharacteristics", empty_as_null=False)
        .unnest("studentCharacteristics")
        .explode("periods", empty_as_null=True)
        .select(
            "student_id",
            trait=_code(pl.col("studentCharacteristicDescriptor")).str.to_lowercase(),
            first=_date(period.field("beginDate")),
            last=_date(period.field("endDate")),
        )
    )


def _traits(live: _Resources, attended: pl.DataFrame) -> pl.DataFrame:
    """One row per student × school year on whose snapshot date a characteristic held, a column each."""
    names = ("homeless", "foster care", "economic disadvantaged")
    month, day = _SNAPSHOT
    snapshot = pl.date(pl.col("school_year").cast(pl.Int32, strict=False) - 1, month, day)
    return (
        attended.join(_characteristics(live), on="student_id")
        .filter((pl.col("first") <= snapshot).fill_null(True) & (pl.col("last") >= snapshot).fill_null(True))
        .group_by("student_id", "school_year")
        .agg((pl.col("trait") == name).any().alias(name) for name in names)
    )


def _programs(live: _Resources, attended: pl.DataFrame) -> pl.DataFrame:
    """One row per student × school year: in which programs the student was at any time of the year, and `meals`.

    Free or reduced-price meals are a yes to economically_disadvantaged, full price is a no.
    """

    def ran(resource: str, flag: str | None = None) -> pl.DataFrame:
        """The resource's associations that were open in a school year, with that year."""
        frame = live[resource]
        if flag:
            frame = frame.filter(_truth(flag).ne_missing(False))
        first, last = (_year_of(_day(column)).cast(pl.Int32) for column in ("beginDate", "endDate"))
        year = pl.col("school_year").cast(pl.Int32, strict=False)
        return attended.join(frame.rename({_STUDENT: "student_id"}), on="student_id").filter(
            (year >= first).fill_null(True) & (year <= last).fill_null(True)
        )

    key = ["student_id", "school_year"]
    resource = "studentSchoolFoodServiceProgramAssociations"
    services = _codes("schoolFoodServiceProgramServices", "schoolFoodServiceProgramServiceDescriptor")
    meals = (
        _collections(ran(resource), resource)
        .group_by(key)
        .agg(
            yes=services.list.eval(pl.element().str.contains(r"^(free|reduced)")).list.any().any(),
            no=services.list.eval(pl.element().str.starts_with("full price")).list.any().any(),
        )
        .select(*key, meals=pl.when("yes").then(pl.lit("yes")).when("no").then(pl.lit("no")))
    )
    programs = {
        "idea": ran("studentSpecialEducationProgramAssociations", "ideaEligibility"),
        "learner": ran("studentLanguageInstructionProgramAssociations", "englishLearnerParticipation"),
        "plan_504": ran("studentSection504ProgramAssociations", "section504Eligibility"),
        "homeless_program": ran("studentHomelessProgramAssociations"),
    }
    result = meals
    for name, frame in programs.items():
        of_year = frame.select(*key, pl.lit(True).alias(name)).unique()
        result = result.join(of_year, on=key, how="full", coalesce=True)
    return result


def _school_enrollments(stays: pl.DataFrame) -> Mapped:
    """studentSchoolAssociations, one row each."""
    return Mapped("school_enrollments", stays.drop("grade_level"))


def _courses(live: _Resources) -> Mapped:
    """courseOfferings with their course: the course as a school offers it in a school year.

    `course_level`: of several level characteristics the one that says most (Advanced Placement first), the
    offering's before the course's.
    """
    reference = ["courseReference.courseCode", "courseReference.educationOrganizationId"]

    def level(collection: str) -> pl.Expr:
        codes = _codes(collection, "courseLevelCharacteristicDescriptor")
        telling = (pl.when(codes.list.contains(name)).then(pl.lit(name)) for name in _LEVELS)
        return pl.coalesce(*telling, codes.list.first())

    sced = pl.col("identificationCodes").list.eval(
        pl.element().struct.field("identificationCode").filter(
            _code(pl.element().struct.field("courseIdentificationSystemDescriptor")).str.to_lowercase().str.contains("sced")
        )
    )  # fmt: skip
    courses = _collections(live["courses"], "courses").select(
        pl.col("courseCode").alias(reference[0]),
        pl.col("educationOrganizationReference.educationOrganizationId").alias(reference[1]),
        course_title="courseTitle",
        sced_code=sced.list.first(),
        level=level("levelCharacteristics"),
        subject=_code(
            pl.coalesce(
                pl.col("academicSubjects").list.first().struct.field("academicSubjectDescriptor"),
                "academicSubjectDescriptor",
            )
        ),
        credits="maximumAvailableCredits",
        found=pl.lit(True),
    )
    rows = (
        _collections(live["courseOfferings"], "courseOfferings")
        .join(courses.unique(reference, keep="last"), on=reference, how="left", maintain_order="left")
        .select(
            "sced_code", "subject", "credits", FILE, LINE,
            school_year="sessionReference.schoolYear",
            school_id=_SCHOOL,
            course_id="localCourseCode",
            course_title=pl.coalesce("course_title", "localCourseTitle"),
            course_level=pl.coalesce(level("courseLevelCharacteristics"), "level"),
            **{REJECT: pl.when(pl.col("found").is_null()).then(pl.lit("its course is not in courses"))},
        )
    )  # fmt: skip
    return Mapped("courses", rows)


def _course_enrollments(live: _Resources, source: Source) -> Mapped:
    """studentSectionAssociations, one row each, with the grade of type Final: its letter, else its number."""
    key = [_STUDENT, "beginDate", *(f"sectionReference.{name}" for name in _SECTION.split())]
    reference = "studentSectionAssociationReference."
    final = live["grades"].filter(_code(pl.col("gradeTypeDescriptor")).str.to_lowercase() == "final")
    grades = final.select(
        pl.col(f"{reference}studentUniqueId").alias(_STUDENT),
        pl.col(f"{reference}beginDate").alias("beginDate"),
        *(pl.col(f"{reference}{name}").alias(f"sectionReference.{name}") for name in _SECTION.split()),
        pl.coalesce("letterGradeEarned", "numericGradeEarned").alias("final_grade"),
        FILE,
        LINE,
    ).sort(FILE, LINE)
    grades = grades.drop_nulls("final_grade").unique(key, keep="last").drop(FILE, LINE)
    students = live["students"].select(pl.col("studentUniqueId").alias(_STUDENT), known=pl.lit(True)).unique()
    offered = (
        live["courseOfferings"]
        .select(
            pl.col("localCourseCode").alias("sectionReference.localCourseCode"),
            pl.col(_SCHOOL).alias("sectionReference.schoolId"),
            pl.col("sessionReference.schoolYear").alias("sectionReference.schoolYear"),
            pl.lit(True).alias("offered"),
        )
        .unique()
    )
    place = [f"sectionReference.{name}" for name in ("localCourseCode", "schoolId", "schoolYear")]
    rows = (
        live["studentSectionAssociations"]
        .join(grades, on=key, how="left", maintain_order="left")
        .join(students, on=_STUDENT, how="left", maintain_order="left")
        .join(offered, on=place, how="left", maintain_order="left")
        .select(
            "final_grade", FILE, LINE,
            school_year="sectionReference.schoolYear",
            student_id=_STUDENT,
            school_id="sectionReference.schoolId",
            course_id="sectionReference.localCourseCode",
            section_id="sectionReference.sectionIdentifier",
            term="sectionReference.sessionName",
            entry_date="beginDate",
            exit_date=_last_day("endDate", source),
            **{
                REJECT: pl.when(pl.col("known").is_null()).then(pl.lit("its student is not in students"))
                .when(pl.col("offered").is_null()).then(pl.lit("its course is not in courseOfferings"))
            },
        )
    )  # fmt: skip
    unmatched = grades.join(live["studentSectionAssociations"], on=key, how="anti").height
    warnings = (f"{unmatched} final grades belong to no studentSectionAssociation",) if unmatched else ()
    return Mapped("course_enrollments", rows, warnings=warnings)


def _attendance(live: _Resources, delivered: set[str], stays: pl.DataFrame) -> Mapped:
    """One row per student × school × school year, at the line of the first association.

    Absent: days with an absence that has no duration or lasts half a day or more (EDFacts counts such a day).
    Enrolled: the school's instructional days of the year (sessions.totalInstructionalDays) in the proportion of
    calendar days between entry and exit. A school without sessions gives no rows, and without
    studentSchoolAssociations there are none at all: of how many days somebody was absent is then not known.
    """
    if "studentSchoolAssociations" not in delivered:
        events = live["studentSchoolAttendanceEvents"]
        none = pl.DataFrame(schema={"school_year": pl.String, FILE: pl.String, LINE: pl.Int64})
        return Mapped(
            "attendance", none, {"no studentSchoolAssociations say of how many days": events.height}
        )
    sessions = (
        live["sessions"]
        .select(
            school_id=_SCHOOL,
            school_year="schoolYearTypeReference.schoolYear",
            begin=_day("beginDate"),
            end=_day("endDate"),
            days=pl.col("totalInstructionalDays").cast(pl.Float64, strict=False),
        )
        .drop_nulls()
    )
    key = ["school_id", "school_year"]
    spans = (pl.col("begin") == pl.col("begin").min().over(key)) & (
        pl.col("end") == pl.col("end").max().over(key)
    )
    calendar = (
        sessions.with_columns(whole=spans)
        .group_by(key)
        .agg(
            pl.col("begin").min(),
            pl.col("end").max(),
            # A session of the whole year counts its days already; else its parts add up.
            days=pl.coalesce(pl.col("days").filter("whole").max(), pl.col("days").sum()),
        )
    )
    first = pl.max_horizontal(pl.col("entry_date").str.to_date("%Y-%m-%d", strict=False), "begin")
    last = pl.min_horizontal(pl.col("exit_date").str.to_date("%Y-%m-%d", strict=False), "end")
    share = ((last - first).dt.total_days() + 1) / ((pl.col("end") - pl.col("begin")).dt.total_days() + 1)
    enrolled = (
        stays.filter(pl.col(REJECT).is_null())
        .join(calendar, on=key, how="inner")
        .with_columns(days=(share * pl.col("days")).clip(lower_bound=0))
        .sort(FILE, LINE)
        .group_by("student_id", *key, maintain_order=True)
        .agg(pl.col("days").sum().round().cast(pl.Int64), pl.col(FILE).first(), pl.col(LINE).first())
    )
    events = live["studentSchoolAttendanceEvents"]
    category = _code(pl.col("attendanceEventCategoryDescriptor")).str.to_lowercase()
    absent = (
        events.filter(category.str.ends_with("absence"))
        .select(
            student_id=_STUDENT,
            school_id=_SCHOOL,
            school_year=_year_of(_day("eventDate")),
            day=_day("eventDate"),
            part=pl.col("eventDuration").cast(pl.Float64, strict=False).fill_null(1.0),
        )
        .group_by("student_id", *key, "day")
        .agg(pl.col("part").sum())
        .filter(pl.col("part") >= 0.5)
        .group_by("student_id", *key)
        .len("days_absent")
    )
    rows = enrolled.join(absent, on=["student_id", *key], how="left", maintain_order="left").select(
        "school_year", "student_id", "school_id", FILE, LINE,
        days_enrolled="days", days_absent=pl.col("days_absent").fill_null(0),
    )  # fmt: skip
    warnings = []
    if lost := absent.join(enrolled, on=["student_id", *key], how="anti")["days_absent"].sum():
        warnings.append(
            f"{lost} days of absence at a school without sessions, or in which the student is not enrolled"
        )
    if others := events.filter(~category.str.ends_with("absence")).height:
        warnings.append(f"{others} attendance events are no absence")
    return Mapped("attendance", rows, warnings=tuple(warnings))


def _discipline(live: _Resources) -> Mapped:
    """disciplineActions, one row per incident and discipline. An action that names no incident is its own incident."""
    incidents = (
        live["disciplineIncidents"]
        .select(incident="incidentIdentifier", incident_school=_SCHOOL, incident_date="incidentDate")
        .unique(["incident", "incident_school"], keep="last")
    )
    action = _code(pl.col("disciplines").struct.field("disciplineDescriptor")).str.to_lowercase()
    causes = pl.concat_list(
        pl.col(f"{name}s").list.eval(pl.element().struct.field(f"{name}Reference")) for name in _INCIDENTS
    )
    cause = pl.col("cause").struct
    frame = (
        _collections(live["disciplineActions"], "disciplineActions")
        .with_columns(cause=causes)
        .explode("disciplines", empty_as_null=True)
        .explode("cause", empty_as_null=True)
        .with_columns(
            incident=cause.field("incidentIdentifier"),
            incident_school=pl.coalesce(cause.field("schoolId"), "responsibilitySchoolReference.schoolId"),
            behavior=_code(cause.field("behaviorDescriptor")),
            action=pl.when(action.str.contains("expulsion"))
            .then(pl.lit("expulsion"))
            .otherwise(action.replace_strict(_ACTIONS, default=action.str.replace_all(r"\W+", "_"))),
        )
        .join(incidents, on=["incident", "incident_school"], how="left", maintain_order="left")
    )
    day = pl.coalesce("incident_date", "disciplineDate")
    rows = frame.select(
        "behavior", "action", FILE, LINE,
        school_year=_year_of(day.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)),
        student_id=_STUDENT,
        school_id="incident_school",
        incident_id=pl.coalesce("incident", "disciplineActionIdentifier"),
        incident_date=day,
        days=pl.coalesce("actualDisciplineActionLength", "disciplineActionLength"),
    )  # fmt: skip
    return Mapped("discipline", rows)


def _survey_responses(live: _Resources) -> Mapped:
    """surveyQuestionResponses, one row each: its numeric value, else its text; several values with `;` between them.

    The school is the survey's organization, or that of its session. A response that names no student, staff member or
    parent is a student's where it states a grade (surveyLevelDescriptor). `noResponse` is a question left out.
    """
    survey = ["surveyIdentifier", "namespace"]
    surveys = (
        live["surveys"]
        .select(
            *survey,
            school_year="schoolYearTypeReference.schoolYear",
            school_id=pl.coalesce(
                "sessionReference.schoolId", "educationOrganizationReference.educationOrganizationId"
            ),
            survey_known=pl.lit(True),
        )
        .unique(survey, keep="last")
    )
    kind = (
        pl.when(pl.col(_STUDENT).is_not_null()).then(pl.lit("student"))
        .when(pl.col("staffReference.staffUniqueId").is_not_null()).then(pl.lit("staff"))
        .when(pl.coalesce("contactReference.contactUniqueId", "parentReference.parentUniqueId").is_not_null())
        .then(pl.lit("family"))
        .when(pl.col("surveyLevelDescriptor").is_not_null()).then(pl.lit("student"))
    )  # fmt: skip
    responses = (
        live["surveyResponses"]
        .select(
            pl.col("surveyReference.surveyIdentifier").alias("surveyIdentifier"),
            pl.col("surveyReference.namespace").alias("namespace"),
            respondent_id="surveyResponseIdentifier",
            respondent_type=kind,
            student_id=_STUDENT,
            submitted_at="responseDate",
            response_known=pl.lit(True),
        )
        .unique([*survey, "respondent_id"], keep="last")
    )
    value = pl.element().struct
    given = pl.col("values").list.eval(
        pl.coalesce(value.field("numericResponse"), value.field("textResponse")).drop_nulls()
    )
    rows = (
        _collections(live["surveyQuestionResponses"], "surveyQuestionResponses")
        .select(
            FILE,
            LINE,
            surveyIdentifier="surveyQuestionReference.surveyIdentifier",
            namespace="surveyQuestionReference.namespace",
            respondent_id="surveyResponseReference.surveyResponseIdentifier",
            item_id="surveyQuestionReference.questionCode",
            response=pl.when(_truth("noResponse").fill_null(False))
            .then(pl.lit(SKIPPED))
            .otherwise(given.list.join(";").replace("", None)),
        )
        .join(surveys, on=survey, how="left", maintain_order="left")
        .join(responses, on=[*survey, "respondent_id"], how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("survey_known").is_null())
            .then(pl.lit("its survey is not in surveys"))
            .when(pl.col("response_known").is_null())
            .then(pl.lit("its respondent is not in surveyResponses"))
            .alias(REJECT)
        )
        .rename({"surveyIdentifier": "survey_id"})
        .drop("namespace", "survey_known", "response_known")
    )
    return Mapped("survey_responses", rows)


def _survey_items(live: _Resources) -> Mapped:
    """surveyQuestions, one row each in the survey's school year. The construct is the section's title, which the
    source's `values` may name otherwise; the scale is that of the choices."""
    survey = ["surveyReference.surveyIdentifier", "surveyReference.namespace"]
    years = live["surveys"].select(
        pl.col("surveyIdentifier").alias(survey[0]),
        pl.col("namespace").alias(survey[1]),
        school_year="schoolYearTypeReference.schoolYear",
    )
    choices = pl.col("responseChoices").list.eval(
        pl.element().struct.field("numericValue").cast(pl.Int64, strict=False).drop_nulls()
    )
    rows = (
        _collections(live["surveyQuestions"], "surveyQuestions")
        .join(years.unique(survey, keep="last"), on=survey, how="left", maintain_order="left")
        .select(
            "school_year",
            FILE,
            LINE,
            survey_id=survey[0],
            item_id="questionCode",
            construct="surveySectionReference.surveySectionTitle",
            text="questionText",
            scale_min=choices.list.min(),
            scale_max=choices.list.max(),
        )
    )
    return Mapped("survey_items", rows)


def _assessments(live: _Resources) -> tuple[Mapped, Mapped]:
    """studentAssessments of SAT and PSAT as readiness_scores and of AP as exam_results; the school year is the one
    stated, else that of the day. AP's identifier names the exam (`AP Biology`). Others are counted as skipped."""
    named = pl.col("assessmentReference.assessmentIdentifier").str.strip_chars()
    result = pl.element().struct
    method = _code(result.field("assessmentReportingMethodDescriptor")).str.to_lowercase()
    on_scale = pl.col("scoreResults").list.eval(result.field("result").filter(method.is_in(_SCORES)))
    test = named.str.extract(r"(?i)^(SAT|PSAT/NMSQT|PSAT 10|PSAT 8/9)(?:\W|$)").str.to_lowercase()
    section = named.str.replace(r"(?i)^(?:SAT|PSAT/NMSQT|PSAT 10|PSAT 8/9)[\s:_-]*", "").str.to_lowercase()
    frame = _collections(live["studentAssessments"], "studentAssessments").select(
        FILE,
        LINE,
        school_year=pl.coalesce("schoolYearTypeReference.schoolYear", _year_of(_day("administrationDate"))),
        student_id=_STUDENT,
        score=on_scale.list.first(),
        exam=named.str.extract(r"(?i)^AP[\s:_-]+(.+)$"),
        assessment=test.replace_strict(_READINESS, default=None, return_dtype=pl.String),
        section=section.replace_strict(_SECTIONS, default=section, return_dtype=pl.String),
    )
    exam, test = pl.col("exam").is_not_null(), pl.col("assessment").is_not_null()
    codes = {name.lower(): code for code, name in EXAM_NAMES.items()}
    exams = frame.filter(exam).select(
        "school_year", "student_id", "score", FILE, LINE,
        exam_year="school_year",
        program=pl.lit("ap"),
        exam_name="exam",
        exam_code=pl.col("exam").str.to_lowercase().replace_strict(codes, default=pl.col("exam"), return_dtype=pl.String),
    )  # fmt: skip
    others = frame.filter(~exam & ~test).height
    skipped = {"assessment is none of SAT, PSAT and AP": others} if others else {}
    scores = frame.filter(test).drop("exam")
    return Mapped("readiness_scores", scores, skipped), Mapped("exam_results", exams)
