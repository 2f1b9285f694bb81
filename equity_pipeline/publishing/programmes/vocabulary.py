"""The words for what the programmes' tables hold as codes, and the steps of their cycles, each as a word and a symbol.

Belongs here: English words of `translations.json`, by code. Does not belong here: sentences, which stand where they are said.
"""

from __future__ import annotations

from dataclasses import dataclass

AREAS = {
    "academics": "Academics",
    "discipline": "Discipline",
    "school_culture": "School culture",
    "engagement": "Engagement",
}
ACTIONS = {
    "referral": "Office referral",
    "iss": "In-school suspension",
    "oss": "Out-of-school suspension",
    "expulsion": "Expulsion",
}
AT_INCIDENT = {
    "idea": "Students with an IEP (IDEA) on that day",
    "section_504": "Students with a Section 504 plan on that day",
    "none": "Students with neither on that day",
}
RESOURCES = {
    "assignments": "Grade-appropriate assignments",
    "instruction": "Strong instruction",
    "engagement": "Deep engagement",
    "expectations": "High expectations",
}
WINDOWS = {"fall": "Fall", "winter": "Winter", "spring": "Spring", "year": "Year"}
# Constructs that begin so are asked as yes or no: what stands in the way of a course. An answer is favorable where it does not.
BARRIER = "barrier_"
WHO = {"student": "Students", "staff": "Staff", "family": "Families"}
STAKEHOLDERS = {
    "students": "Students",
    "families": "Families",
    "staff": "Staff",
    "leaders": "Leaders",
    "community": "Community",
}
# Every Student Succeeds Act, section 8101(21)(A).
TIERS = {"1": "strong", "2": "moderate", "3": "promising", "4": "a rationale"}
PHASES = {"access": "Access", "success": "Success"}
DESIGNS = {
    "pre_post": "Before and after",
    "difference_in_differences": "Difference in differences",
    "group_time": "Group by group of starters",
    "baseline": "Alike at the start?",
}
TERMS = {
    "change": "change",
    "effect": "effect",
    "average": "average effect since the start",
    "cox_index": "Cox index",
    "hedges_g": "Hedges’ g",
}


@dataclass(frozen=True)
class Step:
    """Where something stands: a symbol and a word, so that it never depends on colour; `tone` names the colour of a gap status."""

    symbol: str
    words: str
    tone: str


DONE, AHEAD, UNDER_WAY, LATE, LEFT = "closed", "not_measurable", "narrowing", "widening", "reversed"
DECISIONS = {
    "adopt": Step("✓", "Adopt", DONE),
    "adapt": Step("↻", "Adapt", UNDER_WAY),
    "abandon": Step("✕", "Abandon", LEFT),
    None: Step("…", "Not decided yet", AHEAD),
}
COMMITMENTS = {
    "planned": Step("○", "Planned", AHEAD),
    "in_progress": Step("◐", "In progress", UNDER_WAY),
    "kept": Step("✓", "Kept", DONE),
    "dropped": Step("✕", "Dropped", LEFT),
}
PLAN_STEPS = {
    "planned": Step("○", "Planned", AHEAD),
    "not_started": Step("○", "Not started", AHEAD),
    "in_progress": Step("◐", "In progress", UNDER_WAY),
    "done": Step("✓", "Done", DONE),
}
OVERDUE = Step("!", "Overdue", LATE)
RECOMMENDED = {
    "proposed": Step("○", "Proposed", AHEAD),
    "accepted": Step("✓", "Accepted", DONE),
    "declined": Step("✕", "Declined", LEFT),
}
GOALS = {
    "reached": Step("✓", "goal reached", DONE),
    "near": Step("≈", "about there", UNDER_WAY),
    "ahead": Step("○", "not there yet", AHEAD),
}
# How often the school did something to students of a group, beside everyone else.
OFTEN = {
    "more": Step("↑", "more often", LATE),
    "less": Step("↓", "less often", UNDER_WAY),
    "alike": Step("≈", "no clear difference", AHEAD),
}
READY = {True: Step("✓", "Ready", DONE), False: Step("○", "Not yet", AHEAD)}
EVIDENCE = {
    "fair": Step("✓", "Fair evidence", DONE),
    "weak": Step("?", "Weak evidence", AHEAD),
    "none": Step("…", "Nothing can be said yet", AHEAD),
}
