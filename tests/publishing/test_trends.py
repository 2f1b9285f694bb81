"""Charts through the years: each value at its place, broken where a year is missing, and nothing in them that could repeat or run."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from equity_pipeline.publishing.trends import trend

YEARS = ["2021-22", "2022-23", "2023-24", "2024-25"]
INTERVALS = [(-0.25, -0.15), (-0.2, -0.1), None, (-0.1, 0.0)]


def _drawn(**how):
    made = trend(YEARS, [-0.2, -0.15, None, -0.05], INTERVALS, name="Gap", **how)
    return html.fragment_fromstring(made)


def test_values_stand_where_the_scale_says():
    svg = _drawn(goal=-0.1)
    ticks = {t.text: float(t.get("y")) - 4 for t in svg.find_class("scale")}
    dots = [(float(d.get("cx")), float(d.get("cy"))) for d in svg.find_class("dot")]
    assert [y for _, y in dots] == pytest.approx(
        [ticks["−20"], (ticks["−20"] + ticks["−10"]) / 2, (ticks["−10"] + ticks["0"]) / 2], abs=0.02
    )
    years = {t.text: float(t.get("x")) for t in svg.find_class("year")}
    assert [x for x, _ in dots] == pytest.approx([years[y] for y in YEARS if y != "2023-24"], abs=0.02)
    (goal,) = svg.find_class("goal")
    assert re.findall(r" ([\d.]+)", goal.get("d")) == [f"{ticks['−10']:.2f}"] * 2
    assert len(svg.find_class("interval")) == 3


def test_a_line_is_broken_at_a_year_that_is_not_told():
    (line,) = _drawn().find_class("line")
    assert line.get("d").count("L") == 1, "from the first year to the second, and no further"
    assert [t.text for t in _drawn().find_class("value")] == ["−20", "−5"]


def test_a_chart_without_any_value_has_none():
    svg = html.fragment_fromstring(trend(YEARS, [None] * 4, [None] * 4, name="Gap"))
    assert not [*svg.find_class("dot"), *svg.find_class("value"), *svg.find_class("interval")]


@given(words=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_words_stand_as_they_are_and_nothing_has_an_id_or_a_style(words):
    made = trend(
        YEARS[:2], [0.1, 0.2], [None, None], name=words, marks=[(0.5, words)], goal=0.3, goal_label="$a$"
    )
    assert " id=" not in made and "style=" not in made and "href" not in made
    svg = html.fragment_fromstring(made)
    assert svg.get("aria-label") == words
    assert [t.text for t in svg.find_class("mark-label")] == [words]
    assert [t.text for t in svg.find_class("goal-label")] == ["$a$ +30"]
    assert made == trend(
        YEARS[:2], [0.1, 0.2], [None, None], name=words, marks=[(0.5, words)], goal=0.3, goal_label="$a$"
    )
