"""The programmes' pages in the site's frame: hostile words do no harm, and where there is nothing there is no page."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pandas as pd
import pytest

from equity_pipeline.publishing import changes, site, tracker
from equity_pipeline.publishing.page import Edition
from equity_pipeline.publishing.programmes.page import Reader
from tests.publishing.frames import context, frames, partner

READER = Reader(context(), {}, partner())
HOSTILE = '<script>alert("x")</script> =HYPERLINK("http://x") ' + "w" * 200 + " \u202eabc"


def pages(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    marts, about = frames(), dataclasses.replace(context(), programmes=tables)
    rows = tracker.plain(tracker.view(marts, about))
    edition = Edition("0" * 16, None, changes.compare(None, marts["gap_metrics"], [], {}, None))
    return site.pages(marts, rows, about, partner(), edition)


def scorecard(**changed: object) -> pd.DataFrame:
    row = {
        "partner_id": "p", "school_year": 2026, "collection_window": "_all", "school_id": "_all", "resource": "assignments",
        "metric_id": "grade_appropriate_assignments", "dimension": "all_students", "subgroup": "all", "method": "exposure_weighted",
        "instrument_version": "1", "threshold_version": "1", "goal_rate": 0.5, "goal_due_on": dt.date(2027, 6, 30), "seats": 900,
        "share_low": 0.41, "share_high": 0.41, "margin_points": 3.2, "classes": 12, "suppressed": False,
    }  # fmt: skip
    return pd.DataFrame([row | changed])


def commitments() -> pd.DataFrame:
    return pd.DataFrame([{
        "partner_id": "p", "commitment_id": "1", "kind": kind, "statement": HOSTILE, "made_on": dt.date(2025, 9, 1), "due_on": None,
        "owner_role": HOSTILE, "status": None, "is_overdue": False,
    } for kind in ("equity_statement", "commitment")])  # fmt: skip


def test_words_of_staff_do_no_harm():
    page = pages({"opportunity_scorecard": scorecard(), "equity_commitments": commitments()})[
        "programmes/scorecard.html"
    ]
    assert "<script>alert" not in page and "&lt;script&gt;" in page
    assert "not there yet" in page and "41%" in page and "50% by 30 June 2027" in page


def test_a_section_without_data_is_absent_from_pages_and_navigation():
    made = pages({})
    assert not [path for path in made if path.startswith("programmes/") and "action_for_equity" not in path]
    assert "Opportunity scorecard" not in made["index.html"]
    assert "Opportunity scorecard" in pages({"opportunity_scorecard": scorecard()})["index.html"]


def test_a_card_whose_every_row_is_hidden_is_no_page():
    hidden = scorecard(
        suppressed=True, share_low=None, share_high=None, margin_points=None, classes=None, seats=None
    )
    assert "programmes/scorecard.html" not in pages({"opportunity_scorecard": hidden})


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.23, 0.23, "23%"),
        (0.2, 0.25, "20 to 25%"),
        (0.0, 0.05, "under 5%"),
        (0.95, 1.0, "95% or more"),
        (None, None, "—"),
    ],
)
def test_a_share_in_words(low, high, said):
    assert READER.share({"rate_low": low, "rate_high": high}) == said


def test_a_difference_of_bands_is_a_range():
    assert READER.difference(0.2, 0.25, 0.3, 0.3) == "−10 to −5"
    assert READER.difference(0.4, 0.4, 0.3, 0.3) == "+10"
