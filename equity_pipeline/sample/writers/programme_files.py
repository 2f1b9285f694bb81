"""What programme staff collect themselves: canonical CSV beside the district's own files."""

from __future__ import annotations

from pathlib import Path

import polars as pl

ONCE = (
    "cycles_of_inquiry", "state_counts", "class_ratings", "experience_samples", "scorecard_goals", "commitments", "survey_invitations",
    "problems_of_practice", "strategies", "recommendations", "task_force_feedback", "action_steps", "initiatives",
    "initiative_members", "leader_lab_policies",
)  # fmt: skip


def deliver(tables: dict[str, pl.DataFrame], landing: Path) -> None:
    """Write `programme_<extract>.csv`; an extract that the tables lack has no file."""
    for extract in (name for name in ONCE if name in tables):
        tables[extract].write_csv(landing / f"programme_{extract}.csv")


def planted(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Nothing."""
    return {}
