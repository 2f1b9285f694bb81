"""The schema `raw` of a warehouse: what dbt starts from.

Belongs here: showing a partner's extracts and its file as plain tables. Does not belong here: any rule about a number.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from equity_pipeline import contracts
from equity_pipeline.domain.identifiers import check_partner_id
from equity_pipeline.partners.registry import Partner
from equity_pipeline.storage import sealed
from equity_pipeline.storage.home import Home

_TEXT, _WHOLE, _LARGE, _REAL, _DATE = "varchar", "integer", "bigint", "double", "date"

# The columns that dbt reads, of the canonical extracts; school_year comes from the partition folder.
EXTRACTS: dict[str, dict[str, str]] = {
    "schools": dict.fromkeys(("school_id", "school_name", "nces_school_id", "grade_low", "grade_high"), _TEXT),
    "students": dict.fromkeys(
        ("student_id", "grade_level", "sex", "hispanic_latino", "races", "race_standard",
         "economically_disadvantaged", "econ_basis", "english_learner", "disability_idea", "section_504",
         "homeless", "foster_care", "first_generation"),
        _TEXT,
    ),
    "school_enrollments": {
        "student_id": _TEXT, "school_id": _TEXT, "entry_date": _DATE, "exit_date": _DATE, "is_primary": _TEXT,
    },
    "courses": dict.fromkeys(
        ("school_id", "course_id", "course_title", "sced_code", "course_level", "subject"), _TEXT
    ),
    "course_enrollments": {
        "student_id": _TEXT, "school_id": _TEXT, "course_id": _TEXT, "term": _TEXT, "entry_date": _DATE,
        "final_grade": _TEXT, "dropped": _TEXT,
    },
    "exam_results": {
        "exam_year": _WHOLE, "student_id": _TEXT, "program": _TEXT, "exam_code": _TEXT, "score": _WHOLE,
    },
    "readiness_scores": {"student_id": _TEXT, "assessment": _TEXT, "section": _TEXT, "score": _REAL},
    "attendance": {
        "student_id": _TEXT, "school_id": _TEXT, "days_enrolled": _REAL, "days_absent": _REAL,
    },
    "discipline": {
        "student_id": _TEXT, "school_id": _TEXT, "incident_id": _TEXT, "incident_date": _DATE, "action": _TEXT,
    },
    "survey_items": {
        "survey_id": _TEXT, "item_id": _TEXT, "construct": _TEXT, "scale_min": _REAL, "scale_max": _REAL,
        "favorable": _TEXT, "reverse": _TEXT,
    },
    "survey_responses": {
        "survey_id": _TEXT, "respondent_type": _TEXT, "student_id": _TEXT, "item_id": _TEXT, "response": _TEXT,
        "submission": _WHOLE, "mark": _TEXT,
    },
    "aggregate_counts": {
        "school_id": _TEXT, "grade_level": _TEXT, "metric_id": _TEXT, "dimension": _TEXT, "subgroup": _TEXT,
        "n": _WHOLE, "successes": _WHOLE,
    },
    # What taking in found out about the others.
    "drift_blocks": {"school_id": _TEXT, "dimension": _TEXT, "reason": _TEXT, "accepted_because": _TEXT},
    "cross_file_checks": {"rule": _TEXT, "extract": _TEXT, "rows": _LARGE, "of_rows": _LARGE},
}  # fmt: skip

# What only the programmes' models read: extracts of their own, whole, and more columns of the others.
_KINDS = {"text": _TEXT, "integer": _WHOLE, "number": _REAL, "date": _DATE}
PROGRAMMES = (
    *(one.name for one in contracts.PROGRAMMES),
    "class_ratings", "initiatives", "initiative_members", "action_steps", "task_force_feedback",
)  # fmt: skip
EXTRACTS |= {
    name: {c.name: _KINDS[c.type] for c in contracts.EXTRACTS[name].columns if c.type != "year"}
    for name in PROGRAMMES
}
for _extract, _columns in {
    "course_enrollments": {"section_id": _TEXT},
    "discipline": {"disability_status": _TEXT, "days": _REAL},
    "survey_items": {"text": _TEXT, "instrument": _TEXT},
    "survey_responses": {"respondent_id": _TEXT, "school_id": _TEXT, "submission": _WHOLE, "mark": _TEXT},
}.items():
    EXTRACTS[_extract] = EXTRACTS[_extract] | _columns


@dataclass(frozen=True)
class CurrentDelivery:
    """A delivery that an extract × school year rests on; `as_of` is the date that it states, never the clock."""

    school_year: int
    extract: str
    delivery_id: str
    as_of: date | None


def parquet_files(home: Home, partner_id: str, extract: str) -> list[Path]:
    """The Parquet files of an extract, every school year, in order."""
    pattern = f"partner_id={check_partner_id(partner_id)}/school_year=*/*.parquet"
    return sorted((home.root / "extracts" / extract).glob(pattern))


def current_deliveries(home: Home, partner_id: str) -> list[CurrentDelivery]:
    """The deliveries that the partner's extracts rest on, by the ledger; none where there is no ledger yet."""
    if not home.ledger.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{home.ledger}?mode=ro", uri=True, timeout=60)) as ledger:
        rows = ledger.execute(
            "select distinct loads.school_year, loads.extract, loads.delivery_id, deliveries.as_of "
            "from loads join deliveries using (partner_id, delivery_id) "
            "where loads.partner_id = ? and loads.status = 'loaded' and loads.loaded > 0 order by 1, 2, 3",
            [check_partner_id(partner_id)],
        ).fetchall()
    return [
        CurrentDelivery(year, extract, delivery, as_of and date.fromisoformat(as_of))
        for year, extract, delivery, as_of in rows
    ]


