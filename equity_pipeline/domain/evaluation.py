"""What an initiative changed, by four designs, and in words what each can and can't show.

All estimates are fits of `linearmodels.PanelOLS` with unit and year effects, weighted by students, errors clustered by
whoever the initiative was given to; only the columns of the designs are made here. Group-time effects come from the
saturated regression (a column per starting year and year, the year before the start left out), which does not mix early
starters into the comparison as two-way fixed effects do (Sun & Abraham 2021; Wooldridge 2021); their average is weighted
by treated students. Baseline equivalence: What Works Clearinghouse, Procedures and Standards Handbook 4.1; Hedges' g and the odds
ratio by statsmodels.
"""

from __future__ import annotations

import collections
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from equity_pipeline.domain.rows import Row

COLUMNS = [
    "initiative_id", "design", "term", "estimate", "standard_error", "estimate_low", "estimate_high", "p_value",
    "units_treated", "units_compared", "students_treated", "students_compared", "clusters", "verdict",
]  # fmt: skip
# Below so many clusters, clustered errors are too small (Cameron & Miller 2015: problems begin between 20 and 50).
FEWEST_CLUSTERS = 20
# What Works Clearinghouse: equivalent up to the first, with adjustment up to the second.
EQUIVALENT, ADJUSTABLE = 0.05, 0.25


class Fit(NamedTuple):
    """Coefficients with their covariance, and how many clusters it rests on."""

    params: pd.Series
    cov: pd.DataFrame
    clusters: int

    def combined(self, weights: pd.Series) -> tuple[float, float]:
        """Estimate and standard error of a weighted sum of coefficients."""
        w = weights.reindex(self.params.index).fillna(0.0).to_numpy()
        return float(w @ self.params.to_numpy()), math.sqrt(max(0.0, float(w @ self.cov.to_numpy() @ w)))


def evaluate(panel: pd.DataFrame) -> pd.DataFrame:
    """One row per initiative × design × term (`COLUMNS`), in a fixed order.

    Args:
        panel: initiative_id, unit, assigned, school_year, n, successes, first_school_year (null: never); one row per
            unit and year. Units that were not seen on both sides of the start (of the first one, where they never
            started) tell nothing about change and are left out.
    """
    rows: list[Row] = []
    for initiative, of in panel.groupby("initiative_id", sort=True):
        rows += [{"initiative_id": initiative} | row for row in _designs(_prepared(of))]
    made = pd.DataFrame(rows, columns=COLUMNS)
    numbers = {name: "float64" for name in COLUMNS[3:8]} | {name: "Int64" for name in COLUMNS[8:13]}
    return made.astype(numbers | dict.fromkeys(["initiative_id", "design", "term", "verdict"], "string"))


def _without_names(panel: pd.DataFrame) -> pd.DataFrame:
    """Units and those they were assigned with, numbered by what is known of them: sums of floats depend on their order, and
    a unit's name is a pseudonym that a new key changes."""
    known = (
        panel[["school_year", "n", "successes", "first_school_year"]]
        .sort_values("school_year")
        .astype("Int64")
    )
    seen, assigned = collections.defaultdict(list), dict(zip(panel["unit"], panel["assigned"], strict=True))
    for unit, *of_year in zip(
        panel["unit"][known.index], *(known[c].astype(object) for c in known), strict=True
    ):
        seen[unit].append(":".join(map(str, of_year)))
    texts = {unit: ";".join(years) for unit, years in seen.items()}
    together = collections.defaultdict(list)
    for unit in sorted(texts, key=texts.__getitem__):
        together[assigned[unit]].append(texts[unit])
    joined = {name: "|".join(members) for name, members in together.items()}
    units = sorted(texts, key=lambda unit: (joined[assigned[unit]], assigned[unit], texts[unit]))
    number = {unit: i for i, unit in enumerate(units)}
    number_assigned = {name: i for i, name in enumerate(dict.fromkeys(assigned[unit] for unit in units))}
    return panel.assign(unit=panel["unit"].map(number), assigned=panel["assigned"].map(number_assigned))


def _prepared(panel: pd.DataFrame) -> pd.DataFrame:
    panel = _without_names(panel).sort_values(["unit", "school_year"], ignore_index=True)
    panel["start"] = panel["first_school_year"].astype(float)
    panel["treated"] = panel["start"].notna()
    panel["post"] = panel["treated"] & (panel["school_year"] >= panel["start"])
    panel["y"] = panel["successes"] / panel["n"]
    turn = panel["start"].fillna(panel["start"].min())
    before = (panel["school_year"] < turn).groupby(panel["unit"]).transform("any")
    since = (panel["school_year"] >= turn).groupby(panel["unit"]).transform("any")
    return panel[before & since]


