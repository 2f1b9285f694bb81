"""OneRoster CSV (1EdTech), versions 1.0, 1.1 and 1.2, and Microsoft School Data Sync 2.1, which is close to it: one zip
or folder is one delivery.

A delta set lists only what changed. It comes in one zip with the bulk set that it changes, a folder each, or alone after
the delivery of that set (`read_on`); of several sets the later (by the date in the folder's name, else by `dateLastModified`) replaces records and deletes those that it
calls `tobedeleted`.

Belongs here: what OneRoster's tables mean and how they refer to each other. Does not belong here: the text of CSV
(`readers`), types and rules of canonical columns (`extracts/`).

OneRoster says who is in which class; what it lacks (English learner, income, disability …) comes from `metadata.*`
columns named in the source's `columns`, or from another file of the partner.

Options of a source: `student_id: identifier` and `school_id: identifier` take users.csv's and orgs.csv's
`identifier` for the ids, where the other files of the partner use it (default `sourcedId`);
`exit_date: first_day_after` for senders that follow the letter of the standard, in which an end date is the first
day after the last (default `last_day`, what most systems write).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from equity_pipeline.adapters import delimited
from equity_pipeline.adapters.base import FILE, LINE, REJECT, Mapped, RawTable
from equity_pipeline.adapters.delimited import header_among, listed, with_values
from equity_pipeline.adapters.readers import members, read_delimited
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.contracts.contract import GRADES
from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.domain.versions import version
from equity_pipeline.partners.registry import Partner, Source

_COLUMNS = {
    "academicSessions": "sourcedId title type startDate endDate parentSourcedId schoolYear",
    "orgs": "sourcedId name type identifier",
    "users": "sourcedId orgSourcedIds primaryOrgSourcedId role identifier grades",
    "courses": "sourcedId schoolYearSourcedId title courseCode subjectCodes",
    "classes": "sourcedId courseSourcedId schoolSourcedId termSourcedIds grades",
    "enrollments": "sourcedId classSourcedId schoolSourcedId userSourcedId role beginDate endDate",
    "demographics": (
        "sourcedId birthDate sex americanIndianOrAlaskaNative asian blackOrAfricanAmerican "
        "nativeHawaiianOrOtherPacificIslander white demographicRaceTwoOrMoreRaces hispanicOrLatinoEthnicity "
        "raceCodes ethnicityCodes"
    ),
    "roles": "sourcedId userSourcedId roleType role orgSourcedId isPrimary grade",
    "userFlags": "userSourcedId flag",
    "lineItems": "sourcedId title classSourcedId categorySourcedId resultValueMax",
    "categories": "sourcedId title",
    "results": "sourcedId lineItemSourcedId studentSourcedId scoreStatus score scoreDate",
    "manifest": "propertyName value",
}
_REQUIRED = {
    "academicSessions": "sourcedId type startDate endDate",
    "orgs": "sourcedId name type",
    "users": "sourcedId",
    "courses": "sourcedId title",
    "classes": "sourcedId courseSourcedId",
    "enrollments": "classSourcedId userSourcedId role",
}
_OTHER_NAMES = {
    # OneRoster 1.0
    ("classes", "termsourcedid"): "termSourcedIds",
    ("classes", "grade"): "grades",
    ("courses", "schoolyearid"): "schoolYearSourcedId",
    ("demographics", "usersourcedid"): "sourcedId",
    ("users", "grade"): "grades",
    # School Data Sync
    ("classes", "sessionsourcedids"): "termSourcedIds",
    ("classes", "orgsourcedid"): "schoolSourcedId",
    ("courses", "code"): "courseCode",
    ("courses", "subject"): "subjectCodes",
}
_FLAGS = {
    "iep": "disability_idea", "504": "section_504", "homeless": "homeless", "freelunch": "economically_disadvantaged",
    "reducedlunch": "economically_disadvantaged",
}  # fmt: skip
"""School Data Sync's userFlags.csv. Only who has a status is in it: the others are `no` if anybody has it, but who eats
no free lunch may be poor all the same."""
_EXTRACTS = ("schools", "students", "school_enrollments", "courses", "course_enrollments")
_OPTIONS = {
    "student_id": ("sourcedId", "identifier"),
    "school_id": ("sourcedId", "identifier"),
    "exit_date": ("last_day", "first_day_after"),
}
# What the references between the tables say; all other canonical columns may be mapped by the source.
_RESOLVED = {
    "school_year", "student_id", "school_id", "school_name", "course_id", "course_title", "section_id", "term",
    "entry_date", "exit_date", "is_primary",
}  # fmt: skip
_RACES = {
    "americanIndianOrAlaskaNative": "AmericanIndianOrAlaskaNative",
    "asian": "Asian",
    "blackOrAfricanAmerican": "BlackOrAfricanAmerican",
    "nativeHawaiianOrOtherPacificIslander": "NativeHawaiianOrPacificIslander",
    "white": "White",
}
_MORE_RACES = "DemographicRaceTwoOrMoreRaces"
_SET, _REPLACED = "_set", "_replaced"
_FINAL_GRADES = ("final", "final grade", "final course grade", "course grade")

_Tables = dict[str, pl.DataFrame]


def read(path: Path, name: str, source: Source) -> list[RawTable]:
    """The tables of the set that are used here, as delivered; a class's resources, say, stay in the archive.

    Raises:
        DeliveryError: not a OneRoster set (a core file is absent), one table twice, or unreadable text.
    """
    return _whole(_tables_in(path, name), name)


def read_on(deliveries: Iterable[tuple[Path, str]], source: Source) -> list[RawTable]:
    """The tables of a bulk set and of the delta sets after it, each a delivery of its own (path and name).

    Raises:
        DeliveryError: as `read`.
    """
    several = list(deliveries)
    return _whole([table for path, name in several for table in _tables_in(path, name)], several[-1][1])


def changes_only(path: Path, name: str) -> bool:
    """Whether the delivery is a delta set alone: its manifest calls a file a delta, and no set in it has none.

    Raises:
        DeliveryError: its manifest can't be read.
    """
    manifests = [
        _deltas(_normal("manifest", read_delimited(content, f"{name}!{member}"))[0])
        for member, content in members(path, name)
        if PurePosixPath(member).name.lower() == "manifest.csv"
    ]
    return bool(manifests) and all(manifests)


def _tables_in(path: Path, name: str) -> list[RawTable]:
    known = {f"{table}.csv".lower(): table for table in _COLUMNS}
    tables: dict[tuple[PurePosixPath, str], RawTable] = {}
    for member, content in members(path, name):
        file = PurePosixPath(member)
        table = known.get(file.name.lower())
        if table is None:
            continue
        if (file.parent, table) in tables:
            raise DeliveryError(
                f"{table}.csv is there twice",
                file=f"{name}!{member}",
                remedy="send one set per zip or folder",
            )
        tables[file.parent, table] = _dated(read_delimited(content, f"{name}!{member}"))
    return [
        tables[key] for key in sorted(tables, key=lambda key: (str(key[0]), list(_COLUMNS).index(key[1])))
    ]


def _whole(tables: list[RawTable], name: str) -> list[RawTable]:
    present = {_table_of(table) for table in tables}
    if absent := [f"{table}.csv" for table in _REQUIRED if table not in present]:
        raise DeliveryError(
            f"not a whole OneRoster set: {', '.join(absent)} absent",
            file=name,
            remedy="export all rostering files together, in bulk",
        )
    return tables


def _dated(table: RawTable) -> RawTable:
    """`as_of`: the latest day on which a record was modified; what the table knows, it knew on that day."""
    modified = (column for column in table.frame.columns if column.lower() == "datelastmodified")
    days = (table.frame.select(_day(column).max()).item() for column in modified)
    latest = max(filter(None, days), default=None)
    found = {} if latest is None else {"as_of": latest.isoformat()}
    return replace(table, inferred=table.inferred | found)


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """schools, students, school_enrollments, courses and course_enrollments of every school year in the set.

    Raises:
        PartnerFileError: the source names a column or option that does not exist.
        DeliveryError: a needed column is absent, the set is a delta, or a school year can't be told.
    """
    _check(source)
    sets, warnings = _together(tables)
    _refuse_roleless(sets, tables)
    live = {table: frame.filter(~_deleted() & ~pl.col(_REPLACED)) for table, frame in sets.items()}
    live["users"] = live["users"].with_columns(student_id=_option(source, "student_id"))
    live["orgs"] = live["orgs"].with_columns(school_id=_option(source, "school_id"))
    warnings += _disagreeing_years(live["academicSessions"])

    named = next(table.name for table in tables if _table_of(table) == "academicSessions")
    sessions = _sessions(live["academicSessions"], source, named)
    seats = _seats(live, sessions, source)
    roles = _roles(live)
    year = _current_year(sessions, seats, max((t.inferred.get("as_of", "") for t in tables), default=""))
    years = sorted({year, *seats["school_year"].drop_nulls()})

    schools = _schools(sets["orgs"], live["orgs"], years, source)
    return [
        replace(schools, warnings=(*warnings, *schools.warnings)),
        _students(sets["users"], live, roles, seats, year, source),
        _school_enrollments(sets["users"], live, roles, seats, sessions, year),
        _courses(sets["courses"], live["courses"], sessions, year, source),
        _course_enrollments(sets["enrollments"], seats, live, source),
    ]


def says(table: RawTable, source: Source) -> dict[str, str]:
    """The columns used here; those of users.csv and demographics.csv that name a person are ids."""
    kind = _table_of(table)
    people = ("sourcedid", "identifier") if kind in ("users", "demographics") else ()
    named = {name.lower(): name for name in (*_COLUMNS[kind].split(), "status")}
    said = {}
    for header in table.frame.columns:
        name = header.strip().lower()
        if name in (*people, "usersourcedid", "studentsourcedid"):
            said[header] = "student_id"
        elif name == "birthdate":
            said[header] = "birth_date"
        elif name in named:
            said[header] = header
    return delimited.says(table, source) | said


def _check(source: Source) -> None:
    mapped = {column.name for extract in _EXTRACTS for column in EXTRACTS[extract].columns} - _RESOLVED
    for part in ("columns", "values", "constants"):
        if unknown := getattr(source, part).keys() - mapped:
            raise PartnerFileError(
                f"source {source.name!r}: {part} of OneRoster has no {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(mapped))}"
            )
    for option, value in source.options.items():
        if value not in _OPTIONS.get(option, ()):
            known = "; ".join(f"{name}: {' or '.join(values)}" for name, values in _OPTIONS.items())
            raise PartnerFileError(f"source {source.name!r}: no option {option}: {value}; there are {known}")


def _option(source: Source, name: str) -> str:
    return str(source.options.get(name, _OPTIONS[name][0]))


# --- the tables --------------------------------------------------------------------------------------------------


def _table_of(table: RawTable) -> str:
    base = PurePosixPath(table.name.rsplit("!", 1)[-1]).name.lower()
    return next(known for known in _COLUMNS if f"{known}.csv".lower() == base)


def _together(tables: list[RawTable]) -> tuple[_Tables, list[str]]:
    """Every table of the standard with the records of all sets, those that a later set replaces marked, and warnings.

    Raises:
        DeliveryError: a needed column is absent, or the first set is no bulk set.
    """
    by_set: dict[str, dict[str, RawTable]] = {}
    for table in tables:
        by_set.setdefault(table.name.rpartition("/")[0] or table.name.rpartition("!")[0], {})[
            _table_of(table)
        ] = table
    order = sorted(by_set, key=lambda one: (version(one).dated, _as_of(by_set[one].values()), one))
    frames: dict[str, list[pl.DataFrame]] = {table: [] for table in _COLUMNS}
    since: dict[str, int] = {}
    warnings: list[str] = []
    for number, name in enumerate(order):
        normal = {}
        for table, delivered in by_set[name].items():
            normal[table], told = _normal(table, delivered)
            warnings += told
        deltas = _deltas(normal.get("manifest"))
        if number == 0 and deltas:
            raise DeliveryError(
                f"{len(deltas)} of its files hold only changes (delta)",
                file=by_set[name]["manifest"].name,
                line=min(deltas.values()),
                remedy="send a bulk export, or both in one zip, a folder each",
            )
        for table, frame in normal.items():
            frames[table].append(frame.with_columns(pl.lit(number).alias(_SET)))
            if table.lower() not in deltas:
                since[table] = number
    result = {}
    for table, columns in _COLUMNS.items():
        schema = dict.fromkeys([*columns.split(), "status", FILE], pl.String) | {
            LINE: pl.Int64,
            _SET: pl.Int32,
        }
        frame = pl.concat([pl.DataFrame(schema=schema), *frames[table]], how="diagonal")
        later = pl.lit(False)
        if frame[_SET].n_unique() > 1:
            known = pl.col("sourcedId") if "sourcedId" in columns.split() else pl.lit(None, pl.String)
            later = (pl.col(_SET) < pl.col(_SET).max().over(known)) & known.is_not_null()
        result[table] = frame.with_columns((later | (pl.col(_SET) < since.get(table, 0))).alias(_REPLACED))
    return result, warnings


def _deltas(manifest: pl.DataFrame | None) -> dict[str, int]:
    """The tables, lower case, that a set's manifest calls a delta, each with the line that says so."""
    if manifest is None:
        return {}
    told = manifest.filter(pl.col("value").str.to_lowercase() == "delta").drop_nulls("propertyName")
    return {
        name.lower().removeprefix("file."): line
        for name, line in told.select("propertyName", LINE).iter_rows()
    }


