"""What a page may count beside students: gaps, and what a list leaves out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from lxml import html

from equity_pipeline.disclosure.audit import pages
from equity_pipeline.disclosure.audit.tallies import Tallies

ROW = {"leveled_down": True, "gap": -0.1, "rate": 0.1, "reference_rate": 0.2, "reliable": True, "status": "narrowing", "reason": None,
       "suppression_reason": None}  # fmt: skip


def tallies(gaps: int) -> Tallies:
    rows = {
        ("m", "_all", "race_ethnicity", f"g{number}"): {2026: ROW | {"subgroup": f"g{number}"}}
        for number in range(gaps)
    }
    return Tallies(SimpleNamespace(rows=rows, years=[2026], rules=SimpleNamespace(designated={})))


@pytest.mark.parametrize(("gaps", "more"), [(13, "7"), (7, "1"), (40, "34")])
def test_of_many_gaps_to_look_at_twice_a_page_says_how_many_it_does_not_name(gaps, more):
    assert {str(gaps), more} <= tallies(gaps).told_of("_all")
    assert str(gaps - 5) not in tallies(gaps).told_of("_all")


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("<li>New files: <bdi>a.csv</bdi>, <bdi>b.csv</bdi> and 7 more.</li>", True),
        ("<li>Rules that changed since then: one, two and 7 more.</li>", True),
        ("<li>students and 7 more.</li>", False),
        ("<p><bdi>North</bdi> and 7 more.</p>", False),
        ("<li><bdi>a.csv</bdi> 7.</li>", False),
    ],
)
def test_a_list_of_files_or_rules_says_how_many_more_there_are_and_nothing_else_does(text, known):
    told: list[str] = []
    site = SimpleNamespace(
        rates={"_all": set()}, gaps={"_all": set()}, sizes=set(), students=set(), always=set()
    )
    page = SimpleNamespace(
        path="changes.html", school="_all", site=site, counted=set(), programme=False,
        tell=lambda kind, where: told.append(kind),
    )  # fmt: skip
    element = html.fragment_fromstring(text)
    last = list(element)[-1] if len(element) else None
    pages._Page.text(page, element.text if last is None else last.tail, element)
    assert bool(told) != known


@pytest.mark.parametrize(
    ("said", "fault"),
    [("goal −2", None), ("", None), ("goal −3", "a figure that the data files do not say"),
     ("almost there", "more than one mark for what is hidden"), ("goal", "more than one mark for what is hidden")],
)  # fmt: skip
def test_beside_a_hidden_gap_stands_its_goal_and_nothing_else(said, fault):
    row = dict.fromkeys(
        ("n", "gap", "students_needed", "rate", "rate_band", "gap_low", "gap_high", "status", "reason")
    )
    row |= {"goal_gap": -0.02, "suppression_reason": "privacy"}
    cell = html.fragment_fromstring(f"<td>{said}</td>")
    assert pages._cell("status", cell, row) == fault
