"""Survey answers, long (a record per answer) or wide (a record per respondent, a column per question), and codebooks.

Belongs here: what survey platforms do to a table, and whose answer counts. Does not belong here: what an answer is worth
(the codebook says: `extract: survey_items`, which gives each item its construct and scale).

Long is `delimited` with the extract `survey_responses`. Wide adds `options: {layout: wide, items: {<question>:
<item_id>}}`; a question is named by its header, its text, or Qualtrics' import id. All else of the mapping is the same
for both:
- Headings: Qualtrics writes one or two more rows under the header (question texts, import ids); they are passed over.
- `several: {<item_id>: [<choice>, …]}`: questions with several answers in a cell, between commas; the choices are
  stated where they hold commas themselves. Stored with `;` between them.
- What is no answer stays apart, by `values: {response: {"-99": _skipped, "": _not_shown, N/A: _not_applicable}}`; a
  blank of which nothing is said is null.
- `submitted_at`: ISO, `4/14/2020 17:02:24` (the file must show whether the month comes first, or `date_format`), or
  `2020/05/18 5:07:06 PM EST`. Where the mapping gives no `school_year`, it is that of the submission.
- Nobody is dropped: who has no id, answered twice, or answered as staff where the form is for students is kept and
  marked (`mark`). Of several submissions of one respondent `submission` 1 counts: the latest that holds an answer.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import polars as pl

from equity_pipeline.adapters import delimited
from equity_pipeline.adapters.base import FILE, LINE, Mapped, RawTable
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Partner, Source

SKIPPED, NOT_SHOWN, NOT_APPLICABLE = "_skipped", "_not_shown", "_not_applicable"
"""Responses that are no answer, each for its own reason. A null response is one of which the file does not say why."""
DUPLICATE, UNKNOWN, OTHER_TYPE = "duplicate", "unknown_respondent", "other_respondent_type"

_ITEM, _ANSWER = "item_id of the answer", "answer"
_NOBODY = "nobody"
_IMPORT_ID = r'^\{"ImportId":\s*"(.*)"\}$'
_RESPONSE_IDS = ("ResponseId", "V1")
"""The column of Qualtrics' response id now, and in its exports of old."""
_PREVIEW = ("1", "survey preview", "2", "survey test")


def read(path: Path, name: str, source: Source) -> list[RawTable]:
    """As `delimited.read`, but the first record is the header, whatever headers the source names: those of Qualtrics may
    stand in a heading below it.

    Raises:
        DeliveryError: as `delimited.read`.
    """
    return delimited.read(path, name, source.model_copy(update={"columns": {}}))


def map(tables: list[RawTable], source: Source, partner: Partner) -> list[Mapped]:
    """survey_responses: one row per respondent × item; or survey_items, where the source says so.

    Counted as skipped: Qualtrics' headings, and responses that its own preview made.

    Raises:
        PartnerFileError: wide without `items`, an unknown layout, or as `delimited.map`.
        DeliveryError: none of a wide file's questions is found, a date can be read in two ways, or as `delimited.map`.
    """
    options = dict(source.options)
    layout, items, several = (options.pop(name, None) for name in ("layout", "items", "several"))
    if layout not in (None, "long", "wide") or (layout == "wide") != bool(items):
        raise PartnerFileError(
            f"source {source.name!r}: a survey is `layout: long` without `items`, or `layout: wide` with `items`"
        )
    extract = source.extract or "survey_responses"
    source = source.model_copy(update={"extract": extract, "options": options})
    if extract != "survey_responses":
        return delimited.map(tables, source, partner)
    skipped: dict[str, int] = {}
    answers, warnings, columns = [], [], dict(source.columns)
    for table in tables:
        table, labels = _without_headings(table, skipped)
        columns = {name: _headers(sought, labels) for name, sought in columns.items()}
        if layout == "wide":
            table, absent = _long(table, items, labels)
            warnings += absent
        answers.append(table)
    if layout == "wide":
        columns |= {"item_id": _ITEM, "response": _ANSWER}
    if "respondent_id" not in columns:
        columns |= {"respondent_id": _NOBODY}
        answers = [_with(table, pl.lit("").alias(_NOBODY)) for table in answers]
    (result,) = delimited.map(answers, source.model_copy(update={"columns": columns}), partner)
    rows = _several(result.rows, several or {})
    rows = _submitted(rows, options.get("date_format"))
    rows, told = _marked(rows, source)
    told = [*warnings, *result.warnings, *told]
    return [replace(result, rows=rows, skipped=result.skipped | skipped, warnings=tuple(told))]


says = delimited.says


