"""College Board's AP student datafile for schools and districts: one wide record per student, thirty exam slots.

Belongs here: the datafile's slots and codes. Does not belong here: which exams count for a metric.

The district's own student id is in `Student Identifier` (field 242) where the district sent it to the College Board;
a district that keeps it elsewhere says so: `columns: {student_id: …}`. `AP Number / AP ID` is the College Board's: where
the district's id is blank, the exam is kept as of student `ap:<number>`, who is nobody of the district.

With `extract: readiness_scores` a source reads PSAT and SAT datafiles instead (`college_board_sat`).

Sources: AP Student Datafile Layout (244 fields since 2016); exam and irregularity codes as two independent public
staging models list them.
"""

from __future__ import annotations

import re

import polars as pl

from equity_pipeline.adapters import delimited
from equity_pipeline.adapters.base import FILE, LINE, Mapped, RawTable
from equity_pipeline.adapters.college_board_sat import SITTING, readiness
from equity_pipeline.adapters.college_board_sat import STUDENT_ID as DISTRICT_IDS
from equity_pipeline.adapters.delimited import header_among, listed
from equity_pipeline.contracts.persons import IDENTITY
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Partner, Source

read = delimited.read

STUDENT_ID, AP_NUMBER = "Student Identifier", "AP Number / AP ID"

EXAM_NAMES = {
    "07": "United States History", "10": "African American Studies", "13": "Art History", "14": "Drawing",
    "15": "2-D Art and Design", "16": "3-D Art and Design", "20": "Biology", "22": "Seminar", "23": "Research",
    "25": "Chemistry", "28": "Chinese Language and Culture", "31": "Computer Science A",
    "32": "Computer Science Principles", "33": "Computer Science AB", "34": "Microeconomics", "35": "Macroeconomics",
    "36": "English Language and Composition", "37": "English Literature and Composition",
    "40": "Environmental Science", "43": "European History", "48": "French Language and Culture",
    "51": "French Literature", "53": "Human Geography", "55": "German Language and Culture",
    "57": "United States Government and Politics", "58": "Comparative Government and Politics", "60": "Latin",
    "61": "Latin Literature", "62": "Italian Language and Culture", "64": "Japanese Language and Culture",
    "65": "Precalculus", "66": "Calculus AB", "68": "Calculus BC", "75": "Music Theory", "78": "Physics B",
    "80": "Physics C: Mechanics", "82": "Physics C: Electricity and Magnetism", "83": "Physics 1", "84": "Physics 2",
    "85": "Psychology", "87": "Spanish Language and Culture", "89": "Spanish Literature and Culture",
    "90": "Statistics", "93": "World History: Modern",
}  # fmt: skip
SUBSCORES = ("69", "76", "77")
"""Calculus BC: AB, Music Theory aural and non-aural: parts of an exam that has its own slot."""
CANCELED = ("04", "17", "19", "87", "92", "94", "95")
"""Irregularity codes that say the score is canceled. All others (a late start, a projected part, a delay that has
since ended) leave a score that is there as it is."""

_SLOT = re.compile(
    r"^(admin year|exam code|exam grade|irregularity code #1|irregularity code #2) (\d{2})$", re.IGNORECASE
)


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """exam_results: one row per filled slot with a grade. The admin year (`24` is May 2024) is the exam year.
    readiness_scores, where the source says so: see `college_board_sat.readiness`.

    Counted as skipped: subscores, canceled scores, slots without a grade, and records with no filled slot.

    Raises:
        PartnerFileError: the source maps anything but `student_id`, or has options of its own.
        DeliveryError: not an AP datafile, or the column of the student id is not found.
    """
    if source.extract == "readiness_scores":
        return [readiness(tables, source)]
    if source.columns.keys() - {"student_id"} or source.values or source.constants:
        raise PartnerFileError(
            f"source {source.name!r}: an AP datafile maps only `columns: {{student_id: …}}`"
        )
    slots = pl.concat(_slots(table, source) for table in tables)
    reason = (
        pl.when(pl.col("exam_code").is_null() & pl.col("score").is_null()).then(pl.lit("no exam in the record"))
        .when(pl.col("exam_code").is_in(SUBSCORES)).then(pl.lit("subscore"))
        .when(pl.any_horizontal(pl.col("first", "second").is_in(CANCELED))).then(pl.lit("score is canceled"))
        .when(pl.col("score").is_null()).then(pl.lit("no grade"))
    )  # fmt: skip
    slots = slots.with_columns(reason=reason)
    skipped = slots["reason"].drop_nulls().value_counts().sort("reason")
    rows = slots.filter(pl.col("reason").is_null()).select(
        "exam_year", "student_id", "exam_code", "score", FILE, LINE, *IDENTITY,
        school_year="exam_year",
        program=pl.lit("ap"),
        exam_name=pl.col("exam_code").replace_strict(EXAM_NAMES, default=None, return_dtype=pl.String),
    )  # fmt: skip
    unnamed = rows.filter(pl.col("student_id").str.starts_with("ap:"))
    told = f"{unnamed.height} exams of {unnamed['student_id'].n_unique()} students bear no id of the district"
    warnings = (f"{told}; they are kept under the AP number and match nobody",) if unnamed.height else ()
    return [Mapped("exam_results", rows, dict(skipped.iter_rows()), warnings)]


