"""The worked example, the rules of the four metrics and of the dimensions, through the whole warehouse."""

from __future__ import annotations

import pytest

# race: rate, gap to overall, rest, white; representation index; ratio to highest, to rest;
# needed against overall, rest, white, highest; 2022 margin, flag; 2017 margin, flag
PUBLISHED = {
    "asian": (0.8, 0.4700, 0.4973, 0.4, 2.424, 1.0, 2.643, 0, 0, 0, 0, 0.0784, False, 0.0980, False),
    "black": (0.15, -0.1800, -0.2156, -0.25, 0.455, 0.188, 0.410, 55, 65, 75, 195, 0.0404, True, 0.0566, True),
    "hispanic": (0.2, -0.1300, -0.1728, -0.2, 0.606, 0.25, 0.536, 59, 78, 90, 270, 0.0370, True, 0.0462, True),
    "white": (0.4, 0.0700, 0.1386, 0.0, 1.212, 0.5, 1.530, 0, 0, 0, 360, 0.0320, False, 0.0327, False),
    "two_or_more": (0.4, 0.0700, 0.0724, 0.0, 1.212, 0.5, 1.221, 0, 0, 0, 24, 0.1240, False, 0.1265, False),
    "american_indian_or_alaska_native":
        (0.125, -0.2050, -0.2059, -0.275, 0.379, 0.156, 0.378, 2, 2, 3, 6, 0.2292, False, 0.3465, False),
}  # fmt: skip


@pytest.fixture(scope="module")
def worked(query):
    rows = query(
        "rows_usd",
        "select * from marts.gap_metrics where school_year = 2024 and school_id = '_all' and grade_level = '_all' "
        "and metric_id = 'ap_ib_enrollment' and dimension = 'race_ethnicity'",
    )
    return rows.set_index(["subgroup", "reference"])


@pytest.mark.parametrize("race", PUBLISHED)
def test_worked_example_to_the_digits_published(worked, race):
    row = {
        reference: worked.loc[(race, reference)] for reference in ("rest", "overall", "highest", "designated")
    }
    rate, overall, rest, white, index, to_highest, to_rest, *others = PUBLISHED[race]
    needed, (margin22, flag22, margin17, flag17) = others[:4], others[4:]
    assert row["overall"]["rate"] == pytest.approx(rate, abs=5e-5)
    for reference, gap in (("overall", overall), ("rest", rest), ("designated", white)):
        assert row[reference]["gap"] == pytest.approx(gap, abs=5e-5), reference
    assert row["rest"]["representation_index"] == pytest.approx(index, abs=5.1e-4)
    assert row["highest"]["rate_ratio"] == pytest.approx(to_highest, abs=5.1e-4)
    assert row["rest"]["rate_ratio"] == pytest.approx(to_rest, abs=5e-4)
    assert [row[r]["students_needed"] for r in ("overall", "rest", "designated", "highest")] == needed
    assert row["rest"]["ppg2022_margin"] == pytest.approx(margin22, abs=5e-5)
    assert row["rest"]["ppg2017_margin"] == pytest.approx(margin17, abs=5e-5)
    assert all(row[r]["ppg2022_flag"] == flag22 and row[r]["ppg2017_flag"] == flag17 for r in row)
    assert row["rest"]["index80_flag"] == (to_highest < 0.8)


def test_intervals_are_there_only_where_the_groups_do_not_overlap(worked):
    black = worked.loc["black"]
    assert black.loc["designated", ["gap_low", "gap_high"]].tolist() == pytest.approx(
        [-0.2984, -0.1952], abs=5e-5
    )
    assert black.loc["designated", "cohens_h"] == pytest.approx(-0.5740, abs=5e-5)
    assert black.loc["designated", "odds_ratio"] == pytest.approx((45 * 540) / (255 * 360))
    assert worked.xs("overall", level="reference")["gap_low"].isna().all()
    assert worked.loc[("white", "designated"), "gap"] == 0
    assert worked.loc[[("white", "designated"), ("asian", "highest")], "gap_low"].isna().all()
    assert worked.drop(index=[("white", "designated"), ("asian", "highest")]).drop(index="overall", level=1)[
        "gap_low"
    ].notna().all()  # fmt: skip


