"""What the four programmes ask partners for beyond the roster: ratings, plans, inquiry and invitations.

Belongs here: names, keys, columns and the order of dates, as plain declarations. Does not belong here: what a column
type means (contracts.py builds the contracts from these), and any number.

A column is `name`, `name*` (required), `name: type`, or a tuple of a name and its allowed values.
"""

from __future__ import annotations

from typing import NamedTuple

FOCUS_AREAS = ("academics", "discipline", "school_culture", "engagement")
RESOURCES = ("assignments", "instruction", "engagement", "expectations")
RESPONDENTS = ("student", "staff", "family")


class Declared(NamedTuple):
    """One extract. `in_order`: pairs of dates of which the second does not lie before the first."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str | tuple[str, ...], ...]
    in_order: tuple[tuple[str, str], ...] = ()


PROGRAMMES = (
    # Equity Communities of Practice: plan, do, study, act, tied to one metric and group.
    Declared(
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
    Declared(
        "state_counts",
        ("metric_id", "dimension", "subgroup"),
        ("school_year*: year", "metric_id*", "dimension*", "subgroup*", "n*: count", "successes*: count"),
    ),
    # Opportunity Accelerator: what a student said at a moment of a lesson (experience sampling).
    Declared(
        "experience_samples",
        ("section_id", "student_id", "moment_id"),
        (
            "school_year*: year", "school_id*", "section_id*", "student_id*", "moment_id*", "window", "instrument*",
            "rating*: amount", "rating_max*: amount",
        ),
    ),
    Declared(
        "scorecard_goals",
        ("resource", "school_id", "dimension", "subgroup", "due_on"),
        (("resource*", *RESOURCES), "school_id*", "dimension*", "subgroup*", "goal_rate*: share", "due_on*: date"),
    ),
    Declared(
        "commitments",
        ("commitment_id",),
        (
            "commitment_id*", ("kind*", "equity_statement", "commitment"), "statement*", "made_on*: date", "due_on: date",
            "owner_role", ("status", "planned", "in_progress", "kept", "dropped"),
        ),
        (("made_on", "due_on"),),
    ),
    # Equity Implemented Partnership: from needs to a plan.
    Declared(
        "survey_invitations",
        ("survey_id", "respondent_type", "school_id"),
        ("school_year*: year", "survey_id*", ("respondent_type*", *RESPONDENTS), "school_id*", "invited*: count"),
    ),
    Declared(
        "problems_of_practice",
        ("problem_id",),
        ("problem_id*", "statement*", ("focus_area*", *FOCUS_AREAS), "construct", "metric_id", "dimension", "subgroup"),
    ),
    Declared(
        "strategies",
        ("strategy_id",),
        (
            "strategy_id*", "strategy_name*", ("focus_area*", *FOCUS_AREAS),
            # ESSA, section 8101(21)(A): strong, moderate, promising evidence, and a rationale.
            ("evidence_tier*", "1", "2", "3", "4"), "evidence_source*",
        ),
    ),
    Declared(
        "recommendations",
        ("plan_id", "recommendation_id"),
        (
            "plan_id*", "recommendation_id*", "statement*", "problem_id", "strategy_id",
            ("status", "proposed", "accepted", "declined"),
        ),
    ),
    # Action For Equity: what a team of the Equity Leader Lab adopted.
    Declared(
        "leader_lab_policies",
        ("team_id", "policy"),
        ("team_id*", "school_id*", "policy*", "adopted_on*: date", "metric_id*", "dimension*", "subgroup*"),
    ),
)  # fmt: skip
