"""The contracts: for every rule of every extract a row that breaks it, refused by intake and by pandera alike."""

import polars as pl
import pytest
from pandera.errors import SchemaErrors

from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.contracts.canonical import RACES
from equity_pipeline.contracts.contract import FAULT, Typing, school_year
from equity_pipeline.contracts.gate import schema

GOOD = {
    "schools": {"school_id": "0042", "school_name": "North", "nces_school_id": "060000100001", "grade_low": "09", "grade_high": "12"},
    "students": {
        "school_year": "2026", "student_id": "a", "grade_level": "09", "sex": "female", "hispanic_latino": "no",
        "races": "Asian;White", "race_standard": "1997", "economically_disadvantaged": "yes", "econ_basis": "frl_form",
        "english_learner": "former", "english_learner_exit_date": "2024-06-01", "disability_idea": "no", "section_504": "no",
        "homeless": "no", "foster_care": "unknown", "first_generation": "yes", "gender_identity": "x", "gpa": "3.5",
        "birth_date": "2010-05-05", "state_id": "t", "match_key": "k",
    },
    "school_enrollments": {
        "school_year": "2026", "student_id": "a", "school_id": "1", "entry_date": "2025-08-15", "exit_date": "2026-06-01",
        "is_primary": "yes",
    },
    "courses": {
        "school_year": "2026", "school_id": "1", "course_id": "c", "course_title": "AP Biology", "sced_code": "03056",
        "course_level": "ap", "subject": "science", "credits": "1.0",
    },
    "course_enrollments": {
        "school_year": "2026", "student_id": "a", "school_id": "_enrolled", "course_id": "c", "section_id": "s", "term": "1",
        "entry_date": "2025-08-15", "exit_date": "2026-06-01", "final_grade": "B+", "dropped": "no",
    },
    "exam_results": {
        "exam_year": "2026", "student_id": "a", "program": "ap", "exam_code": "07", "exam_name": "Biology", "score": "3",
        "state_id": "t", "match_key": "k", "matched_by": "state_id",
    },
    "readiness_scores": {
        "school_year": "2026", "student_id": "a", "assessment": "psat_10", "section": "math", "score": "520",
    },
    "attendance": {"school_year": "2026", "student_id": "a", "school_id": "1", "days_enrolled": "180", "days_absent": "18"},
    "discipline": {
        "school_year": "2026", "student_id": "a", "school_id": "1", "incident_id": "i", "incident_date": "2025-10-01",
        "action": "oss", "days": "0", "behavior": "x", "disability_status": "idea",
    },
    "survey_responses": {
        "school_year": "2026", "survey_id": "s", "respondent_type": "student", "respondent_id": "r", "student_id": "a",
        "school_id": "1", "item_id": "q1", "response": "4", "submitted_at": "2025-10-01T10:00:00",
        "submission": "1", "mark": "duplicate",
    },
    "survey_items": {
        "survey_id": "s", "item_id": "q1", "construct": "belonging", "text": "I belong", "scale_min": "1", "scale_max": "5",
        "favorable": "4;5", "reverse": "no", "instrument": "perts",
    },
    "class_ratings": {
        "school_year": "2026", "school_id": "1", "section_id": "s", "resource": "assignments", "window": "fall",
        "instrument": "arp", "rating": "1.5", "rating_max": "2", "observed_on": "2025-10-01",
    },
    "aggregate_counts": {
        "school_year": "2026", "school_id": "_all", "grade_level": "_all", "metric_id": "m", "dimension": "d",
        "subgroup": "g", "n": "0", "successes": "0",
    },
    "initiatives": {
        "initiative_id": "i", "name": "n", "focus_area": "f", "strategy_id": "s", "school_id": "1", "start_date": "2025-08-01",
        "end_date": "2026-06-01", "evidence_tier": "2", "metric_id": "referred",
    },
    "initiative_members": {
        "initiative_id": "i", "student_id": "a", "section_id": "", "school_id": "", "start_date": "2025-08-01",
        "end_date": "2026-06-01",
    },
    "action_steps": {
        "plan_id": "p", "step_id": "1", "focus_area": "f", "owner_role": "lead", "due_date": "2026-01-01", "status": "open",
        "recommendation": "r", "decided_by": "board", "decided_on": "2025-12-01",
    },
    "task_force_feedback": {
        "plan_id": "p", "recommendation_id": "r", "stakeholder_group": "families", "support": "5", "comment_theme": "t",
    },
    "cycles_of_inquiry": {
        "cycle_id": "c", "focus_area": "discipline", "question": "q", "aim": "a", "metric_id": "referred", "dimension": "sex",
        "subgroup": "male", "school_id": "1", "target_rate": "0.1", "started_on": "2025-09-01", "due_on": "2026-06-01",
        "action": "t", "study": "s", "decision": "adapt", "decided_on": "2026-06-02",
    },
    "state_counts": {
        "school_year": "2026", "metric_id": "referred", "dimension": "sex", "subgroup": "male", "n": "9", "successes": "1",
    },
    "experience_samples": {
        "school_year": "2026", "school_id": "1", "section_id": "s", "student_id": "a", "moment_id": "1", "window": "fall",
        "instrument": "esm", "rating": "3", "rating_max": "4",
    },
    "scorecard_goals": {
        "resource": "assignments", "school_id": "_all", "dimension": "sex", "subgroup": "male", "goal_rate": "0.5",
        "due_on": "2027-06-01",
    },
    "commitments": {
        "commitment_id": "c", "kind": "commitment", "statement": "s", "made_on": "2025-09-01", "due_on": "2026-06-01",
        "owner_role": "lead", "status": "kept",
    },
    "survey_invitations": {
        "school_year": "2026", "survey_id": "s", "respondent_type": "staff", "school_id": "1", "invited": "9",
    },
    "problems_of_practice": {
        "problem_id": "p", "statement": "s", "focus_area": "discipline", "construct": "c", "metric_id": "m", "dimension": "d",
        "subgroup": "g",
    },
    "strategies": {
        "strategy_id": "s", "strategy_name": "n", "focus_area": "discipline", "evidence_tier": "2", "evidence_source": "e",
    },
    "recommendations": {
        "plan_id": "p", "recommendation_id": "r", "statement": "s", "problem_id": "p", "strategy_id": "s",
        "status": "accepted",
    },
    "leader_lab_policies": {
        "team_id": "t", "school_id": "1", "policy": "p", "adopted_on": "2025-09-01", "metric_id": "m", "dimension": "d",
        "subgroup": "g",
    },
}  # fmt: skip


