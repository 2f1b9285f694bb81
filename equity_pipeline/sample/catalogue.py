"""The course catalogue of the sample districts: titles, SCED v12 codes, and the exam that belongs to a course.

SCED codes are those of the NCES table (AP, IB Diploma and Middle Years); exam codes are the College Board's two digits.
A student takes one course in each of five subjects, so a catalogue is read by subject and by grade.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from equity_pipeline.sample.profiles import Profile

SUBJECTS = ("english", "mathematics", "science", "social_studies", "elective")


@dataclass(frozen=True)
class Course:
    """`level` is `general`, `honors`, `ap` or `ib`; `exam` (code, name) only where an exam follows the course."""

    course_id: str
    title: str
    sced_code: str | None
    subject: str
    level: str
    grades: tuple[int, ...]
    exam: tuple[str, str] | None = None
    term: str = "FY"


def _ap(
    course_id: str,
    name: str,
    sced_code: str,
    subject: str,
    grades: tuple[int, ...],
    exam_code: str,
    term: str = "FY",
) -> Course:
    return Course(course_id, f"AP {name}", sced_code, subject, "ap", grades, (exam_code, name), term)


def _ib(course_id: str, name: str, sced_code: str, subject: str) -> Course:
    exam = f"{name.upper()} HL"  # the IB numbers no exams
    return Course(course_id, f"IB {name}", sced_code, subject, "ib", (11, 12), (exam, exam))


_MIDDLE = tuple(
    Course(f"M{grade}{number}", f"{title} {grade}", sced_code, subject, "general", (grade,))
    for grade in (7, 8)
    for number, (subject, title, sced_code) in enumerate(
        [
            ("english", "Language Arts", "51034"),
            ("mathematics", "Mathematics", "52037"),
            ("science", "Science", "53237"),
            ("social_studies", "Social Studies", "54437"),
            ("elective", "Art", "55154"),
        ]
    )
)

_HIGH = (
    Course("1101", "English 9", "01001", "english", "general", (9,)),
    Course("1102", "English 10", "01002", "english", "general", (10,)),
    Course("1103", "English 11", "01003", "english", "general", (11,)),
    Course("1104", "English 12", "01004", "english", "general", (12,)),
    Course("1151", "English 10 Honors", "01002", "english", "honors", (9, 10)),
    Course("1201", "Algebra I", "02052", "mathematics", "general", (9,)),
    Course("1202", "Geometry", "02072", "mathematics", "general", (10,)),
    Course("1203", "Algebra II", "02056", "mathematics", "general", (11,)),
    Course("1204", "Quantitative Reasoning", "02150", "mathematics", "general", (12,)),
    Course("1251", "Algebra II Honors", "02056", "mathematics", "honors", (9, 10, 11)),
    Course("1301", "Earth Science", "03001", "science", "general", (9,)),
    Course("1302", "Biology", "03051", "science", "general", (10,)),
    Course("1303", "Chemistry", "03101", "science", "general", (11,)),
    Course("1304", "Physics", "03151", "science", "general", (12,)),
    Course("1351", "Biology Honors", "03051", "science", "honors", (9, 10)),
    Course("1401", "World Geography", "04001", "social_studies", "general", (9,)),
    Course("1402", "World History", "04051", "social_studies", "general", (10,)),
    Course("1403", "U.S. History", "04101", "social_studies", "general", (11,)),
    Course("1404", "Civics", "04161", "social_studies", "general", (12,)),
    Course("1501", "Physical Education", "08001", "elective", "general", (9, 10)),
    Course("1502", "Spanish II", "24053", "elective", "general", (10, 11)),
    Course("1503", "Photography", "05167", "elective", "general", (11, 12)),
)

_AP = (
    _ap("4101", "Seminar", "25003", "english", (9, 10), "22"),
    _ap("4102", "English Language and Composition", "01005", "english", (11,), "36"),
    _ap("4103", "English Literature and Composition", "01006", "english", (12,), "37"),
    _ap("4201", "Statistics", "02203", "mathematics", (9, 10, 11, 12), "90"),
    _ap("4202", "Calculus AB", "02124", "mathematics", (11, 12), "66"),
    _ap("4203", "Calculus BC", "02125", "mathematics", (12,), "68"),
    _ap("4301", "Environmental Science", "03207", "science", (9, 10, 11, 12), "40"),
    _ap("4302", "Biology", "03056", "science", (10, 11, 12), "20"),
    _ap("4303", "Chemistry", "03106", "science", (11, 12), "25"),
    _ap("4401", "Human Geography", "04004", "social_studies", (9,), "53"),
    _ap("4402", "World History: Modern", "04067", "social_studies", (10,), "93"),
    _ap("4403", "United States History", "04104", "social_studies", (11,), "07"),
    _ap("4404", "United States Government and Politics", "04157", "social_studies", (12,), "57", "S1"),
    _ap("4405", "Macroeconomics", "04204", "social_studies", (12,), "35", "S2"),
    _ap("4406", "Psychology", "04256", "social_studies", (11, 12), "85"),
    _ap("4501", "Computer Science Principles", "10019", "elective", (9, 10, 11, 12), "32"),
    _ap("4502", "Spanish Language and Culture", "24064", "elective", (10, 11, 12), "87"),
    _ap("4503", "Art History", "05153", "elective", (11, 12), "13"),
)

_IB = (
    _ib("5101", "Language A: Literature—English", "01007", "english"),
    _ib("5201", "Mathematics: Applications and Interpretation", "02139", "mathematics"),
    _ib("5301", "Biology", "03057", "science"),
    _ib("5401", "History", "04054", "social_studies"),
    _ib("5501", "Visual Arts", "05173", "elective"),
)

# Title and code say IB, yet it is no Diploma course: whoever counts it has a wrong access rate.
_MIDDLE_YEARS = (
    Course("5001", "IB Language A (English), Middle Years Program", "01010", "english", "general", (9, 10)),
)


HOMEROOM = Course("HR", "Homeroom", None, "homeroom", "general", ())


def catalogue(profile: Profile) -> tuple[Course, ...]:
    """All courses that a district offers: IB Diploma and Middle Years where a school has them, homeroom where it is one."""
    international = any(school.ib for school in profile.schools)
    return (
        _MIDDLE
        + _HIGH
        + _AP
        + (_IB + _MIDDLE_YEARS if international else ())
        + ((HOMEROOM,) if profile.homeroom else ())
    )


def table(courses: tuple[Course, ...], years: Iterable[int], has_sced: bool) -> pl.DataFrame:
    """The canonical `courses`: the whole catalogue in each school year, for the whole district."""
    listed = pl.DataFrame(
        {
            "course_id": [course.course_id for course in courses],
            "course_title": [course.title for course in courses],
            "sced_code": [course.sced_code if has_sced else None for course in courses],
            "course_level": [course.level for course in courses],
            "subject": [course.subject for course in courses],
            "credits": [0.5 if course.term != "FY" else 1.0 for course in courses],
        },
        schema_overrides={"sced_code": pl.String},
    )
    return pl.DataFrame({"school_year": years}, schema={"school_year": pl.Int32}).join(listed, how="cross")
