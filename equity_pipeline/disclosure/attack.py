"""An outsider's attempt to recover hidden counts from what was published, and nothing else.

It shares with the suppressor only the declarations of `model` (what adds up to what, what is one number
under two names). Everything else is
done another way: counts are read back from every figure of every mart, and a hidden count is safe only if
there is a *move*, a whole-number
change of the hidden counts that alters it and leaves every published figure and every sum as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import COARSENINGS, COUNT_IDENTITIES, DISTRICT
from equity_pipeline.domain.errors import DisclosureError

PRIME = 2_147_483_647
UNBOUNDED = 10**9
# Bounds that contradict each other can creep for ever; wherever it stops, a bound is sound.
SWEEPS = 10_000
FIGURES = {"n", "successes", "rate", "reference_n", "reference_successes", "reference_rate"}
# What a row may say whether or not its counts are hidden; any other column in it is a figure about students.
ABOUT = {
    "partner_id", "school_year", "school_year_label", "school_id", "school_name", "grade_level", "program",
    "phase", "metric_id", "metric_label", "dimension", "dimension_label", "subgroup", "subgroup_label",
    "reference", "reference_subgroup", "metric_version", "policy_version", "race_standard", "econ_basis",
    "snapshot_date", "extract_as_of", "baseline_school_year", "goal_gap", "suppressed",
    "suppression_reason", "rate_band",
}  # fmt: skip
OWN = {"n", "successes", "rate", "ppg2017_margin", "ppg2022_margin"}
# Figures of the gap to another reference than the row's, of another year, and judgements that exist without
# a reference.
BESIDE_OTHERS = {
    "representation_index": "overall",
    "ppg2017_flag": "overall",
    "ppg2022_flag": "rest",
    "index80_flag": "highest",
}
EARLIER = {"prior_gap": 1, "gap_change": 1, "gap_change_low": 1, "gap_change_high": 1}
JUDGEMENTS = {"status", "leveled_down", "urgency", "urgency_rank", "what_to_do", "prior_status"}
JUDGEMENTS |= {"reliable", "on_track", "comparable_to_prior_year", "comparability_reason"}
OF_THIS_YEAR = {"reliable", "on_track"}
ONLY_EARLIER = {"prior_gap", "prior_status", "baseline_gap"}
Z = 1.959963984540054

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
    """What the attack found. `narrowest` is the width of the narrowest whole-number interval left for a
    hidden count (highest − lowest
    possible value), null when nothing is hidden or no interval is bounded."""

    passed: bool
    findings: tuple[Finding, ...]
    narrowest: int | None
    n_cells: int
    n_hidden: int
    n_equations: int = 0
    n_components: int = 0
    hidden_by_metric: dict[str, int] = field(default_factory=dict)
    minimum_cell: int = 0
    files: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The result for a person: the verdict, what was tried, and each finding."""
        verdict = "passed" if self.passed else f"FAILED, {len(self.findings)} findings"
        narrowest = "none bounded" if self.narrowest is None else f"{self.narrowest + 1} possible values"
        return [
            f"audit {verdict}: {self.n_cells} cells, {self.n_hidden} hidden, minimum cell {self.minimum_cell}",
            f"narrowest interval of a hidden count: {narrowest}",
            *(f"{finding.kind}: {finding.mart} {finding.where}" for finding in self.findings),
        ]