def _with(table: RawTable, column: pl.Expr) -> RawTable:
    return replace(table, frame=table.frame.with_columns(column))


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


# --- platforms ---------------------------------------------------------------------------------------------------


def _without_headings(table: RawTable, skipped: dict[str, int]) -> tuple[RawTable, dict[str, str]]:
    """The table's records, and what its headings call each column: label, folded → header."""
    frame = table.frame
    delivered = [column for column in frame.columns if column != LINE]
    ids = next((column for column in delivered if column in _RESPONSE_IDS), None)
    headings = 0
    labels: dict[str, str] = {}
    for record in frame.head(2).iter_rows(named=True):
        cells = {column: (record[column] or "").strip() for column in delivered}
        imports = {column: re.match(_IMPORT_ID, cell) for column, cell in cells.items()}
        is_label = headings == 0 and ids is not None and cells[ids] and not cells[ids].startswith("R_")
        if not any(imports.values()) and not is_label:
            break
        for column, cell in cells.items():
            imported = imports[column]
            labels.setdefault(_folded(imported[1] if imported else cell), column)
        headings += 1
    if ids is None or not headings:
        return table, {}
    records = frame[headings:]
    status = next((labels.get(name) for name in ("status",) if labels.get(name)), None) or "Status"
    if status in frame.columns:
        preview = pl.col(status).str.strip_chars().str.to_lowercase().is_in(_PREVIEW).fill_null(False)
        if previews := records.filter(preview).height:
            skipped["preview of the survey"] = skipped.get("preview of the survey", 0) + previews
        records = records.filter(~preview)
    skipped["heading"] = skipped.get("heading", 0) + headings
    return replace(table, frame=records), labels


def _headers(sought: str | list[str], labels: dict[str, str]) -> list[str]:
    """The headers that a mapping names, by themselves or by what a heading calls them."""
    sought = delimited.listed(sought)
    return [*sought, *(labels[_folded(one)] for one in sought if _folded(one) in labels)]


def _long(table: RawTable, items: dict[str, str], labels: dict[str, str]) -> tuple[RawTable, list[str]]:
    """The table with a record per answer, and what is told of questions that are not there."""
    headers = {_folded(column): column for column in reversed(table.frame.columns) if column != LINE}
    known = labels | headers
    found = {known[_folded(question)]: item for question, item in items.items() if _folded(question) in known}
    absent = sorted(set(items.values()) - set(found.values()), key=list(items.values()).index)
    if not found:
        raise DeliveryError(
            f"none of the {len(items)} questions is a header",
            file=table.name, line=table.header_line, remedy="correct `items` of the source: each question as the file writes it",
        )  # fmt: skip
    respondent = [column for column in table.frame.columns if column not in found]
    answers = [
        table.frame.select(*respondent, pl.lit(item).alias(_ITEM), pl.col(header).alias(_ANSWER))
        for header, item in found.items()
    ]
    frame = pl.concat(answers).sort(LINE, maintain_order=True)
    told = [f"{table.name}: no question for {', '.join(absent)}; no answers taken"] if absent else []
    return replace(table, frame=frame), told


# --- answers -----------------------------------------------------------------------------------------------------


def _several(rows: pl.DataFrame, choices: dict[str, list[str] | None]) -> pl.DataFrame:
    """Answers to questions with several, with `;` between them."""
    if "response" not in rows.columns:
        return rows
    answer = pl.col("response")
    for item, stated in choices.items():
        longest_first = sorted(stated or (), key=len, reverse=True)
        one = "|".join([*(re.escape(choice) for choice in longest_first), r"[^,]+"])
        parts = answer.str.extract_all(rf"(?:^|,)\s*(?:{one})").list.eval(
            pl.element().str.strip_prefix(",").str.strip_chars()
        )
        answer = pl.when(pl.col("item_id") == item).then(parts.list.join(";")).otherwise(answer)
    return rows.with_columns(answer.alias("response"))


