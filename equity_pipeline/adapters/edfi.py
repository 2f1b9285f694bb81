"""Ed-Fi Data Standard 4 and 5, as its API gives resources: JSON lines, one resource per file.

Belongs here: what Ed-Fi's resources and descriptors mean. Does not belong here: types and rules of canonical columns
(`extracts/`).

A delivery is a zip or folder of `<resource>.jsonl`, such as `studentSchoolAssociations.jsonl`. A descriptor may be a
URI (`uri://ed-fi.org/SexDescriptor#Female`) or the bare code. Resources that are not used here stay in the archive.

What a record does not say is not known. Where a status is kept only for those who have it (special education, homeless,
foster care), the others are `no` if anybody in the delivery has it, else not known. Meals: only `full price` is a no.

Option: `exit_date: first_day_after` where the source's exit and end dates are the first day after the last.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path, PurePosixPath

import polars as pl
from polars.exceptions import PolarsError

from equity_pipeline.adapters.base import FILE, LINE, REJECT, BadRecord, Mapped, RawTable
from equity_pipeline.adapters.delimited import member_name, with_values
from equity_pipeline.adapters.readers import members
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.extracts.contracts import EXTRACTS, GRADES
from equity_pipeline.partners.registry import Partner, Source

RECORD = "record"
"""The delivered line itself."""
_MODIFIED = "_lastModifiedDate"

_SECTION = "localCourseCode schoolId schoolYear sectionIdentifier sessionName"
_PROGRAM = "studentReference.studentUniqueId beginDate endDate"
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
    "limitedEnglishProficiencyDescriptor genderIdentity races[].raceDescriptor "
    "studentCharacteristics[].studentCharacteristicDescriptor",
    "studentSchoolAssociations": "studentReference.studentUniqueId schoolReference.schoolId "
    "schoolYearTypeReference.schoolYear entryDate exitWithdrawDate entryGradeLevelDescriptor primarySchool",
    "studentSectionAssociations": "studentReference.studentUniqueId beginDate endDate "
    + " ".join(f"sectionReference.{name}" for name in _SECTION.split()),
    "grades": "gradeTypeDescriptor letterGradeEarned numericGradeEarned "
    + " ".join(f"studentSectionAssociationReference.{name}" for name in f"studentUniqueId beginDate {_SECTION}".split()),
    "studentSpecialEducationProgramAssociations": f"{_PROGRAM} ideaEligibility",
    "studentLanguageInstructionProgramAssociations": f"{_PROGRAM} englishLearnerParticipation",
    "studentSchoolFoodServiceProgramAssociations": f"{_PROGRAM} "
    "schoolFoodServiceProgramServices[].schoolFoodServiceProgramServiceDescriptor",
    "studentSchoolAttendanceEvents": "studentReference.studentUniqueId schoolReference.schoolId eventDate eventDuration "
    "attendanceEventCategoryDescriptor",
    "disciplineIncidents": "incidentIdentifier schoolReference.schoolId incidentDate",
    "disciplineActions": "disciplineActionIdentifier disciplineDate studentReference.studentUniqueId "
    "responsibilitySchoolReference.schoolId actualDisciplineActionLength disciplineActionLength "
    "disciplines[].disciplineDescriptor " + " ".join(
        "studentDisciplineIncidentBehaviorAssociations[].studentDisciplineIncidentBehaviorAssociationReference." + name
        for name in ("incidentIdentifier", "schoolId", "behaviorDescriptor")
    ),
}  # fmt: skip
_NEEDED = {
    "students": ("studentSchoolAssociations",),
    "studentSchoolAssociations": ("students", "schools"),
    "studentSectionAssociations": ("students", "courseOfferings"),
    "courseOfferings": ("courses",),
    "studentSchoolAttendanceEvents": ("studentSchoolAssociations",),
}
_EXTRACTS = (
    "schools", "students", "school_enrollments", "courses", "course_enrollments", "attendance", "discipline",
)  # fmt: skip

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
    """One table per resource file: the line itself (`record`) and its single values under their path as text.

    A line that is not an object of the resource's shape is a `BadRecord`.

    Raises:
        DeliveryError: no file is named after a resource that is used here, or one holds no object at all.
    """
    known = {resource.lower(): resource for resource in _RESOURCES}
    tables = []
    for member, content in members(path, name):
        file = PurePosixPath(member)
        if file.suffix.lower() in (".jsonl", ".ndjson") and (resource := known.get(file.stem.lower())):
            data = content if isinstance(content, bytes) else content.read_bytes()
            tables.append(_read_lines(data, member_name(path, name, member), resource))
    if not tables:
        raise DeliveryError(
            "no file is named after an Ed-Fi resource",
            file=name,
            remedy=f"name each `<resource>.jsonl`; used are {', '.join(_RESOURCES)}",
        )
    return tables


def _read_lines(data: bytes, name: str, resource: str) -> RawTable:
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DeliveryError(
            "the text is not UTF-8",
            file=name,
            line=data.count(b"\n", 0, error.start) + 1,
            remedy="send UTF-8",
        ) from error
    frame = pl.DataFrame({RECORD: lines}, schema={RECORD: pl.String}).with_row_index(LINE, offset=1)
    frame = frame.with_columns(pl.col(LINE).cast(pl.Int64), pl.col(RECORD).str.strip_chars())
    frame = frame.filter(pl.col(RECORD) != "")
    paths = [*_RESOURCES[resource].split(), _MODIFIED]
    shape = _shape(paths)
    bad: tuple[BadRecord, ...] = ()
    try:
        decoded = frame[RECORD].str.json_decode(shape)
    except PolarsError:
        broken = _misfits(frame[RECORD], shape)
        if len(broken) == frame.height:
            raise DeliveryError(
                f"no line is an object of {resource}", file=name, line=frame[LINE][0],
                remedy="send JSON lines: one object per line, fields as in the Ed-Fi API",
            ) from None  # fmt: skip
        bad = tuple(
            BadRecord(line, text, f"not an object of {resource}")
            for text, line in frame[broken].select(RECORD, LINE).iter_rows()
        )
        frame = frame.with_row_index("at").filter(~pl.col("at").is_in(broken)).drop("at")
        decoded = frame[RECORD].str.json_decode(shape)
    frame = frame.with_columns(decoded.alias("decoded")).select(
        RECORD, LINE, *(_at(path).replace("", None).alias(path) for path in paths if "[]" not in path)
    )
    modified = frame.select(_day(_MODIFIED).max()).item()
    return RawTable(name, frame, bad, {} if modified is None else {"as_of": modified.isoformat()})


def _shape(paths: list[str]) -> pl.Struct:
    """The type of an object with text at these paths; `[]` marks a collection of objects."""
    tree: dict[str, dict] = {}
    for path in paths:
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})

    def struct(node: dict[str, dict]) -> pl.Struct:
        fields = {}
        for part, below in node.items():
            inner = struct(below) if below else pl.String
            fields[part.removesuffix("[]")] = pl.List(inner) if part.endswith("[]") else inner
        return pl.Struct(fields)

    return struct(tree)


def _at(path: str) -> pl.Expr:
    value = pl.col("decoded")
    for part in path.split("."):
        value = value.struct.field(part)
    return value.str.strip_chars()


def _misfits(records: pl.Series, shape: pl.Struct, start: int = 0) -> list[int]:
    """Positions of the records that can't be decoded, by halving."""
    try:
        records.str.json_decode(shape)
    except PolarsError:
        if len(records) == 1:
            return [start]
        half = len(records) // 2
        return _misfits(records[:half], shape, start) + _misfits(records[half:], shape, start + half)
    return []


