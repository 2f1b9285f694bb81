"""What the marts of a release say, and what in them does not follow from the students and rates they state."""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from equity_pipeline.disclosure import figures
from equity_pipeline.disclosure.audit.finding import Finding
from equity_pipeline.disclosure.audit.intervals import COUNTS, OF_SCHOOLS, Year, narrowed
from equity_pipeline.disclosure.audit.said import APART
from equity_pipeline.disclosure.figures import ABOUT, CELL, PAIR, REASONS, Rules

# The form a statement must have: what students are rounded to, and how many numbers of successes are in a band.
ROUNDED_TO = 10
IN_A_BAND = 7
# Students of a metric who are successes of another one, or among them; they are shown where those are surely enough.
AMONG = {
    "exam_taken": "ap_ib_enrollment", "exam_passed_of_takers": "exam_taken", "exam_passed_of_enrolled": "ap_ib_enrollment",
    "course_grade_c_or_better": "ap_ib_enrollment", "course_seats_c_or_better": "ap_ib_enrollment",
}  # fmt: skip
BAND = re.compile(r"under ([\d.]+)%|([\d.]+)% or more|([\d.]+)% to ([\d.]+)%")
BANDS = ["rate_band", "reference_rate_band"]
# A change of fewer students than this must not follow from two releases.
CHANGE = 10
# Of a release that hides nothing.
UNBOUNDED = 10**7
NEVER = ["successes", "reference_successes"]


@functools.cache
def bands(least: int, ends: int) -> set[tuple[float, float]]:
    """The bands that rates of at least so many students are told in; the first and the last hold `ends` numbers."""
    inner, outer = math.ceil(100 * IN_A_BAND / least), math.ceil(100 * ends / least)
    count = (100 - 2 * outer) // inner
    if inner == 1:
        starts = [0.0, *(percent + 0.5 for percent in range(1, 99)), 100.0]
    elif count < 1:
        starts = [0.0, 50.0, 100.0]
    else:
        width = (100 - 2 * outer) / count
        starts = [0.0, *(outer + math.floor(width * i + 0.5 + 1e-9) for i in range(count + 1)), 100.0]
    return {(float(a), float(b)) for a, b in itertools.pairwise(starts)}


def _ends(band: str | None, rate: float) -> tuple[float, float] | None:
    """The bounds of a rate in percent that its text and its number state together; None where they state none."""
    if band is None:
        whole = round(100 * rate)
        return (whole - 0.5, whole + 0.5) if abs(100 * rate - whole) < 1e-9 and 1 < whole < 99 else None
    said = BAND.fullmatch(band)
    if said is None:
        return None
    low, high = (0, said[1]) if said[1] else (said[2], 100) if said[2] else (said[3], said[4])
    low, high = float(low), float(high)
    return (low, high) if low < high and abs(low + high - 200 * rate) < 1e-9 else None


