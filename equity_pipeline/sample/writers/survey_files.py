"""A survey of the district's own: its codebook as canonical CSV, its answers as a form's sheet, a line a respondent."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from equity_pipeline.sample.writers.files import by_year


def deliver(tables: dict[str, pl.DataFrame], landing: Path) -> None:
    """Write `programme_survey_items.csv` and `connectedness_survey_2025-26.csv`, with the questions as headers."""
    items = tables["survey_items"]
    items.write_csv(landing / "programme_survey_items.csv")
    questions = dict(items.select("item_id", "text").iter_rows())
    for _, label, answers in by_year(tables["survey_responses"]):
        sheet = answers.pivot(
            on="item_id", index=["submitted_at", "respondent_id", "school_id"], values="response"
        )
        headers = {
            "submitted_at": "Timestamp",
            "respondent_id": "Student ID",
            "school_id": "School",
        } | questions
        sheet.rename(headers).write_csv(landing / f"connectedness_survey_{label}.csv")


def planted(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Nothing."""
    return {}
