"""The gap tracker as one long frame: what every table, page, chart and sheet reads, so that they can't disagree.

One comparison per dimension is the headline: the designated reference where the dimension has one,
else everyone else, else all students.
The other references stay in the data files.

`view` makes the frame; `rows` turns it into plain rows once, because pages read single cells and pandas is slow at that.
"""

from __future__ import annotations

import collections
import math

import pandas as pd
import pyarrow as pa

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing import words
from equity_pipeline.publishing.context import Context, Labels

KEY = ["school_year", "school_id", "metric_id", "dimension", "subgroup"]
_CLOSURE = ["prior_gap", "gap_change", "status", "leveled_down", "goal_gap", "on_track", "comparable_to_prior_year",
            "comparability_reason"]  # fmt: skip

_METRICS = ["n", "rate", "reference_subgroup", "reference_rate", "gap", "gap_low", "gap_high", "students_needed", "reliable",
            "reason", "suppressed", "suppression_reason"]  # fmt: skip
BANDS = ["rate_band", "reference_rate_band"]

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

    Adds the closure columns, the bands (null where a rate is told to a percent, or hidden), labels, the sort order of the seeds and `state`:
    `privacy`, `not_measured`, `no_students`, `reference` (the group the others are compared with), `everyone`, `no_comparison`,
    `hidden_comparison` (the group's own numbers are shown, its comparison's are not),
    `few` (not reliable) or `gap`. `counted`: a summary counts the row (see `countable`); `told`: its gap can be told. Groups without a student
    in any year are left out.
    """
    labels = context.labels
    metrics = frames["gap_metrics"]
    chosen = {d: headline_reference(labels, d) for d in metrics["dimension"].unique()}
    rows = metrics[
        (metrics["grade_level"] == "_all") & (metrics["reference"] == metrics["dimension"].map(chosen))
    ]
    rows = rows.reindex(columns=[*KEY, "reference", *_METRICS, *BANDS]).merge(
        frames["gap_closure"][[*KEY, "reference", *_CLOSURE]],
        on=[*KEY, "reference"],
        how="left",
        validate="one_to_one",
    )
    empty = rows["reason"].eq("no_students").fillna(False).astype(bool)
    alive = (~empty).groupby([rows[k] for k in KEY[1:]]).transform("any")
    rows = rows[alive].copy()
    references = {d: labels.reference_subgroup(d) for d in chosen}
    read = plain(
        rows[
            [
                "dimension",
                "subgroup",
                "reference",
                "rate",
                "gap",
                "reliable",
                "reason",
                "suppressed",
                "suppression_reason",
                *BANDS,
            ]
        ]
    )
    rows["state"] = [_state(row, references.get(row["dimension"])) for row in read]
    kept = (
        ~rows["dimension"].str.contains("*", regex=False)
        & ~rows["dimension"].isin(OVERLAPPING)
        & (rows["subgroup"] != "unknown")
    )
    rows["counted"] = (kept & ~rows["state"].isin(["reference", "everyone", "no_students"])).astype(bool)
    known = rows[["status", "rate", "reference_rate"]].notna().all(axis=1) & (
        rows["status"] != "not_measurable"
    ).fillna(False)
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


def plain(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame as dicts of plain values, None for what is missing."""
    rows: list[Row] = pa.Table.from_pandas(frame, preserve_index=False).to_pylist()
    return rows


def countable(rows: list[Row]) -> list[Row]:
    """The rows that a summary counts: no crossing, no overlapping roll-up, no reference group, no `unknown`."""
    return [row for row in rows if row["counted"]]


def measured(rows: list[Row]) -> list[Row]:
    """The countable rows with a gap that can be told."""
    return [row for row in rows if row["told"]]


def hidden(rows: list[Row]) -> list[Row]:
    """The countable rows whose gap or status is not shown, for privacy."""
    return [
        row
        for row in countable(rows)
        if row["state"] in ("privacy", "hidden_comparison")
        or (row["state"] == "gap" and row["status"] is None)
    ]