def audit(
    release_dir: Path | str, dimensions: pd.DataFrame | None = None, minimum_cell: int | None = None
) -> AuditResult:
    """Attack the files of a release.

    Args:
        release_dir: holds `data/<mart>.csv` and `data/<mart>.parquet`.
        dimensions: `dimension`, `partitioning`, `crosses`, `publish_level`; public policy, as the outsider
        knows it.
        minimum_cell: the policy the release promises, students. Both are read from the release's
        certificate.json where not given.

    Raises:
        DisclosureError: there is nothing to read, or a file can't be read as a table; what can't be attacked
        is not safe.
    """
    if dimensions is None or minimum_cell is None:
        stated = _stated(Path(release_dir) / "certificate.json")
        dimensions = stated[0] if dimensions is None else dimensions
        minimum_cell = stated[1] if minimum_cell is None else minimum_cell
    folder = Path(release_dir) / "data"
    paths = sorted([*folder.glob("*.csv"), *folder.glob("*.parquet")])
    frames: dict[str, dict[str, pd.DataFrame]] = defaultdict(dict)
    files = {}
    for path in paths:
        content = path.read_bytes()
        files[f"data/{path.name}"] = hashlib.sha256(content).hexdigest()
        try:
            if path.suffix == ".csv":
                frame = pd.read_csv(
                    path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig"
                )
            else:
                frame = pd.read_parquet(path)
        except (ValueError, OSError) as error:
            raise DisclosureError(
                f"data/{path.name} can't be read as a table ({type(error).__name__}); not safe"
            ) from None
        frames[path.stem][path.suffix] = frame
    if "gap_metrics" not in frames:
        raise DisclosureError("the release has no data/gap_metrics to attack; nothing is published")
    findings = [finding for mart, twins in sorted(frames.items()) for finding in _twins(mart, twins)]
    # Where the formats say the same in every cell, an attack on one speaks for both.
    for suffix in (".csv", ".parquet") if findings else (".parquet",):
        marts = {mart: twins[suffix] for mart, twins in frames.items() if suffix in twins}
        if "gap_metrics" in marts:
            result = attack(marts, dimensions, minimum_cell)
            findings += result.findings
    found = tuple(sorted(set(findings), key=lambda f: (f.kind, f.mart, f.where)))
    return AuditResult(**{**result.__dict__, "findings": found, "passed": not found, "files": files})


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


def attack(frames: dict[str, pd.DataFrame], dimensions: pd.DataFrame, minimum_cell: int) -> AuditResult:
    """Attack published marts: name → frame, as read from a file (text or typed). Needs no IO.

    Returns the findings: a value in a suppressed row, a figure beside a hidden count, a published count
    below `minimum_cell`, a count that
    several figures state differently, a hidden count that follows from the published ones, a reference whose
    small counts follow.
    """
    tables = {mart: _typed(frame) for mart, frame in sorted(frames.items())}
    reading = _Reading(tables["gap_metrics"], minimum_cell)
    for mart, table in tables.items():
        reading.read(mart, table)
    reading.narrow_hidden(tables)
    systems = [_System(year, reading, dimensions) for year in sorted({cell[0] for cell in reading.cells})]
    findings = reading.findings + [finding for system in systems for finding in system.findings(minimum_cell)]
    widths = [width for system in systems for width in system.widths()]
    hidden = defaultdict(int)
    for cell in reading.hidden:
        hidden[cell[1]] += 1
    return AuditResult(
        passed=not findings,
        findings=tuple(sorted(set(findings), key=lambda f: (f.kind, f.mart, f.where))),
        narrowest=min(widths, default=None),
        n_cells=len(reading.cells),
        n_hidden=len(reading.hidden),
        n_equations=sum(len(system.sums) for system in systems),
        n_components=sum(system.n_components for system in systems),
        hidden_by_metric=dict(sorted(hidden.items())),
        minimum_cell=minimum_cell,
    )


