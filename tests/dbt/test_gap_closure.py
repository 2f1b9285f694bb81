"""Every rung of the status ladder, from stories told in counts; goals, baselines, and what can't be compared."""

from __future__ import annotations

import pytest

from tests.dbt.raw_worlds import STORIES

STATUSES = {
    "closes": {2022: "open", 2023: "open", 2024: "narrowing", 2025: "closed", 2026: "maintained_closed"},
    "comes_back": {2023: "closed", 2024: "maintained_closed", 2025: "reopened", 2026: "widening"},
    "turns_round": {2023: "open", 2024: "reversed", 2025: "maintained_closed", 2026: "reopened"},
    "levels_down": {2023: "open", 2024: "narrowing"},
    "stalls": {2023: "open", 2024: "open", 2026: "open"},
    "too_small": {2023: "not_measurable", 2024: "not_measurable"},
}


@pytest.fixture(scope="module")
def closure(query):
    rows = query(
        "counts_sd",
        "select * from marts.gap_closure where metric_id = 'ap_ib_enrollment' and dimension = 'race_ethnicity' "
        "and subgroup = 'black' and reference = 'designated'",
    )
    return rows.set_index(["school_id", "school_year"])


@pytest.mark.parametrize("school_id", STATUSES)
def test_each_story_climbs_the_ladder_as_told(closure, school_id):
    assert closure.loc[school_id, "status"].to_dict() == STATUSES[school_id]


def test_change_is_of_the_year_before_and_its_interval_of_the_four_proportions(closure):
    row = closure.loc[("closes", 2024)]
    assert (row["gap"], row["prior_gap"], row["gap_change"]) == pytest.approx((-0.1, -0.2, 0.1))
    # MOVER on 300/1000, 400/1000, 200/1000, 400/1000, worked by hand from the four Wilson intervals.
    wilson = {}
    z = 1.959963984540054
    for successes in (200, 300, 400):
        p, n = successes / 1000, 1000
        middle, half = (p + z * z / (2 * n)), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
        wilson[successes] = ((middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n))
    low = 0.1 - sum(
        d * d for d in (0.3 - wilson[300][0], wilson[400][1] - 0.4, wilson[200][1] - 0.2, 0.4 - wilson[400][0])
    ) ** 0.5  # fmt: skip
    assert row["gap_change_low"] == pytest.approx(low, abs=1e-12)
    assert closure.loc[("stalls", 2026), "comparability_reason"] == "no_prior_year"
    assert closure.loc[("stalls", 2026)].isna()[["prior_gap", "gap_change", "leveled_down"]].all()


def test_leveled_down_is_a_gap_that_fell_because_the_reference_fell(closure):
    assert closure.loc[("levels_down", 2024), "leveled_down"]
    assert not closure.loc[("closes", 2024), "leveled_down"]


def test_baseline_goal_and_years_to_parity(closure):
    row = closure.loc[("closes", 2024)]
    assert row["baseline_school_year"] == 2022 and row["baseline_gap"] == pytest.approx(-0.25)
    assert row["years_to_parity"] == pytest.approx(0.1 / ((0.25 - 0.1) / 2))
    assert row["goal_gap"] == -0.02
    # The line from -0.25 in 2022 to -0.02 in 2026 stands at -0.1925 in 2023 and -0.135 in 2024.
    assert closure.loc["closes", "on_track"].dropna().to_dict() | {} == {
        2022: False, 2023: False, 2024: True, 2025: True, 2026: True,
    }  # fmt: skip
    assert (
        closure.loc[("comes_back", 2024)]
        .isna()[["baseline_school_year", "baseline_gap", "goal_gap", "on_track"]]
        .all()
    )
    assert closure.loc[("comes_back", 2026)].isna()["years_to_parity"]
    assert closure.loc[("closes", 2023), "seats_gap"] == 200


def test_another_race_standard_can_not_be_compared_but_other_dimensions_can(query):
    rows = query(
        "rows_usd",
        "select * from marts.gap_closure where school_year = 2024 and school_id = '_all' "
        "and metric_id = 'ap_ib_enrollment' and reference = 'designated'",
    ).set_index(["dimension", "subgroup"])
    black, female = rows.loc[("race_ethnicity", "black")], rows.loc[("sex", "female")]
    assert (black["status"], black["comparability_reason"]) == ("open", "race_standard_changed")
    assert not black["comparable_to_prior_year"] and black.isna()["gap_change"]
    assert female["comparable_to_prior_year"] and female["gap_change"] == 0
    crossed = rows.loc[("race_ethnicity*sex", "black*female")]
    assert crossed["comparability_reason"] == "race_standard_changed"
    assert rows.loc[("race_ethnicity", "white"), "status"] == "not_measurable"


def test_delivered_counts_sum_to_the_partner_and_only_allowed_subgroups_pass(query):
    rows = query(
        "counts_sd",
        "select school_year, subgroup, n, successes from marts.gap_metrics where school_id = '_all' "
        "and grade_level = '_all' and metric_id = 'ap_ib_enrollment' and reference = 'designated' "
        "and dimension = 'race_ethnicity'",
    ).set_index(["school_year", "subgroup"])
    for school_year in range(2022, 2027):
        told = [years[school_year] for years in STORIES.values() if school_year in years]
        assert set(rows.loc[school_year].index) == {"black", "white"}
        assert rows.loc[(school_year, "black")].tolist() == [sum(t[2] for t in told), sum(t[0] for t in told)]
    other = query("counts_sd", "select distinct reason from marts.gap_metrics where metric_id = 'exam_taken'")
    assert other["reason"].tolist() == ["not_measured: aggregate_counts"]


def test_tools_package_lists_the_clients_of_the_year_most_urgent_first(query):
    rows = query("counts_sd", "select * from marts.tools_package order by urgency_rank")
    assert set(rows["school_year"]) == {2026} and set(rows["subgroup"]) == {"black"}
    assert rows["urgency_rank"].tolist() == list(range(1, len(rows) + 1))
    assert rows["urgency"].is_monotonic_increasing and rows["what_to_do"].notna().all()
    first = rows.iloc[0]
    assert (first["school_id"], first["prior_status"], first["status"]) == (
        "turns_round",
        "maintained_closed",
        "reopened",
    )
    kept = rows[(rows["school_id"] == "closes") & (rows["metric_id"] == "ap_ib_enrollment")].iloc[0]
    assert (kept["prior_status"], kept["status"]) == ("closed", "maintained_closed")
    assert kept["what_to_do"].startswith("The gap stayed closed")


def test_access_is_one_row_per_group_with_programme_and_phase(query):
    rows = query("counts_sd", "select * from marts.access where subgroup = 'black'")
    assert not rows.duplicated(["school_id", "school_year", "metric_id"]).any()
    rows = rows[rows["metric_id"] == "ap_ib_enrollment"].set_index(["school_id", "school_year"])
    assert rows.loc[("closes", 2023), ["program", "phase"]].tolist() == ["action_for_equity", "access"]
    assert rows.loc[("closes", 2026), "program"] == "equity_leader_lab;tools_package"
    assert rows.loc[("_all", 2026), ["program", "school_name"]].tolist() == [
        "tools_package",
        "Counts District",
    ]
    assert rows.loc[("closes", 2025), ["status", "school_year_label"]].tolist() == ["closed", "2024-25"]
    success = query("counts_sd", "select distinct metric_id from marts.success")
    phases = query("counts_sd", "select metric_id from policy.metrics where phase = 'success'")
    assert set(success["metric_id"]) == set(phases["metric_id"])