def broken_values():
    """Every rule of every extract, derived from the declared columns, plus the rules over several columns."""
    wrong = {"integer": "1.5", "year": "2025-27", "number": "many", "date": "31.08.2025"}
    for extract, contract in EXTRACTS.items():
        for column in contract.columns:
            if column.required:
                yield extract, {column.name: " "}, column.name
            if column.type != "text":
                yield extract, {column.name: wrong[column.type]}, column.name
            if column.allowed:
                yield extract, {column.name: "something else"}, column.name
            if column.type == "date":
                yield extract, {column.name: "0205-08-15"}, column.name
                yield extract, {column.name: "2205-08-15"}, column.name
            elif column.low is not None:
                yield extract, {column.name: str(column.low - 1)}, column.name
    yield "schools", {"grade_low": "12", "grade_high": "09"}, "grade_high"
    yield "students", {"races": "Asian;Hispanic"}, "races"
    yield "students", {"gpa": "nan"}, "gpa"
    yield "students", {"gpa": "inf"}, "gpa"
    yield "students", {"grade_level": "14"}, "grade_level"
    yield "students", {"birth_date": "2025-02-30"}, "birth_date"
    yield "school_enrollments", {"exit_date": "2025-08-14"}, "exit_date"
    yield "course_enrollments", {"exit_date": "2025-08-14"}, "exit_date"
    yield "courses", {"sced_code": "3056"}, "sced_code"
    yield "exam_results", {"score": "0"}, "score"
    yield "exam_results", {"score": "6"}, "score"
    yield "exam_results", {"program": "ib", "score": "0"}, "score"
    yield "exam_results", {"program": "ib", "score": "8"}, "score"
    yield "readiness_scores", {"score": "119"}, "score"
    yield "readiness_scores", {"section": "math_test", "score": "40.5"}, "score"
    yield "attendance", {"days_absent": "181"}, "days_absent"
    yield "survey_responses", {"submission": "0"}, "submission"
    yield "survey_items", {"scale_min": "6"}, "scale_min"
    yield "class_ratings", {"rating": "2.1"}, "rating"
    yield "class_ratings", {"rating": "0", "rating_max": "0"}, "rating_max"
    yield "aggregate_counts", {"successes": "1"}, "successes"
    yield "initiatives", {"end_date": "2025-07-31"}, "end_date"
    yield "initiative_members", {"end_date": "2025-07-31"}, "end_date"
    yield "initiative_members", {"section_id": "s"}, "student_id"
    yield "initiative_members", {"student_id": ""}, "student_id"
    yield "task_force_feedback", {"support": "6"}, "support"
    yield "cycles_of_inquiry", {"due_on": "2025-08-31"}, "due_on"
    yield "cycles_of_inquiry", {"decided_on": "2025-08-31"}, "decided_on"
    yield "cycles_of_inquiry", {"target_rate": "1.1"}, "target_rate"
    yield "scorecard_goals", {"goal_rate": "1.1"}, "goal_rate"
    yield "commitments", {"due_on": "2025-08-31"}, "due_on"


def typed(extract, *rows):
    contract = EXTRACTS[extract]
    return Typing(contract, contract.required).of(pl.DataFrame(list(rows)))


def test_a_good_row_is_given_for_every_column_of_every_extract():
    assert {extract: set(row) for extract, row in GOOD.items()} == {
        extract: {column.name for column in contract.columns} for extract, contract in EXTRACTS.items()
    }


@pytest.mark.parametrize("extract", EXTRACTS)
def test_good_rows_pass_both_gates(extract):
    rows = typed(extract, GOOD[extract])
    assert rows[FAULT].to_list() == [None]
    schema(extract).validate(rows.drop(FAULT), lazy=True)


