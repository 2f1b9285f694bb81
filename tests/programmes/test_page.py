"""The programmes' pages in the site's frame: hostile words do no harm, and where there is nothing there is no page."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

import pandas as pd
import pytest

from equity_pipeline.publishing import changes, programmes, site, tracker
from equity_pipeline.publishing.page import Edition
from equity_pipeline.publishing.programmes import TABLES
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


# --- Partners of odd sizes ------------------------------------------------------------------------------------------

PARTNERS = ("riverside_usd", "cedar_valley_isd", "harborview_ps")


def hidden(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Every figure that rests on people is hidden, as for one school and three students; the rows are still there."""
    made = {}
    for name, table in tables.items():
        figures = [column for column in table if column not in TABLES[name].about and column != "suppressed"]
        made[name] = table.assign(**dict.fromkeys(figures))
        if "suppressed" in table:
            made[name]["suppressed"] = True
    return made


def newest(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {
        name: table[table["school_year"].fillna(2026) == 2026] if "school_year" in table else table
        for name, table in tables.items()
    }


def many_schools(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The district's rows again for each of 400 schools."""
    made = dict(tables)
    for name, table in tables.items():
        if "school_id" in table and "dimension" in table and "cycle_id" not in table:
            district = table[(table["school_id"] == "_all") & (table["dimension"] == "all_students")]
            schools = [district.assign(school_id=f"{number:04d}") for number in range(400)]
            made[name] = pd.concat([table[table["school_id"] == "_all"], *schools], ignore_index=True)
    return made


@pytest.fixture
def render(built, monkeypatch):
    """A function: the programmes' pages of a partner, had the tables been odd."""

    def of(partner_id, odd):
        partner = built(partner_id)
        monkeypatch.setattr(site, "SECTIONS", programmes.SECTIONS)
        return partner.rendered(odd(partner.released))

    return of


@pytest.mark.parametrize("odd", [hidden, newest, many_schools])
@pytest.mark.parametrize("partner_id", PARTNERS)
def test_pages_of_odd_partners_still_make_sense(built, render, odd, partner_id):
    made = render(partner_id, odd)
    for path, html in made.items():
        main = html.partition("<main")[2].partition("</main>")[0]
        text = re.sub(r"<[^>]*>", " ", main)
        assert len(text.split()) > 30 and not re.search(r">\s*None\s*<|\bnan\b|NaT|&lt;NA&gt;", main), path
        if odd is hidden and "action_for_equity" not in path:
            told = re.sub(r"95% interval|From 0 to 100%|target \d+%", "", text)
            assert not re.search(r"\d%", told) or path == "programmes/cycles.html", path
    if odd is not hidden:
        assert set(built(partner_id).pages) == set(made)
    if odd is many_schools and "programmes/scorecard.html" in made:
        assert made["programmes/scorecard.html"].count("School 0") == 400


def test_four_hundred_schools_fit_a_phone(render, tmp_path, visit):
    page = tmp_path / "scorecard.html"
    page.write_text(render("cedar_valley_isd", many_schools)["programmes/scorecard.html"])
    tab = visit(page, 375)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 375
    tab.get_by_label("Find").first.fill("School 0399")
    assert tab.locator("section:has(h2#schools) tbody tr:visible").count() == 1


def test_hostile_words_of_staff_break_no_layout(tmp_path, visit):
    tables = {"opportunity_scorecard": scorecard(), "equity_commitments": commitments()}
    page = tmp_path / "scorecard.html"
    page.write_text(pages(tables)["programmes/scorecard.html"])
    for width in (375, 1280):
        tab = visit(page, width)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate("document.scripts.length") == 2