# --- mapping -----------------------------------------------------------------------------------------------------


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """Every extract whose resource is in the delivery: schools, students, school_enrollments, courses,
    course_enrollments, attendance and discipline.

    Raises:
        PartnerFileError: the source maps columns, or has an option or canonical column that does not exist.
        DeliveryError: a resource refers to another that is not in the delivery.
    """
    _check(source)
    live = _together(tables)
    for resource, needed in _NEEDED.items():
        if absent := [other for other in needed if resource in live and other not in live]:
            raise DeliveryError(
                f"{resource} needs {', '.join(absent)}",
                file=live[resource][FILE][0] if live[resource].height else tables[0].name,
                remedy="send these resources in one zip or folder",
            )
    delivered = set(live)
    for resource in _RESOURCES.keys() - delivered:
        columns = [path for path in _RESOURCES[resource].split() if "[]" not in path]
        live[resource] = pl.DataFrame(
            schema=dict.fromkeys((*columns, RECORD, FILE), pl.String) | {LINE: pl.Int64}
        )
    stays = _stays(live, source)
    years = sorted(
        {
            *stays["school_year"].drop_nulls(),
            *live["courseOfferings"]["sessionReference.schoolYear"].drop_nulls(),
        }
    )
    extracts = {
        "schools": lambda: _schools(live, years),
        "students": lambda: _students(live, delivered, stays, years),
        "studentSchoolAssociations": lambda: _school_enrollments(stays),
        "courseOfferings": lambda: _courses(live),
        "studentSectionAssociations": lambda: _course_enrollments(live, source),
        "studentSchoolAttendanceEvents": lambda: _attendance(live, stays),
        "disciplineActions": lambda: _discipline(live),
    }
    return [_finished(make(), source) for resource, make in extracts.items() if resource in delivered]


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


