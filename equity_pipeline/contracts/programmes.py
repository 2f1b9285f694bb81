"""What the four programmes ask partners for beyond the roster: ratings, plans, inquiry and invitations.

Belongs here: names, keys, columns and the order of dates, each stated once. Does not belong here: what a column
type means (extract), and any number.
"""

from __future__ import annotations

from equity_pipeline.contracts.contract import Extract, columns, in_order

FOCUS_AREAS = ("academics", "discipline", "school_culture", "engagement")
RESOURCES = ("assignments", "instruction", "engagement", "expectations")
RESPONDENTS = ("student", "staff", "family")


def _extract(
    name: str,
    key: tuple[str, ...],
    declared: tuple[str | tuple[str, ...], ...],
    dates: tuple[tuple[str, str], ...] = (),
) -> Extract:
    """`dates`: pairs of which the second does not lie before the first."""
    return Extract(name, key, columns(*declared), tuple(in_order(*pair) for pair in dates))


PROGRAMMES = (
    # Equity Communities of Practice: plan, do, study, act, tied to one metric and group.
    _extract(
        "cycles_of_inquiry",
        ("cycle_id",),
        (
            "cycle_id*", ("focus_area*", *FOCUS_AREAS), "question*", "aim*", "metric_id*", "dimension*", "subgroup*",
            "school_id", "target_rate: share", "started_on*: date", "due_on: date", "action", "study",
            ("decision", "adopt", "adapt", "abandon"), "decided_on: date",
        ),
        (("started_on", "due_on"), ("started_on", "decided_on")),
    ),
    # The state's counts, for the alternate risk ratio (34 CFR 300.647) where a district's own comparison group is small.
    _extract(
        "state_counts",
        ("metric_id", "dimension", "subgroup"),
        ("school_year*: year", "metric_id*", "dimension*", "subgroup*", "n*: count", "successes*: count"),
    ),
    # Opportunity Accelerator: what a student said at a moment of a lesson (experience sampling).
    _extract(
        "experience_samples",
        ("section_id", "student_id", "moment_id"),
        (
            "school_year*: year", "school_id*", "section_id*", "student_id*", "moment_id*", "window", "instrument*",
            "rating*: amount", "rating_max*: amount",
        ),
    ),
    _extract(
        "scorecard_goals",
        ("resource", "school_id", "dimension", "subgroup", "due_on"),
        (("resource*", *RESOURCES), "school_id*", "dimension*", "subgroup*", "goal_rate*: share", "due_on*: date"),
    ),
    _extract(
        "commitments",
        ("commitment_id",),
        (
            "commitment_id*", ("kind*", "equity_statement", "commitment"), "statement*", "made_on*: date", "due_on: date",
            "owner_role", ("status", "planned", "in_progress", "kept", "dropped"),
        ),
        (("made_on", "due_on"),),
    ),
    # Equity Implemented Partnership: from needs to a plan.
    _extract(
        "survey_invitations",
        ("survey_id", "respondent_type", "school_id"),
        ("school_year*: year", "survey_id*", ("respondent_type*", *RESPONDENTS), "school_id*", "invited*: count"),
    ),
    _extract(
        "problems_of_practice",
        ("problem_id",),
        ("problem_id*", "statement*", ("focus_area*", *FOCUS_AREAS), "construct", "metric_id", "dimension", "subgroup"),
    ),
    _extract(
        "strategies",
        ("strategy_id",),
        (
            "strategy_id*", "strategy_name*", ("focus_area*", *FOCUS_AREAS),
            # ESSA, section 8101(21)(A): strong, moderate, promising evidence, and a rationale.
            ("evidence_tier*", "1", "2", "3", "4"), "evidence_source*",
        ),
    ),
    _extract(
        "recommendations",
        ("plan_id", "recommendation_id"),
        (
            "plan_id*", "recommendation_id*", "statement*", "problem_id", "strategy_id",
            ("status", "proposed", "accepted", "declined"),
        ),
    ),
    # Action For Equity: what a team of the Equity Leader Lab adopted.
    _extract(
        "leader_lab_policies",
        ("team_id", "policy"),
        ("team_id*", "school_id*", "policy*", "adopted_on*: date", "metric_id*", "dimension*", "subgroup*"),
    ),
)  # fmt: skip