def _as_of(tables: Iterable[RawTable]) -> str:
    return max((table.inferred.get("as_of", "") for table in tables), default="")


def _normal(table: str, delivered: RawTable) -> tuple[pl.DataFrame, list[str]]:
    """The table with the standard's column names, absent ones as null; blank cells are null. Others stay as named.

    A header one slip away from a name of the standard that is not there is taken for it, and of two that mean one name
    that of the standard's own writing, or else the first, with a warning.
    """
    names = {name.lower(): name for name in (*_COLUMNS[table].split(), "status")}
    renamed: dict[str, str] = {}
    warnings = []
    for column in sorted(delivered.frame.columns, key=lambda column: column not in names.values()):
        name = names.get(column.lower()) or _OTHER_NAMES.get((table, column.lower()), column)
        if name in renamed.values():
            warnings.append(f"{delivered.name}: header {column} is not read: there is {name} besides")
            name = column
        renamed[column] = name
    for name in names.values():
        near = [
            c
            for c, new in renamed.items()
            if c == new and c not in names.values() and one_slip(c.lower(), name.lower())
        ]
        if name not in renamed.values() and len(near) == 1:
            renamed[near[0]] = name
            warnings.append(f"{delivered.name}: header {near[0]} is taken for {name}")
    present = set(renamed.values())
    if absent := [name for name in _REQUIRED.get(table, "").split() if name not in present]:
        raise DeliveryError(
            f"column {', '.join(absent)} not found",
            file=delivered.name,
            line=delivered.header_line,
            remedy=f"the header has {', '.join(c for c in delivered.frame.columns if c != LINE)}",
        )
    text = pl.col(pl.String).str.strip_chars().replace("", None)
    frame = delivered.frame.rename(renamed).with_columns(text)
    frame = frame.with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in names.values() if name not in present),
        pl.lit(delivered.name).alias(FILE),
    )
    return frame, warnings


