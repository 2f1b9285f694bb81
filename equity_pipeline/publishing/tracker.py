"""The gap tracker as one long frame: what every table, page, chart and sheet reads, so that they can't disagree.

One comparison per dimension is the headline: the designated reference where the dimension has one,
else everyone else, else all students.
The other references stay in the data files.
"""

from __future__ import annotations

import pandas as pd

from equity_pipeline.domain import school_years
from equity_pipeline.publishing import words
from equity_pipeline.publishing.context import Context, Labels

KEY = ["school_year", "school_id", "metric_id", "dimension", "subgroup"]
_CLOSURE = ["prior_gap", "gap_change", "status", "leveled_down", "goal_gap", "on_track", "comparable_to_prior_year",
            "comparability_reason"]  # fmt: skip

_METRICS = ["n", "rate", "reference_subgroup", "reference_rate", "gap", "gap_low", "gap_high", "students_needed", "reliable",
            "reason", "suppressed", "suppression_reason"]  # fmt: skip

# Dimensions that repeat or contain another one; the start page counts and ranks each gap once.
OVERLAPPING = (
    "all_students",
    "race_alone_or_in_combination",
    "student_of_color",
    "english_learner_ever",
    "underrepresented",
)


def headline_reference(labels: Labels, dimension: str) -> str:
    """`designated` where the dimension names a reference, else `rest`; `overall` where groups overlap or are everyone."""
    if labels.reference_subgroup(dimension):
        return "designated"
    return "rest" if labels.partitioning(dimension) and dimension != "all_students" else "overall"


def view(frames: dict[str, pd.DataFrame], context: Context) -> pd.DataFrame:
    """Grain: school_year × school_id × metric_id × dimension × subgroup, headline reference, all grades together.

    Adds the closure columns, labels, the sort order of the seeds and `state`: `privacy`, `not_measured`, `no_students`,
    `reference` (the group the others are compared with), `everyone`, `no_comparison`, `hidden_comparison` (the group's own
    numbers are shown, its comparison's are not), `few` (not reliable) or `gap`.
    `counted`: a summary counts the row (see `countable`); `told`: its gap can be told. Groups without a student in any year
    are left out.
    """
    labels = context.labels
    metrics = frames["gap_metrics"]
    chosen = {d: headline_reference(labels, d) for d in metrics["dimension"].unique()}
    rows = metrics[
        (metrics["grade_level"] == "_all") & (metrics["reference"] == metrics["dimension"].map(chosen))
    ]
    rows = rows[[*KEY, "reference", *_METRICS]].merge(
        frames["gap_closure"][[*KEY, "reference", *_CLOSURE]],
        on=[*KEY, "reference"],
        how="left",
        validate="one_to_one",
    )
    empty = rows["reason"].eq("no_students").fillna(False).astype(bool)
    alive = (~empty).groupby([rows[k] for k in KEY[1:]]).transform("any")
    rows = rows[alive].copy()
    references = {d: labels.reference_subgroup(d) for d in chosen}
    rows["state"] = [_state(row, references.get(row.dimension)) for row in rows.itertuples()]
    kept = (
        ~rows["dimension"].str.contains("*", regex=False)
        & ~rows["dimension"].isin(OVERLAPPING)
        & (rows["subgroup"] != "unknown")
    )
    rows["counted"] = (kept & ~rows["state"].isin(["reference", "everyone", "no_students"])).astype(bool)
    known = rows["status"].notna() & (rows["status"] != "not_measurable").fillna(False)
    rows["told"] = (rows["counted"] & (rows["state"] == "gap") & known).astype(bool)
    rows["direction"] = rows["metric_id"].map({m: labels.direction(m) for m in rows["metric_id"].unique()})
    rows["behind"] = -(rows["gap"] * rows["direction"])
    for column, order in _orders(labels, rows).items():
        rows[f"{column}_order"] = order
    rows["group"] = [labels.subgroup(d, s) for d, s in zip(rows["dimension"], rows["subgroup"], strict=True)]
    return rows.sort_values(
        [
            "school_id",
            "metric_order",
            "dimension_order",
            "subgroup_order",
            "dimension",
            "subgroup",
            "school_year",
        ],
        ignore_index=True,
    )