def tools_package(rows: list[Row], mart: pd.DataFrame, year: int) -> list[Row]:
    """The measured gaps of one year that the `tools_package` mart lists, with its `prior_status`, `what_to_do` and `urgency_rank`,
    most urgent first."""
    listed = {
        tuple(row[k] for k in KEY): row
        for row in plain(mart[[*KEY, "prior_status", "what_to_do", "urgency_rank"]])
    }
    told = [row for row in measured(rows) if row["school_year"] == year]
    found = [row | listed[key] for row in told if (key := tuple(row[k] for k in KEY)) in listed]
    # A rank can be hidden where the gap is not; such a row comes last.
    return sorted(found, key=lambda row: (row["urgency_rank"] is None, row["urgency_rank"] or 0))


def clear(row: Row) -> bool:
    """Whether the interval of a gap leaves out parity. In a group of ten a gap can be wide and say little."""
    return row["gap_low"] is None or not row["gap_low"] <= 0 <= row["gap_high"]


def largest(rows: list[Row], limit: int) -> list[Row]:
    """The gaps that are not closed, the clear ones first, each the largest first, ties by label order."""
    wide = [row for row in measured(rows) if row["status"] not in words.CLOSED and row["behind"] > 0]
    return sorted(
        wide,
        key=lambda r: (
            not clear(r),
            -r["behind"],
            r["metric_order"],
            r["dimension_order"],
            r["subgroup_order"],
        ),
    )[:limit]


def statuses(rows: list[Row]) -> dict[str, int]:
    """How many measurable gaps stand on each step of the ladder, in the order of the ladder; steps with none left out."""
    counts = collections.Counter(row["status"] for row in measured(rows))
    return {status: counts[status] for status in words.STATUSES if counts[status]}


def series(rows: list[Row], like: Row, years: list[int]) -> list[Row | None]:
    """The rows of one group through the years, None where the year has none."""
    by_year = {row["school_year"]: row for row in rows if all(row[k] == like[k] for k in KEY[1:])}
    return [by_year.get(year) for year in years]


FUNNEL = ("ap_ib_enrollment", "course_grade_c_or_better", "exam_taken", "exam_passed_of_takers")


def funnel(rows: list[Row]) -> list[Row]:
    """Of all students of a group, the share that reached each step of `FUNNEL`: one line per group of one place and year, in the
    order of the seeds, `shares` from 0 to 1 or None where a rate on the way is not published.

    A step's rate counts those of the step before it, so the shares are products of published rates; a course grade and an exam
    both follow enrollment. Who has no final grade on file is taken to do as the others of the group.
    """
    lines: dict[tuple[int, int, str], Row] = {}
    for row in rows:
        if row["dimension"] in ("all_students", "race_ethnicity") and row["subgroup"] != "unknown":
            key = (row["dimension_order"], row["subgroup_order"], row["subgroup"])
            lines.setdefault(key, {})[row["metric_id"]] = row
    made = []
    for _, of in sorted(lines.items()):
        enrolled, grade, taken, passed = (of.get(metric, {}).get("rate") for metric in FUNNEL)
        shares = [
            _product(enrolled),
            _product(enrolled, grade),
            _product(enrolled, taken),
            _product(enrolled, taken, passed),
        ]
        if enrolled is not None:
            made.append({"group": of[FUNNEL[0]]["group"], "n": of[FUNNEL[0]]["n"], "shares": shares})
    return made


def _product(*rates: float | None) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return math.prod(known) if len(known) == len(rates) else None


def years_of(rows: list[Row]) -> list[int]:
    """The school years of the rows, oldest first."""
    return sorted({row["school_year"] for row in rows})


def _state(row: Row, reference: str | None) -> str:
    reason = row["reason"] or ""
    if row["suppressed"] and row["suppression_reason"] == "privacy" and row["rate"] is None:
        return "privacy"
    if row["suppression_reason"] == "not_measured" or reason.startswith("not_measured"):
        return "not_measured"
    if reason == "no_students" or row["rate"] is None:
        return "no_students"
    if row["dimension"] == "all_students":
        return "everyone"
    if row["reference"] == "designated" and row["subgroup"] == reference:
        return "reference"
    if row["gap"] is None:
        return "no_comparison" if reason else "hidden_comparison"
    return "gap" if row["reliable"] else "few"


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