def one_slip(written: str, meant: str) -> bool:
    """Whether one letter is missing, added, wrong or swapped with its neighbour. Short names are too much alike."""
    if min(len(written), len(meant)) < 5 or abs(len(written) - len(meant)) > 1:
        return False
    start = 0
    while start < min(len(written), len(meant)) and written[start] == meant[start]:
        start += 1
    rest, wanted = written[start:], meant[start:]
    return (
        rest[1:] == wanted[1:]
        or rest[1:] == wanted
        or rest == wanted[1:]
        or (rest[:2] == wanted[:2][::-1] and rest[2:] == wanted[2:])
    )


def _refuse_roleless(sets: _Tables, tables: list[RawTable]) -> None:
    users = sets["users"]
    if sets["roles"].is_empty() and users["role"].is_null().all() and users.height:
        delivered = next(table for table in tables if _table_of(table) == "users")
        raise DeliveryError(
            "no user has a role",
            file=delivered.name,
            line=delivered.header_line,
            remedy="send roles.csv with the set (OneRoster 1.2)",
        )


def _list(column: str) -> pl.Expr:
    """The values of a list cell: `a,b`, also as `[a, b]`, `{a,b}` or with a quote around each."""
    text = pl.col(column).str.replace(r"^[\[{]\s*(.*?)\s*[\]}]$", "$1")
    return text.str.split(",").list.eval(pl.element().str.strip_chars(" \"'").replace("", None).drop_nulls())