def _designs(panel: pd.DataFrame) -> list[Row]:
    sizes = _sizes(panel)
    baseline = _baseline(panel)
    rows = [sizes | row for row in baseline]
    treated = panel[panel["treated"]]
    if not (treated["post"].any() and (~treated["post"]).any()):
        return rows + [
            sizes
            | _row(
                "pre_post",
                "change",
                verdict="Nothing can be said yet: there is no year before it, or none since.",
            )
        ]
    change = fit(treated, {"change": treated["post"]}, years=False)
    rows.append(sizes | _estimated("pre_post", "change", change, pd.Series({"change": 1.0}), PRE_POST))
    if not sizes["units_compared"]:
        return rows
    both = fit(panel, {"effect": panel["post"]})
    parallel = _event_study(panel, rows, sizes)
    verdict = _verdict(both.clusters, parallel, baseline)
    rows.append(
        sizes | _estimated("difference_in_differences", "effect", both, pd.Series({"effect": 1.0}), verdict)
    )
    _group_time(panel, rows, sizes, verdict)
    return rows


def fit(panel: pd.DataFrame, columns: dict[str, pd.Series], years: bool = True) -> Fit:
    """Least squares of `y` on the columns with unit effects, and year effects where asked, clustered by `assigned`."""
    from linearmodels.panel import PanelOLS  # takes two seconds, and only an initiative needs it

    index = [panel["unit"], panel["school_year"]]
    design = pd.DataFrame({name: column.to_numpy(float) for name, column in columns.items()}, index=index)
    model = PanelOLS(
        pd.Series(panel["y"].to_numpy(), index=design.index, name="y"), design,
        weights=pd.Series(panel["n"].to_numpy(float), index=design.index), entity_effects=True, time_effects=years,
        drop_absorbed=True,
    )  # fmt: skip
    clusters = pd.Series(pd.factorize(panel["assigned"])[0], index=design.index)
    result = model.fit(cov_type="clustered", clusters=clusters.to_frame(), group_debias=True)
    return Fit(result.params, result.cov, int(clusters.nunique()))


def _event_study(panel: pd.DataFrame, rows: list[Row], sizes: dict[str, Any]) -> float | None:
    """Effects by years since the start, the year before it left out; returns the p-value of no trend before the start."""
    since = panel["school_year"] - panel["start"]
    steps = sorted(int(step) for step in since.dropna().unique() if step != -1)
    fitted = fit(panel, {f"{step:+d}": since == step for step in steps})
    for term in fitted.params.index:
        rows.append(sizes | _estimated("event_study", term, fitted, pd.Series({term: 1.0}), EVENT_STUDY))
    before = [term for term in fitted.params.index if int(term) < -1]
    if not before:
        return None
    p = _wald(fitted.params[before].to_numpy(), fitted.cov.loc[before, before].to_numpy(), fitted.clusters)
    rows.append(
        sizes | _row("event_study", "no trend before", p_value=p, clusters=fitted.clusters, verdict=PRE_TREND)
    )
    return p


def _group_time(panel: pd.DataFrame, rows: list[Row], sizes: dict[str, Any], verdict: str) -> None:
    """The effect on each group of starters in each year, and their average since the start."""
    starts = sorted(int(start) for start in panel["start"].dropna().unique())
    cells = {
        (start, int(year)): (panel["start"] == start) & (panel["school_year"] == year)
        for start in starts
        for year in sorted(panel.loc[panel["start"] == start, "school_year"].unique())
        if year != start - 1
    }
    fitted = fit(panel, {f"{start} in {year}": cell for (start, year), cell in cells.items()})
    weights = {}
    for (start, year), cell in cells.items():
        term = f"{start} in {year}"
        if term not in fitted.params.index:
            continue
        rows.append(sizes | _estimated("group_time", term, fitted, pd.Series({term: 1.0}), EVENT_STUDY))
        if year >= start:
            weights[term] = float(panel.loc[cell, "n"].sum())
    average = pd.Series(weights, dtype=float)
    if len(average):
        rows.append(sizes | _estimated("group_time", "average", fitted, average / average.sum(), verdict))