@pytest.mark.parametrize("extract", EXTRACTS)
def test_only_required_columns_are_required(extract):
    contract = EXTRACTS[extract]
    row = {column: GOOD[extract][column] for column in contract.required}
    if extract == "initiative_members":
        row["school_id"] = "1"
    rows = typed(extract, row)
    assert rows[FAULT].to_list() == [None]
    schema(extract).validate(rows.drop(FAULT), lazy=True)


@pytest.mark.parametrize("extract", EXTRACTS)
def test_every_rule_refuses_its_row(extract):
    contract = EXTRACTS[extract]
    faults = contract.faults(contract.required)
    cases = [(broken, column) for name, broken, column in broken_values() if name == extract]
    rows = typed(extract, *(GOOD[extract] | broken for broken, _ in cases))
    for (broken, column), fault in zip(cases, rows[FAULT], strict=True):
        assert faults[fault].column == column, broken
        assert not any(
            len(value) > 3 and value in faults[fault].reason
            for value in broken.values()
            if value != "2025-27"
        )
    unreached = [fault.reason for number, fault in enumerate(faults) if number not in set(rows[FAULT])]
    assert unreached == []  # each has its bad row
    # Text that is no value of its type can't be in a typed column, so pandera meets only the other rules.
    for row, fault in zip(rows.drop(FAULT).iter_slices(1), rows[FAULT], strict=True):
        if fault >= len(contract.type_faults()):
            with pytest.raises(SchemaErrors):
                schema(extract).validate(row, lazy=True)


@pytest.mark.parametrize("extract", [name for name, contract in EXTRACTS.items() if contract.key])
def test_pandera_refuses_two_rows_of_one_key(extract):
    rows = typed(extract, GOOD[extract], GOOD[extract]).drop(FAULT)
    with pytest.raises(SchemaErrors):
        schema(extract).validate(rows, lazy=True)


def test_pandera_refuses_a_column_of_another_type_or_name():
    rows = typed("schools", GOOD["schools"]).drop(FAULT)
    for wrong in (
        rows.with_columns(pl.lit(1).alias("school_id")),
        rows.with_columns(pl.lit("x").alias("principal")),
    ):
        with pytest.raises(SchemaErrors):
            schema("schools").validate(wrong, lazy=True)


@pytest.mark.parametrize(
    ("column", "written", "stored"),
    [
        ("grade_level", "9", "09"), ("grade_level", "9.0", "09"), ("grade_level", " 09 ", "09"), ("grade_level", "K", "KG"),
        ("grade_level", "kg", "KG"), ("grade_level", "13", "13"), ("grade_level", "it", "IT"), ("grade_level", "UG", "UG"),
        ("homeless", "TRUE", "yes"), ("homeless", "False", "no"), ("homeless", "Y", "yes"), ("homeless", "", None),
        ("sex", "F", "female"), ("sex", "Male", "male"), ("english_learner", "Current", "current"),
        ("races", " white ;Asian;White", "Asian;White"), ("races", ";", None),
        ("races", "demographicracetwoormoreraces", "DemographicRaceTwoOrMoreRaces"),
    ],
)  # fmt: skip
def test_canonical_writing(column, written, stored):
    rows = typed("students", GOOD["students"] | {column: written})
    assert rows.select(column, FAULT).rows() == [(stored, None)]


@pytest.mark.parametrize("code", ["1", "0", "F", "T", "R"])
def test_codes_that_mean_different_things_are_no_yes_or_no(code):
    """A list may say 1 = yes, 2 = no, and F = free lunch: only the partner file can tell."""
    assert typed("students", GOOD["students"] | {"economically_disadvantaged": code})[FAULT][0] is not None


def test_each_race_of_the_list_is_accepted():
    rows = typed("students", *(GOOD["students"] | {"races": race} for race in RACES))
    assert rows[FAULT].null_count() == len(RACES)


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2026", 2026), ("2026.0", 2026), ("2025-26", 2026), (" 2025-2026 ", 2026), ("2025/26", 2026), ("1999-00", 2000),
        ("2025-27", None), ("26", None), ("2025-2027", None), ("0026", None), ("9999", None), ("", None), (None, None),
        ("٢٠٢٦", None), ("٢٠٢٥-26", None),
    ],
)  # fmt: skip
def test_school_years(text, year):
    frame = pl.DataFrame({"text": [text]}, schema={"text": pl.String})
    assert frame.select(school_year(pl.col("text"))).item() == year


def test_midnight_is_a_date_and_another_time_is_not():
    rows = typed(
        "students",
        *(
            GOOD["students"] | {"birth_date": f"2010-05-05{time}"}
            for time in ("T00:00:00", " 00:00:00.000000", " 10:30")
        ),
    )
    assert [day is not None for day in rows["birth_date"]] == [True, True, False]


def test_an_action_is_one_word_in_any_case():
    assert typed("discipline", GOOD["discipline"] | {"action": "OSS"})["action"].to_list() == ["oss"]
    assert typed("discipline", GOOD["discipline"] | {"action": "Detention"})["action"].to_list() == [
        "Detention"
    ]