def _submitted(rows: pl.DataFrame, format: str | None) -> pl.DataFrame:
    """`submitted_at` in ISO, in the clock that the file uses, and the school year of the submission where the source
    maps none. Text that is no time stays as it is."""
    if "submitted_at" not in rows.columns:
        return rows
    text = pl.col("submitted_at").str.strip_chars()
    if format:
        moment = text.str.to_datetime(format, strict=False)
    else:
        by_slash = text.str.extract_groups(r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})(?:[^0-9]|$)")
        parts = rows.select(FILE, LINE, by_slash.alias("parts")).unnest("parts").drop_nulls()
        parts.columns = [FILE, LINE, "first", "second", "year"]
        day_first, month_first = (
            parts.filter(pl.col(name).cast(pl.Int32) > 12) for name in ("first", "second")
        )
        if parts.height and day_first.is_empty() == month_first.is_empty():
            said, at = "does not show", parts
            if day_first.height:
                said, at = f"has the day first on line {day_first[LINE][0]}, and here the month", month_first
            raise DeliveryError(
                f"submitted_at {said}: whether 1/2/2026 is in January or February is not known",
                file=at[FILE][0], line=at[LINE][0],
                remedy="state `options: {date_format: …}`, such as %m/%d/%Y %H:%M:%S",
            )  # fmt: skip
        month, day = (2, 1) if day_first.height else (1, 2)
        clock = r"(?:[T ]+([0-9]{1,2}):([0-9][0-9])(?::([0-9][0-9]))?(?:\.[0-9]+)?\s*([AaPp][Mm])?)?"
        slash = text.str.extract_groups(rf"^([0-9]{{1,2}})/([0-9]{{1,2}})/([0-9]{{4}}){clock}")
        other = text.str.extract_groups(rf"^([0-9]{{4}})[-/]([0-9]{{1,2}})[-/]([0-9]{{1,2}}){clock}")

        def part(name: str, of_slash: int, of_other: int) -> pl.Expr:
            picked = pl.coalesce(slash.struct.field(str(of_slash)), other.struct.field(str(of_other)))
            return picked.alias(name)

        told = rows.select(
            part("year", 3, 1), part("month", month, 2), part("day", day, 3), part("hour", 4, 4),
            part("minute", 5, 5), part("second", 6, 6), part("half", 7, 7),
        )  # fmt: skip
        hour = pl.col("hour").cast(pl.Int32)
        half = pl.col("half").str.to_lowercase()
        hour = pl.when(half == "pm").then(hour % 12 + 12).when(half == "am").then(hour % 12).otherwise(hour)
        written = told.select(
            pl.format(
                "{}-{}-{}T{}:{}:{}",
                "year",
                pl.col("month").str.zfill(2),
                pl.col("day").str.zfill(2),
                hour.fill_null(0).cast(pl.String).str.zfill(2),
                pl.col("minute").fill_null("00"),
                pl.col("second").fill_null("00"),
            ).alias("written")
        ).to_series()
        moment = pl.lit(written).str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False)
    year = (moment.dt.year() + (moment.dt.month() >= 7).cast(pl.Int32)).cast(pl.String)
    said = pl.col("school_year") if "school_year" in rows.columns else pl.lit(None, pl.String)
    return rows.with_columns(
        pl.coalesce(moment.dt.strftime("%Y-%m-%dT%H:%M:%S"), text).alias("submitted_at"),
        pl.coalesce(said, year).alias("school_year"),
    )


def _marked(rows: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, list[str]]:
    """The rows with `submission` and `mark`, and how many respondents are marked for what."""
    absent = [name for name in ("submitted_at", "respondent_type", "response") if name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
    named = pl.col("respondent_id").fill_null("").str.strip_chars() != ""
    kind = pl.col("respondent_type").str.strip_chars().str.to_lowercase()
    meant = source.constants.get("respondent_type")
    rows = rows.with_columns(
        pl.when(named).then("respondent_id").otherwise(pl.format("unknown:{}", LINE)).alias("respondent_id"),
        unknown=~named,
        other=(kind != meant).fill_null(False) if meant else pl.lit(False),
        answered=pl.col("response").replace("", None).is_not_null().any().over(FILE, LINE),
    )
    key = ["survey_id", kind, "respondent_id", "item_id"]
    newest = pl.struct("answered", pl.col("submitted_at").fill_null(""), FILE, LINE)
    rows = rows.with_columns(submission=newest.rank("ordinal", descending=True).over(key).cast(pl.Int64))
    marks = {
        DUPLICATE: pl.col("submission") > 1, UNKNOWN: pl.col("unknown"), OTHER_TYPE: pl.col("other"),
    }  # fmt: skip
    told = []
    records = rows.unique([FILE, LINE, "respondent_id"], keep="first", maintain_order=True)
    for mark, condition in marks.items():
        if count := records.filter(condition).height:
            told.append(f"{count} submissions are kept and marked {mark}")
    mark = pl.concat_str(
        [pl.when(condition).then(pl.lit(name)) for name, condition in marks.items()],
        separator=";",
        ignore_nulls=True,
    ).replace("", None)
    rows = rows.with_columns(mark.alias("mark"), pl.col("submission").cast(pl.String))
    return rows.drop("unknown", "other", "answered", *absent), told
