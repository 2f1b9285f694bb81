"""A finished warehouse, as tests hold releases against it."""

from __future__ import annotations

import duckdb
import pandas as pd

from equity_pipeline.storage.home import Home

ALL_GRADES = "grade_level = '_all'"


def marts_of(home: Home, partner_id: str, read: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """All that the marts hold which a release is about, where the release itself `read` no more than it needs."""
    with duckdb.connect(str(home.warehouse(partner_id)), read_only=True) as con:
        return {
            name: con.execute(
                f"select {', '.join(frame.columns)} from marts.{name} "
                f"where {ALL_GRADES if 'grade_level' in frame else 'true'} "
                "and metric_id in (select metric_id from policy.metrics where publish = 'yes') order by all"
            ).df()
            for name, frame in read.items()
        }
