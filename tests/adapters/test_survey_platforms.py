"""What survey platforms do to a table, and whose answer counts."""

from __future__ import annotations

import json

import pytest

from equity_pipeline.adapters import survey
from equity_pipeline.adapters.readers import read_delimited
from equity_pipeline.domain.errors import DeliveryError
from equity_pipeline.partners.registry import Source

CONSTANTS = {"survey_id": "fall", "respondent_type": "student", "school_id": "_enrolled"}
ANSWERS = ("school_year", "respondent_id", "item_id", "response", "submitted_at", "submission", "mark")


def take(text: str, *, name: str = "survey.csv", **more: object):
    more = {"constants": CONSTANTS} | more
    source = Source(name="climate", format="survey", files=["*"], **more)
    (mapped,) = survey.map([read_delimited(text.encode(), name)], source, None)
    return mapped


def csv(*records: list[str]) -> str:
    return "".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in record) + "\n" for record in records
    )


HEADER = ["StartDate", "EndDate", "Status", "ResponseId", "ExternalReference", "Q1", "Q2_1"]
TEXTS = [
    "Start Date",
    "End Date",
    "Response Type",
    "Response ID",
    "External Data Reference",
    "I belong here.",
    "Mark all",
]
IMPORTS = [
    json.dumps({"ImportId": one})
    for one in ("startDate", "endDate", "status", "_recordId", "externalDataReference", "QID1", "QID2_1")
]
RECORDS = [
    ["2025-10-01 08:00:00", "2025-10-01 08:04:00", "0", "R_1", "s1", "4", "-99"],
    ["2025-10-01 08:00:00", "2025-10-01 08:05:00", "Survey Preview", "R_2", "", "1", ""],
    ["2025-10-01 08:00:00", "2025-10-01 08:06:00", "IP Address", "R_3", "s3", "N/A", ""],
]
QUALTRICS = {
    "columns": {"respondent_id": "Response ID", "student_id": "ExternalReference", "submitted_at": "endDate"},
    "values": {"response": {"-99": "_skipped", "": "_not_shown", "n/a": "_not_applicable"}},
}
TRUTH = [
    ("2026", "R_1", "belong", "4", "2025-10-01T08:04:00", "1", None),
    ("2026", "R_1", "all", "_skipped", "2025-10-01T08:04:00", "1", None),
    ("2026", "R_3", "belong", "_not_applicable", "2025-10-01T08:06:00", "1", None),
    ("2026", "R_3", "all", "_not_shown", "2025-10-01T08:06:00", "1", None),
]


@pytest.mark.parametrize(
    "items",
    [{"Q1": "belong", "Q2_1": "all"}, {"I belong  HERE.": "belong", "Mark all": "all"}, {"QID1": "belong", "QID2_1": "all"}],
    ids=["by header", "by text", "by import id"],
)  # fmt: skip
def test_qualtrics_with_three_header_rows(items):
    mapped = take(
        csv(HEADER, TEXTS, IMPORTS, *RECORDS), options={"layout": "wide", "items": items}, **QUALTRICS
    )
    assert mapped.rows.select(ANSWERS).rows() == TRUTH
    assert mapped.rows["student_id"].to_list() == ["s1", "s1", "s3", "s3"]
    assert mapped.rows["_line"].to_list() == [4, 4, 6, 6]
    assert mapped.skipped == {"heading": 2, "preview of the survey": 1}


def test_qualtrics_with_two_header_rows_of_old():
    header = ["V1", "V4", "V7", "V9", "Q1", "Q2_1", ""]
    texts = ["ResponseID", "ExternalDataReference", "Status", "EndDate", "I belong here.", "Mark all", ""]
    records = [[r[3], r[4], "1" if r[2] == "Survey Preview" else "0", r[1], *r[5:], ""] for r in RECORDS]
    columns = {
        "respondent_id": "ResponseID",
        "student_id": "ExternalDataReference",
        "submitted_at": "EndDate",
    }
    mapped = take(
        csv(header, texts, *records),
        options={"layout": "wide", "items": {"I belong here.": "belong", "Mark all": "all"}},
        columns=columns,
        values=QUALTRICS["values"],
    )
    assert mapped.rows.select(ANSWERS).rows() == TRUTH
    assert mapped.skipped == {"heading": 1, "preview of the survey": 1}


def test_a_record_without_a_heading_is_none():
    mapped = take(csv(HEADER, *RECORDS[::2]), options={"layout": "wide", "items": {"Q1": "belong", "Q2_1": "all"}}, columns={"respondent_id": "ResponseId", "submitted_at": "EndDate"}, values=QUALTRICS["values"])  # fmt: skip
    assert mapped.rows.select(ANSWERS).rows() == TRUTH
    assert mapped.skipped == {}


FORM = 'Timestamp,Student ID,"Do you, or did you,  take AP?",Why? (all that apply)\n'
ITEMS = {"Do you, or did you, take AP?": "ap", "Why? (all that apply)": "why"}


def form(*records: str, **options: object):
    options = {"layout": "wide", "items": ITEMS} | options
    return take(FORM + "".join(f"{r}\n" for r in records), columns={"respondent_id": "Student ID", "submitted_at": "Timestamp"}, options=options)  # fmt: skip


