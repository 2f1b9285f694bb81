"""An outsider's attempt to narrow down the counts of students behind a release, from its files and nothing else.

It shares with the suppressor only the declarations of `model` (what adds up to what, what is one number under two
names). What a row says is read back from its texts; every other figure must be what anyone could work out from those;
then all that adds up is used to narrow each count, and the narrowest is reported.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import COARSENINGS, COUNT_IDENTITIES, DISTRICT, NESTED, POPULATION
from equity_pipeline.domain.errors import DisclosureError

# A count must be left more values than this lie apart: two worlds differ in it by at least 5.
APART = 5
UNBOUNDED = 10**9
SWEEPS = 1_000
Z = 1.959963984540054
KEY = ["school_year", "metric_id", "school_id", "dimension", "subgroup"]
# What a row may say whether or not its counts are hidden.
ABOUT = {
    "partner_id", "school_year", "school_year_label", "school_id", "school_name", "grade_level", "program",
    "phase", "metric_id", "metric_label", "dimension", "dimension_label", "subgroup", "subgroup_label",
    "reference", "reference_subgroup", "metric_version", "policy_version", "race_standard", "econ_basis",
    "snapshot_date", "extract_as_of", "baseline_school_year", "goal_gap", "suppressed", "suppression_reason",
}  # fmt: skip
BANDS = ["n_band", "rate_band", "reference_n_band", "reference_rate_band", "gap_band"]
# Columns that repeat one of `gap_metrics` in another mart.
REPEATED = {"seats_gap": "students_needed"} | {c: c for c in [
    "n", "rate", "reference_n", "reference_rate", "gap", "gap_low", "gap_high", "students_needed", "reliable", "reason", *BANDS,
]}  # fmt: skip
# Judgements: of the same gap, and of it and that of another year. They stand only where a gap or its band does.
JUDGEMENTS = {
    "status", "leveled_down", "urgency", "urgency_rank", "what_to_do", "prior_status", "on_track", "years_to_parity",
    "comparable_to_prior_year", "comparability_reason",
}  # fmt: skip
FLAGS = {"ppg2017_flag", "ppg2022_flag", "index80_flag", "representation_index", "ppg2022_margin", "ppg2017_margin"}

Cell = tuple[int, str, str, str, str]  # school year, metric, school, dimension, subgroup
Variable = tuple  # (school year, metric, count) + (school, dimension, subgroup)


@dataclass(frozen=True)
class Finding:
    """One way in which a release says too much. Names rows by their public keys; carries no count."""

    kind: str
    mart: str
    where: str


@dataclass(frozen=True)
class AuditResult:
    """What the attack found. `narrowest` is the width of the narrowest whole-number interval left for any count of a
    group (highest − lowest possible value), null when there is no count."""

    passed: bool
    findings: tuple[Finding, ...]
    narrowest: int | None
    n_cells: int
    n_hidden: int
    n_banded: int = 0
    n_counts: int = 0
    n_equations: int = 0
    hidden_by_metric: dict[str, int] = field(default_factory=dict)
    minimum_cell: int = 0
    releases: int = 1
    files: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The result for a person: the verdict, what was tried, and each finding."""
        verdict = "passed" if self.passed else f"FAILED, {len(self.findings)} findings"
        narrowest = "no count" if self.narrowest is None else f"{self.narrowest + 1} possible values"
        return [
            f"audit {verdict}: {self.n_cells} groups, {self.n_hidden} hidden, minimum cell {self.minimum_cell}",
            f"rates shown as bands: {self.n_banded}; releases read together: {self.releases}",
            f"narrowest interval of a count: {narrowest}",
            *(f"{finding.kind}: {finding.mart} {finding.where}" for finding in self.findings),
        ]