def test_highest_is_reliable_and_a_small_group_is_said_to_be_small(worked):
    assert set(worked.xs("highest", level="reference")["reference_subgroup"]) == {"asian"}
    native = worked.loc["american_indian_or_alaska_native"]
    assert not native["reliable"].any() and set(native["reason"]) == {"small"}
    assert worked.loc["black", "reliable"].all() and worked.loc["black", "reason"].isna().all()


def test_versions_stand_in_every_row(worked):
    assert set(worked["race_standard"]) == {"2024"}
    assert worked["econ_basis"].isna().all() and worked["extract_as_of"].isna().all()
    assert {str(day)[:10] for day in worked["snapshot_date"]} == {"2023-10-01"}
    assert worked[["metric_version", "policy_version"]].notna().all(axis=None)


def _counts(query, school_year, where="true"):
    rows = query(
        "rows_usd",
        "select metric_id, school_id, dimension, subgroup, n, successes from marts.gap_metrics "
        f"where reference = 'overall' and grade_level = '_all' and school_year = {school_year} and {where}",
    )
    return {
        (row.metric_id, row.school_id, row.dimension, row.subgroup): (row.n, row.successes)
        for row in rows.itertuples()
    }


def test_each_rule_of_the_four_metrics_counts_the_right_students(query):
    counts = _counts(query, 2026, "dimension = 'all_students'")
    of = {
        (metric, school): counts[(metric, school, "all_students", "all")] for metric, school, _, _ in counts
    }
    # Enrolled: all but the one who dropped (her online course is none at school 2) and the one in a Middle Years course.
    assert of["ap_ib_enrollment", "_all"] == (9, 7)
    assert of["ap_ib_enrollment", "1"] == (5, 3) and of["ap_ib_enrollment", "2"] == (4, 4)
    # Graded: 70 beside C-, C-, B, 69.5, C+ beside an incomplete; a pass and a blank are no grades.
    assert of["course_grade_c_or_better", "_all"] == (5, 3)
    # An AP exam is none of an IB student's program; either program will do for a student of both.
    assert of["exam_taken", "_all"] == (7, 5)
    # AP 3 and IB 4 pass; AP 2, IB 3 and no score do not.
    assert of["exam_passed_of_takers", "_all"] == (5, 2)


def test_each_dimension_reads_its_attribute(query):
    counts = {
        key[2:]: n
        for key, (n, _) in _counts(
            query, 2026, "school_id = '_all' and metric_id = 'ap_ib_enrollment'"
        ).items()
    }

    def of(dimension):
        return {subgroup: n for (name, subgroup), n in counts.items() if name == dimension}

    assert of("race_ethnicity") == {
        "two_or_more": 2, "hispanic": 1, "white": 3, "unknown": 1, "middle_eastern_or_north_african": 1, "black": 1,
    }  # fmt: skip
    assert of("race_alone_or_in_combination") == {
        "white": 4, "asian": 1, "hispanic": 1, "black": 2, "unknown": 2, "middle_eastern_or_north_african": 1,
    }  # fmt: skip
    assert of("student_of_color") == {"yes": 5, "no": 3, "unknown": 1}
    assert of("english_learner") == {"yes": 1, "no": 2, "unknown": 6}
    assert of("english_learner_ever") == {"yes": 2, "no": 1, "unknown": 6}
    assert of("sex") == {"female": 2, "male": 2, "unknown": 5}
    assert of("economically_disadvantaged") == {"yes": 1, "no": 2, "unknown": 6}
    # Hispanic, Black, or low income: yes. White or Middle Eastern with income known: no.
    assert of("underrepresented") == {"yes": 3, "no": 2, "unknown": 4}
    assert of("race_ethnicity*sex")["white*male"] == 2 and of("race_ethnicity*sex")["white*unknown"] == 1
    assert sum(of("race_ethnicity*sex").values()) == sum(of("homeless").values()) == 9


