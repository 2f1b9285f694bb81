"""What keeps a gap from being shown or compared, what a person's decision changes, and the marts made of several metrics."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.dbt.random_district import tables


@pytest.fixture(scope="module")
def district(workshop):
    """A random district in which school 1 counts everyone as low income, school 2 has a course that only its title calls AP,
    and the first year tells no former English learners."""
    frames = {name: pd.DataFrame(of) for name, of in tables(7, students=120).items()}
    frames["exam_results"]["school_year"] = frames["exam_results"]["exam_year"]
    students, seats = frames["students"], frames["course_enrollments"]
    at = frames["school_enrollments"].set_index(["school_year", "student_id"])["school_id"].to_dict()
    school = pd.Series([at[key] for key in zip(students["school_year"], students["student_id"], strict=True)])
    students.loc[school == "1", "economically_disadvantaged"] = "yes"
    students.loc[school != "1", "economically_disadvantaged"] = [
        "yes" if i % 3 else "no" for i in range((school != "1").sum())
    ]
    early = students["school_year"] == 2024
    students.loc[early & students["english_learner"].eq("former"), "english_learner"] = "never"
    mystery = students[(school == "2") & students["grade_level"].isin(["09", "10", "11", "12"])][
        ["school_year", "student_id"]
    ]
    mystery = mystery.assign(school_id="2", course_id="mystery", term="FY", final_grade="A", dropped="no")
    frames["course_enrollments"] = pd.concat([seats, mystery], ignore_index=True)
    years = pd.DataFrame({"school_year": [2024, 2025], "course_id": "mystery", "course_title": "AP Mystery"})
    frames["courses"] = pd.concat([frames["courses"], years], ignore_index=True)
    return frames


def made(workshop, frames, decisions=()):
    workshop.fill_raw(frames)
    workshop.connection.execute("delete from raw.course_decisions")
    for row in decisions:
        workshop.connection.execute("insert into raw.course_decisions values (?, ?, ?, ?)", row)
    workshop.make()
    gaps = workshop.frame("select * from marts.gap_metrics where grade_level = '_all' and reference = 'rest'")
    closure = workshop.frame("select * from marts.gap_closure where reference = 'rest'")
    workshop.connection.execute("delete from raw.course_decisions")
    keys = ["school_year", "school_id", "metric_id", "dimension", "subgroup"]
    return gaps.set_index(keys).sort_index(), closure.set_index(keys).sort_index()


def test_no_income_gap_where_everyone_is_eligible_nor_access_gap_before_a_course_is_decided(
    workshop, district
):
    gaps, _ = made(workshop, district)
    income = gaps.loc[(2025, "1", "exam_taken", "economically_disadvantaged")]
    assert (
        set(income["reason"]) == {"income_not_distinguished"}
        and income["gap"].isna().all()
        and income["n"].notna().all()
    )
    assert set(gaps.loc[(2025, "1", "exam_taken", "underrepresented"), "reason"]) == {
        "income_not_distinguished"
    }
    assert "income_not_distinguished" not in set(gaps.loc[(2025, "1", "exam_taken", "sex"), "reason"])
    assert "income_not_distinguished" not in set(gaps.loc[(2025, "2", "exam_taken"), "reason"])
    blocked = gaps.loc[(2025, "2", "ap_ib_enrollment", "sex")]
    assert set(blocked["reason"]) == {"course_without_decision"} and blocked["gap"].isna().all()
    assert gaps.loc[(2025, "2", "chronically_absent", "sex"), "gap"].notna().any()
    assert gaps.loc[(2025, "3", "ap_ib_enrollment", "sex"), "gap"].notna().any()


def test_what_is_wrong_with_a_school_is_wrong_with_the_roll_up_that_counts_its_students(workshop, district):
    gaps, _ = made(workshop, district)
    assert set(gaps.loc[(2025, "_all", "ap_ib_enrollment", "sex"), "reason"]) == {"course_without_decision"}
    assert gaps.loc[(2025, "_all", "chronically_absent", "sex"), "gap"].notna().any()


def test_a_group_that_vanished_blocks_its_gaps_until_a_person_accepts_it(workshop, district):
    vanished = {
        "school_year": [2025],
        "school_id": ["3"],
        "dimension": ["english_learner"],
        "reason": ["the share fell"],
    }
    for accepted in (None, "a new programme"):
        blocks = pd.DataFrame(vanished | {"accepted_because": [accepted]})
        gaps, _ = made(workshop, district | {"drift_blocks": blocks})
        rows = gaps.loc[
            (2025, ["3", "_all"], "chronically_absent", ["english_learner", "english_learner_ever"])
        ]
        assert (set(rows["reason"]) == {"drift: the share fell"} and rows["gap"].isna().all()) == (
            accepted is None
        )
        assert rows["n"].notna().all()
        assert "drift: the share fell" not in set(gaps.loc[(2025, "2"), "reason"]) | set(
            gaps.loc[(2024,), "reason"]
        )
        quality = workshop.frame(
            "select n, of_n from marts.data_quality where measure = 'drift_not_accepted'"
        )
        assert quality.values.tolist() == [[int(accepted is None), 1]]


def test_a_second_submission_a_staff_answer_and_what_is_no_answer_do_not_count(workshop, district):
    before, _ = made(workshop, district)
    answers = district["survey_responses"]
    more = pd.concat(
        [
            answers.assign(submission=1),
            answers.assign(submission=2),
            answers.assign(mark="duplicate;other_respondent_type"),
        ]
        + [
            answers.assign(response=code, item_id="e1", submission=1)
            for code in ("_skipped", "_not_shown", "_not_applicable")
        ]
    )
    after, _ = made(workshop, district | {"survey_responses": more})
    pd.testing.assert_frame_equal(before, after)


def test_a_form_free_school_has_no_income_gap_whatever_it_reports(workshop, district):
    students = district["students"].assign(econ_basis="cep_all")
    gaps, _ = made(workshop, district | {"students": students})
    assert set(gaps.loc[(2025, "3", "exam_taken", "economically_disadvantaged"), "reason"]) == {
        "income_not_distinguished"
    }


def test_a_decision_in_the_partner_file_counts_the_course_and_lifts_the_block(workshop, district):
    before, _ = made(workshop, district)
    gaps, closure = made(workshop, district, [("mystery", None, 0, "ap")])
    row = gaps.loc[(2025, "2", "ap_ib_enrollment", "all_students", "all")]
    assert (
        row["n"]
        == row["successes"]
        > before.loc[(2025, "2", "ap_ib_enrollment", "all_students", "all"), "successes"]
    )
    assert gaps.loc[(2025, "2", "ap_ib_enrollment", "sex"), "gap"].notna().any()
    assert "course_map_changed" not in set(closure["comparability_reason"])
    _, later = made(workshop, district, [("mystery", None, 0, "other"), ("mystery", None, 2025, "ap")])
    reasons = (
        later.loc[(2025, "_all", slice(None), "sex"), "comparability_reason"].groupby("metric_id").first()
    )
    assert {m for m, reason in reasons.items() if reason == "course_map_changed"} >= {
        "ap_ib_enrollment",
        "exam_taken",
    }
    assert "course_map_changed" not in (reasons["chronically_absent"], reasons["referred"])
    other_school, _ = made(workshop, district, [("mystery", None, 0, "other"), ("mystery", "2", 0, "ap")])
    counted = other_school.loc[(2025, "2", "ap_ib_enrollment", "all_students", "all"), "successes"]
    assert (
        counted < row["successes"]
    )  # the course is listed for the whole partner, so a school's decision does not meet it


def test_another_english_learner_rule_or_coverage_can_not_be_compared(workshop, district):
    _, closure = made(workshop, district)
    now = closure.loc[(2025, "_all", "chronically_absent")]
    assert set(now.loc["english_learner_ever", "comparability_reason"]) >= {"el_rule_changed"}
    assert "el_rule_changed" not in set(now.loc["sex", "comparability_reason"])
    students = district["students"].copy()
    students.loc[students["school_year"] == 2024, "sex"] = None
    _, closure = made(workshop, district | {"students": students})
    unseen = closure.loc[(2025, "1", "chronically_absent", "sex")]
    assert not unseen["comparable_to_prior_year"].any() and unseen["gap_change"].isna().all()
    stints = district["school_enrollments"]
    gone = stints[(stints["school_year"] == 2025) | (stints["school_id"] != "3")]
    _, closure = made(workshop, district | {"school_enrollments": gone})
    assert set(
        closure.loc[(2025, "_all", "chronically_absent", "disability_idea"), "comparability_reason"]
    ) == {"coverage_changed"}
    assert set(closure.loc[(2025, "_all", "chronically_absent", "disability_idea"), "status"]) <= {
        "open", "closed", "reversed", "not_measurable",
    }  # fmt: skip


def test_the_funnel_narrows_and_the_cross_table_holds_each_graded_student_once(workshop, district):
    gaps, _ = made(workshop, district)
    rows = workshop.frame(
        "select * from marts.course_funnel where school_id = '_all' and subgroup = 'all' and school_year = 2025"
    )
    funnel = rows[rows["part"] == "funnel"].sort_values("step_number")
    assert funnel["step"].tolist() == [f"funnel_{s}" for s in
                                       ("offered", "enrolled", "completed", "c_or_better", "exam_taken", "exam_passed")]  # fmt: skip
    assert funnel["reached"].is_monotonic_decreasing and funnel["reached"].iloc[-1] > 0
    assert funnel["base"].tolist() == [funnel["students"].iloc[0], *funnel["reached"].iloc[:-1]]
    assert (funnel["rate"] - funnel["reached"] / funnel["base"]).abs().max() < 1e-12
    cross = rows[rows["part"] == "cross_table"]
    graded = gaps.loc[(2025, "_all", "course_grade_c_or_better", "all_students", "all")]
    assert cross["reached"].sum() == graded["n"] == cross["base"].iloc[0] and len(cross) == 6
    good = cross.loc[cross["step"].str.startswith("cross_c_or_better"), "reached"].sum()
    assert good == graded["successes"] and cross["rate"].sum() == pytest.approx(1)
    of_women = workshop.frame(
        "select * from marts.course_funnel where school_id = '_all' and dimension = 'sex' and school_year = 2025 "
        "and step = 'funnel_enrolled'"
    ).set_index("subgroup")
    women, men = of_women.loc["female"], of_women.loc["male"]
    assert women["gap"] == pytest.approx(women["reached"] / women["base"] - men["reached"] / men["base"])


def test_sustainability_sees_three_years_and_says_what_stands_against_the_next_phase(query):
    rows = query("counts_sd", "select * from marts.sustainability where subgroup = 'black'").set_index(
        ["school_id", "school_year"]
    )
    kept = rows.loc[("closes", 2026)]
    assert (kept["status"], kept["prior_status"], kept["earlier_status"]) == (
        "maintained_closed",
        "closed",
        "narrowing",
    )
    assert (
        kept["years_closed"] == 2
        and kept["earlier_access_gap"] == pytest.approx(-0.1)
        and kept["maintained_share"] == 1
    )
    assert (
        kept["access_grew"]
        and not kept["ready_for_next_phase"]
        and kept["readiness_reasons"] == "pass_rate_not_measured"
    )
    back = rows.loc[("comes_back", 2025)]
    assert back["years_closed"] == 0 and back["maintained_share"] == 0
    assert back["readiness_reasons"] == "gap_not_closed;pass_rate_not_measured;other_gaps_came_back"
    assert rows.loc[("closes", 2025), "readiness_reasons"].startswith("closed_for_one_year_only")
    assert rows.loc[("too_small", 2024), "readiness_reasons"].startswith("gap_not_measurable")


def test_the_lab_and_the_tools_package_say_what_changed(query):
    lab = query("counts_sd", "select * from marts.equity_leader_lab")
    assert set(lab["school_id"]) == {"closes"} and set(lab["school_year"]) == {2026}
    row = lab[lab["metric_id"] == "ap_ib_enrollment"].iloc[0]
    assert (row["what_changed"], row["status"]) == ("group_rose", "maintained_closed")
    tools = query(
        "counts_sd", "select * from marts.tools_package where metric_id = 'ap_ib_enrollment'"
    ).set_index("school_id")
    assert tools.loc["turns_round", "what_changed"] == "group_fell"
    assert tools.loc["stalls", "what_changed"] is None or pd.isna(tools.loc["stalls", "what_changed"])
