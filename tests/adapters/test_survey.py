"""Survey answers in the two generic layouts: the same answers give the same rows."""

from __future__ import annotations

import pytest

from equity_pipeline.adapters import survey
from equity_pipeline.adapters.readers import read_delimited
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Source

WIDE = "Year,School,ID,I feel that I belong.,Adults encourage me,Comment\n2026,11,r1,4,Agree,secret\n2026,12,r2,,Disagree,x\n"
LONG = "Year,School,ID,Item,Answer\n2026,11,r1,belong_1,4\n2026,11,r1,expect_1,5\n2026,12,r2,belong_1,\n2026,12,r2,expect_1,2\n"
COLUMNS = {"school_year": "Year", "school_id": "School", "respondent_id": "ID"}
CONSTANTS = {"survey_id": "fall", "respondent_type": "student"}
ITEMS = {"i feel that I belong.": "belong_1", "Adults encourage me": "expect_1"}
SHOWN = ("school_year", "survey_id", "respondent_type", "respondent_id", "school_id", "item_id", "response")
TRUTH = [
    ("2026", "fall", "student", "r1", "11", "belong_1", "4"),
    ("2026", "fall", "student", "r1", "11", "expect_1", "5"),
    ("2026", "fall", "student", "r2", "12", "belong_1", ""),
    ("2026", "fall", "student", "r2", "12", "expect_1", "2"),
]


def take(text: str, **more: object):
    source = Source(name="climate", format="survey", files=["*"], constants=CONSTANTS, **more)
    (mapped,) = survey.map([read_delimited(text.encode(), "survey.csv")], source, None)
    return mapped


def wide(text: str = WIDE, items: dict[str, str] = ITEMS):
    values = {"response": {"agree": "5", "disagree": "2"}}
    return take(text, columns=COLUMNS, values=values, options={"layout": "wide", "items": items})


def test_long():
    mapped = take(LONG, columns=COLUMNS | {"item_id": "Item", "response": "Answer"})
    assert mapped.extract == "survey_responses"
    assert mapped.rows.select(SHOWN).rows() == TRUTH
    assert mapped.rows["_line"].to_list() == [2, 3, 4, 5]


def test_wide():
    mapped = wide()
    assert mapped.rows.select(SHOWN).rows() == TRUTH
    assert mapped.rows["_line"].to_list() == [2, 2, 3, 3]
    assert "Comment" not in mapped.rows.columns
    assert mapped.unused == {"survey.csv": ("Comment",)}


def test_a_question_that_is_gone_is_told():
    mapped = wide(items=ITEMS | {"Is it safe here?": "safe_1"})
    assert mapped.rows.select(SHOWN).rows() == TRUTH
    assert "survey.csv: no question for safe_1; no answers taken" in mapped.warnings


def test_refused():
    with pytest.raises(DeliveryError, match="survey.csv, line 1: none of the 1 questions is a header"):
        wide(items={"What?": "what"})
    for options in ({"layout": "wide"}, {"items": ITEMS}, {"layout": "matrix", "items": ITEMS}):
        with pytest.raises(PartnerFileError, match="source 'climate': a survey is"):
            take(WIDE, columns=COLUMNS, options=options)
