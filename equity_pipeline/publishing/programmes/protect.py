"""What the programmes' marts may say of people: numbers rounded, rates as bands, means of enough people.

Rates follow the rule of all others (disclosure/suppression.py): no exact count, bands that widen as groups get smaller.
A column that no `Released` names does not leave.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import DISTRICT
from equity_pipeline.disclosure.suppression import WHOLE, publish

TENS = 10


@dataclass(frozen=True)
class Share:
    """`successes` of `n` people → `<n>` rounded and `<name>_low`, `<name>_high`; nothing else of the two leaves.

    Where the gap tables tell of the same people: `reference`: `overall` for the row's own group, else whom they compare it with
    by that reference; `year`: the column of their school year, and `later` how many years after it they are meant."""

    name: str
    n: str
    successes: str
    reference: str = "overall"
    year: str = "school_year"
    later: int = 0

    @property
    def columns(self) -> list[str]:
        """What leaves: people, and the two ends of their share."""
        return [self.n, f"{self.name}_low", f"{self.name}_high"]


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
# Columns that hold the students of a group, and of those it is compared with, as the gap tables do.
_STUDENTS = ("n", "asked", "students_enrolled", "reference_n")


def withheld(table: pd.DataFrame, rule: Released, gaps: pd.DataFrame) -> pd.DataFrame:
    """The released table with no group told more of than in the released gap tables: of a metric of theirs it says their own numbers;
    who is hidden there, of everyone or of the row's metric, is hidden here; and students are not rounded more finely. `gaps`:
    released `gap_metrics`; its metric of everyone counts the same students. Rows without a school are about the partner."""
    if not {"dimension", "subgroup"} <= set(table.columns):
        return table
    result = table.copy()
    for share in rule.shares:
        hidden, told = _told(table, share, gaps, EVERYONE)
        _silence(result, share.columns, hidden)
        if share.n in _STUDENTS:
            coarser = (told["n"] < result[share.n]).fillna(False)
            result[share.n] = result[share.n].where(~coarser, told["n"])
        if "metric_id" in table:
            theirs = table["metric_id"].isin(gaps["metric_id"])
            if "evidence_reason" in table:  # a problem may rest on what people see, beside its metric
                theirs &= table["evidence_reason"].eq("gap")
            _, told = _told(table, share, gaps, table["metric_id"])
            told = told.where(result[share.n].notna())
            for column, number in zip(share.columns, told, strict=True):
                result[column] = result[column].where(~theirs, told[number])
    of_shares = {column for share in rule.shares for column in share.columns}
    others = [
        c for c in table.columns.astype(str) if c not in (*rule.about, "suppressed") and c not in of_shares
    ]
    if others:
        _silence(result, others, _told(table, _OWN, gaps, EVERYONE)[0])
    if "suppressed" in result:
        first = rule.shares[0].columns if rule.shares else others
        result["suppressed"] |= result[first].isna().all(axis=1)
    return result


def _silence(table: pd.DataFrame, columns: list[str], hidden: np.ndarray) -> None:
    for column in columns:
        table[column] = table[column].where(~hidden)


# The metric of the gap tables that counts every student of a group.
EVERYONE = "ap_ib_enrollment"
_OWN = Share("", "", "")


def _told(
    table: pd.DataFrame, share: Share, gaps: pd.DataFrame, metric: pd.Series | str
) -> tuple[np.ndarray, pd.DataFrame]:
    """What the gap tables tell of a share's people in a metric, per row of the table: whether they, or the row's own group, are
    hidden for privacy; and `n`, `low` and `high`, null where nothing is told."""
    rows = gaps[gaps["reference"] == share.reference].drop_duplicates([*_GROUP, "metric_id"])
    of = "" if share.reference == "overall" else "reference_"
    keys = pd.DataFrame(
        {
            "school_year": (table[share.year] + share.later).astype("Int64").fillna(0).astype("int64"),
            "school_id": table.get("school_id", DISTRICT),
            "dimension": table["dimension"],
            "subgroup": table["subgroup"],
            "metric_id": metric,
        }
    )
    at = rows.astype({"school_year": "int64"}).set_index(list(keys)).reindex(pd.MultiIndex.from_frame(keys))
    at.index = table.index
    n = at[f"{of}n"].astype("Int64")
    # Nobody is told of either where all that is told of everyone else adds up to none.
    private = at["suppression_reason"].eq("privacy") | (
        at["suppression_reason"].isna() & at["reference"].notna() & (n.isna() | n.eq(0))
    )
    ends = [_ends(*said) for said in zip(at[f"{of}rate"], at[f"{of}rate_band"], strict=True)]
    low, high = zip(*ends, strict=True) if ends else ((), ())
    said = {"n": n, "low": pd.Series(low, n.index, float), "high": pd.Series(high, n.index, float)}
    return private.to_numpy(bool), pd.DataFrame(said)


def _ends(rate: float | None, band: str | None) -> tuple[float, float]:
    """The ends of a band as the gap tables write it (`suppression.band`); a rate without one is a number."""
    if band is None or pd.isna(band):
        return (np.nan, np.nan) if rate is None or pd.isna(rate) else (float(rate), float(rate))
    numbers = [round(float(number) / 100, 6) for number in re.findall(r"[\d.]+", band)]
    low, high = numbers if len(numbers) == 2 else (0, *numbers) if band.startswith("under") else (*numbers, 1)
    return low, high
