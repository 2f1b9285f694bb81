"""`gap_tracker.xlsx`: one sheet a measure with the headline comparison, every school and year, ready to filter."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import operator
from typing import Any

import xlsxwriter

from equity_pipeline.disclosure.suppression import X
from equity_pipeline.domain import school_years
from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import words
from equity_pipeline.publishing.context import Context
from equity_pipeline.publishing.words import ENGLISH as say

# A zip entry carries a date: this one is the oldest a zip can hold, so that the same numbers give the same bytes.
_CREATED = dt.datetime(1980, 1, 1)

_ORDER_OF_METRIC = operator.itemgetter("metric_order", "metric_id")


def _order(row: Row) -> tuple[object, ...]:
    """Metrics by the seeds, newest year first, the district before its schools."""
    return (*_ORDER_OF_METRIC(row), -row["school_year"], row["school_id"] != "_all", row["school_id"], row["dimension_order"],
            row["subgroup_order"], row["dimension"], row["subgroup"])  # fmt: skip


_COLUMNS = [
    # heading, width, format, note
    ("School year", 11, "text", None),
    ("Where", 30, "text", None),
    ("Dimension", 32, "text", None),
    ("Group", 46, "text", None),
    ("Compared with", 36, "text", "The comparison group; the data files hold every other comparison."),
    ("Students (n)", 11, "count", "Rounded, to protect students."),
    ("Rate", 10, "percent", "The middle of the band where there is one."),
    (
        "Rate band",
        14,
        "text",
        "What the rate of a smaller group is known to; empty where it is known to the percent.",
    ),
    ("Comparison rate", 12, "percent", None),
    ("Comparison band", 14, "text", None),
    ("Gap (points)", 10, "points", "Rate minus comparison rate, in percentage points."),
    ("Low (95%)", 9, "points", "Lower end of the 95% interval of the gap (Newcombe)."),
    ("High (95%)", 9, "points", "Upper end of the 95% interval of the gap (Newcombe)."),
    ("Change (points)", 10, "points", "Gap minus the gap of the year before."),
    ("Status", 20, "text", None),
    (
        "Students needed",
        11,
        "count",
        "More students of the group that would bring its rate level with the comparison's.",
    ),
    ("Goal (points)", 10, "goal", None),
    ("Note", 34, "text", "Why a number is not there."),
]


def workbook(rows: list[Row], context: Context, partner_name: str) -> bytes:
    """The workbook as bytes. `rows`: of `tracker.view`."""
    sink = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
               "nan_inf_to_errors": False, "default_date_format": "yyyy-mm-dd"}  # fmt: skip
    with xlsxwriter.Workbook(sink, options) as book:
        book.set_properties(
            {"title": say("Equity gap tracker"), "subject": partner_name, "created": _CREATED}
        )
        base = {"font_name": "Calibri", "font_size": 11, "valign": "top"}
        line = base | {"bottom": 1, "bottom_color": "#D5DADE"}
        head = base | {
            "bold": True,
            "text_wrap": True,
            "bottom": 2,
            "bg_color": "#EEF1F3",
            "valign": "bottom",
        }
        formats = {
            "text": book.add_format(base | {"align": "left", "indent": 1}),
            "count": book.add_format(base | {"num_format": '"~"#,##0', "align": "right"}),
            "percent": book.add_format(base | {"num_format": "0%", "align": "right"}),
            "points": book.add_format(base | {"num_format": "+0;−0;0", "align": "right"}),
            "goal": book.add_format(base | {"num_format": "+0.0;−0.0;0", "align": "right"}),
            "head": book.add_format(head | {"align": "left", "indent": 1}),
            "head of numbers": book.add_format(head | {"align": "right"}),
            "title": book.add_format(base | {"bold": True, "font_size": 18}),
            "term": book.add_format(line | {"bold": True}),
            "said": book.add_format(line | {"text_wrap": True}),
        }  # fmt: skip
        ordered = [list(of) for _, of in itertools.groupby(sorted(rows, key=_order), key=_ORDER_OF_METRIC)]
        sheets = {_sheet_name(of[0]["metric_id"], number): of for number, of in enumerate(ordered, start=1)}
        _read_me(
            book, formats, context, partner_name, {name: of[0]["metric_id"] for name, of in sheets.items()}
        )
        for name, of_metric in sheets.items():
            _sheet(book, formats, context, of_metric, name)
    return sink.getvalue()


def _read_me(
    book: xlsxwriter.Workbook,
    formats: dict[str, Any],
    context: Context,
    partner_name: str,
    metrics: dict[str, str],
) -> None:
    sheet = book.add_worksheet(say("Read me"))
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 32)
    sheet.set_column(1, 1, 92)
    sheet.fit_to_pages(1, 0)
    sheet.write_string(0, 0, say("Equity gap tracker"), formats["title"])
    lines = [
        (say("Partner"), partner_name),
        (say("Gap"), say("Rate of the group minus rate of the comparison, in percentage points. Negative: the system serves this group at a lower rate.")),
        (say("Rounding"), say("Numbers of students are rounded (~), and rates of smaller groups are given as bands, to protect students; every other figure is worked out from what is shown.")),
        (say(words.HIDDEN_WORDS), say("The number is hidden to protect the privacy of students. The row stays, the cells are empty.")),
        (say("Proof"), say("Every number that is not shown could be either of two that are at least {apart} students apart (X = {apart}).", apart=X)),
        (say(words.NOT_MEASURED), say("The data needed is not on file. It is never counted as zero.")),
        (say(words.NOT_ENOUGH), say("too few students to tell, which is not the same as no gap.")),
        *((f"{step.symbol} {say(step.words)}", say(step.meaning)) for code, step in words.STATUSES.items() if code != "not_measurable"),
        *((say("Sheet {name}", name=name), f"{context.labels.metric(metric)}. {context.labels.definition(metric)}") for name, metric in metrics.items()),
    ]  # fmt: skip
    for line, (name, said) in enumerate(lines, start=2):
        sheet.set_row(line, 15 * (1 + len(said) // 95))
        sheet.write_string(line, 0, name, formats["term"])
        sheet.write_string(line, 1, said, formats["said"])


def _sheet(
    book: xlsxwriter.Workbook, formats: dict[str, Any], context: Context, rows: list[Row], name: str
) -> None:
    sheet = book.add_worksheet(name)
    styles = [formats[kind] for _, _, kind, _ in _COLUMNS]
    for position, (heading, width, kind, note) in enumerate(_COLUMNS):
        sheet.set_column(position, position, width, styles[position])
        sheet.write_string(
            0, position, say(heading), formats["head" if kind == "text" else "head of numbers"]
        )
        if note:
            sheet.write_comment(0, position, say(note), {"author": ""})
    for line, row in enumerate(rows, start=1):
        for position, value in enumerate(_cells(row, context)):
            if isinstance(value, str):
                if value:
                    sheet.write_string(line, position, value, styles[position])
            elif value is not None:
                sheet.write_number(line, position, value, styles[position])
    sheet.set_row(0, 32)
    sheet.freeze_panes(1, 4)
    sheet.autofilter(0, 0, len(rows), len(_COLUMNS) - 1)
    sheet.hide_gridlines(0)  # lines on paper too: half of the cells are empty, and a border needs a cell
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_footer("&L&A&RPage &P of &N")


def _cells(row: Row, context: Context) -> list[object]:
    labels = context.labels
    told = row["state"] in ("gap", "few")
    step = words.STATUSES[row["status"]] if told and row["status"] else None
    reference = row["reference_subgroup"] if row["reference"] == "designated" else None
    compared = (
        labels.subgroup(row["dimension"], reference)
        if reference
        else say({"rest": "everyone else"}.get(row["reference"], "all students"))
    )
    return [
        school_years.label(row["school_year"]),
        say("District") if row["school_id"] == "_all" else context.school(row["school_id"]),
        labels.dimension(row["dimension"]), row["group"], compared,
        row["n"], row["rate"], row["rate_band"], row["reference_rate"], row["reference_rate_band"],
        *(_points(row[c], 0) if told else None for c in ("gap", "gap_low", "gap_high", "gap_change")),
        f"{step.symbol} {say(step.words)}" if step else None, row["students_needed"] if told else None, _points(row["goal_gap"], 1), _note(row),
    ]  # fmt: skip


def _note(row: Row) -> str:
    if row["state"] == "not_measured":
        return say("Not measured: {why}.", why=say.not_measured(row["reason"]))
    said = {
        "privacy": words.HIDDEN_WORDS, "no_students": "no students", "reference": "comparison group", "everyone": "all students",
        "no_comparison": "no comparison", "hidden_comparison": "comparison not shown: privacy", "few": words.NOT_ENOUGH,
    }  # fmt: skip
    return say(said[row["state"]]) if row["state"] in said else ""


def _points(value: float | None, digits: int) -> float | None:
    """As the pages say it."""
    return None if value is None else words.round_half_up(100 * value, digits)


def _sheet_name(metric: str, number: int) -> str:
    """Excel allows 31 characters and needs each name once."""
    return metric if len(metric) <= 31 else f"{metric[:27]}_{number:03d}"