def _together(tables: list[RawTable]) -> _Resources:
    known = {resource.lower(): resource for resource in _RESOURCES}
    parts: dict[str, list[pl.DataFrame]] = {}
    for table in tables:
        resource = known[PurePosixPath(table.name.rsplit("!", 1)[-1]).stem.lower()]
        parts.setdefault(resource, []).append(table.frame.with_columns(pl.lit(table.name).alias(FILE)))
    return {resource: pl.concat(frames) for resource, frames in parts.items()}


def _finished(mapped: Mapped, source: Source) -> Mapped:
    constants = {
        column.name: source.constants[column.name]
        for column in EXTRACTS[mapped.extract].columns
        if column.name in source.constants
    }
    rows = mapped.rows.with_columns(pl.lit(value).alias(column) for column, value in constants.items())
    rows = with_values(rows.with_columns(pl.exclude(LINE).cast(pl.String)), source)
    return Mapped(mapped.extract, rows, mapped.skipped, mapped.warnings)


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
    decoded = pl.col(RECORD).str.json_decode(_shape(paths))
    return frame.with_columns(decoded.alias("decoded")).with_columns(
        pl.col("decoded").struct.field(name).fill_null([]).alias(name) for name in names
    )


def _codes(collection: str, field: str) -> pl.Expr:
    return pl.col(collection).list.eval(_code(pl.element().struct.field(field)).str.to_lowercase())


def _day(column: str) -> pl.Expr:
    return pl.col(column).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)


def _last_day(column: str, source: Source) -> pl.Expr:
    """An exit or end date as the last day; text that is no date stays for the contract to judge."""
    day = _day(column) - pl.duration(days=int(source.options.get("exit_date") == "first_day_after"))
    return pl.coalesce(day.cast(pl.String), column)


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
        is_primary=pl.col("primarySchool").replace({"true": "yes", "false": "no"}),
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
    """students, one row per school year in which the student has a studentSchoolAssociation.

    Grade: that of the year's primary school, else of the school entered last. Sex, ethnicity, races, English learner
    and characteristics: from the association with the district, where that does not say from one with a school.
    """
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
    alone = pl.lit(years[0] if len(years) == 1 else None, pl.String)
    rows = (
        live["students"]
        .select(FILE, LINE, student_id="studentUniqueId", birth_date="birthDate")
        .join(grades, on="student_id", how="left", maintain_order="left")
        .join(_attributes(live), on="student_id", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("school_year", alone).alias("school_year"),
            pl.when(pl.col("school_year").is_null())
            .then(pl.lit("the student has no studentSchoolAssociation"))
            .alias(REJECT),
        )
        .join(_programs(live, delivered), on=["student_id", "school_year"], how="left", maintain_order="left")
    )
    meals = _meals(live)
    special = "studentSpecialEducationProgramAssociations"
    served = pl.lit(special in delivered and live[special].height > 0)
    rows = (
        rows.join(meals, on="student_id", how="left", maintain_order="left")
        .with_columns(
            disability_idea=pl.when(pl.col("idea").fill_null(False))
            .then(pl.lit("yes"))
            .when(served)
            .then(pl.lit("no")),
            english_learner=pl.coalesce(
                "english_learner", pl.when(pl.col("learner").fill_null(False)).then(pl.lit("current"))
            ),
            economically_disadvantaged=pl.when(pl.col("low_income").fill_null(False))
            .then(pl.lit("yes"))
            .otherwise("economically_disadvantaged"),
        )
        .drop("idea", "learner", "low_income")
        .sort(FILE, LINE, "school_year")
    )
    return Mapped("students", rows)


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
    traits = _codes("studentCharacteristics", "studentCharacteristicDescriptor")
    frame = frame.select(
        FILE,
        LINE,
        student_id=_STUDENT,
        sex=_coded(pl.col("sexDescriptor"), _SEXES),
        hispanic_latino=pl.when(races.list.contains("hispanic or latino"))
        .then(pl.lit("yes"))
        .otherwise(pl.col("hispanicLatinoEthnicity").replace({"true": "yes", "false": "no"})),
        races=named.list.unique().list.sort().list.join(";").replace("", None),
        english_learner=_coded(pl.col("limitedEnglishProficiencyDescriptor"), _LEARNERS),
        gender_identity="genderIdentity",
        homeless=traits.list.contains("homeless"),
        foster_care=traits.list.contains("foster care"),
        low_income=traits.list.contains("economic disadvantaged"),
    )
    stated = ["sex", "hispanic_latino", "races", "english_learner", "gender_identity"]
    return (
        frame.group_by("student_id", maintain_order=True)
        .agg(
            *(pl.col(column).drop_nulls().first() for column in stated),
            *(pl.col(column).any() for column in ("homeless", "foster_care", "low_income")),
        )
        .with_columns(
            pl.when(column).then(pl.lit("yes")).when(pl.col(column).any()).then(pl.lit("no")).alias(column)
            for column in ("homeless", "foster_care")
        )
    )