def countable(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that a summary counts: no crossing, no overlapping roll-up, no reference group, no `unknown`."""
    return rows[rows["counted"]]


def measured(rows: pd.DataFrame) -> pd.DataFrame:
    """The countable rows with a gap that can be told."""
    return rows[rows["told"]]


def hidden(rows: pd.DataFrame) -> pd.DataFrame:
    """The countable rows whose gap or status is not shown for privacy."""
    rows = countable(rows)
    return rows[
        rows["state"].isin(["privacy", "hidden_comparison"])
        | ((rows["state"] == "gap") & rows["status"].isna())
    ]


def tools_package(rows: pd.DataFrame, mart: pd.DataFrame, year: int) -> pd.DataFrame:
    """The measured gaps of one year that the `tools_package` mart lists, with its `prior_status`, `what_to_do` and `urgency_rank`,
    most urgent first."""
    listed = mart[[*KEY, "prior_status", "what_to_do", "urgency_rank"]]
    return (
        measured(rows[rows["school_year"] == year])
        .merge(listed, on=KEY)
        .sort_values("urgency_rank", ignore_index=True)
    )


def largest(rows: pd.DataFrame, limit: int) -> pd.DataFrame:
    """The largest gaps that are not closed, largest first, ties by label order."""
    rows = measured(rows)
    rows = rows[~rows["status"].isin(words.CLOSED) & (rows["behind"] > 0)]
    return rows.sort_values(
        ["behind", "metric_order", "dimension_order", "subgroup_order"], ascending=[False, True, True, True]
    ).head(limit)


def statuses(rows: pd.DataFrame) -> dict[str, int]:
    """How many measurable gaps stand on each step of the ladder, in the order of the ladder; steps with none left out."""
    counts = measured(rows)["status"].value_counts()
    return {status: int(counts[status]) for status in words.STATUSES if counts.get(status, 0)}


def series(rows: pd.DataFrame, like: dict, years: list[int]) -> list[dict | None]:
    """The rows of one group through the years, None where the year has none."""
    same = rows[(rows["dimension"] == like["dimension"]) & (rows["subgroup"] == like["subgroup"])]
    by_year = {row["school_year"]: row for row in same.to_dict("records")
               if (row["school_id"], row["metric_id"]) == (like["school_id"], like["metric_id"])}  # fmt: skip
    return [by_year.get(year) for year in years]


def years_of(rows: pd.DataFrame) -> list[int]:
    return sorted(int(year) for year in rows["school_year"].unique())


def year_labels(years: list[int]) -> list[str]:
    return [school_years.label(year) for year in years]


def _state(row: object, reference: str | None) -> str:
    reason = row.reason if isinstance(row.reason, str) else ""
    if row.suppressed and row.suppression_reason == "privacy":
        return "privacy"
    if row.suppressed or reason.startswith("not_measured"):
        return "not_measured"
    if reason == "no_students" or pd.isna(row.rate):
        return "no_students"
    if row.dimension == "all_students":
        return "everyone"
    if row.reference == "designated" and row.subgroup == reference:
        return "reference"
    if pd.isna(row.gap):
        return "no_comparison" if reason else "hidden_comparison"
    return "gap" if row.reliable is not pd.NA and row.reliable else "few"


def _orders(labels: Labels, rows: pd.DataFrame) -> dict[str, pd.Series]:
    metrics, dimensions = (dict(zip(f[key], f["sort"], strict=True)) for f, key in
                           ((labels.metrics, "metric_id"), (labels.dimensions, "dimension")))  # fmt: skip
    sort = dict(
        zip(
            zip(labels.subgroups["dimension"], labels.subgroups["subgroup"], strict=True),
            labels.subgroups["sort"],
            strict=True,
        )
    )
    last = 1_000_000
    return {
        "metric": rows["metric_id"].map(metrics).fillna(last).astype(int),
        "dimension": rows["dimension"].map(dimensions).fillna(last).astype(int),
        "subgroup": pd.Series(
            [float(sort.get(key, last)) for key in zip(rows["dimension"], rows["subgroup"], strict=True)],
            index=rows.index,
        ),
    }