class Reading:
    """What a release says, and what in it does not follow from its students and rates."""

    def __init__(self, frames: dict[str, pd.DataFrame], rules: Rules, minimum_cell: int) -> None:
        self.frames = {mart: frame.reset_index(drop=True) for mart, frame in frames.items()}
        self.rules, self.minimum_cell = rules, minimum_cell
        self.findings: list[Finding] = []
        self.checked, self.narrowest = 0, UNBOUNDED

    def tell(
        self, kind: str, mart: str, table: pd.DataFrame, wrong: np.ndarray | pd.Series, column: str = ""
    ) -> None:
        """Note a finding for the first rows that are wrong."""
        for position in np.flatnonzero(wrong)[:5]:
            row = table.iloc[position]
            where = " ".join(str(row[c]) for c in PAIR if c in table)
            self.findings.append(Finding(kind, mart, f"{where} {column}".strip()))

    def read_base(self) -> None:
        """What `gap_metrics` says of each group: the same in all of its rows, and in a form that the rules allow."""
        for mart, table in self.frames.items():
            twice = table[[c for c in PAIR if c in table]].duplicated()
            self.tell("rows are there twice", mart, table, twice)
            self.frames[mart] = table[~twice].reset_index(drop=True)
        gaps = self.frames["gap_metrics"]
        said = gaps[[*CELL, "n", "rate", "rate_band", "suppressed", "suppression_reason"]]
        base = said.drop_duplicates().reset_index(drop=True)
        self.tell("rows of a group say different things", "gap_metrics", base, base.duplicated(CELL))
        base = base.drop_duplicates(CELL, ignore_index=True)
        base["absent"] = (base["suppression_reason"] == "not_measured").fillna(False).astype(bool)
        base["n"], base["p"] = (base[c].astype(float) for c in ("n", "rate"))
        silent = base["suppressed"].astype(bool)
        told = base[["n", "rate", "rate_band"]].notna()
        self.tell("a hidden group is stated", "gap_metrics", base, silent & told.any(axis=1))
        shown = base[~silent]
        forms = {
            key: self._form(*key)
            for key in set(zip(shown["n"], shown["p"], shown["rate_band"].astype(object), strict=True))
        }
        found = [
            forms[key] for key in zip(shown["n"], shown["p"], shown["rate_band"].astype(object), strict=True)
        ]
        wrong = np.array([form is None for form in found], dtype=bool)
        self.tell("students or rate are stated as no rule allows", "gap_metrics", shown, wrong)
        ends = pd.DataFrame(
            [form or (np.nan,) * 4 for form in found],
            index=shown.index,
            columns=["n_low", "n_high", "low", "high"],
            dtype=float,
        )
        self.base = base.join(ends)
        self.base["width"] = (self.base["high"] - self.base["low"]) / 100
        self.base.loc[silent, ["n", "p", "width"]] = np.nan
        self._check_parents()

    def _check_parents(self) -> None:
        """Students who are among the successes of another metric are told of only where these are surely enough: else the
        mark of a hidden group would say that they are few."""
        said = self.base.set_index(CELL)
        among = self.base["metric_id"].map(AMONG)
        of = said.reindex(pd.MultiIndex.from_frame(self.base[CELL].assign(metric_id=among)))
        surely = np.ceil(of["low"] / 100 * of["n_low"] - 1e-9).fillna(0).to_numpy() >= self.minimum_cell
        there = of["absent"].eq(False).to_numpy()
        wrong = self.base["n"].notna().to_numpy() & there & ~surely
        self.tell("students are told of whose number is not told", "gap_metrics", self.base, wrong)

    def _form(self, n: float, rate: float, band: object) -> tuple[float, float, float, float] | None:
        """The students and the percents that a statement leaves open, or None where no rule allows it."""
        if np.isnan(n) or np.isnan(rate):
            return None
        ends = _ends(band if isinstance(band, str) else None, rate)
        if ends is None or n != int(n):
            return None
        half = ROUNDED_TO // 2
        least = max(int(n) - half, self.minimum_cell)
        if n % ROUNDED_TO or n + half <= self.minimum_cell or ends not in bands(least, self.minimum_cell):
            return None
        return least, n + half - 1, *ends

    def check_gaps(self) -> None:
        """Every figure of `gap_metrics` follows from the base."""
        gaps = self.frames["gap_metrics"]
        pairs = figures.compared(self.base[[*CELL, "n", "p", "width"]], self.rules)
        expected = figures.of_gaps(pairs, self.rules)
        order = pd.MultiIndex.from_frame(pairs[PAIR]).get_indexer(pd.MultiIndex.from_frame(gaps[PAIR]))
        self.tell("a row of no group", "gap_metrics", gaps, order < 0)
        expected, names = (
            expected.take(order).reset_index(drop=True),
            pairs["name"].take(order).reset_index(drop=True),
        )
        # A comparison that is not drawn is not called reliable, whoever stands on its two sides.
        expected["reliable_or"] = expected["reliable"] & gaps["gap"].notna().to_numpy()
        named = gaps["reference_subgroup"].notna() & (gaps["reference_subgroup"] != names).fillna(True)
        self.tell(
            "a figure that does not follow", "gap_metrics", gaps, named.astype(bool), "reference_subgroup"
        )
        self.gaps = gaps.assign(
            subgroup_name=gaps["subgroup"],
            **{name: pairs[name].take(order).to_numpy(float) for name in ("doubt_below", "doubt_above")},
        ).set_index(PAIR)
        self._compare("gap_metrics", gaps, expected)

    def _compare(self, mart: str, table: pd.DataFrame, expected: pd.DataFrame) -> None:
        """Every value of the table is the expected one, or null; a hidden row has none; every column is known."""
        silent = table["suppressed"].astype(bool)
        for name in [c for c in table.columns if c not in ABOUT]:
            present = table[name].notna()
            if name not in REASONS:
                self.tell("a hidden row says something", mart, table, silent & present, name)
            if name in NEVER:
                self.tell("successes are stated", mart, table, present, name)
            elif name in expected and name not in REASONS:
                self.checked += int(present.sum())
                wrong = present & ~_same(table[name], expected[name], name)
                if f"{name}_or" in expected:
                    wrong &= ~_same(table[name], expected[f"{name}_or"], name)
                self.tell("a figure that does not follow", mart, table, wrong, name)
            elif name not in REASONS | set(BANDS) | {"on_track"}:
                self.findings.append(Finding("a column that no rule knows", mart, name))
        self._bands(mart, table)

    def _bands(self, mart: str, table: pd.DataFrame) -> None:
        """A band repeats what the base says of the group and of its reference."""
        base = self.base.set_index(CELL)["rate_band"]
        own = base.reindex(pd.MultiIndex.from_frame(table[CELL])).to_numpy(object)
        silent = table["suppressed"].to_numpy(bool)
        differs = (
            table["rate_band"].notna().to_numpy() & (table["rate_band"].to_numpy(object) != own) & ~silent
        )
        self.tell("a figure that does not follow", mart, table, differs, "rate_band")
        keys = table if "reference" in table else table.assign(reference="designated")
        named = self.gaps["reference_subgroup"].reindex(pd.MultiIndex.from_frame(keys[PAIR])).to_numpy(object)
        cells = table[CELL].assign(subgroup=named)
        cells.loc[(keys["reference"] == "overall").to_numpy(), "dimension"] = "all_students"
        other = base.reindex(pd.MultiIndex.from_frame(cells)).to_numpy(object)
        present = table["reference_rate_band"].notna().to_numpy()
        self.tell(
            "a figure that does not follow",
            mart,
            table,
            present & (table["reference_rate_band"].to_numpy(object) != other),
            "reference_rate_band",
        )

    def check_difference(self, before: Reading) -> None:
        """Where two releases say different things of a group, the change may have been one of `CHANGE` students or more,
        or none: a smaller one is never known for sure."""
        both = self._windows().join(before._windows(), rsuffix="_before", how="inner")
        for count in ("n", "s", "u"):
            low, high, low_before, high_before = (
                both[f"{count}_{end}{when}"].to_numpy() for when in ("", "_before") for end in ("low", "high")
            )
            changed = (low > high_before) | (high < low_before)
            largest = np.maximum(high - low_before, high_before - low)
            known = changed & (largest < CHANGE)
            self.tell(
                "two releases tell a change of few students", "gap_metrics", both.reset_index(), known, count
            )

    def check_sums(self, before: Reading) -> None:
        """Nor is a change of few known to fewer than `APART` by what sums tell of the students, successes and others of each release."""
        for school_year in sorted({*self.base["school_year"]} & {*before.base["school_year"]}):
            now, then = (
                reading.base[(reading.base["school_year"] == school_year) & ~reading.base["absent"]]
                for reading in (self, before)
            )
            told = [
                of[[*CELL, "n_low", "n_high", "low", "high"]].sort_values(CELL, ignore_index=True)
                for of in (now, then)
            ]
            if told[0].equals(told[1]):
                continue
            both = narrowed(now, self.rules).merge(
                narrowed(then, self.rules), on=CELL, suffixes=("", "_before")
            )
            for count in COUNTS:
                least = both[f"{count}_low"] - both[f"{count}_high_before"]
                most = both[f"{count}_high"] - both[f"{count}_low_before"]
                known = (
                    ((least > 0) | (most < 0))
                    & (most - least < int(APART))
                    & (np.maximum(-least, most) < CHANGE)
                )
                self.tell(
                    "sums of two releases tell a change of few students", "gap_metrics", both, known, count
                )

    def check_intervals(self, earlier: Iterable[Reading], exactly: bool) -> None:
        """Every hidden number of students, successes and others may be one of two that are `APART`. Of a group that an earlier
        release told of, what is hidden now is no secret any more."""
        told = [reading.base.loc[reading.base["n"].notna(), CELL] for reading in earlier]
        open_ = self.base["n"].isna() & (self.base["metric_id"] != OF_SCHOOLS)
        if told:
            cells = pd.MultiIndex.from_frame(self.base[CELL])
            open_ &= ~cells.isin(pd.MultiIndex.from_frame(pd.concat(told)))
        for _, of_year in self.base[~self.base["absent"]].groupby("school_year"):
            year, hidden = Year.of(of_year, self.rules), open_[of_year.index].to_numpy()
            asked = np.zeros(len(year.place), bool)
            asked[year.columns[:, hidden]] = True
            low, high = year.settled(asked, int(APART)) if exactly else year.known.bounds
            for count, columns in zip(COUNTS, year.columns, strict=True):
                width = np.where(hidden, (high - low)[columns], UNBOUNDED)
                self.narrowest = min(self.narrowest, int(width.min(initial=UNBOUNDED)))
                self.tell(
                    "a hidden number can be worked out", "gap_metrics", year.cells, width < int(APART), count
                )

    def _windows(self) -> pd.DataFrame:
        """By `CELL`, the lowest and highest number of students, successes and others that a release leaves open."""
        base = self.base[~self.base["absent"]]
        n_low, n_high = base["n_low"].fillna(0), base["n_high"].fillna(self.minimum_cell - 1)
        low, high = base["low"].fillna(0) / 100, base["high"].fillna(100) / 100
        inside = high < 1  # the upper end of a band is not in it
        return pd.DataFrame(
            {
                "n_low": n_low, "n_high": n_high, "s_low": np.ceil(low * n_low - 1e-9),
                "s_high": np.where(inside, np.ceil(high * n_high - 1e-9) - 1, n_high),
                "u_low": np.where(inside, np.floor((1 - high) * n_low + 1e-9) + 1, 0),
                "u_high": np.floor((1 - low) * n_high + 1e-9),
            }
        ).set_index(pd.MultiIndex.from_frame(base[CELL]))  # fmt: skip

    def check_closure(self) -> None:
        """Every figure of `gap_closure` follows from the gaps of its years."""
        table = self.frames.get("gap_closure")
        if table is not None:
            self._compare("gap_closure", table, figures.of_changes(self.gaps, table, self.rules))
            self.closure = table.set_index(PAIR)

    def check_copy(self, mart: str) -> None:
        """A reader's mart repeats the gaps against the designated reference, and says what follows from their statuses."""
        table = self.frames[mart]
        keys = pd.MultiIndex.from_frame(table[CELL].assign(reference="designated"))
        repeated = pd.concat([self.gaps.reindex(keys), self.closure.reindex(keys)], axis=1).reset_index(
            drop=True
        )
        expected = repeated.loc[:, ~repeated.columns.duplicated()].drop(
            columns=[*ABOUT, *BANDS], errors="ignore"
        )
        expected["status"] = expected["status"].fillna("not_measurable")
        # Where this year's gap is hidden, the row of `gap_closure` is, and last year's gap with it; here it stands.
        before = table[CELL].assign(school_year=table["school_year"] - 1, reference="designated")
        expected["prior_gap"] = self.gaps["gap"].reindex(pd.MultiIndex.from_frame(before)).to_numpy()
        if "urgency" in table:
            expected = expected.assign(**self._actions(table, expected))
        self._compare(mart, table, expected)

    def _actions(self, table: pd.DataFrame, expected: pd.DataFrame) -> dict[str, Any]:
        """What the statuses of two years ask for, and the rank by it."""
        before = pd.MultiIndex.from_frame(
            table[CELL].assign(school_year=table["school_year"] - 1, reference="designated")
        )
        prior = self.closure["status"].fillna("not_measurable").reindex(before)
        prior = prior.where(prior.notna(), None).to_numpy(object)
        actions = {(r.prior_status, r.status): r for r in self.rules.actions.itertuples()}
        chosen = [
            actions.get((p, s)) or actions.get(("any", s))
            for p, s in zip(prior, expected["status"], strict=True)
        ]
        changes = figures.of_changes(
            self.gaps, table.assign(reference="designated", baseline_school_year=0), self.rules
        )
        rates = [self.gaps[c].reindex(pd.MultiIndex.from_frame(table[CELL].assign(school_year=table["school_year"] - back, reference="designated"))).to_numpy(float)
                 for back in (0, 1) for c in ("rate", "reference_rate")]  # fmt: skip
        own, other = rates[0] - rates[2], rates[1] - rates[3]
        what = np.select(
            [changes["gap_change"] == 0, np.abs(own) >= np.abs(other)],
            ["nothing", np.where(own > 0, "group_rose", "group_fell")],
            np.where(other > 0, "reference_rose", "reference_fell"),
        )
        urgency = np.array([a.urgency if a else np.nan for a in chosen], float)
        seats = expected["seats_gap"].astype(float).fillna(0)
        ranked = (
            table[CELL]
            .assign(urgency=urgency, seats=-seats)
            .sort_values(["school_year", "urgency", "seats", *CELL[2:3], *CELL[1:2], *CELL[3:]])
        )
        rank = ranked.groupby("school_year").cumcount() + 1
        return {
            "prior_status": prior, "urgency": urgency, "what_to_do": [a.what_to_do if a else None for a in chosen],
            "what_changed": what, "urgency_rank": rank.reindex(table.index),
        }  # fmt: skip


def _same(left: pd.Series, right: pd.Series, name: str) -> np.ndarray:
    """Per row whether two columns say the same, numbers within a billionth; whole students are those of the difference."""
    if pd.api.types.is_numeric_dtype(left.dtype) and not pd.api.types.is_bool_dtype(left.dtype):
        a, b = (side.astype("Float64").to_numpy(float, na_value=np.nan) for side in (left, right))
        if name in ("students_needed", "seats_gap"):
            return (a > b - 1) & (a < b + 1)
        return np.isclose(a, b, rtol=1e-9, atol=1e-9)
    a, b = (side.astype(object).where(side.notna(), None).to_numpy() for side in (left, right))
    equal: np.ndarray = a == b
    return equal
