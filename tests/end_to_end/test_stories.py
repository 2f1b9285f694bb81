"""Every sample district tells the story that was planted in it, as far as its warehouse."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.end_to_end.conftest import mart

STORIES = {
    "riverside_usd": ["open", "narrowing", "narrowing", "narrowing", "narrowing"],
    "lakeview_sd": ["open", "narrowing", "narrowing", "closed", "maintained_closed"],
    "cedar_valley_isd": ["open", "narrowing", "narrowing", "closed", "reopened"],
    "harborview_ps": ["open", "open", "open", "open", "closed"],
}


def access_of(demo, partner_id: str, dimension: str, subgroup: str) -> pd.DataFrame:
    """The district's access gap of a group to the designated one, by year."""
    closure = mart(demo.home, partner_id, "gap_closure")
    return closure[
        (closure["school_id"] == "_all") & (closure["metric_id"] == "ap_ib_enrollment")
        & (closure["dimension"] == dimension) & (closure["subgroup"] == subgroup)
        & (closure["reference"] == "designated")
    ].sort_values("school_year")  # fmt: skip


@pytest.mark.parametrize("group", ["black", "hispanic"])
@pytest.mark.parametrize("partner_id", STORIES)
def test_the_story_of_the_access_gap(demo, partner_id, group):
    rows = access_of(demo, partner_id, "race_ethnicity", group)
    assert rows["status"].tolist() == STORIES[partner_id]
    leveled = rows.loc[rows["leveled_down"].fillna(False).astype(bool), "school_year"].tolist()
    assert leveled == ([2026] if partner_id == "harborview_ps" else [])


def test_the_income_gap_of_riverside_closes_too(demo):
    rows = access_of(demo, "riverside_usd", "economically_disadvantaged", "yes")
    assert rows["gap"].is_monotonic_increasing
    assert rows["status"].tolist() == ["open", *["narrowing"] * 4]


def test_most_groups_of_prairie_rose_are_too_small_to_tell(demo):
    gaps = mart(demo.home, "prairie_rose_sd", "gap_metrics")
    rows = gaps[
        (gaps["dimension"] == "race_ethnicity")
        & (gaps["reference"] == "designated")
        & (gaps["subgroup"] != "white")
    ]
    assert (~rows["reliable"].astype(bool)).mean() > 0.6
    assert gaps.loc[(gaps["dimension"] == "all_students") & (gaps["school_id"] == "_all"), "n"].max() < 1_500


def test_exams_are_not_delivered_by_harborview_and_so_not_measured(demo):
    gaps = mart(demo.home, "harborview_ps", "gap_metrics")
    exams = gaps[gaps["metric_id"].str.startswith("exam")]
    assert exams["n"].isna().all()
    assert set(exams["reason"]) == {"not_measured: exam_results"}


@pytest.mark.parametrize("partner_id", STORIES)
def test_rates_are_those_of_real_districts(demo, partner_id):
    gaps = mart(demo.home, partner_id, "gap_metrics")
    everyone = gaps[
        (gaps["dimension"] == "all_students") & (gaps["reference"] == "overall")
        & (gaps["school_id"] == "_all") & (gaps["grade_level"] == "_all")
    ]  # fmt: skip
    bands = {
        "ap_ib_enrollment": (0.15, 0.36), "course_grade_c_or_better": (0.70, 0.90), "exam_taken": (0.70, 0.80),
        "exam_passed_of_takers": (0.45, 0.60),
    }  # fmt: skip
    for metric, (low, high) in bands.items():
        assert everyone.loc[everyone["metric_id"] == metric, "rate"].dropna().between(low, high).all(), metric