def _deleted() -> pl.Expr:
    return pl.col("status").str.to_lowercase().eq_missing("tobedeleted")


def _day(column: str) -> pl.Expr:
    """The calendar day of a date or timestamp, null where it is not ISO 8601 (the contract judges such text)."""
    return pl.col(column).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)


def _last_day(column: str, source: Source) -> pl.Expr:
    return _day(column) - pl.duration(days=int(_option(source, "exit_date") == "first_day_after"))


def _skipped(frame: pl.DataFrame, *reasons: pl.Expr) -> dict[str, int]:
    """How many records have which reason; the first that applies counts."""
    counts = (
        frame.select(pl.coalesce(*reasons).alias("reason"))
        .drop_nulls()
        .group_by("reason")
        .len()
        .sort("reason")
    )
    return dict(counts.iter_rows())


_TOBEDELETED = (
    pl.when(_REPLACED).then(pl.lit("replaced by a later set"))
    .when(_deleted()).then(pl.lit("status is tobedeleted"))
)  # fmt: skip


def _extras(extract: str, frame: pl.DataFrame, source: Source) -> tuple[list[pl.Expr], list[str]]:
    """Canonical columns that the source's `columns` and `constants` give, and what is told of those not found."""
    found, absent = [], []
    for column in EXTRACTS[extract].columns:
        headers = listed(source.columns.get(column.name, []))
        if header := header_among(frame.columns, headers):
            found.append(pl.col(header).alias(column.name))
        elif column.name in source.constants:
            found.append(pl.lit(source.constants[column.name]).alias(column.name))
        elif headers:
            absent.append(f"no header for {column.name} ({' or '.join(headers)}); taken as not known")
    return found, absent


