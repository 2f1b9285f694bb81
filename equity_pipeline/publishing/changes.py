"""What a release says differently from the one before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing.tracker import KEY

_ROW = [*KEY, "reference"]
_OWN = ["n", "successes", "rate"]
_COMPARED = ["reference_n", "reference_successes", "reference_rate", "gap", "gap_low", "gap_high"]
_SHOWN = ["n", "rate", "rate_band", "suppression_reason"]


@dataclass(frozen=True)
class Changes:
    """`restated`: rows of `gap_metrics` in both releases with another number, hidden in one or another reason to be hidden;
    `added`, `removed`: rows in one of them only; `years`: school years with a restated row. `groups`: grain `tracker.KEY`, the
    groups whose own numbers changed, with count and rate before and now (the others changed through their comparison). `files`: deliveries new since then, of restated years;
    `rules`: metrics and policy values whose version or value is another."""

    first: bool = True
    restated: int = 0
    added: int = 0
    removed: int = 0
    new_years: list[int] = field(default_factory=list)
    years: dict[int, int] = field(default_factory=dict)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    files: dict[int, list[str]] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)


def compare(
    previous: pd.DataFrame | None,
    current: pd.DataFrame,
    deliveries: list[Row],
    versions: dict[str, Any],
    before: dict[str, Any] | None,
) -> Changes:
    """Compare the published `gap_metrics` of two releases. Numbers are equal within 1e-9.

    `deliveries`: those the numbers rest on (delivery_id, file, school_year); `versions`: as the manifest states them; `before`: the
    manifest of the previous release.
    """
    if previous is None or before is None:
        return Changes()
    both = current.merge(
        previous.reindex(columns=current.columns),
        on=_ROW,
        how="outer",
        suffixes=("", "_before"),
        indicator=True,
    )
    kept = both[both["_merge"] == "both"]
    hidden = kept["suppression_reason"].fillna("") != kept["suppression_reason_before"].fillna("")
    own = hidden | _differ(kept, _OWN)
    restated = kept[own | _differ(kept, _COMPARED)]
    groups = kept[own].drop_duplicates(KEY).sort_values(KEY, ignore_index=True)
    groups = groups[[*KEY, *_SHOWN, *(f"{c}_before" for c in _SHOWN)]].rename(
        columns={"suppression_reason": "suppressed", "suppression_reason_before": "suppressed_before"}
    )
    counts = restated.groupby("school_year").size().sort_index()
    years = dict(zip(counts.index.astype(int).tolist(), counts.tolist(), strict=True))
    known = {(d["delivery_id"], d["school_year"]) for d in before["made_from"]}
    new = [d for d in deliveries if (d["delivery_id"], d["school_year"]) not in known]
    return Changes(
        first=False,
        restated=len(restated),
        added=int((both["_merge"] == "left_only").sum()),
        removed=int((both["_merge"] == "right_only").sum()),
        new_years=sorted(set(map(int, current["school_year"])) - set(map(int, previous["school_year"]))),
        years=years,
        groups=groups,
        files={y: sorted({str(d["file"]) for d in new if d["school_year"] == y}) for y in years},
        rules=[
            name
            for part in ("metric_versions", "policy")
            for name in sorted(set(versions[part]) | set(before["versions"].get(part, {})))
            if versions[part].get(name) != before["versions"].get(part, {}).get(name)
        ],
    )


def held_back(years: Iterable[int], before: dict[str, Any] | None) -> dict[str, str]:
    """School year → the release whose numbers of it are said again. `before`: the manifest of the release that is read now."""
    if before is None:
        return {}
    return {str(year): before.get("held_back", {}).get(str(year), before["release_id"]) for year in years}


def _differ(rows: pd.DataFrame, columns: list[str]) -> pd.Series:
    """Per row: any of the columns has another number, or a number on one side only."""
    changed = pd.Series(False, index=rows.index)
    for column in columns:
        now, before = (rows[name].astype("Float64") for name in (column, f"{column}_before"))
        changed |= (now.isna() != before.isna()) | ((now - before).abs() > 1e-9).fillna(False).astype(bool)
    return changed