def load(
    connection: duckdb.DuckDBPyConnection, home: Home, partner: Partner, deliveries: Iterable[CurrentDelivery]
) -> None:
    """Create the schema `raw`: per extract a typed view of its Parquet (a table when nothing is on file, or it is encrypted), and the tables
    `partner`, `programs`, `goals`, `course_decisions` and `deliveries`."""
    connection.execute("create schema raw")
    for extract in EXTRACTS:
        _show_extract(connection, home, partner.partner_id, extract)
    for name, columns, rows in _tables_of(partner, deliveries):
        declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        connection.execute(f"create table raw.{name} ({declared})")
        if rows:
            marks = ", ".join("?" for _ in columns)
            connection.executemany(f"insert into raw.{name} values ({marks})", rows)


def let_go(connection: duckdb.DuckDBPyConnection) -> None:
    """Put empty tables in the place of the rows: a finished warehouse holds what was made of the extracts, not them."""
    kinds = connection.execute(
        "select table_name, table_type from information_schema.tables where table_schema = 'raw'"
    ).fetchall()
    for extract, kind in kinds:
        if extract in EXTRACTS:
            connection.execute(f"drop {'view' if kind == 'VIEW' else 'table'} raw.{extract}")
            connection.execute(f"create table raw.{extract} ({_declaration(extract)})")


def _declared(extract: str) -> dict[str, str]:
    return {"partner_id": _TEXT, "school_year": _WHOLE, **EXTRACTS[extract], "_delivery_id": _TEXT}


def _declaration(extract: str) -> str:
    return ", ".join(f'"{column}" {kind}' for column, kind in _declared(extract).items())


def _show_extract(connection: duckdb.DuckDBPyConnection, home: Home, partner_id: str, extract: str) -> None:
    files = parquet_files(home, partner_id, extract)
    if not files or any(map(sealed.is_sealed, files)):
        _copy_extract(connection, extract, partner_id, files)
        return
    listed = ", ".join("'{}'".format(str(path).replace("'", "''")) for path in files)
    scan = f"read_parquet([{listed}], hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
    connection.execute(f"create view raw.{extract} as {_typed(connection, extract, scan)}")


def _copy_extract(
    connection: duckdb.DuckDBPyConnection, extract: str, partner_id: str, files: list[Path]
) -> None:
    """The engine can't open what is encrypted at rest: the rows are handed over, one file after the other."""
    connection.execute(f"create table raw.{extract} ({_declaration(extract)})")
    for path in files:
        rows = pl.read_parquet(sealed.source(path), hive_partitioning=False).with_columns(
            partner_id=pl.lit(partner_id), school_year=pl.lit(path.parent.name.removeprefix("school_year="))
        )
        connection.register("file", rows.to_arrow())
        connection.execute(f"insert into raw.{extract} {_typed(connection, extract, 'file')}")
        connection.unregister("file")


def _typed(connection: duckdb.DuckDBPyConnection, extract: str, relation: str) -> str:
    """The declared columns of a relation; null where it has none of the name."""
    found = {row[0] for row in connection.execute(f"describe select * from {relation}").fetchall()}
    columns = ", ".join(
        f'cast("{column}" as {kind}) as "{column}"'
        if column in found
        else f'cast(null as {kind}) as "{column}"'
        for column, kind in _declared(extract).items()
    )
    return f"select {columns} from {relation}"


def _tables_of(
    partner: Partner, deliveries: Iterable[CurrentDelivery]
) -> Iterator[tuple[str, dict[str, str], list[tuple[object, ...]]]]:
    yield (
        "partner",
        {"partner_id": _TEXT, "name": _TEXT, "state": _TEXT},
        [(partner.partner_id, partner.name, partner.state)],
    )
    yield (
        "programs",
        {"school_year": _WHOLE, "program": _TEXT, "phase": _TEXT, "school_id": _TEXT},
        [(row.school_year, row.program, row.phase, row.school_id) for row in partner.programs],
    )
    yield (
        "goals",
        {"metric_id": _TEXT, "dimension": _TEXT, "subgroup": _TEXT, "school_id": _TEXT, "reference": _TEXT,
         "school_year": _WHOLE, "gap": _REAL},
        [(goal.metric_id, goal.dimension, goal.subgroup, goal.school_id, goal.reference, goal.school_year, goal.gap)
         for goal in partner.goals],
    )  # fmt: skip
    yield (
        "course_decisions",
        {"course_id": _TEXT, "school_id": _TEXT, "first_school_year": _WHOLE, "course_class": _TEXT},
        [(row.course_id, row.school_id, row.from_school_year or 0, row.level) for row in partner.courses],
    )
    yield (
        "deliveries",
        {"partner_id": _TEXT, "school_year": _WHOLE, "extract": _TEXT, "delivery_id": _TEXT, "as_of": _DATE},
        [
            (partner.partner_id, row.school_year, row.extract, row.delivery_id, row.as_of)
            for row in deliveries
        ],
    )