def audit(
    release_dir: Path | str,
    dimensions: pd.DataFrame | None = None,
    minimum_cell: int | None = None,
    previous: Sequence[Path | str] = (),
) -> AuditResult:
    """Attack the files of a release, together with those of earlier releases of the same partner.

    Args:
        release_dir: holds `data/<mart>.csv` and `data/<mart>.parquet`.
        dimensions: `dimension`, `partitioning`, `crosses`, `publish_level`; public policy, as the outsider knows it.
        minimum_cell: the policy the release promises, students. Both are read from the release's certificate.json
            where not given.
        previous: earlier releases; a count they narrow further counts as known.

    Raises:
        DisclosureError: there is nothing to read, or a file can't be read as a table; what can't be attacked
            is not safe.
    """
    if dimensions is None or minimum_cell is None:
        stated = _stated(Path(release_dir) / "certificate.json")
        dimensions = stated[0] if dimensions is None else dimensions
        minimum_cell = stated[1] if minimum_cell is None else minimum_cell
    frames, files, findings = _read(Path(release_dir))
    earlier = [_read(Path(folder))[0] for folder in previous]
    result = attack(frames, dimensions, minimum_cell, earlier)
    found = tuple(sorted({*findings, *result.findings}, key=lambda f: (f.kind, f.mart, f.where)))
    return AuditResult(**{**result.__dict__, "findings": found, "passed": not found, "files": files})


