"""A look at a release inside Dagster, out of its own data files: nothing is shown here that readers may not see."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from equity_pipeline.domain import school_years

_METRIC, _DIMENSIONS = "ap_ib_enrollment", ("race_ethnicity", "economically_disadvantaged", "english_learner")


def markdown(release: Path) -> str:
    """The district's groups in the latest school year, as a Markdown table: one row a group, against its designated
    reference. What is suppressed stays `—`."""
    gaps = pd.read_parquet(release / "data" / "gap_metrics.parquet")
    gaps = gaps[
        (gaps["school_id"] == "_all") & (gaps["grade_level"] == "_all") & (gaps["reference"] == "designated")
    ]
    gaps = gaps[(gaps["metric_id"] == _METRIC) & gaps["dimension"].isin(_DIMENSIONS)]
    if gaps.empty:
        return f"No `{_METRIC}` in this release: open the site."
    year = gaps["school_year"].max()
    gaps = gaps[gaps["school_year"] == year].sort_values(["dimension", "subgroup"])
    rows = [
        f"| {row.dimension} | {row.subgroup} | {_shown(row.n, '{:,.0f}')} | {_shown(row.rate, '{:.1%}')} "
        f"| {_shown(row.gap, '{:+.1%}')} |"
        for row in gaps.itertuples()
    ]
    head = [
        f"`{_METRIC}`, {school_years.label(int(year))}, as released",
        "",
        "| dimension | group | n | rate | gap |",
    ]
    return "\n".join([*head, "|---|---|---:|---:|---:|", *rows])


def _shown(value: float, shape: str) -> str:
    return "—" if pd.isna(value) else shape.format(value)