def certificate(result: AuditResult, dimensions: pd.DataFrame) -> dict[str, object]:
    """What `certificate.json` says: what was attacked, how, what is left to guess, and whether the release
    may leave."""
    return {
        "pass": result.passed,
        "promise": "no hidden count (students, successes, or students without success) follows from the published figures",
        "minimum_cell": result.minimum_cell,
        "attacked": result.files,
        "method": [
            "every count read back from rates, gaps, intervals, ratios and students needed of every mart and format",
            "sums of subgroups, schools, crossings and coarser groups; one number under two names",
            "elimination: for each hidden count a whole-number change that leaves everything published as it is",
            "whole-number intervals: counts are not negative, successes are among the students",
        ],
        "structure": {
            "dimensions": dimensions[["dimension", "partitioning", "crosses", "publish_level"]]
            .astype(object).where(lambda f: f.notna(), None).sort_values("dimension").to_dict("records"),
            "same_number": [[*one, *other] for one, other in sorted(COUNT_IDENTITIES.items())],
        },
        "cells": result.n_cells,
        "hidden": result.n_hidden,
        "hidden_by_metric": result.hidden_by_metric,
        "equations": result.n_equations,
        "components": result.n_components,
        "narrowest_interval": result.narrowest,
        "findings": [finding.__dict__ for finding in result.findings],
    }  # fmt: skip


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers as floats and flags as booleans where every value is one; keys as text."""
    columns = {}
    for name in frame.columns:
        column = frame[name].astype(object).where(frame[name].notna(), None)
        if name in ("school_id", "metric_id", "dimension", "subgroup", "reference", "reference_subgroup"):
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


class _Reading:
    """What the figures of all marts say about each cell, taken one row at a time."""

    def __init__(self, gaps: pd.DataFrame, minimum_cell: int) -> None:
        self.minimum_cell = minimum_cell
        self.findings: list[Finding] = []
        self.known: dict[Cell, tuple[int, int]] = {}
        self.rest: dict[Cell, tuple[int, int]] = {}
        self.possible: dict[Cell, list[tuple[int, int]]] = {}
        self.cells: list[Cell] = []
        self.hidden: set[Cell] = set()
        self.absent: set[Cell] = set()
        # Of each row of gap_metrics: whether its gap can be worked out from counts that stand in it.
        self.state: dict[tuple[Cell, str], str] = {}
        for row in gaps.itertuples():
            cell = (int(row.school_year), row.metric_id, row.school_id, row.dimension, row.subgroup)
            if row.suppression_reason == "not_measured":
                self.absent.add(cell)
            elif row.suppressed:
                self.hidden.add(cell)
            self.cells.append(cell)
            self.state[cell, row.reference] = (
                "absent"
                if cell in self.absent or row.reason == "reference_not_available"
                else "hidden"
                if row.suppressed or _empty(row.reference_n)
                else "shown"
            )
        self.cells = sorted(set(self.cells) - self.absent)

    def tell(self, kind: str, mart: str, where: str) -> None:
        self.findings.append(Finding(kind, mart, where))

    def read(self, mart: str, table: pd.DataFrame) -> None:
        """Take in every count a mart states, and note what stands where nothing should."""
        values = [name for name in table.columns if name not in ABOUT]
        for row in table.to_dict("records"):
            own = (
                int(row["school_year"]),
                row["metric_id"],
                row["school_id"],
                row["dimension"],
                row["subgroup"],
            )
            if not row["suppressed"]:
                self._state(mart, own, row, "n", "successes", "rate")
                self._state(
                    mart, self._other(row, own), row, "reference_n", "reference_successes", "reference_rate"
                )
                continue
            kept = {"reason"} if row["suppression_reason"] == "not_measured" else set()
            for name in values:
                if not _empty(row[name]) and name not in kept:
                    self.tell("value in a suppressed row", mart, f"{_named(own)}: {name}")
            if row["suppression_reason"] == "not_measured" and own not in self.absent:
                self.tell("reasons disagree", mart, _named(own))
        self._order(mart, table)

    def _order(self, mart: str, table: pd.DataFrame) -> None:
        """A hidden row between ranked rows tells its rank."""
        if "urgency_rank" not in table:
            return
        keys = table[["school_year", "school_id", "metric_id", "dimension", "subgroup"]]
        by_key = list(keys.itertuples(index=False)) == sorted(keys.itertuples(index=False))
        rank = pd.to_numeric(table["urgency_rank"], errors="coerce")
        for year, ranks in rank.groupby(table["school_year"]):
            shown = ranks.dropna()
            missing = ranks.isna().to_numpy().nonzero()[0]
            last = ranks.notna().to_numpy().nonzero()[0].max(initial=-1)
            if not by_key and len(shown) > 2 and shown.is_monotonic_increasing and (missing < last).any():
                self.tell("order tells the rank of a hidden row", mart, str(int(year)))
            if len(shown) and shown.max() > shown.nunique():
                self.tell("a missing rank tells of a hidden row", mart, str(int(year)))

    @staticmethod
    def _other(row: dict, own: Cell) -> Cell | None:
        """The cell a row is compared with; None for `rest`, which is no row of its own."""
        reference = row.get("reference", "designated")
        if reference == "rest":
            return None
        if reference == "overall":
            return (*own[:3], "all_students", "all")
        name = row.get("reference_subgroup")
        return None if _empty(name) else (*own[:4], name)

    def _state(self, mart: str, cell: Cell | None, row: dict, n: str, successes: str, rate: str) -> None:
        n, successes, rate = (row.get(name) for name in (n, successes, rate))
        pair = _counts(n, successes, rate)
        if pair is None:
            if not _empty(n) and n < self.minimum_cell:
                self.tell("published count below the minimum", mart, "a number of students without successes")
            return
        own = (int(row["school_year"]), row["metric_id"], row["school_id"], row["dimension"], row["subgroup"])
        if min(*pair, pair[0] - pair[1]) < self.minimum_cell:
            self.tell("published count below the minimum", mart, _named(cell or own))
        store, key = (self.rest, own) if cell is None else (self.known, cell)
        if store.setdefault(key, pair) != pair:
            self.tell("figures disagree", mart, _named(key))

    def narrow_hidden(self, tables: dict[str, pd.DataFrame]) -> None:
        """Find figures that stand beside a hidden count, and what they leave possible for it."""
        for mart, table in tables.items():
            figures = [name for name in table.columns if name not in ABOUT | FIGURES | OWN | {"reason"}]
            for row in table.to_dict("records"):
                own = (
                    int(row["school_year"]),
                    row["metric_id"],
                    row["school_id"],
                    row["dimension"],
                    row["subgroup"],
                )
                if own in self.absent:
                    continue
                reference = row.get("reference", "designated")
                for name in figures:
                    if not _empty(row[name]) and not self._may_stand(name, own, reference, row):
                        self.tell("figure beside a hidden count", mart, f"{_named(own)}: {name}")
                other = self._other(row, own)
                self._solve(
                    own, other, self.rest.get(own) if reference == "rest" else self.known.get(other), row
                )

    def _may_stand(self, name: str, own: Cell, reference: str, row: dict) -> bool:
        """Whether every count that the figure is made of is published too."""
        fine = {"shown", "absent", "no row"} if name in JUDGEMENTS else {"shown"}
        years = [] if name in ONLY_EARLIER else [own[0]]
        if name in EARLIER or (name in JUDGEMENTS and name not in OF_THIS_YEAR):
            years.append(own[0] - 1)
        if name in ("baseline_gap", "years_to_parity", "on_track") and not _empty(
            row.get("baseline_school_year")
        ):
            years.append(int(row["baseline_school_year"]))
        # Years to parity go by the year before where the baseline can't be used.
        fine |= {"no row", "absent"} if name == "years_to_parity" else set()
        beside = BESIDE_OTHERS.get(name, reference)
        return all(self.state.get(((year, *own[1:]), beside), "no row") in fine for year in years)

    def _solve(self, own: Cell, other: Cell | None, against: tuple[int, int] | None, row: dict) -> None:
        """All whole-number counts of a hidden side that agree with the row's figures, when the other side is
        known."""
        mine = self.known.get(own)
        if (mine is None) == (against is None):
            return
        cell = own if mine is None else other
        if cell is None or cell not in self.hidden:
            return
        told = [
            name
            for name in FORMULAS
            if not _empty(row.get(name)) and name != ("reference_rate", "rate")[mine is not None]
        ]
        if not told:
            return
        everyone = self.known.get((*cell[:3], "all_students", "all")) or (2_000, 0)
        grid = self.possible.get(cell)
        n, s = np.tril_indices(min(everyone[0], 2_000) + 1) if grid is None else np.array(grid).T
        n, s = n[n > 0], s[n > 0]
        left, right = ((n, s), against) if mine is None else (mine, (n, s))
        fits = np.ones(len(n), dtype=bool)
        for name in told:
            with np.errstate(divide="ignore", invalid="ignore"):
                fits &= np.isclose(FORMULAS[name](*left, *right), float(row[name]), rtol=1e-9, atol=1e-9)
        self.possible[cell] = list(zip(n[fits].tolist(), s[fits].tolist(), strict=True))
        if len(self.possible[cell]) == 1:
            self.known[cell] = self.possible[cell][0]
            self.tell("hidden count follows from the figures of its row", "gap_metrics", _named(cell))


def _wilson(n: np.ndarray, s: np.ndarray, sign: int) -> np.ndarray:
    p = s / n
    return (p + Z**2 / (2 * n) + sign * Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))) / (1 + Z**2 / n)


def _gap_bound(n: np.ndarray, s: np.ndarray, m: np.ndarray, t: np.ndarray, sign: int) -> np.ndarray:
    gap = s / n - t / m
    return gap + sign * np.hypot(_wilson(n, s, sign) - s / n, _wilson(m, t, -sign) - t / m)


# Figure → its value from the counts of the group (n, s) and of its reference (m, t).
FORMULAS = {
    "rate": lambda n, s, m, t: s / n + 0 * m,
    "reference_rate": lambda n, s, m, t: t / m + 0 * n,
    "gap": lambda n, s, m, t: s / n - t / m,
    "gap_low": lambda n, s, m, t: _gap_bound(n, s, m, t, -1),
    "gap_high": lambda n, s, m, t: _gap_bound(n, s, m, t, 1),
    "rate_ratio": lambda n, s, m, t: (s / n) / (t / m),
    "odds_ratio": lambda n, s, m, t: (s * (m - t)) / ((n - s) * t),
    "cohens_h": lambda n, s, m, t: 2 * np.arcsin(np.sqrt(s / n)) - 2 * np.arcsin(np.sqrt(t / m)),
    "students_needed": lambda n, s, m, t: np.maximum(0, -((s * m - t * n) // m)),
    "seats_gap": lambda n, s, m, t: np.maximum(0, -((s * m - t * n) // m)),
}


def _empty(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


def _counts(n: object, successes: object, rate: object) -> tuple[int, int] | None:
    """Both counts from any two of students, successes and rate."""
    if not _empty(n) and not _empty(successes):
        return int(n), int(successes)
    if not _empty(n) and not _empty(rate):
        return int(n), round(float(rate) * int(n))
    if not _empty(successes) and not _empty(rate) and float(rate) > 0:
        return round(int(successes) / float(rate)), int(successes)
    return None


class _System:
    """The hidden counts of one school year, every sum they are in, and the moves that leave what is
    published as it is."""

    def __init__(self, year: int, reading: _Reading, dimensions: pd.DataFrame) -> None:
        self.cells = [cell for cell in reading.cells if cell[0] == year]
        self.hidden = sorted(cell for cell in reading.hidden if cell[0] == year)
        self.reading = reading
        self.partitions = set(dimensions[dimensions["partitioning"] == "yes"]["dimension"]) - {"all_students"}
        self.value: dict[Variable, int] = {}
        for cell in self.cells:
            if cell in reading.known:
                n, s = reading.known[cell]
                for count, number in (("n", n), ("successes", s), ("without", n - s)):
                    self.value.setdefault(self._variable(cell, count), number)
        self.sums = [*self._within_cells(), *self._across(dimensions, reading.absent)]
        self.low, self.high = self._intervals()
        self.free, self.n_components = self._moved(self.value)

    @staticmethod
    def _variable(cell: Cell, count: str) -> Variable:
        """The count's variable; one number under two names is one variable."""
        metric, count = COUNT_IDENTITIES.get((cell[1], count), (cell[1], count))
        return (metric, count, *cell[2:])

    def _within_cells(self) -> Iterable[tuple[Variable, list[Variable]]]:
        for cell in self.cells:
            yield (
                self._variable(cell, "n"),
                [self._variable(cell, "successes"), self._variable(cell, "without")],
            )

    def _across(
        self, dimensions: pd.DataFrame, absent: set[Cell]
    ) -> Iterable[tuple[Variable, list[Variable]]]:
        """Sums among the groups of each count, in all its names."""
        crossings = dimensions[dimensions["crosses"].map(lambda c: isinstance(c, str) and c != "")]
        axes = {row["dimension"]: row["crosses"].split(";") for _, row in crossings.iterrows()}
        coarser = defaultdict(list)
        for coarse, (fine, names) in COARSENINGS.items():
            for name in names:
                coarser[fine, name].append(coarse)
        year = self.cells[0][0] if self.cells else None
        gone = {(cell[1], *cell[2:]) for cell in absent if cell[0] == year}
        totals: dict[tuple, list[Variable]] = defaultdict(list)
        present = set()
        stated = {self._variable(cell, count) for cell in self.cells for count in ("n", "successes")}
        # A group that is not measured under any name of the count may have any number of students: its sums
        # say nothing.
        broken = {
            self._variable((year, metric, *group), count)
            for metric, *group in gone
            for count in ("n", "successes")
        } - stated
        broken = {v for v in broken if v[:2] in {other[:2] for other in stated}}
        places = sorted(stated) + sorted(broken)
        # Schools that lack a group of the district altogether have not stated all their groups of that
        # dimension.
        of_schools = {(cell[3], cell[4]) for cell in self.cells if cell[2] != DISTRICT}
        partial = {c[3] for c in self.cells if c[2] == DISTRICT and (c[3], c[4]) not in of_schools}
        for metric, count, school, dimension, subgroup in places:
            present.add((metric, count, school, dimension, subgroup))
            into = []
            if dimension in self.partitions and not (school != DISTRICT and dimension in partial):
                into.append(("partition", dimension, (school, "all_students", "all")))
            if school != DISTRICT:
                into.append(("schools", "", (DISTRICT, dimension, subgroup)))
            for axis, name in zip(axes.get(dimension, []), subgroup.split("*"), strict=False):
                into.append(("margin", dimension, (school, axis, name)))
            into += [
                ("coarse", dimension, (school, *coarse))
                for coarse in coarser[dimension, subgroup]
                if school == DISTRICT or dimension not in partial or len(COARSENINGS[coarse][1]) == 1
            ]
            for kind, name, group in into:
                totals[kind, name, (metric, count, *group)].append(
                    (metric, count, school, dimension, subgroup)
                )
        for cell, numbers in sorted(self.reading.rest.items()):
            if cell[0] != year:
                continue
            for count, number in zip(("n", "successes"), numbers, strict=True):
                metric, name, school, dimension, subgroup = self._variable(cell, count)
                rest = (metric, name, school, dimension, "rest of " + subgroup)
                self.value[rest] = number
                present.add(rest)
                totals["rest", "", rest] = [
                    (metric, name, *place[2:])
                    for place in places
                    if place[:4] == (metric, name, school, dimension)
                    and place[4] != subgroup
                    and "unknown" not in place[4].split("*")
                ]
        for (_, _, total), parts in sorted(totals.items()):
            if total in present and total not in broken and not broken & set(parts):
                yield total, parts

    def _intervals(self) -> tuple[dict[Variable, int], dict[Variable, int]]:
        """Lowest and highest value each count can have, by sums of whole numbers that are not negative.

        All sums at once, again and again until nothing moves; a bound that contradicts another is left out
        (a partner's own totals
        need not add up).
        """
        variables = sorted({v for total, parts in self.sums for v in (total, *parts)})
        place = {v: i for i, v in enumerate(variables)}
        low = np.array([self.value.get(v, 0) for v in variables], dtype=np.int64)
        high = np.array([self.value.get(v, UNBOUNDED) for v in variables], dtype=np.int64)
        for cell in self.hidden:
            if pairs := self.reading.possible.get(cell):
                for count, values in zip(("n", "successes"), zip(*pairs, strict=True), strict=True):
                    v = self._variable(cell, count)
                    if v not in self.value:
                        low[place[v]], high[place[v]] = min(values), max(values)
        open_sums = [(t, p) for t, p in self.sums if any(v not in self.value for v in (t, *p))]
        totals = np.array([place[t] for t, _ in open_sums], dtype=np.int64)
        parts = np.array([place[v] for _, p in open_sums for v in p], dtype=np.int64)
        of = np.repeat(np.arange(len(open_sums)), [len(p) for _, p in open_sums])
        targets = np.concatenate([totals, parts])
        for _ in range(SWEEPS):
            down, up = (
                np.bincount(of, bound[parts], len(open_sums)).astype(np.int64) for bound in (low, high)
            )
            lowest = np.concatenate([down, low[totals][of] - (up[of] - high[parts])])
            highest = np.concatenate([up, high[totals][of] - (down[of] - low[parts])])
            sound = (lowest <= high[targets]) & (highest >= low[targets])
            new_low, new_high = low.copy(), high.copy()
            np.maximum.at(new_low, targets[sound], lowest[sound])
            np.minimum.at(new_high, targets[sound], highest[sound])
            clash = new_low > new_high
            new_low[clash], new_high[clash] = low[clash], high[clash]
            if (new_low == low).all() and (new_high == high).all():
                break
            low, high = new_low, new_high
        return dict(zip(variables, low.tolist(), strict=True)), dict(
            zip(variables, high.tolist(), strict=True)
        )

    def _moved(self, fixed: Collection[Variable]) -> tuple[set[Variable], int]:
        """The counts that some proven move changes that leaves `fixed` alone, and how many independent parts
        there are.

        A count in no move is taken as determined.
        """
        parent: dict[Variable, Variable] = {}

        def root(v: Variable) -> Variable:
            while parent.setdefault(v, v) != v:
                parent[v] = v = parent[parent[v]]
            return v

        rows = [({total: -1} | {part: 1 for part in parts}) for total, parts in self.sums]
        rows = [part for row in rows if (part := {v: c for v, c in row.items() if v not in fixed})]
        for row in rows:
            first, *others = row
            for other in others:
                parent[root(other)] = root(first)
        members = defaultdict(list)
        for row in rows:
            members[root(next(iter(row)))].append(row)
        return set().union(*map(_movable, members.values())), len(members)

    def widths(self) -> list[int]:
        """Width of the interval of each hidden count, where it is bounded."""
        found = []
        for cell in self.hidden:
            for count in ("n", "successes", "without"):
                v = self._variable(cell, count)
                if v not in self.value and v in self.low and self.high[v] < UNBOUNDED // 2:
                    found.append(self.high[v] - self.low[v])
        return found

    def findings(self, minimum_cell: int) -> Iterable[Finding]:
        found = list(self._given_away())
        # What no move changes even when nothing is published is forced by sums that a partner left
        # incomplete, not by the release.
        movable = self._moved(())[0] if found else set()
        yield from (finding for variable, finding in found if variable in movable)
        yield from self._small_rests(minimum_cell)

    def _given_away(self) -> Iterable[tuple[Variable, Finding]]:
        for cell in self.hidden:
            for count in ("n", "successes", "without"):
                v = self._variable(cell, count)
                if v in self.value:
                    # Stated in its own right by the metric that gives it its other name.
                    continue
                if v not in self.free:
                    kind = "hidden count follows from published ones"
                elif self.low[v] == self.high[v]:
                    kind = "only one whole number is possible"
                else:
                    continue
                yield v, Finding(kind, "gap_metrics", f"{_named(cell)}: {count}")

    def _small_rests(self, minimum_cell: int) -> Iterable[Finding]:
        """Everyone but the shown subgroup and the unknown, where the shown rows tell it and it is too few."""
        groups = defaultdict(dict)
        for cell in self.cells:
            groups[cell[:4]][cell[4]] = self.reading.known.get(cell)
        for key, subgroups in sorted(groups.items()):
            total = self.reading.known.get((*key[:3], "all_students", "all"))
            unknowns = [c for g, c in subgroups.items() if "unknown" in g.split("*")]
            if total is None or None in unknowns or key[3] not in self.partitions:
                continue
            for subgroup, own in sorted(subgroups.items()):
                if own is None or "unknown" in subgroup.split("*") or len(subgroups) - len(unknowns) < 3:
                    continue
                n, s = (total[i] - own[i] - sum(c[i] for c in unknowns) for i in (0, 1))
                if min(n, s, n - s) < minimum_cell:
                    yield Finding(
                        "a small rest follows from published rows", "gap_metrics", _named((*key, subgroup))
                    )