def _read(release_dir: Path) -> tuple[dict[str, pd.DataFrame], dict[str, str], list[Finding]]:
    """The marts of a release, the hash of each file read, and where its formats disagree."""
    folder = release_dir / "data"
    frames: dict[str, dict[str, pd.DataFrame]] = defaultdict(dict)
    files = {}
    for path in sorted([*folder.glob("*.csv"), *folder.glob("*.parquet")]):
        files[f"data/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
        try:
            if path.suffix == ".csv":
                frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
            else:
                frame = pd.read_parquet(path)
        except (ValueError, OSError) as error:
            raise DisclosureError(
                f"data/{path.name} can't be read as a table ({type(error).__name__}); not safe"
            ) from None
        frames[path.stem][path.suffix] = frame
    if ".csv" not in frames.get("gap_metrics", {}):
        raise DisclosureError("the release has no data/gap_metrics to attack; nothing is published")
    findings = [finding for mart, twins in sorted(frames.items()) for finding in _twins(mart, twins)]
    return {mart: next(iter(twins.values())) for mart, twins in frames.items()}, files, findings


def _stated(certificate_file: Path) -> tuple[pd.DataFrame, int]:
    """The dimensions and the smallest cell that a release says it was made with."""
    try:
        stated = json.loads(certificate_file.read_text(encoding="utf-8"))
        return pd.DataFrame(stated["structure"]["dimensions"]), int(stated["minimum_cell"])
    except (OSError, ValueError, KeyError, TypeError):
        raise DisclosureError(
            f"{certificate_file.name} is missing or does not say what was promised; not safe"
        ) from None


def _twins(mart: str, twins: dict[str, pd.DataFrame]) -> Iterable[Finding]:
    """The two formats of a mart must say the same, cell by cell."""
    if set(twins) != {".csv", ".parquet"}:
        yield Finding("one format only", mart, " and ".join(sorted(twins)))
        return
    csv, parquet = twins[".csv"], twins[".parquet"]
    if list(csv.columns) != list(parquet.columns) or len(csv) != len(parquet):
        yield Finding("formats disagree", mart, "columns or number of rows")
        return
    for name in csv.columns:
        left, right = (_plain(frame[name]) for frame in (csv, parquet))
        same = (left == right) | (left.isna() & right.isna())
        numbers = [pd.to_numeric(side[~same], errors="coerce") for side in (left, right)]
        same[~same] = (numbers[0] - numbers[1]).abs() <= 1e-12
        if not same.all():
            yield Finding("formats disagree", mart, f"column {name}, {int((~same).sum())} rows")


def _plain(column: pd.Series) -> pd.Series:
    """Values as text, the same for every format: flags lower case, whole floats as they come, null null."""

    position, distinct = pd.factorize(column)
    texts = [str(value).lower() if str(value) in ("True", "False") else str(value) for value in distinct]
    return pd.Series(np.array([*texts, None], dtype=object)[position], index=column.index)


def attack(
    frames: dict[str, pd.DataFrame],
    dimensions: pd.DataFrame,
    minimum_cell: int,
    earlier: Sequence[dict[str, pd.DataFrame]] = (),
) -> AuditResult:
    """Attack published marts: name → frame, as read from a file (text or typed). Needs no IO."""
    tables = {mart: _typed(frame) for mart, frame in sorted(frames.items())}
    reading = Reading(tables["gap_metrics"], minimum_cell)
    figures = [finding for mart, table in tables.items() for finding in _figures(mart, table, tables["gap_metrics"])]
    for before in earlier:
        reading.narrow_by(Reading(_typed(before["gap_metrics"]), minimum_cell))
    system = System(reading, dimensions)
    findings = sorted({*reading.findings, *figures, *system.findings()}, key=lambda f: (f.kind, f.mart, f.where))
    hidden = defaultdict(int)
    for cell in reading.hidden:
        hidden[cell[1]] += 1
    return AuditResult(
        passed=not findings,
        findings=tuple(findings),
        narrowest=system.narrowest,
        n_cells=len(reading.cells),
        n_hidden=len(reading.hidden),
        n_banded=len(reading.banded),
        n_counts=len(system.asked),
        n_equations=len(system.total),
        hidden_by_metric=dict(sorted(hidden.items())),
        minimum_cell=minimum_cell,
        releases=1 + len(earlier),
    )


def certificate(result: AuditResult, dimensions: pd.DataFrame) -> dict[str, object]:
    """What `certificate.json` says: what was attacked, how, what is left to guess, and whether the release may leave."""
    return {
        "pass": result.passed,
        "promise": f"whatever is added and subtracted, every count of students, of successes and of students without success, "
        f"of any group shown or hidden, keeps at least {APART + 1} possible values; no rate of fewer than {result.minimum_cell} students",
        "not_promised": "proof by two whole worlds for each count: bounds are closed under sums one at a time, not solved jointly",
        "minimum_cell": result.minimum_cell,
        "apart": APART,
        "attacked": result.files,
        "method": [
            "CSV and Parquet agree",
            "students and rates read back as intervals from the texts of each row",
            "every other figure is what follows from those",
            "sums of subgroups, schools, crossings, coarser groups and rests; one number under two names; counts within counts",
            "whole-number intervals over all sums and rates until nothing narrows",
        ],
        "structure": {
            "dimensions": dimensions[["dimension", "partitioning", "crosses", "publish_level"]]
            .astype(object).where(lambda f: f.notna(), None).sort_values("dimension").to_dict("records"),
            "same_number": [[*one, *other] for one, other in sorted(COUNT_IDENTITIES.items())],
        },
        "cells": result.n_cells,
        "banded": result.n_banded,
        "hidden": result.n_hidden,
        "hidden_by_metric": result.hidden_by_metric,
        "counts": result.n_counts,
        "equations": result.n_equations,
        "releases": result.releases,
        "narrowest_interval": result.narrowest,
        "findings": [finding.__dict__ for finding in result.findings],
    }  # fmt: skip


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers as floats and flags as booleans where every value is one; keys and bands as text."""
    columns = {}
    for name in frame.columns:
        column = frame[name].astype(object).where(frame[name].notna(), None)
        if name in ("school_id", "metric_id", "dimension", "subgroup", "reference", "reference_subgroup", *BANDS):
            columns[name] = column
            continue
        present = column.dropna()
        numbers = pd.to_numeric(present, errors="coerce")
        if len(present) and numbers.notna().all():
            column = pd.to_numeric(column, errors="coerce")
        elif len(present) and present.map(lambda v: str(v).lower() in ("true", "false")).all():
            column = column.map(lambda v: None if v is None else str(v).lower() == "true")
        columns[name] = column
    return pd.DataFrame(columns, index=frame.index).reset_index(drop=True)


def _named(cell: Cell) -> str:
    year, metric, school, dimension, subgroup = cell
    return f"{year} {metric} {school} {dimension} {subgroup}"


def _empty(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


@dataclass(frozen=True)
class Said:
    """What is known of one group: students from `n_low` to `n_high`, 100 s / n from `low` up to `high`, which belongs to
    it only where it is 100."""

    n_low: int = 0
    n_high: int = UNBOUNDED
    low: int = 0
    high: int = 100

    def within(self, other: Said) -> Said:
        """Both at once; where they exclude each other the group changed in between, and the later one stands."""
        students = max(self.n_low, other.n_low), min(self.n_high, other.n_high)
        rate = max(self.low, other.low), min(self.high, other.high)
        if students[0] > students[1] or rate[0] >= rate[1]:
            return self
        return Said(*students, *rate)


_STUDENTS = re.compile(r"(\d+) to (\d+)")
_BAND = re.compile(r"under (\d+)%|(\d+)% or more|(\d+)% to (\d+)%")
_GAP_BAND = re.compile(r"(−?\d+) to (−?\d+)")


def _said(n: object, n_band: object, rate: object, rate_band: object) -> Said | None:
    """The interval a row states, or None where it states something no rule allows."""
    students = _STUDENTS.fullmatch(n_band or "")
    if students is None or _empty(n) or float(n) != int(students[1]) or int(students[1]) > int(students[2]):
        return None
    if _empty(rate) == _empty(rate_band):
        return None
    if not _empty(rate):
        percent = round(100 * float(rate))
        if abs(100 * float(rate) - percent) > 1e-9 or not 0 < percent < 99:
            return None
        return Said(int(students[1]), int(students[2]), percent, percent + 1)
    text = _BAND.fullmatch(rate_band)
    if text is None:
        return None
    low, high = (int(text[3]), int(text[4])) if text[3] else (0, int(text[1])) if text[1] else (int(text[2]), 100)
    return Said(int(students[1]), int(students[2]), low, high) if low < high <= 100 else None


class Reading:
    """What the rows of `gap_metrics` say about each group, and about each rest (subgroup `rest of <subgroup>`)."""

    def __init__(self, gaps: pd.DataFrame, minimum_cell: int) -> None:
        self.findings: list[Finding] = []
        self.said: dict[Cell, Said] = {}
        self.hidden: set[Cell] = set()
        self.absent: set[Cell] = set()
        self.banded: set[Cell] = set()
        cells = set()
        # One row of each group says it; the others must say the same.
        for row in gaps.to_dict("records"):
            cell = (int(row["school_year"]), *(row[name] for name in KEY[1:]))
            cells.add(cell)
            if row["suppressed"]:
                (self.absent if row["suppression_reason"] == "not_measured" else self.hidden).add(cell)
                continue
            self._state(cell, row, "", minimum_cell)
            if not _empty(row["rate_band"]):
                self.banded.add(cell)
            if row["reference"] == "rest":
                self._state((*cell[:4], "rest of " + cell[4]), row, "reference_", minimum_cell)
            elif not _empty(row["reference_n"]):
                group = ("all_students", "all") if row["reference"] == "overall" else (cell[3], row["reference_subgroup"])
                self._state((*cell[:3], *group), row, "reference_", minimum_cell)
        self.cells = sorted(cells - self.absent)
        for cell in self.hidden & set(self.said):
            self._tell("a hidden group is stated in another row", cell)
        for cell in self.hidden & self.absent:
            self._tell("reasons disagree", cell)

    def _tell(self, kind: str, cell: Cell) -> None:
        self.findings.append(Finding(kind, "gap_metrics", _named(cell)))

    def _state(self, cell: Cell, row: dict, prefix: str, minimum_cell: int) -> None:
        if not _empty(row.get(f"{prefix}successes")):
            self._tell("successes are stated", cell)
        parts = [row.get(prefix + name) for name in ("n", "n_band", "rate", "rate_band")]
        if prefix and all(map(_empty, parts)):
            return
        said = _said(*parts)
        if said is None:
            self._tell("students or rate are stated as no rule allows", cell)
        elif said.n_low < minimum_cell:
            self._tell("a group below the minimum is shown", cell)
        elif self.said.setdefault(cell, said) != said:
            self._tell("rows disagree", cell)

    def narrow_by(self, earlier: Reading) -> None:
        """Take in what an earlier release said of the same groups."""
        for cell, before in earlier.said.items():
            if cell not in self.absent:
                self.said[cell] = self.said.get(cell, Said()).within(before)


def _figures(mart: str, table: pd.DataFrame, gaps: pd.DataFrame) -> Iterable[Finding]:
    """Figures that do not follow from the students and rates that the release states."""
    known = set(FORMULAS) | set(REPEATED) | JUDGEMENTS | FLAGS | {"successes", "reference_successes"} | _OF_YEARS
    for name in sorted(set(table.columns) - ABOUT - known):
        yield Finding("a column that no rule explains", mart, name)
    base = gaps.set_index([*KEY, "reference"])
    if not base.index.is_unique:
        yield Finding("a row stands twice", "gap_metrics", "")
        return
    keys = table.assign(reference=table.get("reference", "designated"))[[*KEY, "reference"]]
    index = pd.MultiIndex.from_frame(keys)
    if len(index.difference(base.index)):
        yield Finding("a row that gap_metrics does not have", mart, "")
        return
    at = base.reindex(index).reset_index(drop=True)
    suppressed = table["suppressed"].astype(bool)
    values = [c for c in table.columns if c not in ABOUT]

    def told(kind: str, wrong: pd.Series, column: str) -> Iterable[Finding]:
        for position in np.flatnonzero(wrong.to_numpy(bool)):
            yield Finding(kind, mart, f"{_named(tuple(keys.iloc[position][KEY]))}: {column}")

    for name in values:
        allowed = (table["suppression_reason"] == "not_measured") & (name == "reason")
        yield from told("value in a suppressed row", suppressed & table[name].notna() & ~allowed, name)
        if "successes" in name:
            yield from told("successes are stated", table[name].notna(), name)
    for name in [c for c in values if c in REPEATED and mart != "gap_metrics"]:
        yield from told("figures disagree", table[name].notna() & ~_same(table[name], at[REPEATED[name]]), name)
    numbers = [pd.to_numeric(at[c], errors="coerce").astype(float) for c in ("n", "rate", "reference_n", "reference_rate")]
    # A group's distance to itself follows from nothing.
    itself = at["n"].notna() & (index.get_level_values("subgroup") == at["reference_subgroup"])
    numbers[1], numbers[3] = (rate.mask(itself, 0.5) for rate in (numbers[1], numbers[3]))
    exact = numbers[1].notna() & numbers[3].notna()
    ahead = at["gap_band"].map(lambda text: (m := _GAP_BAND.fullmatch(text or "")) is not None and _signed(m[1]) * _signed(m[2]) >= 0)
    if mart == "gap_metrics":
        for name in [c for c in values if c in FORMULAS]:
            with np.errstate(all="ignore"):
                expected = pd.Series(FORMULAS[name](*numbers), index=table.index)
            # Which direction is better is not known here: no student needed, or whole students of the difference.
            if name == "students_needed":
                needed = table[name].astype(float)
                follows = exact & ((needed - expected).abs() < 1) | (exact | ahead) & (needed == 0)
            else:
                follows = exact & _same(table[name], expected)
            wrong = table[name].notna() & ~follows
            yield from told("a figure that does not follow from students and rates", wrong, name)
        yield from told("a figure that does not follow from students and rates", _wrong_band(table), "gap_band")
        for name in FLAGS & set(values):
            yield from told("figure beside a hidden count", table[name].notna() & table["n"].isna(), name)
    gap = at["gap"].notna() | at["gap_band"].notna()
    for name in sorted(JUDGEMENTS & set(values) - {"prior_status", "comparable_to_prior_year", "comparability_reason"}):
        nothing = table[name].isna() | table[name].isin(["not_measurable", False])
        yield from told("figure beside a hidden count", ~nothing & ~gap & (name not in _OF_STATUS), name)
    yield from _over_years(table, at, base, keys, told)
    yield from _order(mart, table)


def _wrong_band(table: pd.DataFrame) -> pd.Series:
    """Rows whose gap band is not the one that both rates make."""
    ends = [
        [_ends(rate, text) for rate, text in zip(table[f"{side}rate"], table[f"{side}rate_band"], strict=True)]
        for side in ("", "reference_")
    ]
    wrong = []
    for text, own, other in zip(table["gap_band"], *ends, strict=True):
        said = _GAP_BAND.fullmatch(text or "")
        if _empty(text):
            wrong.append(False)
        elif said is None or own is None or other is None:
            wrong.append(True)
        else:
            wrong.append((_signed(said[1]), _signed(said[2])) != (own[0] - other[1], own[1] - other[0]))
    return pd.Series(wrong, index=table.index, dtype=bool)


def _signed(text: str) -> int:
    return int(text.replace("−", "-"))


def _ends(rate: object, text: object) -> tuple[int, int] | None:
    if not _empty(rate):
        return (round(100 * float(rate)),) * 2
    said = _BAND.fullmatch(text or "")
    if said is None:
        return None
    return (int(said[3]), int(said[4])) if said[3] else (0, int(said[1])) if said[1] else (int(said[2]), 100)


def _same(left: pd.Series, right: pd.Series) -> pd.Series:
    a, b = (pd.to_numeric(side, errors="coerce").astype(float) for side in (left, right))
    close = np.isclose(a, b, rtol=1e-9, atol=1e-9)
    return pd.Series(close, index=left.index) | (left.astype(str) == right.astype(str))


_OF_YEARS = {"prior_gap", "baseline_gap", "gap_change", "gap_change_low", "gap_change_high"}
_OF_STATUS = {"urgency", "urgency_rank", "what_to_do"}


def _over_years(table: pd.DataFrame, at: pd.DataFrame, base: pd.DataFrame, keys: pd.DataFrame, told) -> Iterable[Finding]:
    """Figures that join two years must follow from both years' gaps."""
    if "prior_gap" not in table:
        return
    prior = base.reindex(pd.MultiIndex.from_frame(keys.assign(school_year=keys["school_year"] - 1))).reset_index(drop=True)
    now_gap, prior_gap = (pd.to_numeric(side["gap"], errors="coerce").astype(float) for side in (at, prior))

    def ends(side: pd.DataFrame, name: str) -> pd.Series:
        return pd.to_numeric(side[name], errors="coerce").astype(float)

    change = now_gap - prior_gap
    expected = {
        "prior_gap": prior_gap,
        "gap_change": change,
        "gap_change_low": change - np.hypot(now_gap - ends(at, "gap_low"), ends(prior, "gap_high") - prior_gap),
        "gap_change_high": change + np.hypot(ends(at, "gap_high") - now_gap, prior_gap - ends(prior, "gap_low")),
    }
    if "baseline_gap" in table:
        years = table["baseline_school_year"].where(table["baseline_school_year"].notna(), 0).astype(int)
        baseline = base.reindex(pd.MultiIndex.from_frame(keys.assign(school_year=years))).reset_index(drop=True)
        expected["baseline_gap"] = pd.to_numeric(baseline["gap"], errors="coerce").astype(float)
    for name, value in expected.items():
        if name in table:
            wrong = table[name].notna() & ~_same(table[name], value)
            yield from told("a figure that does not follow from the gaps of its years", wrong, name)


def _order(mart: str, table: pd.DataFrame) -> Iterable[Finding]:
    """A hidden row between ranked rows, or a rank that is left out, tells its rank; rows must stand in the order of
    their keys."""
    keys = table[["school_year", "school_id", "metric_id", "dimension", "subgroup"]]
    ordered = list(keys.itertuples(index=False)) == sorted(keys.itertuples(index=False))
    if not ordered:
        yield Finding("rows are not in the order of their keys", mart, "")
    if "urgency_rank" in table:
        rank = pd.to_numeric(table["urgency_rank"], errors="coerce")
        for year, ranks in rank.groupby(table["school_year"]):
            shown = ranks.dropna()
            if len(shown) and shown.max() > shown.nunique():
                yield Finding("a missing rank tells of a hidden row", mart, str(int(year)))


def _wilson(n: np.ndarray, s: np.ndarray, sign: int) -> np.ndarray:
    p = s / n
    return (p + Z**2 / (2 * n) + sign * Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))) / (1 + Z**2 / n)


