import re

import pandas as pd
import pytest
from lxml import html
from markupsafe import Markup

from equity_pipeline.publishing import contracts, tables, tracker
from equity_pipeline.publishing.programmes.page import Table

from .frames import LABELS, context, frames

ROW = {
    "state": "gap",
    "n": 410,
    "rate": 0.38,
    "rate_band": None,
    "gap": -0.1,
    "gap_low": -0.14,
    "gap_high": -0.05,
}


def text(cell):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", str(cell))).strip()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("gap", "−10 n ~410"),
        ("privacy", "— not shown: privacy"),
        ("hidden_comparison", "— not shown: privacy 38% of ~410"),
        ("not_measured", "not measured"),
        ("few", "not enough data"),
        ("no_students", "no students"),
        ("no_comparison", "no comparison"),
        ("reference", "38% n ~410"),
    ],
)
def test_a_cell_says_its_gap_or_why_there_is_none(state, said):
    assert text(tables.cell(ROW | {"state": state})) == said


def test_a_band_stands_where_a_rate_is_not_known_to_the_percent():
    row = ROW | {"rate": 0.3, "rate_band": "20% to 40%", "n": 60}
    assert text(tables.cell(row, small="rate")) == "−10 20 to 40% of ~60"
    assert text(tables.cell(row | {"state": "reference"}, small="rate")) == "rate 20 to 40% n ~60"


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
        tables.gap_tracker(tracker.plain(part), LABELS, id="one", caption="A <b>", years=[2025, 2026])
        for part in (rows, rows.sample(frac=1, random_state=5))
    ]
    assert made[0] == made[1]
    assert 'id="one"' in made[0] and "A &lt;b&gt;" in made[0] and "<style>\n#one" not in made[0]


def test_a_programmes_table_is_laid_out_as_the_tracker_is():
    lines = ["50% & <more>", ["<b>Asian</b>", "5%", Markup("<i>x</i>")], ["Black", "%(caption)s", ""]]
    table = Table(
        "A <b> of 100%", ["Group", "Rate %", 'From 0 to "20%"'], lines, frozenset({1}), frozenset({2})
    )
    root = html.fromstring(table.html)
    assert root.get("aria-label") == root.findtext(".//caption/span") == "A <b> of 100%"
    assert [(head.text, head.get("scope")) for head in root.iterfind(".//thead//th")] == [
        ("Group", "col"), ("Rate %", "col"), ('From 0 to "20%"', "col"),
    ]  # fmt: skip
    [heading] = root.find_class("gt_group_heading")
    assert (heading.text, heading.get("scope"), heading.get("colspan")) == ("50% & <more>", "colgroup", "3")
    rows = [row for row in root.iterfind(".//tbody/tr") if row.find("td") is not None]
    assert [[cell.text for cell in row] for row in rows] == [
        ["<b>Asian</b>", "5%", None],
        ["Black", "%(caption)s", None],
    ]
    assert rows[0][2].findtext("i") == "x" and rows[0][0].get("scope") == "row"
    assert [cell.get("data-label") for cell in rows[1]] == [None, "Rate %", None]
    assert {"num", "pic"} <= {name for cell in rows[1] for name in cell.get("class").split()}
    assert "gt_group_heading" not in Table("A", ["Group"], [["x"]]).html


def test_ranking_counts_each_gap_once_and_never_a_closed_one(view):
    top = tracker.largest(tracker.plain(view[view["school_year"] == 2026]), 50)
    assert top and not any("*" in row["dimension"] for row in top)
    assert not {row["status"] for row in top} & {"closed", "maintained_closed", "reversed", "not_measurable"}
    for clear in (True, False):
        behind = [row["behind"] for row in top if tracker.clear(row) == clear]
        assert behind == sorted(behind, reverse=True)


def test_the_funnel_counts_each_step_of_all_students_of_the_group():
    marts = frames(years=[2026], schools={"1": "One"}, size=2000)
    rows = tracker.plain(tracker.view({m: contracts.check(m, f) for m, f in marts.items()}, context()))
    rows = [row for row in rows if row["school_id"] == "_all"]
    gaps = marts["gap_metrics"]
    black = gaps[
        (gaps["school_id"] == "_all") & (gaps["subgroup"] == "black") & (gaps["reference"] == "designated")
    ]
    black = black.set_index("metric_id")
    line = next(line for line in tracker.funnel(rows) if line["group"] == "Black")
    n = black.loc["ap_ib_enrollment", "n"]
    assert line["n"] == n
    enrolled, grade, taken, passed = (black.loc[metric, "rate"] for metric in tracker.FUNNEL)
    assert line["shares"] == pytest.approx(
        [enrolled, enrolled * grade, enrolled * taken, enrolled * taken * passed]
    )
    hidden = [row | {"rate": None} if row["metric_id"] == "exam_taken" else row for row in rows]
    shares = next(line for line in tracker.funnel(hidden) if line["group"] == "Black")["shares"]
    assert [share is None for share in shares] == [False, False, True, True]


def test_clear_gaps_rank_before_wide_ones_that_may_be_none():
    row = {"told": True, "status": "open", "metric_order": 1, "dimension_order": 1}
    wide = row | {"behind": 0.3, "gap_low": -0.7, "gap_high": 0.1, "subgroup_order": 1}
    clear = row | {"behind": 0.1, "gap_low": -0.15, "gap_high": -0.05, "subgroup_order": 2}
    wider = clear | {"behind": 0.2, "gap_low": -0.25, "gap_high": -0.15, "subgroup_order": 3}
    assert tracker.largest([wide, clear, wider], 3) == [wider, clear, wide]


def test_a_tools_package_row_whose_rank_is_hidden_comes_last():
    marts = frames(years=[2025, 2026], schools={"1": "One"}, size=900, metrics=["ap_ib_enrollment"])
    tools = marts["tools_package"].sort_values("urgency_rank", ignore_index=True)
    rows = tracker.plain(tracker.view({m: contracts.check(m, f) for m, f in marts.items()}, context()))
    first = tracker.tools_package(rows, tools, 2026)[0]
    same = (tools[tracker.KEY] == pd.Series({key: first[key] for key in tracker.KEY})).all(axis=1)
    tools.loc[same, "urgency_rank"] = pd.NA
    assert tracker.tools_package(rows, tools, 2026)[-1]["subgroup"] == first["subgroup"]