def _movable(rows: list[dict[Variable, int]]) -> set[Variable]:
    """Counts that some whole-number solution of `rows · move = 0` changes.

    The null space is computed modulo a prime and every vector of its basis is lifted to whole numbers and
    multiplied out exactly, so a count is
    called movable only on proof; a vector that does not lift proves nothing.
    """
    columns = sorted({v for row in rows for v in row})
    place = {v: i for i, v in enumerate(columns)}
    matrix = np.zeros((len(rows), len(columns)), dtype=np.int64)
    for number, row in enumerate(rows):
        for v, coefficient in row.items():
            matrix[number, place[v]] += coefficient
    reduced = matrix % PRIME
    pivots: list[int] = []
    for column in range(len(columns)):
        rank = len(pivots)
        below = reduced[rank:, column].nonzero()[0]
        if not len(below):
            continue
        chosen = rank + below[0]
        reduced[[rank, chosen]] = reduced[[chosen, rank]]
        reduced[rank] = reduced[rank] * pow(int(reduced[rank, column]), -1, PRIME) % PRIME
        others = reduced[:, column].nonzero()[0]
        others = others[others != rank]
        reduced[others] = (reduced[others] - reduced[others, column][:, None] * reduced[rank]) % PRIME
        pivots.append(column)
        if len(pivots) == len(rows):
            break
    free = sorted(set(range(len(columns))) - set(pivots))
    basis = np.zeros((len(free), len(columns)), dtype=np.int64)
    for number, column in enumerate(free):
        basis[number, column] = 1
        basis[number, pivots] = -reduced[: len(pivots), column] % PRIME
    moved: set[Variable] = set()
    for vector in basis:
        if (move := _lift(vector)) is not None and not (matrix @ move).any():
            moved |= {columns[i] for i in move.nonzero()[0]}
    return moved


def _lift(vector: np.ndarray) -> np.ndarray | None:
    """The small whole-number vector that is a multiple of `vector` modulo the prime, if there is one."""
    for factor in range(1, 61):
        scaled = vector * factor % PRIME
        scaled = np.where(scaled > PRIME // 2, scaled - PRIME, scaled)
        if np.abs(scaled).max(initial=0) < 10_000:
            return scaled
    return None
