import re

import pandas as pd
import pytest

from equity_pipeline.publishing import contracts, tables, tracker

from .frames import LABELS, context, frames

ROW = {"state": "gap", "n": 412, "rate": 0.381, "gap": -0.095, "gap_low": -0.14, "gap_high": -0.05}


def text(cell):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", str(cell))).strip()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("gap", "−9.5 n 412"),
        ("privacy", "— not shown: privacy"),
        ("hidden_comparison", "— not shown: privacy 38.1% of 412"),
        ("not_measured", "not measured"),
        ("few", "not enough data"),
        ("no_students", "no students"),
        ("no_comparison", "no comparison"),
        ("reference", "38.1% n 412"),
    ],
)
def test_a_cell_says_its_gap_or_why_there_is_none(state, said):
    assert text(tables.cell(ROW | {"state": state})) == said


@pytest.fixture(scope="module")
def view():
    marts = frames(years=[2025, 2026], schools={"1": "One"}, size=300, metrics=["ap_ib_enrollment"])
    gaps = marts["gap_metrics"]
    mine = (
        (gaps["school_year"] == 2026)
        & (gaps["school_id"] == "_all")
        & (gaps["dimension"] == "race_ethnicity")
    )
    for subgroup, values in {
        "asian": {"reliable": False, "reason": "small"},
        "hispanic": {
            "gap": None,
            "gap_low": None,
            "gap_high": None,
            "reliable": None,
            "students_needed": None,
        },
    }.items():
        gaps.loc[mine & (gaps["subgroup"] == subgroup), list(values)] = list(values.values())
    return tracker.view({mart: contracts.check(mart, frame) for mart, frame in marts.items()}, context())


def test_states_are_read_from_the_row(view):
    now = view[
        (view["school_year"] == 2026)
        & (view["school_id"] == "_all")
        & (view["dimension"] == "race_ethnicity")
    ]
    states = dict(zip(now["subgroup"], now["state"], strict=True))
    assert states["asian"] == "few"
    assert states["hispanic"] == "hidden_comparison"
    assert states["white"] == "reference"
    assert not now.set_index("subgroup").loc[["asian", "hispanic", "white"], "told"].any()


def test_the_same_rows_give_the_same_table_with_its_fixed_id(view):
    rows = view[view["school_id"] == "_all"]
    made = [
        tables.gap_tracker(part, LABELS, id="one", caption="A <b>", years=[2025, 2026])
        for part in (rows, rows.sample(frac=1, random_state=5))
    ]
    assert made[0] == made[1]
    assert 'id="one"' in made[0] and "A &lt;b&gt;" in made[0] and "<style>\n#one" not in made[0]


def test_ranking_counts_each_gap_once_and_never_a_closed_one(view):
    top = tracker.largest(view[view["school_year"] == 2026], 50)
    assert not top["dimension"].str.contains("*", regex=False).any()
    assert not set(top["status"]) & {"closed", "maintained_closed", "reversed", "not_measurable"}
    assert pd.Series(top["behind"]).is_monotonic_decreasing