def test_overlapping_groups_have_no_rest_and_unknown_is_in_no_reference(query):
    rows = query(
        "rows_usd",
        "select dimension, subgroup, reference, reference_n, gap, gap_low, reason from marts.gap_metrics "
        "where school_year = 2026 and school_id = '_all' and grade_level = '_all' and metric_id = 'ap_ib_enrollment'",
    ).set_index(["dimension", "subgroup", "reference"])
    overlapping = rows.loc["race_alone_or_in_combination"]
    assert overlapping["gap_low"].isna().all()
    assert set(overlapping.xs("rest", level="reference")["reason"]) == {"reference_not_available"}
    assert rows.loc[("race_ethnicity", "white", "rest"), "reference_n"] == 5
    assert rows.loc[("race_ethnicity", "unknown", "rest"), "reference_n"] == 8
    assert rows.loc[("race_ethnicity", "unknown", "overall"), "reference_n"] == 9
    assert rows.loc[("race_ethnicity*sex", "white*unknown", "rest"), "reference_n"] == 4
    assert rows.loc[("all_students", "all", "designated"), "reason"] == "reference_not_available"


def test_what_the_files_do_not_hold_is_not_measured_and_never_zero(query):
    rows = query(
        "rows_usd",
        "select school_year, metric_id, n, successes, rate, reason, reliable from marts.gap_metrics "
        "where reference = 'overall' and school_id = '_all' and grade_level = '_all' and dimension = 'all_students'",
    ).set_index(["school_year", "metric_id"])
    assert rows.loc[2025, "reason"].to_dict() == {
        "ap_ib_enrollment": "not_measured: ap_ib_courses", "courses_offered_access": "not_measured: ap_ib_courses",
        "first_time_ap_ib": "not_measured: ap_ib_courses", "course_completed": "not_measured: ap_ib_courses",
        "course_grade_c_or_better": "not_measured: ap_ib_courses", "course_seats_c_or_better": "not_measured: ap_ib_courses",
        "exam_taken": "not_measured: ap_ib_courses", "exam_passed_of_takers": "not_measured: ap_ib_courses",
        "exam_passed_of_enrolled": "not_measured: ap_ib_courses", "advanced_enrollment": "not_measured: advanced_courses",
        "ap_stem_enrollment": "not_measured: ap_stem_courses", "equity_and_excellence": "not_measured: exam_history",
        "belonging_favorable": "not_measured: survey_belonging", "chronically_absent": "not_measured: attendance",
        "expectations_favorable": "not_measured: survey_expectations",
        "ap_potential_enrolled": "not_measured: ap_ib_courses",
        **dict.fromkeys(["suspended_oss", "suspended_iss", "suspended_any", "referred", "expelled"], "not_measured: discipline"),
    }  # fmt: skip
    assert rows.loc[2023, "reason"]["first_time_ap_ib"] == "not_measured: earlier_years"
    assert rows.loc[2024, "reason"].fillna("")[["first_time_ap_ib", "ap_stem_enrollment", "exam_taken"]].tolist() == [
        "", "", "not_measured: exam_results",
    ]  # fmt: skip
    missing = rows[rows["reason"].fillna("").str.startswith("not_measured")]
    assert missing[["n", "successes", "rate"]].isna().all(axis=None) and not missing["reliable"].any()
    # Measured, but nobody of the subgroup is in the denominator: a row with n = 0 and no rate.
    nobody = query(
        "rows_usd",
        "select n, rate, gap, reason from marts.gap_metrics where school_year = 2026 and metric_id = 'exam_taken' "
        "and school_id = '_all' and grade_level = '_all' and subgroup = 'hispanic' and reference = 'rest' "
        "and dimension = 'race_ethnicity'",
    )
    assert nobody["n"].tolist() == [0] and nobody["reason"].tolist() == ["no_students"]
    assert nobody[["rate", "gap"]].isna().all(axis=None)


def test_data_quality_counts_what_finds_no_partner(query):
    rows = query("rows_usd", "select * from marts.data_quality").set_index(
        ["school_year", "extract", "measure", "item"]
    )
    assert rows.loc[(2026, "exam_results", "student_unknown", "_all"), ["n", "of_n"]].tolist() == [1, 8]
    assert rows.loc[(2025, "courses", "only_title_suggests_ap_ib", "_all"), "n"] == 1
    assert rows.loc[(2025, "courses", "on_file", "ap_ib_courses"), "n"] == 0
    assert rows.loc[(2026, "students", "in_population", "_all"), "n"] == 9
    assert rows.loc[(2026, "students", "unknown", "sex"), ["n", "of_n"]].tolist() == [5, 9]