def _programs(live: _Resources, delivered: set[str]) -> pl.DataFrame:
    """One row per student × school year in which a special education (`idea`) or language program (`learner`) ran."""

    def active(resource: str, flag: str, column: str) -> pl.DataFrame:
        last = pl.coalesce(_day("endDate"), pl.lit(dt.date(2100, 6, 30)))
        ran = live[resource].filter(pl.col(flag).ne_missing("false"))
        ran = ran.select(
            student_id=_STUDENT,
            first=_year_of(_day("beginDate")).cast(pl.Int32),
            last=_year_of(last).cast(pl.Int32),
        )
        return (
            attended.join(ran, on="student_id")
            .filter(pl.col("school_year").cast(pl.Int32, strict=False).is_between("first", "last"))
            .select("student_id", "school_year", pl.lit(True).alias(column))
            .unique()
        )

    attended = (
        live["studentSchoolAssociations"]
        .select(
            student_id=_STUDENT,
            school_year=pl.coalesce("schoolYearTypeReference.schoolYear", _year_of(_day("entryDate"))),
        )
        .unique()
    )
    idea = active("studentSpecialEducationProgramAssociations", "ideaEligibility", "idea")
    learner = active(
        "studentLanguageInstructionProgramAssociations", "englishLearnerParticipation", "learner"
    )
    return idea.join(learner, on=["student_id", "school_year"], how="full", coalesce=True)


def _meals(live: _Resources) -> pl.DataFrame:
    """economically_disadvantaged per student: free or reduced-price meals are yes, full price is no."""
    resource = "studentSchoolFoodServiceProgramAssociations"
    services = _codes("schoolFoodServiceProgramServices", "schoolFoodServiceProgramServiceDescriptor")
    frame = _collections(live[resource], resource).select(
        student_id=_STUDENT,
        yes=services.list.eval(pl.element().str.contains(r"^(free|reduced)")).list.any(),
        no=services.list.eval(pl.element().str.starts_with("full price")).list.any(),
    )
    return (
        frame.group_by("student_id", maintain_order=True)
        .agg(pl.col("yes", "no").any())
        .select(
            "student_id",
            economically_disadvantaged=pl.when("yes").then(pl.lit("yes")).when("no").then(pl.lit("no")),
        )
    )


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


def _attendance(live: _Resources, stays: pl.DataFrame) -> Mapped:
    """One row per student × school × school year, at the line of the first association.

    Absent: days with an absence that has no duration or lasts half a day or more (EDFacts counts such a day).
    Enrolled: the school's instructional days of the year (sessions.totalInstructionalDays) in the proportion of
    calendar days between entry and exit. A school without sessions gives no rows.
    """
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
    reference = "studentDisciplineIncidentBehaviorAssociations"
    incidents = (
        live["disciplineIncidents"]
        .select(incident="incidentIdentifier", incident_school=_SCHOOL, incident_date="incidentDate")
        .unique(["incident", "incident_school"], keep="last")
    )
    action = _code(pl.col("disciplines").struct.field("disciplineDescriptor")).str.to_lowercase()
    cause = pl.col(reference).struct.field("studentDisciplineIncidentBehaviorAssociationReference")
    frame = (
        _collections(live["disciplineActions"], "disciplineActions")
        .explode("disciplines", empty_as_null=True)
        .explode(reference, empty_as_null=True)
        .with_columns(
            incident=cause.struct.field("incidentIdentifier"),
            incident_school=pl.coalesce(
                cause.struct.field("schoolId"), "responsibilitySchoolReference.schoolId"
            ),
            behavior=_code(cause.struct.field("behaviorDescriptor")),
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
