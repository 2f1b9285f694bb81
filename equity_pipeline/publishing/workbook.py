"""`gap_tracker.xlsx`: one sheet a measure with the headline comparison, every school and year, ready to filter."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import operator

import xlsxwriter

from equity_pipeline.domain import school_years
from equity_pipeline.publishing import words
from equity_pipeline.publishing.context import Context

# A zip entry carries a date: this one is the oldest a zip can hold, so that the same numbers give the same bytes.
_CREATED = dt.datetime(1980, 1, 1)

_ORDER_OF_METRIC = operator.itemgetter("metric_order", "metric_id")


def _order(row: dict) -> tuple:
    """Metrics by the seeds, newest year first, the district before its schools."""
    return (*_ORDER_OF_METRIC(row), -row["school_year"], row["school_id"] != "_all", row["school_id"], row["dimension_order"],
            row["subgroup_order"], row["dimension"], row["subgroup"])  # fmt: skip


_COLUMNS = [
    # heading, width, format, note
    ("School year", 11, "text", None),
    ("Where", 30, "text", None),
    ("Dimension", 26, "text", None),
    ("Group", 34, "text", None),
    ("Compared with", 28, "text", "The comparison group; the data files hold every other comparison."),
    ("Students (n)", 11, "count", None),
    ("Rate", 9, "percent", None),
    ("Comparison rate", 11, "percent", None),
    ("Gap (points)", 10, "points", "Rate minus comparison rate, in percentage points."),
    ("Low (95%)", 9, "points", "Lower end of the 95% interval of the gap (Newcombe)."),
    ("High (95%)", 9, "points", "Upper end of the 95% interval of the gap (Newcombe)."),
    ("Change (points)", 10, "points", "Gap minus the gap of the year before."),
    ("Status", 18, "text", None),
    (
        "Students needed",
        11,
        "count",
        "More students of the group that would bring its rate level with the comparison's.",
    ),
    ("Goal (points)", 9, "points", None),
    ("Note", 34, "text", "Why a number is not there."),
]


def workbook(rows: list[dict], context: Context, partner_name: str) -> bytes:
    """The workbook as bytes. `rows`: of `tracker.view`."""
    sink = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
               "nan_inf_to_errors": False, "default_date_format": "yyyy-mm-dd"}  # fmt: skip
    with xlsxwriter.Workbook(sink, options) as book:
        book.set_properties({"title": "Equity gap tracker", "subject": partner_name, "created": _CREATED})
        base = {"font_name": "Calibri", "font_size": 11, "valign": "top"}
        formats = {
            "text": book.add_format(base | {"text_wrap": True}),
            "count": book.add_format(base | {"num_format": "#,##0"}),
            "percent": book.add_format(base | {"num_format": "0.0%"}),
            "points": book.add_format(base | {"num_format": "+0.0;−0.0;0.0"}),
            "head": book.add_format(base | {"bold": True, "text_wrap": True, "bottom": 2, "bg_color": "#EEF1F3", "valign": "bottom"}),
            "title": book.add_format(base | {"bold": True, "font_size": 16}),
        }  # fmt: skip
        _read_me(book, formats, context, partner_name)
        ordered = sorted(rows, key=_order)
        for number, (_, of_metric) in enumerate(itertools.groupby(ordered, key=_ORDER_OF_METRIC), start=1):
            _sheet(book, formats, context, list(of_metric), number)
    return sink.getvalue()


def _read_me(book: xlsxwriter.Workbook, formats: dict, context: Context, partner_name: str) -> None:
    sheet = book.add_worksheet("Read me")
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 100)
    sheet.write_string(0, 0, "Equity gap tracker", formats["title"])
    lines = [
        ("Partner", partner_name),
        ("Gap", ("Rate of the group minus rate of the comparison, in percentage points. Negative: the system serves this group "
                "at a lower rate.")),
        (words.HIDDEN_WORDS, "The number is hidden to protect the privacy of students. The row stays, the cells are empty."),
        (words.NOT_MEASURED, "The data needed is not on file. It is never counted as zero."),
        (words.NOT_ENOUGH, "Too few students to tell, which is not the same as no gap."),
        *((step.words, step.meaning) for code, step in words.STATUSES.items() if code != "not_measurable"),
    ]  # fmt: skip
    for line, (name, said) in enumerate(lines, start=2):
        sheet.write_string(line, 0, name, formats["text"])
        sheet.write_string(line, 1, said, formats["text"])


def _sheet(book: xlsxwriter.Workbook, formats: dict, context: Context, rows: list[dict], number: int) -> None:
    metric = rows[0]["metric_id"]
    sheet = book.add_worksheet(_sheet_name(metric, number))
    for position, (heading, width, kind, note) in enumerate(_COLUMNS):
        sheet.set_column(position, position, width, formats[kind])
        sheet.write_string(0, position, heading, formats["head"])
        if note:
            sheet.write_comment(0, position, note, {"author": ""})
    for line, row in enumerate(rows, start=1):
        for position, value in enumerate(_cells(row, context)):
            if value is None or value == "":
                continue
            write = sheet.write_string if isinstance(value, str) else sheet.write_number
            write(line, position, value, formats[_COLUMNS[position][2]])
    sheet.freeze_panes(1, 4)
    sheet.autofilter(0, 0, len(rows), len(_COLUMNS) - 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_footer("&L&A&RPage &P of &N")


def _cells(row: dict[str, object], context: Context) -> list[object]:
    labels = context.labels
    told = row["state"] in ("gap", "few")
    status = words.STATUSES[row["status"]].words if told and row["status"] else None
    reference = row["reference_subgroup"] if row["reference"] == "designated" else None
    compared = (
        labels.subgroup(row["dimension"], reference)
        if reference
        else {"rest": "everyone else"}.get(row["reference"], "all students")
    )
    return [
        school_years.label(row["school_year"]),
        "District" if row["school_id"] == "_all" else context.school(row["school_id"]),
        labels.dimension(row["dimension"]), row["group"], compared,
        row["n_band"] if row["n"] is None else row["n"],
        row["rate_band"] or row["rate"], row["reference_rate_band"] or row["reference_rate"],
        row["gap_band"] if row["gap"] is None else _points(row["gap"]) if told else None,
        *(_points(row[c]) if told else None for c in ("gap_low", "gap_high", "gap_change")),
        status, row["students_needed"] if told else None, _points(row["goal_gap"]), _note(row),
    ]  # fmt: skip


def _note(row: dict[str, object]) -> str:
    if row["state"] == "not_measured":
        return f"{words.NOT_MEASURED}: {words.ENGLISH.not_measured(row['reason'])}"
    return {
        "privacy": words.HIDDEN_WORDS, "no_students": "no students", "reference": "comparison group", "everyone": "all students",
        "no_comparison": "no comparison", "hidden_comparison": f"comparison {words.HIDDEN_WORDS}", "band": "shown as a range: privacy",
        "few": words.NOT_ENOUGH, "gap": "",
    }[row["state"]]  # fmt: skip


def _points(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 10)


def _sheet_name(metric: str, number: int) -> str:
    """Excel allows 31 characters and needs each name once."""
    return metric if len(metric) <= 31 else f"{metric[:27]}_{number:03d}"
