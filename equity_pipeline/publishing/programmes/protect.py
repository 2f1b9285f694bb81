"""What the programmes' marts may say of people: numbers rounded, rates as bands, means of enough people.

Rates follow the rule of all others (disclosure/suppression.py): no exact count, bands that widen as groups get smaller.
A column that no `Released` names does not leave.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.suppression import WHOLE, publish

TENS = 10


@dataclass(frozen=True)
class Share:
    """`successes` of `n` people → `<n>` rounded and `<name>_low`, `<name>_high`; nothing else of the two leaves."""

    name: str
    n: str
    successes: str


@dataclass(frozen=True)
class Released:
    """How a mart leaves. `about`: columns that rest on nobody's answer or record. The others are column → the number of
    people that it rests on: `means` are rounded to a tenth of their unit, `indices` to a hundredth (so that a difference
    of rates is told in whole points), `tens` rounded down to tens; `same_people` are further shares of the first share's
    people. `classes` and `people`: a row speaks only where there are as many as the policy's and the partner's minimum."""

    about: tuple[str, ...]
    shares: tuple[Share, ...] = ()
    same_people: tuple[str, ...] = ()
    means: dict[str, str] = field(default_factory=dict)
    indices: dict[str, str] = field(default_factory=dict)
    tens: dict[str, str] = field(default_factory=dict)
    classes: str | None = None
    people: str | None = None


def released(frame: pd.DataFrame, rule: Released, minimum_cell: int, minimum_classes: int) -> pd.DataFrame:
    """The rows as they may leave, in the order of `about`. `suppressed`: the first share, or all means, are hidden."""
    enough = np.ones(len(frame), bool)
    for number, minimum in ((rule.classes, minimum_classes), (rule.people, minimum_cell)):
        if number:
            enough &= frame[number].fillna(0).ge(minimum).to_numpy(bool)
    columns: dict[str, Any] = {name: frame[name] for name in rule.about}
    shown = []
    for share in rule.shares:
        people = bands(frame[share.n].where(enough), frame[share.successes], minimum_cell)
        shown.append(people["students"].notna().to_numpy())
        columns |= {
            share.n: people["students"], f"{share.name}_low": people["low"], f"{share.name}_high": people["high"],
        }  # fmt: skip
    for name in rule.same_people:
        first = frame[rule.shares[0].n].where(enough)
        people = bands(first, first * frame[name], minimum_cell)
        columns |= {f"{name}_low": people["low"], f"{name}_high": people["high"]}
    for numbers, digits in ((rule.means, 1), (rule.indices, 2)):
        for number, people in numbers.items():
            told = enough & frame[people].fillna(0).ge(minimum_cell).to_numpy(bool)
            columns[number] = frame[number].where(told).astype(float).round(digits)
            shown.append(told)
    for number, people in rule.tens.items():
        told = frame[people].fillna(0).ge(minimum_cell)
        columns[number] = (frame[number].where(told) // TENS * TENS).astype("Int64")
    if rule.classes:
        columns[rule.classes] = frame[rule.classes].where(enough).astype("Int64")
    result = pd.DataFrame(columns)
    if shown:
        result["suppressed"] = ~(shown[0] if rule.shares else np.logical_or.reduce(shown))
    return result.sort_values(list(rule.about), ignore_index=True, kind="stable")


def bands(n: pd.Series, successes: pd.Series, minimum_cell: int) -> pd.DataFrame:
    """`students` rounded, and the bounds of the rate as shares of 1; null where nothing may be said."""
    known = (n.notna() & successes.notna()).to_numpy()
    # Successes may be a sum of shares: whole ones only, and 44.999999999 is 45.
    whole, whole_successes = (
        column.astype("Float64").fillna(0).to_numpy(float).round(6).astype(np.int64)
        for column in (n, successes)
    )
    said = publish(whole, whole_successes, minimum_cell)
    told = pd.Series(known & ~said["hidden"].to_numpy(), index=n.index)
    low, high = said["low"].to_numpy() / WHOLE, said["high"].to_numpy() / WHOLE
    # A whole percent is a number: it stands for half a percent on either side.
    number = said["low"].to_numpy() % 2 == 1
    return pd.DataFrame(
        {
            "students": pd.Series(said["n"].to_numpy(), index=n.index, dtype="Int64").where(told),
            "low": pd.Series(np.where(number, (low + high) / 2, low), index=n.index).where(told),
            "high": pd.Series(np.where(number, (low + high) / 2, high), index=n.index).where(told),
        }
    )


def ratio(low: float, high: float, other_low: float, other_high: float) -> tuple[float, float] | None:
    """The range of a ratio of two rates of which bands are known; None where the other may be 0."""
    return (low / other_high, high / other_low) if other_low > 0 else None


_GROUP = ["school_year", "school_id", "dimension", "subgroup"]
# Columns that hold the students of a group, and of everyone else, as the gap tables do.
_STUDENTS, _REST = ("n", "asked", "students_enrolled"), "reference_n"


def withheld(table: pd.DataFrame, rule: Released, gaps: pd.DataFrame) -> pd.DataFrame:
    """The released table with no group told more of than in the released gap tables: who is hidden there is hidden here, of
    everyone and of the row's own metric, and students are not rounded more finely. `gaps`: released `gap_metrics`; its metric of
    everyone counts the same students."""
    if not set(_GROUP) <= set(table.columns):
        return table
    if "metric_id" in table:
        private = gaps[(gaps["reference"] == "overall") & gaps["suppression_reason"].eq("privacy")]
        keys = [*_GROUP, "metric_id"]
        table = _without(
            table, rule, pd.MultiIndex.from_frame(table[keys]).isin(pd.MultiIndex.from_frame(private[keys]))
        )
    everyone = gaps[gaps["metric_id"] == "ap_ib_enrollment"]
    own = _told(table, everyone[everyone["reference"] == "overall"], "n")
    rest = _told(table, everyone[everyone["reference"] == "rest"], "reference_n")
    result = table.copy()
    for columns, (hidden, students) in (
        ([c for c in table.columns if c not in rule.about and c != "suppressed"], own),
        ([c for c in table.columns if c.startswith("reference_") and c not in rule.about], rest),
    ):
        for column in columns:
            result[column] = result[column].where(~hidden)
            if column in (_STUDENTS if students is own[1] else (_REST,)):
                coarser = (students < result[column]).fillna(False).to_numpy(bool)
                result[column] = result[column].where(~coarser, students)
    if "suppressed" in result:
        result["suppressed"] = result["suppressed"] | own[0]
    return result


def _without(table: pd.DataFrame, rule: Released, hidden: np.ndarray) -> pd.DataFrame:
    """The table with no value in the hidden rows."""
    values = [c for c in table.columns if c not in rule.about and c != "suppressed"]
    result = table.assign(**{column: table[column].where(~hidden) for column in values})
    return result.assign(suppressed=table["suppressed"] | hidden) if "suppressed" in table else result


def _told(table: pd.DataFrame, rows: pd.DataFrame, column: str) -> tuple[np.ndarray, pd.Series]:
    """Per row of the table: whether its group's students are hidden for privacy, and how many are told."""
    at = rows.drop_duplicates(_GROUP).set_index(_GROUP)
    at = at.reindex(pd.MultiIndex.from_frame(table[_GROUP].astype({"school_year": "int64"}))).reset_index(
        drop=True
    )
    # Nobody is told of either where all that is told of everyone else adds up to none.
    private = at["suppression_reason"].eq("privacy") | (
        at["suppression_reason"].isna() & at["metric_id"].notna() & (at[column].isna() | at[column].eq(0))
    )
    students = at[column].astype("Int64")
    students.index = table.index
    return private.fillna(False).to_numpy(bool), students