def _baseline(panel: pd.DataFrame) -> list[Row]:
    """How alike both sides were in the last year before the first start: Cox index of rates of students, Hedges' g of
    rates of schools."""
    year = panel["start"].min() - 1
    then = panel[panel["school_year"] == year]
    one, other = then[then["treated"]], then[~then["treated"]]
    if one.empty or other.empty:
        return []
    if (then["n"] == 1).all():
        term, index = (
            "cox_index",
            cox_index(*(int(side[c].sum()) for side in (one, other) for c in ("successes", "n"))),
        )
    else:
        term, index = "hedges_g", hedges_g(one["y"].to_numpy(), other["y"].to_numpy())
    return [_row("baseline", term, estimate=index, verdict=_equivalence(index))]


def cox_index(successes: int, n: int, other_successes: int, other_n: int) -> float | None:
    """ln(odds ratio) / 1.65 (What Works Clearinghouse, appendix E); None where a side is all or none."""
    from statsmodels.stats.contingency_tables import Table2x2

    counts = [[successes, n - successes], [other_successes, other_n - other_successes]]
    return None if 0 in counts[0] + counts[1] else float(Table2x2(counts).log_oddsratio) / 1.65


def hedges_g(one: np.ndarray, other: np.ndarray) -> float | None:
    """Standardized difference of means with the small-sample factor 1 - 3 / (4 N - 9); None where nothing varies."""
    from statsmodels.stats.meta_analysis import effectsize_smd

    sides = [(side.mean(), side.std(ddof=1), len(side)) for side in (one, other) if len(side) > 1]
    if len(sides) < 2 or not any(spread for _, spread, _ in sides):
        return None
    return float(effectsize_smd(*sides[0], *sides[1])[0])


def _wald(estimates: np.ndarray, cov: np.ndarray, clusters: int) -> float:
    """P-value of all being zero, F with one degree of freedom less than clusters."""
    from scipy import stats

    k = len(estimates)
    statistic = float(estimates @ np.linalg.pinv(cov) @ estimates) / k
    return float(stats.f.sf(statistic, k, clusters - 1))


def _estimated(design: str, term: str, fitted: Fit, weights: pd.Series, verdict: str) -> Row:
    from scipy import stats

    estimate, error = fitted.combined(weights)
    student = stats.t(fitted.clusters - 1)
    reach = float(student.ppf(0.975)) * error
    p = 2 * float(student.sf(abs(estimate) / error)) if error else None
    return _row(
        design, term, estimate=estimate, standard_error=error, estimate_low=estimate - reach, estimate_high=estimate + reach,
        p_value=p, clusters=fitted.clusters, verdict=verdict,
    )  # fmt: skip


def _row(design: str, term: str, **values: object) -> Row:
    return {"design": design, "term": term} | values


def _sizes(panel: pd.DataFrame) -> dict[str, Any]:
    sides = {"treated": panel[panel["treated"]], "compared": panel[~panel["treated"]]}
    return {f"units_{name}": int(side["unit"].nunique()) for name, side in sides.items()} | {
        f"students_{name}": int(side.groupby("school_year")["n"].sum().min()) if len(side) else 0
        for name, side in sides.items()
    }


PRE_POST = "Shows that the rate changed, not why: nobody is compared with, and those who start low tend to rise anyway."
EVENT_STUDY = "One step of the picture; read it together with the others."
PRE_TREND = "Below 0.05 both sides were already drifting apart, and the comparison is no evidence."


def _equivalence(index: float | None) -> str:
    if index is None:
        return "Both sides can't be compared at the start."
    if abs(index) <= EQUIVALENT:
        return "Both sides were alike at the start."
    if abs(index) <= ADJUSTABLE:
        return (
            "Both sides differed somewhat at the start; comparing each with itself, as here, adjusts for it."
        )
    return "Both sides differed a lot at the start: a difference later is weak evidence."


def _verdict(clusters: int, parallel: float | None, baseline: list[Row]) -> str:
    """What the comparison can and can't show, strongest doubt first."""
    doubts = []
    if clusters < FEWEST_CLUSTERS:
        doubts.append("too few units were compared for an interval to be trusted")
    if parallel is None:
        doubts.append("there are too few years before the start to see whether both sides moved alike")
    elif parallel < 0.05:
        doubts.append("both sides were already drifting apart before the start")
    if any(row.get("estimate") is None or abs(row["estimate"]) > ADJUSTABLE for row in baseline):
        doubts.append("both sides differed a lot at the start")
    if doubts:
        return f"Weak evidence: {'; '.join(doubts)}. It can't show that the initiative is the cause."
    return (
        "Fair evidence that the initiative is the cause, if nothing else began for these students at the same time. "
        "It was not assigned by lot as far as the data says, so it can't rule that out."
    )