def test_google_forms_with_several_answers_in_a_cell():
    choices = ["Fun", "It is hard, really"]
    mapped = form(
        '5/18/2026 17:07:06,a,Yes,"It is hard, really, Fun, my own, words"',
        "5/18/2026 9:07:06,b,No,",
        several={"why": choices},
    )
    assert mapped.rows.select(ANSWERS).rows() == [
        ("2026", "a", "ap", "Yes", "2026-05-18T17:07:06", "1", None),
        ("2026", "a", "why", "It is hard, really;Fun;my own;words", "2026-05-18T17:07:06", "1", None),
        ("2026", "b", "ap", "No", "2026-05-18T09:07:06", "1", None),
        ("2026", "b", "why", "", "2026-05-18T09:07:06", "1", None),
    ]


@pytest.mark.parametrize(
    ("written", "iso", "year"),
    [
        ("2020-08-21 21:05:56.117571+00", "2020-08-21T21:05:56", "2021"),
        ("8/21/2020 21:05:56", "2020-08-21T21:05:56", "2021"),
        ("21/8/2020 9:05:56 pm", "2020-08-21T21:05:56", "2021"),
        ("2020/08/21 9:05:56 PM EST", "2020-08-21T21:05:56", "2021"),
        ("2020/06/30 12:05:56 AM MDT", "2020-06-30T00:05:56", "2020"),
        ("2020-06-30", "2020-06-30T00:00:00", "2020"),
        ("yesterday", "yesterday", None),
    ],
)
def test_timestamps(written, iso, year):
    rows = form(f'"{written}",a,Yes,').rows
    assert set(rows.select("submitted_at", "school_year").rows()) == {(iso, year)}


def test_a_date_with_two_readings_is_refused():
    with pytest.raises(
        DeliveryError, match="survey.csv, line 2: submitted_at does not show: whether 1/2/2026 is"
    ):
        form("1/2/2026 10:00:00,a,Yes,", "3/4/2026 10:00:00,b,Yes,")
    with pytest.raises(DeliveryError, match="line 2: submitted_at has the day first on line 3, and here the"):
        form("1/22/2026 10:00:00,a,Yes,", "23/4/2026 10:00:00,b,Yes,")
    rows = form("1/2/2026 10:00:00,a,Yes,", date_format="%d/%m/%Y %H:%M:%S").rows
    assert rows["submitted_at"].to_list() == ["2026-02-01T10:00:00"] * 2


def test_who_answers_twice_or_has_no_id_is_kept_and_marked():
    mapped = form(
        "2026-01-05 10:00:00,a,Yes,Fun", "2026-01-07 10:00:00,a,No,", "2026-01-09 10:00:00,a,,",
        "2026-01-05 10:00:00,,Yes,", "2026-01-06 10:00:00,,No,", "2026-01-05 11:00:00,b,Yes,",
    )  # fmt: skip
    assert mapped.rows.filter(item_id="ap").select(
        "respondent_id", "response", "submission", "mark"
    ).rows() == [
        ("a", "Yes", "2", "duplicate"),
        ("a", "No", "1", None),
        ("a", "", "3", "duplicate"),  # the latest says nothing
        ("unknown:5", "Yes", "1", "unknown_respondent"),
        ("unknown:6", "No", "1", "unknown_respondent"),
        ("b", "Yes", "1", None),
    ]
    assert mapped.rows.height == 12
    assert set(mapped.warnings) == {
        "2 submissions are kept and marked duplicate", "2 submissions are kept and marked unknown_respondent",
    }  # fmt: skip


def test_staff_on_a_form_for_students_are_staff():
    text = "Timestamp,Student ID,I am a,I belong.\n2026-01-05,a,Student,4\n2026-01-05,t9,Teacher,5\n2026-01-06,,Teacher,5\n"
    mapped = take(
        text,
        columns={"respondent_id": "Student ID", "submitted_at": "Timestamp", "respondent_type": "I am a"},
        values={"respondent_type": {"teacher": "staff"}},
        options={"layout": "wide", "items": {"I belong.": "belong"}},
    )
    assert mapped.rows.select("respondent_type", "respondent_id", "response", "mark").rows() == [
        ("Student", "a", "4", None),
        ("staff", "t9", "5", "other_respondent_type"),
        ("staff", "unknown:4", "5", "unknown_respondent;other_respondent_type"),
    ]


def test_an_anonymous_survey_has_as_many_respondents_as_records():
    mapped = take("I belong.\n4\n5\n", options={"layout": "wide", "items": {"I belong.": "belong"}}, constants=CONSTANTS | {"school_year": "2025-26"})  # fmt: skip
    assert mapped.rows.select("respondent_id", "response", "submission").rows() == [
        ("unknown:2", "4", "1"),
        ("unknown:3", "5", "1"),
    ]


def test_the_codebook_is_a_table_of_items():
    source = Source(
        name="codebook", format="survey", files=["*"], extract="survey_items", constants={"survey_id": "fall"},
        columns={"item_id": "Item", "construct": "Construct", "text": "Wording", "reverse": "Reversed"},
    )  # fmt: skip
    text = "Item,Construct,Wording,Reversed\nbelong,belonging,I belong.,no\n"
    (mapped,) = survey.map([read_delimited(text.encode(), "codebook.csv")], source, None)
    assert mapped.extract == "survey_items"
    assert mapped.rows.select("survey_id", "item_id", "construct", "text", "reverse").rows() == [
        ("fall", "belong", "belonging", "I belong.", "no")
    ]