def _rows(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """All text, delivered codes as the source's `values` say."""
    return with_values(frame.with_columns(pl.exclude(FILE, LINE).cast(pl.String)), source)


# --- school years ------------------------------------------------------------------------------------------------


def _sessions(frame: pl.DataFrame, source: Source, name: str) -> pl.DataFrame:
    """One row per session: title, start, end and the school year it belongs to, with that year's first and last day.

    The year is that of the session's ancestor of type schoolYear, else its own. Days decide over the column
    `schoolYear`, which is absent in 1.0 and in which some systems write the starting year.

    Raises:
        DeliveryError: no session tells a school year.
    """
    records = frame.with_columns(
        pl.col("type").str.to_lowercase(), start=_day("startDate"), end=_last_day("endDate", source)
    ).unique("sourcedId", keep="last")
    by_id = {record["sourcedId"]: record for record in records.iter_rows(named=True)}

    def ancestor(record: dict[str, Any]) -> dict[str, Any]:
        seen = set()
        while record["type"] != "schoolyear" and record["sourcedId"] not in seen:
            seen.add(record["sourcedId"])
            record = by_id.get(record["parentSourcedId"], record)
        return record

    found = [
        {
            "session": record["sourcedId"],
            "title": record["title"],
            "start": record["start"],
            "end": record["end"],
        }
        | {
            "school_year": _year_of_session(ancestor(record)),
            "whole": ancestor(record)["type"] == "schoolyear",
        }
        | {"year_start": ancestor(record)["start"], "year_end": ancestor(record)["end"]}
        for record in by_id.values()
    ]
    if not any(session["school_year"] for session in found):
        raise DeliveryError(
            "no session tells a school year",
            file=name,
            line=next(iter(frame[LINE]), 1),
            remedy="give schoolYear, or startDate and endDate as YYYY-MM-DD",
        )
    types: dict[str, type[pl.DataType]] = {
        "session": pl.String,
        "title": pl.String,
        "school_year": pl.Int64,
        "whole": pl.Boolean,
    }
    types |= dict.fromkeys(("start", "end", "year_start", "year_end"), pl.Date)
    sessions = pl.DataFrame(found, schema=types)
    # A term without a schoolYear above it begins and ends with the year's own days, where these are known.
    first = pl.coalesce(pl.col("year_start").filter("whole").min(), pl.col("year_start").min()).over(
        "school_year"
    )
    last = pl.coalesce(pl.col("year_end").filter("whole").max(), pl.col("year_end").max()).over("school_year")
    return sessions.with_columns(
        pl.when("whole").then("year_start").otherwise(first).alias("year_start"),
        pl.when("whole").then("year_end").otherwise(last).alias("year_end"),
    ).sort("session")


def _year_of_session(session: dict[str, Any]) -> int | None:
    """By its days: of a school year that of its middle, of a term that of its first day, unless `schoolYear` says that
    of its last (a summer session)."""
    days = [school_years.of_date(day) for day in (session["start"], session["end"]) if day]
    if len(days) == 2 and session["type"] == "schoolyear":
        return school_years.of_date(session["start"] + (session["end"] - session["start"]) / 2)
    try:
        said = school_years.parse(session["schoolYear"] or "")
    except ValueError:
        said = None
    return said if said in days or not days else days[0]


def _disagreeing_years(sessions: pl.DataFrame) -> list[str]:
    """A warning where the column schoolYear says another year than the days of a session."""
    count = 0
    for session in sessions.with_columns(start=_day("startDate"), end=_day("endDate")).iter_rows(named=True):
        try:
            said = school_years.parse(session["schoolYear"] or "")
        except ValueError:
            continue
        days = {school_years.of_date(day) for day in (session["start"], session["end"]) if day}
        count += bool(days) and said not in days
    if not count:
        return []
    return [
        f"schoolYear of {count} records of academicSessions.csv is not the school year of their days; the days count"
    ]


def _current_year(sessions: pl.DataFrame, seats: pl.DataFrame, as_of: str) -> int:
    """The school year that users.csv describes: that of the last change, else the latest with a class enrollment."""
    years: set[int] = set(sessions["school_year"].drop_nulls())
    if as_of and (year := school_years.of_date(dt.date.fromisoformat(as_of))) in years:
        return year
    with_classes: set[int] = years.intersection(seats["school_year"].drop_nulls())
    return max(with_classes or years)


# --- who is where ------------------------------------------------------------------------------------------------


def _roles(live: _Tables) -> pl.DataFrame:
    """One row per user × role × organization: user, role, org, rank (0 is the primary). From roles.csv in 1.2."""
    if live["roles"].is_empty():
        return (
            live["users"]
            .select(
                user="sourcedId",
                role=pl.col("role").str.to_lowercase(),
                org=_list("orgSourcedIds"),
            )
            .unique("user", keep="last", maintain_order=True)
            .explode("org", empty_as_null=True)
            .with_columns(rank=pl.int_range(pl.len()).over("user"))
        )
    return (
        live["roles"]
        .select(
            user="userSourcedId",
            role=pl.col("role").str.to_lowercase(),
            org="orgSourcedId",
            second=~pl.any_horizontal(
                pl.col("roleType").str.to_lowercase().eq_missing("primary"),
                pl.col("isPrimary").str.to_lowercase().eq_missing("true"),
            ),
        )
        .sort("user", "second", maintain_order=True)
        .with_columns(rank=pl.int_range(pl.len()).over("user"))
        .drop("second")
    )


def _seats(live: _Tables, sessions: pl.DataFrame, source: Source) -> pl.DataFrame:
    """One row per student record of enrollments.csv, with its class, course, terms and school year resolved.

    A class meets in its terms; where an enrollment has days, only the terms that it touches count.
    """
    records = (
        live["enrollments"].filter(pl.col("role").str.to_lowercase() == "student").with_row_index("seat")
    )
    records = records.with_columns(begin=_day("beginDate"), left=_last_day("endDate", source))
    courses = live["courses"].unique("sourcedId", keep="last")
    classes = (
        live["classes"]
        .unique("sourcedId", keep="last")
        .join(
            courses.select(
                courseSourcedId="sourcedId",
                course_id=pl.coalesce("courseCode", "sourcedId"),
                course_year="schoolYearSourcedId",
            ),
            on="courseSourcedId",
            how="left",
        )
        .select(
            "course_id",
            "termSourcedIds",
            "course_year",
            classSourcedId="sourcedId",
            class_school="schoolSourcedId",
            class_known=pl.lit(True),
        )
    )
    terms = (
        classes.select("classSourcedId", session=pl.coalesce(_list("termSourcedIds"), _list("course_year")))
        .explode("session", empty_as_null=True)
        .with_columns(pl.col("session").str.strip_chars())
        .join(sessions, on="session", how="inner")
    )
    touched = (pl.col("begin").is_null() | pl.col("end").is_null() | (pl.col("begin") <= pl.col("end"))) & (
        pl.col("left").is_null() | pl.col("start").is_null() | (pl.col("left") >= pl.col("start"))
    )
    meetings = (
        records.select("seat", "classSourcedId", "begin", "left")
        .join(terms, on="classSourcedId", how="inner")
        .with_columns(touched=touched)
        .filter(pl.col("touched") | ~pl.col("touched").any().over("seat"))
        .sort("seat", "start", "session")
        .group_by("seat", maintain_order=True)
        .agg(
            term=pl.col("title").drop_nulls().unique(maintain_order=True).str.join(";"),
            term_end=pl.col("end").max(),
            school_year=pl.col("school_year").min(),
            years=pl.col("school_year").n_unique(),
            year_start=pl.col("year_start").min(),
            year_end=pl.col("year_end").max(),
        )
        .with_columns(
            school_year=pl.when(pl.col("years") == 1).then("school_year"),
            term=pl.col("term").replace("", None),
        )
    )
    users = live["users"].unique("sourcedId", keep="last")
    return (
        records.join(classes, on="classSourcedId", how="left")
        .join(meetings, on="seat", how="left")
        .join(
            users.select("student_id", userSourcedId="sourcedId", user_known=pl.lit(True)),
            on="userSourcedId",
            how="left",
        )
        .with_columns(org=pl.coalesce("schoolSourcedId", "class_school"))
        .join(_school_ids(live), on="org", how="left")
        .sort("seat")
    )


def _school_ids(live: _Tables) -> pl.DataFrame:
    return (
        live["orgs"]
        .filter(pl.col("type").str.to_lowercase() == "school")
        .unique("sourcedId", keep="last")
        .select("school_id", org="sourcedId")
    )


# --- extracts ----------------------------------------------------------------------------------------------------


def _schools(everything: pl.DataFrame, orgs: pl.DataFrame, years: list[int], source: Source) -> Mapped:
    """orgs.csv's schools, in each school year of the set."""
    is_school = pl.col("type").str.to_lowercase().eq_missing("school")
    extras, warnings = _extras("schools", orgs, source)
    rows = (
        orgs.filter(is_school)
        .join(pl.DataFrame({"school_year": years}, schema={"school_year": pl.Int64}), how="cross")
        .select("school_year", "school_id", FILE, LINE, *extras, school_name="name")
    )
    other = pl.when(~is_school).then(pl.format("type is {}", pl.col("type").fill_null("blank")))
    return Mapped("schools", _rows(rows, source), _skipped(everything, _TOBEDELETED, other), tuple(warnings))


def _students_of(everything: pl.DataFrame, roles: pl.DataFrame) -> tuple[pl.Expr, dict[str, int]]:
    """Which users are students, and the others counted by role."""
    students = roles.filter(pl.col("role") == "student")["user"].unique()
    is_student = pl.col("sourcedId").is_in(students.implode())
    others = roles.filter(~pl.col("user").is_in(students.implode())).unique(
        "user", keep="first", maintain_order=True
    )
    named = everything.join(
        others.select(sourcedId="user", other="role"), on="sourcedId", how="left", maintain_order="left"
    )
    other = pl.when(~is_student).then(pl.format("role is {}", pl.col("other").fill_null("blank")))
    return is_student, _skipped(named, _TOBEDELETED, other)


def _students(
    everything: pl.DataFrame,
    live: _Tables,
    roles: pl.DataFrame,
    seats: pl.DataFrame,
    year: int,
    source: Source,
) -> Mapped:
    """users.csv's students with demographics.csv, for the current school year and each with a class enrollment.

    users.csv (or roles.csv) has one grade, today's. In other school years the grade is that of the student's classes, if
    those that are of one grade agree; else it is null.
    """
    is_student, skipped = _students_of(everything, roles)
    demographics = live["demographics"].unique("sourcedId", keep="last").with_columns(_demographics())
    records = live["users"].filter(is_student)
    attended = seats.select("school_year", sourcedId="userSourcedId").drop_nulls().unique()
    current = records.select("sourcedId", school_year=pl.lit(year, pl.Int64)).unique()
    years = pl.concat([current, attended.select("sourcedId", "school_year")]).unique()
    of_role = (
        live["roles"]
        .filter(pl.col("role").str.to_lowercase() == "student")
        .drop_nulls("grade")
        .unique("userSourcedId", keep="last")
        .select("grade", sourcedId="userSourcedId")
    )
    joined = (
        records.join(demographics, on="sourcedId", how="left", suffix="_demographics")
        .join(years, on="sourcedId", how="inner")
        .join(of_role, on="sourcedId", how="left")
        .join(_class_grades(live, seats), on=["sourcedId", "school_year"], how="left")
        .join(_flags(live), on="sourcedId", how="left")
        .sort(LINE, "school_year")
    )
    rows = joined.select(
        pl.when(pl.col("school_year") == year)
        .then(pl.coalesce(_list("grades").list.first(), "grade"))
        .otherwise("class_grade")
        .alias("grade_level"),
        "school_year", "student_id", "sex", "hispanic_latino", "races", FILE, LINE, birth_date="birthDate",
    )  # fmt: skip
    if live["userFlags"].height:
        rows = rows.with_columns(joined.select(sorted(set(_FLAGS.values()))))
    extras, warnings = _extras("students", joined, source)
    if unmatched := demographics.join(everything, on="sourcedId", how="anti").height:
        warnings.append(f"{unmatched} records of demographics.csv belong to no user")
    rows = _rows(rows.with_columns(joined.select(extras)), source)
    return Mapped("students", rows, skipped, tuple(warnings))


def _class_grades(live: _Tables, seats: pl.DataFrame) -> pl.DataFrame:
    """The grade per student × school year that those of her classes agree on which are of one grade."""
    single = live["classes"].unique("sourcedId", keep="last").with_columns(grade=_list("grades"))
    single = single.filter(pl.col("grade").list.len() == 1).select(
        classSourcedId="sourcedId", grade=pl.col("grade").list.first().str.zfill(2)
    )
    return (
        seats.join(single.filter(pl.col("grade").is_in(GRADES)), on="classSourcedId")
        .drop_nulls("school_year")
        .group_by("school_year", sourcedId="userSourcedId")
        .agg(grades=pl.col("grade").unique())
        .filter(pl.col("grades").list.len() == 1)
        .select("sourcedId", "school_year", class_grade=pl.col("grades").list.first())
    )


def _flags(live: _Tables) -> pl.DataFrame:
    """One row per user: the statuses of userFlags.csv, a column each."""
    flag = pl.col("flag").str.to_lowercase().replace_strict(_FLAGS, default=None, return_dtype=pl.String)
    held = live["userFlags"].select(sourcedId="userSourcedId", status=flag)
    kept = set(held["status"].drop_nulls()) - {"economically_disadvantaged"}
    return (
        live["users"]
        .select("sourcedId")
        .unique()
        .join(held.group_by("sourcedId").agg("status"), on="sourcedId", how="left")
        .select(
            "sourcedId",
            *(
                pl.when(pl.col("status").list.contains(status).fill_null(False)).then(pl.lit("yes"))
                .when(pl.lit(status in kept)).then(pl.lit("no")).alias(status)
                for status in sorted(set(_FLAGS.values()))
            ),
        )
    )  # fmt: skip


def _demographics() -> list[pl.Expr]:
    def flag(column: str) -> pl.Expr:
        codes = "ethnicityCodes" if column == "hispanicOrLatinoEthnicity" else "raceCodes"
        listed = pl.when(_list(codes).list.contains(column)).then(pl.lit("true"))
        return (
            pl.coalesce(column, listed)
            .str.to_lowercase()
            .replace_strict(
                {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False},
                default=None,
                return_dtype=pl.Boolean,
            )
        )

    named = pl.concat_list(
        pl.when(flag(column)).then(pl.lit(race)) for column, race in _RACES.items()
    ).list.drop_nulls()
    # With two races named, "two or more" adds nothing; with one or none it says that some are not named.
    unnamed = pl.when(flag("demographicRaceTwoOrMoreRaces") & (named.list.len() < 2)).then(
        pl.lit(_MORE_RACES)
    )
    races = pl.concat_list(named, unnamed).list.drop_nulls().list.join(";")
    sex = pl.col("sex").str.to_lowercase()
    return [
        races.replace("", None).alias("races"),
        pl.when(flag("hispanicOrLatinoEthnicity")).then(pl.lit("yes"))
        .when(~flag("hispanicOrLatinoEthnicity")).then(pl.lit("no")).alias("hispanic_latino"),
        sex.replace({"unspecified": "unknown", "other": "nonbinary"}).alias("sex"),
    ]  # fmt: skip


def _school_enrollments(
    everything: pl.DataFrame,
    live: _Tables,
    roles: pl.DataFrame,
    seats: pl.DataFrame,
    sessions: pl.DataFrame,
    year: int,
) -> Mapped:
    """One row per student × school × school year.

    This year's schools are those of the user, and those in which all her classes have ended: she has moved, and
    users.csv has only the new school. (A class that goes on at a school not hers is a guest's.) Other years' schools
    are those of her classes. First day: of her first class there, else of the school year. Last day: of her last
    class there, if all have ended before the school year does.
    """
    is_student, skipped = _students_of(everything, roles)
    known = live["orgs"].select(org="sourcedId", known=pl.lit(True)).unique()
    placed = (
        roles.filter(pl.col("role") == "student")
        .join(known, on="org", how="left")
        .join(_school_ids(live), on="org", how="left")
        .sort("user", "rank")
    )
    assigned = (
        placed.drop_nulls("school_id")
        .unique(["user", "school_id"], keep="first", maintain_order=True)
        .select(
            "user",
            "school_id",
            school_year=pl.lit(year, pl.Int64),
            is_primary=pl.when(pl.int_range(pl.len()).over("user") == 0)
            .then(pl.lit("yes"))
            .otherwise(pl.lit("no")),
        )
    )
    attended = (
        seats.rename({"userSourcedId": "user"})
        .drop_nulls(["user", "school_id", "school_year"])
        .group_by("user", "school_id", "school_year")
        .agg(
            first_day=pl.col("begin").min(),
            last_day=pl.when(pl.col("left").is_not_null().all()).then(pl.col("left").max()),
            year_start=pl.col("year_start").min(),
            year_end=pl.col("year_end").max(),
        )
        .with_columns(exit_date=pl.when(pl.col("last_day") < pl.col("year_end")).then("last_day"))
    )
    year_days = sessions.group_by("school_year").agg(pl.col("year_start").min().alias("sessions_start"))
    stays = (
        assigned.join(attended, on=["user", "school_id", "school_year"], how="full", coalesce=True)
        .filter(
            pl.col("is_primary").is_not_null()
            | pl.col("exit_date").is_not_null()
            | (pl.col("school_year") != year)
        )
        .join(year_days, on="school_year", how="left")
        .with_columns(
            is_primary=pl.when(pl.len().over("user", "school_year") == 1)
            .then(pl.lit("yes"))
            .when(pl.col("school_year") == year)
            .then(pl.col("is_primary").fill_null("no")),
            entry_date=pl.coalesce("first_day", "year_start", "sessions_start"),
        )
    )
    unknown = placed.group_by("user").agg(
        unknown=pl.col("org").is_not_null().any() & pl.col("known").is_null().any()
    )
    reason = (
        pl.when("unknown")
        .then(pl.lit("an organization of the user is not in orgs.csv"))
        .otherwise(pl.lit("the user is at no school"))
    )
    rows = (
        live["users"]
        .filter(is_student)
        .join(stays.rename({"user": "sourcedId"}), on="sourcedId", how="left")
        .join(unknown.rename({"user": "sourcedId"}), on="sourcedId", how="left")
        .with_columns(
            pl.col("school_year").fill_null(year),
            pl.when(pl.col("school_id").is_null()).then(reason).alias(REJECT),
        )
        .sort(LINE, "school_year", "school_id")
        .select(
            "school_year",
            "student_id",
            "school_id",
            "entry_date",
            "exit_date",
            "is_primary",
            FILE,
            LINE,
            REJECT,
        )
    )
    text = pl.col("school_year", "entry_date", "exit_date").cast(pl.String)
    return Mapped("school_enrollments", rows.with_columns(text), skipped)


def _courses(
    everything: pl.DataFrame, courses: pl.DataFrame, sessions: pl.DataFrame, year: int, source: Source
) -> Mapped:
    """courses.csv, one row each. `subjectCodes` counts as SCED only where it is one five-digit code."""
    by_session = sessions.select("school_year", schoolYearSourcedId="session")
    sced = pl.when(pl.col("subjectCodes").str.contains(r"^\d{5}$")).then("subjectCodes")
    joined = courses.join(by_session, on="schoolYearSourcedId", how="left", maintain_order="left")
    lost = pl.col("schoolYearSourcedId").is_not_null() & pl.col("school_year").is_null()
    rows = joined.select(
        pl.when(pl.col("schoolYearSourcedId").is_null())
        .then(year)
        .otherwise("school_year")
        .alias("school_year"),
        FILE,
        LINE,
        course_id=pl.coalesce("courseCode", "sourcedId"),
        course_title="title",
        sced_code=sced,
    )
    extras, warnings = _extras("courses", joined, source)
    rows = rows.with_columns(
        joined.select(
            *extras,
            pl.when(lost).then(pl.lit("its school year is not in academicSessions.csv")).alias(REJECT),
        )
    )
    return Mapped("courses", _rows(rows, source), _skipped(everything, _TOBEDELETED), tuple(warnings))


def _course_enrollments(
    everything: pl.DataFrame, seats: pl.DataFrame, live: _Tables, source: Source
) -> Mapped:
    """enrollments.csv's students. Last day: the end date if it lies before the end of the class's term."""
    grades, warnings = _final_grades(live)
    extras, absent = _extras("course_enrollments", seats, source)
    reason = (
        pl.when(pl.col("class_known").is_null()).then(pl.lit("its class is not in classes.csv"))
        .when(pl.col("user_known").is_null()).then(pl.lit("its user is not in users.csv"))
        .when(pl.col("course_id").is_null()).then(pl.lit("its class's course is not in courses.csv"))
        .when(pl.col("school_id").is_null()).then(pl.lit("its school is not a school of orgs.csv"))
        .when(pl.col("years") > 1).then(pl.lit("its class's terms lie in several school years"))
        .when(pl.col("school_year").is_null()).then(pl.lit("its class's terms are not in academicSessions.csv"))
    )  # fmt: skip
    joined = seats.join(grades, on=["classSourcedId", "userSourcedId"], how="left", maintain_order="left")
    rows = joined.select(
        "school_year",
        "student_id",
        "school_id",
        "course_id",
        "term",
        "final_grade",
        FILE,
        LINE,
        section_id="classSourcedId",
        entry_date=pl.coalesce(pl.col("begin").cast(pl.String), "beginDate"),
        exit_date=pl.when(pl.col("left").is_null())
        .then("endDate")
        .when(pl.col("left") < pl.col("term_end"))
        .then(pl.col("left").cast(pl.String)),
    ).with_columns(joined.select(*extras, reason.alias(REJECT)))
    role = pl.col("role").str.to_lowercase()
    other = pl.when(role.ne_missing("student")).then(pl.format("role is {}", role.fill_null("blank")))
    return Mapped(
        "course_enrollments",
        _rows(rows, source),
        _skipped(everything, _TOBEDELETED, other),
        (*warnings, *absent),
    )


def _final_grades(live: _Tables) -> tuple[pl.DataFrame, list[str]]:
    """The final grade per class × student, from results.csv.

    A line item is a course's final grade when it, or its category, is called so; assignments and exams never are.
    The latest such result counts. A score out of other than 100 points is neither a percentage nor a letter, and
    stays unknown.
    """
    called = live["categories"].select(categorySourcedId="sourcedId", category="title")
    items = live["lineItems"].join(called.unique("categorySourcedId"), on="categorySourcedId", how="left")
    final = pl.any_horizontal(pl.col("title", "category").str.to_lowercase().is_in(_FINAL_GRADES))
    percent = pl.col("resultValueMax").cast(pl.Float64, strict=False).fill_null(100) == 100
    items = items.filter(final).unique("sourcedId", keep="last").with_columns(percent=percent)
    results = live["results"].join(
        items.select("classSourcedId", "percent", lineItemSourcedId="sourcedId"), on="lineItemSourcedId"
    )
    status = pl.col("scoreStatus").str.to_lowercase()
    graded = results.filter(
        pl.col("score").is_not_null() & (status.is_null() | (status == "fully graded")) & pl.col("percent")
    )
    grades = (
        graded.sort("scoreDate", LINE, nulls_last=False)
        .unique(["classSourcedId", "studentSourcedId"], keep="last", maintain_order=True)
        .select("classSourcedId", userSourcedId="studentSourcedId", final_grade="score")
    )
    warnings = []
    if live["results"].height and items.is_empty():
        warnings.append(
            f"results.csv has {live['results'].height} records, none of a line item called "
            f"{' or '.join(_FINAL_GRADES)}: final grades are unknown"
        )
    if other := results.filter(~pl.col("percent")).height:
        warnings.append(f"{other} final grades of results.csv are not out of 100 points and stay unknown")
    return grades, warnings
