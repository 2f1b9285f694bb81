"""The canonical extracts: what a row of each must be, whatever file it came from.

Belongs here: names, columns, keys and rules, each stated once. Does not belong here: any source's names or codes, and
anything about several rows but their key.

Columns and allowed values: contracts page; grade, race and sex options: CEDS.
"""

from __future__ import annotations

import polars as pl

from equity_pipeline.contracts.contract import (
    GRADE_WRITINGS,
    GRADES,
    Column,
    Extract,
    Rule,
    at_most,
    choice,
    columns,
    in_order,
)

RACES = (
    "AmericanIndianOrAlaskaNative",
    "Asian",
    "BlackOrAfricanAmerican",
    "DemographicRaceTwoOrMoreRaces",
    "MiddleEasternOrNorthAfrican",
    "NativeHawaiianOrPacificIslander",
    "White",
)


def _score_range(program: str, low: int, high: int) -> Rule:
    return Rule(
        "score",
        f"score of {program} is not {low} to {high}",
        (pl.col("program") != program) | pl.col("score").is_between(low, high),
    )


_RANK = {grade: rank for rank, grade in enumerate(GRADES)}

CANONICAL = (
    Extract(
        "schools",
        ("school_id",),
        columns("school_id*", "school_name*", "nces_school_id", "grade_low: grade", "grade_high: grade"),
        (
            Rule(
                "grade_high",
                "grade_high lies below grade_low",
                pl.col("grade_high").replace_strict(_RANK, default=None)
                >= pl.col("grade_low").replace_strict(_RANK, default=None),
            ),
        ),
    ),
    Extract(
        "students",
        ("student_id",),
        columns(
            "school_year*: year",
            "student_id*",
            "grade_level*: grade",
            choice("sex", "female", "male", "nonbinary", "unknown", f="female", m="male"),
            "hispanic_latino: yes_no",
            Column("races", allowed=RACES, several=True),
            choice("race_standard", "1997", "2024"),
            "economically_disadvantaged: yes_no",
            "econ_basis",
            choice("english_learner", "current", "former", "never", "unknown"),
            "english_learner_exit_date: date",
            "disability_idea: yes_no",
            "section_504: yes_no",
            "homeless: yes_no",
            "foster_care: yes_no",
            "first_generation: yes_no",
            "gender_identity",
            "gpa: amount",
            "birth_date: date",
            "state_id",
            "match_key",
        ),
    ),
    Extract(
        "school_enrollments",
        ("student_id", "school_id", "entry_date"),
        columns(
            "school_year*: year", "student_id*", "school_id*", "entry_date*: date", "exit_date: date",
            "is_primary: yes_no",
        ),
        (in_order("entry_date", "exit_date"),),
    ),
    Extract(
        "courses",
        ("school_id", "course_id"),
        columns(
            "school_year*: year",
            "school_id",
            "course_id*",
            "course_title*",
            # Five digits, then level, credits and sequence where a state sends the long form (SCED).
            Column("sced_code", pattern=r"^\d{5}[A-Z0-9.]*$"),
            "course_level",
            "subject",
            "credits: amount",
        ),
    ),
    Extract(
        "course_enrollments",
        ("student_id", "school_id", "course_id", "section_id", "term", "entry_date"),
        columns(
            "school_year*: year", "student_id*", "school_id*", "course_id*", "section_id", "term",
            "entry_date: date", "exit_date: date", "final_grade", "dropped: yes_no",
        ),
        (in_order("entry_date", "exit_date"),),
    ),
    Extract(
        "exam_results",
        ("student_id", "program", "exam_code"),
        columns(
            "exam_year*: year", "student_id*", choice("program*", "ap", "ib", "aice"), "exam_code*", "exam_name",
            Column("score", "integer"), "state_id", "match_key",
            choice("matched_by", "state_id", "birth_date_and_name"),
        ),
        (_score_range("ap", 1, 5), _score_range("ib", 1, 7)),
        best="score",
    ),
    Extract(
        "readiness_scores",
        ("student_id", "assessment", "section"),
        columns(
            "school_year*: year", "student_id*",
            choice("assessment*", "psat_8_9", "psat_10", "psat_nmsqt", "sat"),
            # The last two: before 2016.
            choice(
                "section*", "total", "ebrw", "math", "reading_test", "writing_language_test", "math_test",
                "critical_reading", "writing",
            ),
            Column("score", "number", required=True),
        ),
        (
            # Sections have 120 (PSAT 8/9) to 800 points, tests 6 to 40: AP Potential knows both.
            Rule(
                "score",
                "score is not on the scale of its section",
                pl.when(pl.col("section").str.ends_with("_test"))
                .then(pl.col("score").is_between(6, 40))
                .otherwise(pl.col("score").is_between(120, 2400)),
            ),
        ),
        best="score",
    ),
    Extract(
        "attendance",
        ("student_id", "school_id"),
        columns(
            "school_year*: year", "student_id*", "school_id*", "days_enrolled*: amount", "days_absent*: amount"
        ),
        (at_most("days_absent", "days_enrolled"),),
    ),
    Extract(
        "discipline",
        ("student_id", "incident_id", "action"),
        columns(
            "school_year*: year", "student_id*", "school_id*", "incident_id*", "incident_date*: date",
            # An open list, but `OSS` is no other action than `oss`.
            Column("action", required=True, writings={a: a for a in ("iss", "oss", "expulsion", "referral")}),
            "days: amount", "behavior",
            # On the day of the incident; students of both are IDEA (CRDC). Not said: the status of the school year.
            choice("disability_status", "idea", "section_504", "none"),
        ),
    ),
    Extract(
        "survey_responses",
        ("survey_id", "respondent_type", "respondent_id", "item_id", "submission"),
        columns(
            "school_year*: year", "survey_id*", choice("respondent_type*", "student", "staff", "family"),
            "respondent_id*", "student_id", "school_id*", "item_id*", "response", "submitted_at",
            # Of several submissions of one respondent the first, or the only one without a number, counts.
            Column("submission", "integer", low=1),
            Column("mark", allowed=("duplicate", "other_respondent_type", "unknown_respondent"), several=True),
        ),
        best="submitted_at",
    ),
    Extract(
        "survey_items",
        ("survey_id", "item_id"),
        columns(
            "survey_id*", "item_id*", "construct*", "text", "scale_min: number", "scale_max: number", "favorable",
            "reverse: yes_no", "instrument",
        ),
        (at_most("scale_min", "scale_max"),),
    ),
    Extract(
        "class_ratings",
        ("school_id", "section_id", "resource", "window", "instrument", "observed_on"),
        columns(
            "school_year*: year", "school_id*", "section_id*",
            choice("resource*", "assignments", "instruction", "engagement", "expectations"),
            "window", "instrument*", "rating*: amount", "rating_max*: amount", "observed_on: date",
        ),
        (
            at_most("rating", "rating_max"),
            Rule("rating_max", "rating_max is not above 0", pl.col("rating_max") > 0),
        ),
    ),
    Extract(
        "aggregate_counts",
        ("school_id", "grade_level", "metric_id", "dimension", "subgroup"),
        columns(
            "school_year*: year", "school_id*",
            Column("grade_level", allowed=(*GRADES, "_all"), writings=GRADE_WRITINGS),
            "metric_id*", "dimension*", "subgroup*", "n*: count", "successes*: count",
        ),
        (at_most("successes", "n"),),
    ),
    Extract(
        "initiatives",
        ("initiative_id",),
        columns(
            "initiative_id*", "name*", "focus_area", "strategy_id", "school_id", "start_date*: date",
            "end_date: date", "evidence_tier", "metric_id",
        ),
        (in_order("start_date", "end_date"),),
    ),
    Extract(
        "initiative_members",
        ("initiative_id", "student_id", "section_id", "school_id", "start_date"),
        columns(
            "initiative_id*", "student_id", "section_id", "school_id", "start_date: date", "end_date: date"
        ),
        (
            in_order("start_date", "end_date"),
            Rule(
                "student_id",
                "not exactly one of student_id, section_id and school_id is filled",
                pl.sum_horizontal(
                    pl.col("student_id", "section_id", "school_id").is_not_null().cast(pl.Int32)
                ) == 1,
            ),
        ),
    ),
    Extract(
        "action_steps",
        ("plan_id", "step_id"),
        columns(
            "plan_id*", "step_id*", "focus_area*", "owner_role", "due_date: date", "status", "recommendation",
            "decided_by", "decided_on: date",
        ),
    ),
    Extract(
        "task_force_feedback",
        (),
        columns(
            "plan_id*", "recommendation_id*",
            choice("stakeholder_group*", "students", "families", "staff", "leaders", "community"),
            Column("support", "integer", low=1, high=5), "comment_theme",
        ),
    ),
)  # fmt: skip
