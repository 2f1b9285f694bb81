"""The programmes' tables: whether they say what the rules allow, and the numbers that their pages may take from them."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.audit.finding import Finding
from equity_pipeline.disclosure.audit.marts import IN_A_BAND, ROUNDED_TO, bands
from equity_pipeline.disclosure.audit.said import (
    DISTRICT,
    Row,
    Said,
    half_up,
    numbers,
    people,
    percent,
    points,
    rate,
    span,
)

# Share, told as its two ends → the people that it is a share of.
_OF = {
    "rate": "n", "reference_rate": "reference_n", "students_rate": "students_enrolled", "latest_rate": "latest_n",
    "baseline_rate": "baseline_n", "favorable": "respondents", "favorable_by_answers": "respondents",
    "student_rate": "student_respondents", "other_rate": "other_respondents", "support": "feedback_answers",
    "response_rate": "asked", "share": "seats",
}  # fmt: skip
_TENS = {*_OF.values(), "incidents", "days", "students_treated", "students_compared"}
# Column → decimals.
_ROUNDED = {"mean_score": 1, "alpha": 2, "omega": 2, "mean_support": 1, "margin_points": 1,
            "estimate": 2, "estimate_low": 2, "estimate_high": 2, "p_value": 2}  # fmt: skip
# Numbers that rest on nobody's answer or record, or count gaps and classes.
_PLAIN = {"school_year", "adopted_school_year", "start_school_year", "latest_school_year", "evidence_rank", "measured_gaps", "clear_gaps",
          "items", "classes", "target_rate", "goal_rate", "state_rate", "evidence_tier", "grade_level"}  # fmt: skip
_GROUP = ["school_year", "school_id", "dimension", "subgroup"]
# Shares of another year than the row's, and how many years later; tables that compare with another group than everyone else.
_YEARS = {"latest_rate": ("latest_school_year", 0), "baseline_rate": ("start_school_year", -1)}
_COMPARED = {"focus_areas": "designated", "problems_of_practice": "designated"}


def findings(tables: dict[str, pd.DataFrame], gaps: pd.DataFrame, minimum_cell: int) -> Iterator[Finding]:
    """What the tables say in a form that no rule allows, or of groups that are hidden in `gap_metrics`."""
    for name, table in tables.items():
        values = [
            str(c)
            for c in table
            if pd.api.types.is_numeric_dtype(table[c]) and not pd.api.types.is_bool_dtype(table[c])
        ]
        for column in values:
            said = table[column].astype("Float64").to_numpy(float, na_value=np.nan)
            share = column.removesuffix("_low").removesuffix("_high")
            if share in _OF and share != column:
                if column.endswith("_low"):
                    wrong = _not_a_band(table, share, minimum_cell)
                else:
                    continue
            elif column in _TENS:
                least = minimum_cell if column in _OF.values() else 0
                wrong = (said % ROUNDED_TO != 0) | (said < least)
            elif column in _ROUNDED:
                wrong = np.abs(said - np.round(said, _ROUNDED[column])) > 1e-9
            elif column not in _PLAIN:
                yield Finding("a column that no rule knows", f"programmes/{name}", column)
                continue
            else:
                continue
            if (wrong & ~np.isnan(said)).any():
                yield Finding("a number in a form that no rule allows", f"programmes/{name}", column)
        hidden = _hidden(table, gaps)
        told = table[[c for c in values if c not in _PLAIN]].notna().any(axis=1).to_numpy(bool)
        if "suppressed" in table:
            shares = [c for c in values if c.endswith("_low")][:1]
            silent = table["suppressed"].fillna(False).to_numpy(bool)
            if shares and (silent & table[shares].notna().any(axis=1).to_numpy(bool)).any():
                yield Finding("a hidden row says something", f"programmes/{name}", shares[0])
        if (hidden & told).any():
            yield Finding("a group is told of that is hidden elsewhere", f"programmes/{name}", "")
        if {"dimension", "subgroup"} <= set(table.columns):
            for share in _OF:
                if f"{share}_low" in table:
                    yield from _beside(name, table, share, gaps)


def _beside(name: str, table: pd.DataFrame, share: str, gaps: pd.DataFrame) -> Iterator[Finding]:
    """A share of people whom `gap_metrics` hides among everyone, or of one of its metrics in other numbers than its own."""
    year, later = _YEARS.get(share, ("school_year", 0))
    of, reference = "", "overall"
    if share == "reference_rate":
        of, reference = "reference_", _COMPARED.get(name, "rest")
    rows = gaps[gaps["reference"] == reference].astype({"school_year": "int64"})
    rows = rows.set_index([*_GROUP, "metric_id"])
    place = table.get("school_id", DISTRICT)
    group = [(table[year] + later).astype("Int64").fillna(0).astype("int64"), place]
    said = table[[_OF[share], f"{share}_low", f"{share}_high"]]
    told = said.notna().any(axis=1).to_numpy(bool)

    def at(metric: pd.Series | str) -> pd.DataFrame:
        keys = table[["dimension", "subgroup"]].assign(
            school_year=group[0], school_id=group[1], metric_id=metric
        )
        return rows.reindex(pd.MultiIndex.from_frame(keys[[*_GROUP, "metric_id"]]))

    if (told & at("ap_ib_enrollment")["suppression_reason"].eq("privacy").to_numpy(bool)).any():
        yield Finding("a group is told of that is hidden elsewhere", f"programmes/{name}", share)
    if "metric_id" in table:
        theirs = told & table["metric_id"].isin(gaps["metric_id"]).to_numpy(bool)
        if "evidence_reason" in table:  # rates of a construct, whatever metric the problem names
            theirs &= table["evidence_reason"].eq("gap").to_numpy(bool)
        own = (
            at(table["metric_id"])[[f"{of}n", f"{of}rate"]].astype("Float64").to_numpy(float, na_value=np.nan)
        )
        low, high = (said[c].astype("Float64").to_numpy(float, na_value=np.nan) for c in list(said)[1:])
        # The gap tables' rate is the middle of its band, and a band of the rules is known by its middle and its people.
        same = np.isclose((low + high) / 2, own[:, 1], atol=1e-9) & (
            said[_OF[share]].astype("Float64").to_numpy(float, na_value=np.nan) == own[:, 0]
        )
        if (theirs & ~same).any():
            yield Finding("a number of the gap tables in another form", f"programmes/{name}", share)


def _hidden(table: pd.DataFrame, gaps: pd.DataFrame) -> np.ndarray:
    """Rows whose group `gap_metrics` hides, of the same metric or of everyone."""
    hidden = np.zeros(len(table), bool)
    if not set(_GROUP) <= set(table.columns):
        return hidden
    private = gaps[(gaps["reference"] == "overall") & gaps["suppression_reason"].eq("privacy")]
    keys = table[_GROUP].astype({"school_year": "int64"})
    everyone = private[private["metric_id"] == "ap_ib_enrollment"]
    hidden |= pd.MultiIndex.from_frame(keys).isin(
        pd.MultiIndex.from_frame(everyone[_GROUP].astype({"school_year": "int64"}))
    )
    if "metric_id" in table:
        of_metric = private[[*_GROUP, "metric_id"]].astype({"school_year": "int64"})
        hidden |= pd.MultiIndex.from_frame(keys.assign(metric_id=table["metric_id"])).isin(
            pd.MultiIndex.from_frame(of_metric)
        )
    return hidden


def _not_a_band(table: pd.DataFrame, share: str, minimum_cell: int) -> np.ndarray:
    """Rows in which a share is told in no band that the rules allow for so many people, or more: people may be told more
    coarsely than the share was made for."""
    low, high, n = (
        table[c].astype("Float64").to_numpy(float, na_value=np.nan)
        for c in (f"{share}_low", f"{share}_high", _OF[share])
    )
    made_for = _made_for(minimum_cell)
    found = []
    for a, b, of in zip(100 * low, 100 * high, n, strict=True):
        ends = (
            (round(float(a), 6), round(float(b), 6))
            if b > a
            else (round(float(a) - 0.5, 6), round(float(b) + 0.5, 6))
        )
        least = minimum_cell if np.isnan(of) else max(int(of) - ROUNDED_TO // 2, minimum_cell)
        found.append(made_for.get(ends, 0) < least and not np.isnan(a))
    return np.array(found, bool)


@functools.cache
def _made_for(minimum_cell: int) -> dict[tuple[float, float], float]:
    """Band → the most people whose rates are told in it; of a whole percent there is no most."""
    most: dict[tuple[float, float], float] = {}
    for least in range(minimum_cell, 100 * IN_A_BAND + ROUNDED_TO):
        most |= dict.fromkeys(bands(least, minimum_cell), least)
    return most | dict.fromkeys(bands(100 * IN_A_BAND + ROUNDED_TO, minimum_cell), np.inf)


Statement = tuple[str, ...]


class Told:
    """Every statement of the tables as pages write it, by whom it is about: the label of a metric or none, the label of a group
    or of a school or none. Rows of the newest year stand under their group, all rows under none."""

    def __init__(self, tables: dict[str, pd.DataFrame], said: Said, always: set[str]) -> None:
        self.of: dict[tuple[str | None, str | None], set[Statement]] = defaultdict(set)
        # Numbers in names and rules, and those that may count gaps, cycles or schools.
        self.words = always | {str(number) for number in range(len(said.called) + 1)}
        for (metric, school, dimension, subgroup), by_year in said.rows.items():
            row = by_year.get(said.years[-1])
            if row is not None and (school == DISTRICT or dimension == "all_students"):
                who = said.group(dimension, subgroup) if school == DISTRICT else said.school(school)
                for key in ((None, None), (None, who), (said.labels["metric"].get(metric), who)):
                    self.of[key] |= _of_gap(row)
        for table in tables.values():
            texts = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
            self.words |= {
                n for c in texts for text in table[c].dropna().unique() for n in numbers(str(text))
            }
            if (
                "term" in table
            ):  # years since the start, as a picture's scale names them; the one before it is its zero
                terms = pd.to_numeric(table["term"].str.removeprefix("'"), errors="coerce").dropna().unique()
                steps = {-1, *map(int, terms)} if terms.size else set()
                self.words |= {f"{step:+d}".replace("-", "−") for step in steps}
            if {"policy", "cycle_id"} & set(table):  # the gap that it is about, through the years
                about = table[["metric_id", "school_id", "dimension", "subgroup"]].itertuples(
                    index=False, name=None
                )
                for row in (row for key in about for row in said.rows.get(key, {}).values()):
                    self.of[None, None] |= _of_gap(row)
            if "school_id" in table and "dimension" in table:
                table = table[(table["school_id"] == DISTRICT) | (table["dimension"] == "all_students")]
            newest = table["school_year"].max() if "school_year" in table else None
            plain = table.astype(object).where(table.notna(), None)
            for row in plain.to_dict("records"):
                statements = _statements({str(column): value for column, value in row.items()})
                self.of[None, None] |= statements
                if newest is not None and row["school_year"] == newest:
                    metric = said.labels["metric"].get(row.get("metric_id"), row.get("metric_id"))
                    school = row.get("school_id", DISTRICT)
                    who = (
                        said.school(school)
                        if school != DISTRICT
                        else said.group(row.get("dimension") or "", row.get("subgroup") or "")
                    )
                    for key in ((None, who), (metric, who)):
                        self.of[key] |= statements

    def says(self, tokens: Sequence[str], metric: str | None = None, who: str | None = None) -> bool:
        """Whether the numbers are statements about them, one after another."""
        known = self.of.get((metric, who)) or self.of.get((None, who)) or self.of[None, None]
        return _made_of(tuple(tokens), known, self.words)


def _made_of(tokens: Statement, known: set[Statement], words: set[str]) -> bool:
    if not tokens:
        return True
    return any(
        (tokens[:size] in known or size == 1 and tokens[0] in words) and _made_of(tokens[size:], known, words)
        for size in (2, 1)
        if len(tokens) >= size
    )


def _statements(row: Row) -> set[Statement]:
    """What a page may say of a row: people, shares, how far two shares are apart, and their ratio."""
    shares = {
        name: (row[f"{name}_low"], row[f"{name}_high"]) for name in _OF if row.get(f"{name}_low") is not None
    }
    made: set[Statement] = {tuple(span(*ends)) for share in shares.values() for ends in _written(*share)}
    made |= {(percent((low + high) / 2),) for low, high in shares.values()}
    made |= {
        tuple(span(*ends))
        for name in ("favorable", "response_rate")
        if name in shares
        for ends in _written(*(1 - end for end in reversed(shares[name])))
    }
    made |= {(people(row[name]),) for name in _TENS if row.get(name) is not None}
    for (low, high), (other_low, other_high) in itertools.permutations(shares.values(), 2):
        made.add(_range(points(low - other_high), points(high - other_low)))
        if other_low > 0:
            made.add(_range(f"{low / other_high:.1f}", f"{high / other_low:.1f}"))
    if row.get("state_rate") and "rate" in shares:
        made.add(_range(*(f"{end / row['state_rate']:.1f}" for end in shares["rate"])))
    for name in ("target_rate", "goal_rate"):
        if row.get(name) is not None:
            made.add((percent(row[name]),))
    if row.get("estimate") is not None:
        made |= {(points(row["estimate"]),), (f"{row['estimate']:.2f}".replace("-", "−"),)}
    if row.get("estimate_low") is not None:
        made.add((points(row["estimate_low"]), points(row["estimate_high"])))
    made |= {(f"{row[name]:.2f}",) for name in ("p_value", "alpha", "omega") if row.get(name) is not None}
    if row.get("margin_points") is not None:
        made.add((f"{row['margin_points']:.0f}",))
    for name in ("mean_score", "mean_support"):
        if row.get(name) is not None:
            made.add((f"{half_up(row[name], 1):.1f}",))
    counts = [str(int(row[name])) for name in ("clear_gaps", "measured_gaps") if row.get(name) is not None]
    return (
        made
        | ({tuple(counts)} if counts else set())
        | {(str(int(row["classes"])),) if row.get("classes") is not None else ("0",)}
    )


def _written(low: float, high: float) -> tuple[tuple[float, float], ...]:
    """A range of shares in percents; halves are written whole as well."""
    return (100 * low, 100 * high), (round(100 * low), round(100 * high))


def _of_gap(row: Row) -> set[Statement]:
    """What a programme's page may say of a row of the gap tables."""
    made = {tuple(rate(row, of)) for of in ("rate", "reference_rate")} - {()}
    made |= {(people(row["n"]),)} if row["n"] is not None else set()
    return made | ({(points(row["gap"]),)} if row["gap"] is not None else set())


def _range(low: str, high: str) -> Statement:
    return (low,) if low == high else (low, high)