def says(table: RawTable, source: Source) -> dict[str, str]:
    """The slots, and of the student the ids alone."""
    ids = [STUDENT_ID, AP_NUMBER, *DISTRICT_IDS]
    slots = [
        header
        for header in table.frame.columns
        if _SLOT.match(header.strip()) or SITTING.match(header.strip())
    ]
    return (
        delimited.fed(table, {"student_id": ids})
        | {header: header for header in slots}
        | delimited.says(table, source)
    )


def _slots(table: RawTable, source: Source) -> pl.DataFrame:
    """One row per filled slot, and one per record that has none."""
    delivered = [column for column in table.frame.columns if column != LINE]
    slots: dict[str, dict[str, str]] = {}
    for column in delivered:
        if match := _SLOT.match(column.strip()):
            slots.setdefault(match[2], {})[match[1].lower()] = column
    whole = {
        number: parts
        for number, parts in sorted(slots.items())
        if {"admin year", "exam code", "exam grade"} <= parts.keys()
    }
    if not whole:
        raise DeliveryError(
            f"no exam slots (`Admin Year 01`, `Exam Code 01`, `Exam Grade 01`) in {len(delivered)} columns",
            file=table.name, line=table.header_line, remedy="send the student datafile as downloaded, with its header row",
        )  # fmt: skip
    folded = {column.strip().lower(): column for column in reversed(delivered)}
    sought = source.columns.get("student_id", STUDENT_ID)
    student = header_among(delivered, sought)
    if student is None:
        raise DeliveryError(
            f"no column {' or '.join(listed(sought))} for the student id",
            file=table.name, line=table.header_line, remedy="state the header in the source: `columns: {student_id: …}`",
        )  # fmt: skip

    def text(column: str | None) -> pl.Expr:
        return (
            pl.lit(None, pl.String) if column is None else pl.col(column).str.strip_chars().replace("", None)
        )

    def two_digits(column: str | None) -> pl.Expr:
        """`7` → `07`: spreadsheets take the leading zero away."""
        return text(column).str.zfill(2)

    long = [
        table.frame.select(
            pl.lit(table.name).alias(FILE),
            LINE,
            slot=pl.lit(number),
            student_id=pl.coalesce(text(student), pl.format("ap:{}", text(folded.get(AP_NUMBER.lower())))),
            exam_year=pl.when(two_digits(parts["admin year"]).str.contains(r"^\d\d$"))
            .then(pl.format("20{}", two_digits(parts["admin year"])))
            .otherwise(text(parts["admin year"])),
            exam_code=two_digits(parts["exam code"]),
            score=text(parts["exam grade"]),
            last_name=text(folded.get("last name")),
            first_name=text(folded.get("first name")),
            birth_date=text(folded.get("date of birth"))
            .str.zfill(6)
            .str.to_date("%m%d%y", strict=False)
            .cast(pl.String),
            first=two_digits(parts.get("irregularity code #1")),
            second=two_digits(parts.get("irregularity code #2")),
        )
        for number, parts in whole.items()
    ]
    everything = pl.concat(long)
    filled = everything.filter(pl.any_horizontal(pl.col("exam_code", "score").is_not_null()))
    empty = everything.filter(slot=next(iter(whole))).join(filled, on=LINE, how="anti")
    return pl.concat([filled, empty]).sort(LINE, "slot")
