import re

import pandas as pd
import pytest

from equity_pipeline.publishing import contracts, tables, tracker

from .frames import LABELS, context, frames

BANDS = {"n_band": None, "rate_band": None, "gap_band": None}
ROW = BANDS | {"state": "gap", "n": 412, "rate": 0.381, "gap": -0.095, "gap_low": -0.14, "gap_high": -0.05}


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


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (
            {"state": "hidden_comparison", "rate_band": "less than 10%", "n": 412},
            "— not shown: privacy less than 10% of 412",
        ),
        ({"state": "reference", "rate_band": "less than 10%", "n": 410}, "less than 10% n 410"),
    ],
)
def test_a_range_stands_where_the_number_may_not(known, said):
    row = ROW | {"gap": None} | known
    assert text(tables.cell(row)) == said


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
        "two_or_more": {
            "n": None,
            "successes": None,
            "rate": None,
            "gap": None,
            "gap_low": None,
            "gap_high": None,
            "reliable": None,
            "students_needed": None,
        },
    }.items():
        gaps.loc[mine & (gaps["subgroup"] == subgroup), list(values)] = list(values.values())
    gaps.loc[mine & (gaps["subgroup"] == "hispanic"), "rate_band"] = "20% to 40%"
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
    assert states["two_or_more"] == "no_students"
    assert states["white"] == "reference"
    assert not now.set_index("subgroup").loc[["asian", "hispanic", "two_or_more", "white"], "told"].any()


def test_the_same_rows_give_the_same_table_with_its_fixed_id(view):
    rows = view[view["school_id"] == "_all"]
    made = [
        tables.gap_tracker(tracker.plain(part), LABELS, id="one", caption="A <b>", years=[2025, 2026])
        for part in (rows, rows.sample(frac=1, random_state=5))
    ]
    assert made[0] == made[1]
    assert "20% to 40% of " in made[0]
    assert 'id="one"' in made[0] and "A &lt;b&gt;" in made[0] and "<style>\n#one" not in made[0]


def test_ranking_counts_each_gap_once_and_never_a_closed_one(view):
    top = tracker.largest(tracker.plain(view[view["school_year"] == 2026]), 50)
    assert top and not any("*" in row["dimension"] for row in top)
    assert not {row["status"] for row in top} & {"closed", "maintained_closed", "reversed", "not_measurable"}
    behind = [row["behind"] for row in top]
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
    assert line["shares"] == pytest.approx([black.loc[metric, "successes"] / n for metric in tracker.FUNNEL])
    hidden = [row | {"rate": None} if row["metric_id"] == "exam_taken" else row for row in rows]
    shares = next(line for line in tracker.funnel(hidden) if line["group"] == "Black")["shares"]
    assert [share is None for share in shares] == [False, False, True, True]


def test_a_reference_group_or_everyone_known_as_a_range_is_no_gap(view):
    rows = view[(view["school_year"] == 2026) & (view["school_id"] == "_all")].copy()
    for subgroup, state in (("white", "reference"), ("all", "everyone"), ("hispanic", "band")):
        row = tracker.plain(rows[rows["subgroup"] == subgroup])[0]
        banded = (
            row
            | BANDS
            | {
                "rate": None,
                "gap": None,
                "rate_band": "20% to 40%",
                "gap_band": "−10 to 0",
                "n_band": "20 to 29",
            }
        )
        assert tracker._state(banded, "white") == state


def test_a_tools_package_row_whose_rank_is_hidden_comes_last():
    marts = frames(years=[2025, 2026], schools={"1": "One"}, size=900, metrics=["ap_ib_enrollment"])
    tools = marts["tools_package"].sort_values("urgency_rank", ignore_index=True)
    rows = tracker.plain(tracker.view({m: contracts.check(m, f) for m, f in marts.items()}, context()))
    first = tracker.tools_package(rows, tools, 2026)[0]
    same = (tools[tracker.KEY] == pd.Series({key: first[key] for key in tracker.KEY})).all(axis=1)
    tools.loc[same, "urgency_rank"] = pd.NA
    assert tracker.tools_package(rows, tools, 2026)[-1]["subgroup"] == first["subgroup"]