def _gap_bound(n: np.ndarray, s: np.ndarray, m: np.ndarray, t: np.ndarray, sign: int) -> np.ndarray:
    gap = s / n - t / m
    return gap + sign * np.hypot(_wilson(n, s, sign) - s / n, _wilson(m, t, -sign) - t / m)


# Figure → its value from the students and the rate of the group (n, p) and of its reference (m, q).
FORMULAS = {
    "gap": lambda n, p, m, q: p - q,
    "gap_low": lambda n, p, m, q: _gap_bound(n, n * p, m, m * q, -1),
    "gap_high": lambda n, p, m, q: _gap_bound(n, n * p, m, m * q, 1),
    "rate_ratio": lambda n, p, m, q: p / q,
    "odds_ratio": lambda n, p, m, q: p * (1 - q) / ((1 - p) * q),
    "cohens_h": lambda n, p, m, q: 2 * np.arcsin(np.sqrt(p)) - 2 * np.arcsin(np.sqrt(q)),
    "students_needed": lambda n, p, m, q: np.abs(n * (q - p)),
}


class System:
    """All counts that a release is about, every sum they are in, and how far each can be narrowed."""

    def __init__(self, reading: Reading, dimensions: pd.DataFrame) -> None:
        self.reading = reading
        self.cells = reading.cells + sorted(c for c in reading.said if c[4].startswith("rest of "))
        place: dict[Variable, int] = {}
        sums: list[tuple[int, list[int]]] = []
        self.names = place

        def at(cell: Cell, count: str) -> int:
            metric, count = COUNT_IDENTITIES.get((cell[1], count), (cell[1], count))
            return place.setdefault((cell[0], metric, count, *cell[2:]), len(place))

        for cell in self.cells:
            sums.append((at(cell, "n"), [at(cell, "successes"), at(cell, "without")]))
        for total, parts in self._across(dimensions):
            for count in ("n", "successes"):
                sums.append((at(total, count), [at(part, count) for part in parts]))
        for cell in reading.cells:
            for (inner, count), (outer, among) in NESTED.items():
                other = (cell[0], outer, *cell[2:])
                if cell[1] == inner and other in reading.said:
                    left = place.setdefault(("outside", *cell), len(place))
                    sums.append((at(other, among), [at(cell, count), left]))
        self.n, self.s, self.u = (
            np.array([at(cell, count) for cell in self.cells], dtype=int) for count in ("n", "successes", "without")
        )
        self.total = np.array([total for total, _ in sums], dtype=int)
        self.part = np.array([v for _, parts in sums for v in parts], dtype=int)
        self.of = np.repeat(np.arange(len(sums)), [len(parts) for _, parts in sums])
        self.asked = np.unique(np.concatenate([self.n, self.s, self.u]))
        nothing = self._bounds([Said()] * len(self.cells))
        low, high = self._bounds([reading.said.get(cell, Said()) for cell in self.cells])
        # What is narrow when nothing is published is not given away by the release.
        asked = self.asked[(nothing[1] - nothing[0])[self.asked] >= APART]
        width = high - low
        self.narrow = asked[width[asked] < APART]
        self.narrowest = int(width[asked].min()) if len(asked) else None

    def _across(self, dimensions: pd.DataFrame) -> Iterable[tuple[Cell, list[Cell]]]:
        """Sums among the groups of each year and metric; one with a group that was not measured is left out."""
        partitions = set(dimensions[dimensions["partitioning"] == "yes"]["dimension"]) - {"all_students"}
        crossings = dimensions[dimensions["crosses"].map(lambda c: isinstance(c, str) and c != "")]
        axes = {row["dimension"]: row["crosses"].split(";") for _, row in crossings.iterrows()}
        coarser = defaultdict(list)
        for coarse, (fine, names) in COARSENINGS.items():
            for name in names:
                coarser[fine, name].append(coarse)
        present = set(self.reading.cells)
        places = sorted(present | self.reading.absent)
        # A school without a row of a group that the district has may have withheld it: no sum over its groups, nor over
        # the schools of that group, is sure.
        groups_of, schools_of = defaultdict(set), defaultdict(set)
        for year, metric, school, dimension, subgroup in places:
            groups_of[year, metric, school, dimension].add(subgroup)
            if school != DISTRICT:
                schools_of[year, metric].add(school)
        partial = {
            (year, metric, school, dimension)
            for (year, metric, school, dimension), groups in groups_of.items()
            if school != DISTRICT and groups < groups_of.get((year, metric, DISTRICT, dimension), set())
        }
        totals: dict[tuple, list[Cell]] = defaultdict(list)
        for cell in places:
            year, metric, school, dimension, subgroup = cell
            whole = cell[:4] not in partial
            into = []
            if dimension in partitions and whole:
                into.append(("partition", dimension, (school, "all_students", "all")))
            if school != DISTRICT and all(
                subgroup in groups_of[year, metric, other, dimension] for other in schools_of[year, metric]
            ):
                into.append(("schools", "", (DISTRICT, dimension, subgroup)))
            for axis, name in zip(axes.get(dimension, []), subgroup.split("*"), strict=False):
                into.append(("margin", dimension, (school, axis, name)))
            into += [
                ("coarse", dimension, (school, *coarse))
                for coarse in coarser[dimension, subgroup]
                if whole or len(COARSENINGS[coarse][1]) == 1
            ]
            for kind, name, group in into:
                totals[kind, name, (year, metric, *group)].append(cell)
        siblings = defaultdict(list)
        for cell in places:
            if "unknown" not in cell[4].split("*"):
                siblings[cell[:4]].append(cell)
        for rest in [c for c in self.cells if c[4].startswith("rest of ") and c[:4] not in partial]:
            own = rest[4].removeprefix("rest of ")
            totals["rest", "", rest] = [c for c in siblings[rest[:4]] if c[4] != own]
        stated = present | set(self.cells)
        for (_, _, total), parts in sorted(totals.items()):
            if parts and total in stated and not self.reading.absent & set(parts):
                yield total, parts

    def _bounds(self, said: list[Said]) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of each count. A bound that excludes another is left out: a partner's own totals need
        not add up."""
        size = len(self.names)
        low, high = np.zeros(size, np.int64), np.full(size, UNBOUNDED, np.int64)
        n_low, n_high, r_low, r_high = (np.array([getattr(x, f) for x in said], np.int64) for f in ("n_low", "n_high", "low", "high"))
        np.maximum.at(low, self.n, n_low)
        np.minimum.at(high, self.n, n_high)
        everyone = [i for i, c in enumerate(self.cells) if c[1] in POPULATION and not c[4].startswith("rest of ")]
        np.maximum.at(low, self.n[everyone], 1)
        below = (r_high < 100).astype(np.int64)
        targets = np.concatenate([self.total, self.part, self.s, self.s, self.u, self.n])
        none, unlimited = np.zeros(len(self.n), np.int64), np.full(len(self.n), UNBOUNDED, np.int64)
        for _ in range(SWEEPS):
            down, up = (np.bincount(self.of, b[self.part], len(self.total)).astype(np.int64) for b in (low, high))
            lowest = np.concatenate([
                down, low[self.total][self.of] - (up[self.of] - high[self.part]),
                -(-r_low * low[self.n] // 100), none, -(-(100 - r_high) * low[self.n] // 100),
                -(-(100 * low[self.s] + below) // np.maximum(r_high, 1)),
            ])  # fmt: skip
            highest = np.concatenate([
                up, high[self.total][self.of] - (down[self.of] - low[self.part]),
                unlimited, (r_high * high[self.n] - below) // 100, (100 - r_low) * high[self.n] // 100,
                np.where(r_low > 0, 100 * high[self.s] // np.maximum(r_low, 1), UNBOUNDED),
            ])  # fmt: skip
            sound = (lowest <= high[targets]) & (highest >= low[targets])
            new_low, new_high = low.copy(), high.copy()
            np.maximum.at(new_low, targets[sound], lowest[sound])
            np.minimum.at(new_high, targets[sound], highest[sound])
            clash = new_low > new_high
            new_low[clash], new_high[clash] = low[clash], high[clash]
            if (new_low == low).all() and (new_high == high).all():
                break
            low, high = new_low, new_high
        return low, high

    def findings(self) -> Iterable[Finding]:
        names = {number: name for name, number in self.names.items()}
        for number in self.narrow:
            year, metric, count, *group = names[int(number)]
            yield Finding("a count is left too few values", "gap_metrics", f"{_named((year, metric, *group))}: {count}")
