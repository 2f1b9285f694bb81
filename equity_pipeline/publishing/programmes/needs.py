"""Equity Implemented Partnership: what people said, problems in order, recommendations and the plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from equity_pipeline.publishing.page import Page
from equity_pipeline.publishing.programmes.climate import AREAS
from equity_pipeline.publishing.programmes.page import (
    HIDDEN,
    Block,
    Reader,
    Table,
    date,
    difference,
    page,
    people,
    share,
    year,
)
from equity_pipeline.publishing.programmes.protect import Released, Share

KICKER = "Equity Implemented Partnership"
TABLES = {
    "needs_assessment": Released(
        ("partner_id", "school_year", "survey_id", "school_id", "respondent_type", "construct", "dimension", "subgroup", "scoring", "items"),
        (Share("favorable", "respondents", "favorable_respondents"),),
        same_people=("favorable_by_answers",), means={"mean_score": "respondents"},
        indices={"alpha": "alpha_respondents", "omega": "alpha_respondents"},
    ),
    "survey_response_rates": Released(
        ("partner_id", "school_year", "survey_id", "school_id", "respondent_type", "dimension", "subgroup"),
        (Share("response_rate", "asked", "responded"),),
    ),
    "perception_gaps": Released(
        ("partner_id", "school_year", "survey_id", "school_id", "construct", "compared_with"),
        (Share("student_rate", "student_respondents", "student_favorable"), Share("other_rate", "other_respondents", "other_favorable")),
    ),
    "problems_of_practice": Released(
        ("partner_id", "evidence_rank", "problem_id", "statement", "focus_area", "construct", "metric_id", "dimension", "subgroup",
         "evidence_reason", "school_year"),
        (Share("rate", "n", "successes"), Share("reference_rate", "reference_n", "reference_successes")),
    ),
    "recommendations": Released(
        ("partner_id", "plan_id", "recommendation_id", "statement", "status", "problem_id", "strategy_id", "strategy_name", "evidence_tier",
         "evidence_source", "stakeholder_group"),
        (Share("support", "feedback_answers", "supporters"),), means={"mean_support": "feedback_answers"},
    ),
    "implementation_plan": Released(
        ("partner_id", "plan_id", "step_id", "focus_area", "owner_role", "due_date", "status", "recommendation", "decided_on", "is_overdue")
    ),
}  # fmt: skip
WHO = {"student": "Students", "staff": "Staff", "family": "Families"}
GROUPS = {
    "students": "Students",
    "families": "Families",
    "staff": "Staff",
    "leaders": "Leaders",
    "community": "Community",
}
TIERS = {"1": "1: strong", "2": "2: moderate", "3": "3: promising", "4": "4: a rationale"}
_SCORES = (
    "Favorable: the mean of each person's share of answers in the favorable options, every person one weight. By answers: the same "
    "with every answer one weight, as PERTS and Panorama report it. A skipped question is no answer. Reliability: Cronbach's alpha "
    "and McDonald's omega of those who answered every question."
)


def words_of(construct: str) -> str:
    return construct.replace("_", " ").capitalize()


def pages(reader: Reader) -> Iterator[Page]:
    """The needs assessment; then, where there is a plan, problems, recommendations and steps."""
    gaps = reader.rows("perception_gaps")
    if gaps:
        survey, latest = max(
            (row["survey_id"], row["school_year"]) for row in gaps if row["survey_id"] in _invited(reader)
        )
        yield page(
            "programmes/needs.html", KICKER, "Needs assessment",
            f"What students, staff and families said in {year(latest)}, where they see things differently, and who did not answer.",
            [*_gaps(reader, survey, latest), *_scales(reader, survey, latest), *_by_group(reader, survey, latest), _responses(reader, survey, latest)],
        )  # fmt: skip
    if reader.rows("problems_of_practice") or reader.rows("implementation_plan"):
        yield page(
            "programmes/plan.html", KICKER, "From problems to the plan",
            "Problems in the order of their evidence, what is recommended and who supports it, and where the plan stands.",
            [*_problems(reader), *_recommendations(reader), *_steps(reader)],
        )  # fmt: skip


def _invited(reader: Reader) -> set[str]:
    return {
        r["survey_id"]
        for r in reader.rows("survey_response_rates")
        if r["respondent_type"] != "student" and not r["suppressed"]
    }


def _gaps(reader: Reader, survey: str, latest: int) -> list[Block]:
    rows = [
        r for r in reader.rows("perception_gaps")
        if (r["survey_id"], r["school_year"], r["school_id"]) == (survey, latest, "_all") and not r["suppressed"] and r["other_rate_low"] is not None
    ]  # fmt: skip
    ends = ("student_rate_low", "student_rate_high", "other_rate_low", "other_rate_high")
    rows.sort(
        key=lambda r: (
            r["student_rate_low"] + r["student_rate_high"] - r["other_rate_low"] - r["other_rate_high"],
            r["construct"],
        )
    )
    lines = [
        [words_of(r["construct"]), share(r, "student_rate"), f"{WHO[r['compared_with']]} {share(r, 'other_rate')}", difference(*(r[e] for e in ends))]
        for r in rows
    ]  # fmt: skip
    return [Block("perceptions", "Where students and adults see things differently", ["The widest difference first."],
                  Table(f"Favorable, {year(latest)}", ["Construct", "Students", "Compared with", "Points apart"], lines, frozenset({1, 3})))] if lines else []  # fmt: skip


def _scores(reader: Reader, survey: str, latest: int) -> list[dict]:
    return [
        r for r in reader.rows("needs_assessment")
        if (r["survey_id"], r["school_year"], r["school_id"]) == (survey, latest, "_all") and not r["suppressed"]
    ]  # fmt: skip


def _scales(reader: Reader, survey: str, latest: int) -> list[Block]:
    lines = [
        [words_of(r["construct"]), WHO[r["respondent_type"]], people(r["respondents"]), share(r, "favorable"), share(r, "favorable_by_answers"),
         HIDDEN if r["mean_score"] is None else f"{r['mean_score']:.1f}", *(HIDDEN if r[c] is None else f"{r[c]:.2f}" for c in ("alpha", "omega"))]
        for r in _scores(reader, survey, latest) if r["dimension"] == "all_students"
    ]  # fmt: skip
    return [Block("scales", "Scale scores", [_SCORES],
                  Table(f"Survey {survey}, {year(latest)}", ["Construct", "Who", "Answered", "Favorable", "By answers", "Mean", "Alpha", "Omega"], lines,
                        frozenset({2, 3, 4, 5, 6, 7})))]  # fmt: skip


def _by_group(reader: Reader, survey: str, latest: int) -> list[Block]:
    of = [
        r
        for r in _scores(reader, survey, latest)
        if r["respondent_type"] == "student" and r["subgroup"] != "unknown"
    ]
    constructs = sorted({r["construct"] for r in of})
    at = {(r["dimension"], r["subgroup"], r["construct"]): share(r, "favorable") for r in of}
    groups = list(dict.fromkeys((r["dimension"], r["subgroup"]) for r in of))
    return [Block("groups", "What students of each group said", [],
                  Table(f"Favorable answers of students, {year(latest)}", ["Group", *map(words_of, constructs)],
                        [[reader.group({"dimension": d, "subgroup": s}), *(at.get((d, s, c), HIDDEN) for c in constructs)] for d, s in groups],
                        frozenset(range(1, len(constructs) + 1))))]  # fmt: skip


def _responses(reader: Reader, survey: str, latest: int) -> Block:
    rows = [
        r for r in reader.rows("survey_response_rates")
        if (r["survey_id"], r["school_year"], r["school_id"]) == (survey, latest, "_all") and not r["suppressed"] and r["subgroup"] != "unknown"
    ]  # fmt: skip
    lines = [
        [WHO[r["respondent_type"]], reader.group(r) if r["respondent_type"] == "student" else "All", people(r["asked"]), share(r, "response_rate"),
         share({"r_low": 1 - r["response_rate_high"], "r_high": 1 - r["response_rate_low"]}, "r")]
        for r in rows
    ]  # fmt: skip
    return Block("responses", "Who answered, and who did not", ["What non-respondents think is not known; a group that answered little is heard little here."],
                 Table(f"Response, {year(latest)}", ["Who", "Group", "Asked", "Answered", "Did not answer"], lines, frozenset({2, 3, 4})))  # fmt: skip


def _problems(reader: Reader) -> list[Block]:
    lines = []
    for r in reader.rows("problems_of_practice"):
        about = (
            reader.metric(r["metric_id"]) + f", {reader.group(r)}"
            if r["metric_id"]
            else words_of(r["construct"] or "")
        )
        known = not r["suppressed"] and r["reference_rate_low"] is not None
        reason = (
            f"{share(r)} against {share(r, 'reference_rate')}"
            if known
            else "no evidence on file that can be shown"
        )
        against = {"gap": "the group it is compared with"}.get(
            r["evidence_reason"], (r["evidence_reason"] or "").removeprefix("students and ")
        )
        lines.append(
            [
                f"{r['evidence_rank']}. {r['statement']}",
                AREAS[r["focus_area"]],
                about,
                f"{reason} ({against})" if known else reason,
            ]
        )
    return [Block("problems", "Problems of practice", ["In the order of their evidence, by Cohen's h."],
                  Table("Problems of practice", ["Problem", "Area", "Evidence from", "Reason"], lines))] if lines else []  # fmt: skip


def _recommendations(reader: Reader) -> list[Block]:
    by_recommendation = defaultdict(list)
    for row in reader.rows("recommendations"):
        by_recommendation[row["plan_id"], row["recommendation_id"]].append(row)
    lines = []
    for (_, name), rows in sorted(by_recommendation.items()):
        support = "; ".join(
            f"{GROUPS[r['stakeholder_group']]} {share(r, 'support')}" for r in rows if r["stakeholder_group"] and not r["suppressed"]
        )  # fmt: skip
        first = rows[0]
        strategy = (
            f"{first['strategy_name']} (evidence tier {TIERS[first['evidence_tier']]}; {first['evidence_source']})"
            if first["strategy_name"]
            else ""
        )
        lines.append(
            [
                f"{name}. {first['statement']}",
                strategy,
                support or HIDDEN,
                (first["status"] or "").capitalize(),
            ]
        )
    return [Block("recommendations", "Recommendations", ["Support: the share of a stakeholder group that answered 4 or 5 of 5. Groups of fewer people than may be shown are left out."],
                  Table("Recommendations", ["Recommendation", "Strategy", "Support", "Status"], lines))] if lines else []  # fmt: skip


def _steps(reader: Reader) -> list[Block]:
    lines = [
        [f"{r['step_id']}", AREAS.get(r["focus_area"], r["focus_area"]), r["recommendation"], r["owner_role"], date(r["due_date"]),
         "Overdue" if r["is_overdue"] else (r["status"] or "").replace("_", " ").capitalize()]
        for r in reader.rows("implementation_plan")
    ]  # fmt: skip
    return (
        [
            Block(
                "steps",
                "Implementation plan",
                [],
                Table("Steps", ["Step", "Area", "Recommendation", "Owner", "Due", "Status"], lines),
            )
        ]
        if lines
        else []
    )
