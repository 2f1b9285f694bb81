"""Initiatives of the sample partner Riverside: who takes part, what was planted, what the page says."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from equity_pipeline import sample
from equity_pipeline.sample import programmes as planted
from tests.dbt.workshop import Workshop
from tests.end_to_end.truth import recompute
from tests.programmes.conftest import SCALE


@pytest.fixture(scope="module")
def riverside(built):
    return built("riverside_usd")


def test_a_section_is_that_of_the_year_in_which_it_begins(riverside, tmp_path):
    """Sections are numbered anew each year: those who sat in one of the same name before take no part."""
    workshop = Workshop.open(riverside.warehouse, tmp_path)
    people = {name: riverside.table(name) for name in ("students", "school_enrollments")}
    enrolled = recompute.population(people).query("school_year in (2024, 2025)").groupby("student_id").size()
    years = enrolled[enrolled == 2].index.to_series(index=range(sum(enrolled == 2))).head(4)
    workshop.fill_raw(people | {
        "course_enrollments": pd.DataFrame({"student_id": years, "school_year": [2024, 2024, 2025, 2025], "school_id": "0101",
                                            "course_id": "c", "section_id": "the section", "dropped": ["no", "no", "no", None]}),
        "initiatives": pd.DataFrame({"initiative_id": ["S"], "start_date": [dt.date(2024, 8, 15)], "metric_id": ["ap_ib_enrollment"]}),
        "initiative_members": pd.DataFrame({"initiative_id": ["S"], "section_id": ["the section"]}),
    })  # fmt: skip
    workshop.make()
    workshop.make("int_initiative_panel")
    treated = workshop.frame("select distinct unit, assigned, first_school_year from working.intermediate.int_initiative_panel where first_school_year is not null")  # fmt: skip
    assert set(treated["unit"]) == set(years[2:]) and set(treated["assigned"]) == {"the section"}
    assert set(treated["first_school_year"]) == {2025}


def test_mentoring_did_what_was_planted(riverside, monkeypatch):
    """The true effect: chronic absence of mentored students in mentored years, with and without the mentoring, by the same dice."""
    monkeypatch.setattr(planted, "MENTORED_ABSENCE", 1.0)
    [without] = [d for d in sample.generate(scale=SCALE) if d.partner_id == "riverside_usd"]
    members = riverside.table("initiative_members").dropna(subset=["student_id"])
    first = {s: d.year + 1 for s, d in zip(members["student_id"], members["start_date"], strict=True)}
    people = recompute.population({n: riverside.table(n) for n in ("students", "school_enrollments")})
    there = set(zip(people["school_year"], people["student_id"], strict=True))

    def absent(attendance):
        days = attendance.groupby(["school_year", "student_id"])[["days_enrolled", "days_absent"]].sum()
        days = days[days["days_enrolled"] >= 10].reset_index()
        days = days[
            [
                (y, s) in there and s in first and y >= first[s]
                for y, s in zip(days["school_year"], days["student_id"], strict=True)
            ]
        ]
        return (10 * days["days_absent"] >= days["days_enrolled"]).mean()

    true = absent(riverside.table("attendance")) - absent(
        pd.DataFrame(without.tables["attendance"].to_dict(as_series=False))
    )
    assert true < -0.1
    mart = riverside.mart("initiative_evaluation")
    mentor = mart[mart["initiative_id"] == "MENTOR"].set_index(["design", "term"])
    for key in (("difference_in_differences", "effect"), ("group_time", "average")):
        assert mentor.loc[key, "estimate_low"] <= true <= mentor.loc[key, "estimate_high"], key
        assert mentor.loc[key, "estimate_high"] < 0
    assert mentor.loc[("event_study", "no trend before"), "p_value"] > 0.05


def test_circles_did_nothing_and_too_few_schools_are_said(riverside):
    mart = riverside.mart("initiative_evaluation")
    circles = mart[mart["initiative_id"] == "CIRCLES"].set_index(["design", "term"])
    row = circles.loc[("difference_in_differences", "effect")]
    assert row["estimate_low"] <= 0 <= row["estimate_high"]
    assert row["clusters"] == 5 and "too few units" in row["verdict"]


def test_what_leaves_is_in_whole_points(riverside):
    released = riverside.released["initiative_evaluation"]
    assert not {"standard_error", "clusters", "units_treated"} & set(released)
    told = released["estimate"].dropna()
    assert np.allclose(told * 100, (told * 100).round())
    assert (released["students_treated"].dropna() % 10 == 0).all()


def test_the_page_says_the_verdict_and_draws_the_picture(riverside):
    blocks = {block.id: block for block in riverside.pages["programmes/evaluation.html"].values["blocks"]}
    mentor = blocks["initiative-mentor"]
    assert any("evidence" in said for _, said in mentor.facts) and "svg" in mentor.picture
    assert [line[0] for line in mentor.table.rows] == [
        "Before and after", "Difference in differences", "Group by group of starters", "Alike at the start?",
    ]  # fmt: skip
