"""The marts as they may leave: a base of rounded students and banded rates, and all else worked out from it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.derive import Derivation
from equity_pipeline.disclosure.figures import PAIR, Rules, is_unknown
from equity_pipeline.disclosure.model import ALL_STUDENTS, CELL, DISTRICT, published
from equity_pipeline.disclosure.proof import Proof
from equity_pipeline.disclosure.suppression import ROUNDED_TO, WHOLE, band
from equity_pipeline.domain.errors import DisclosureError

# Columns that rest on no count: what the row is about and which rules made it.
STATED = frozenset(
    [
        "partner_id", "school_year", "school_year_label", "school_id", "school_name", "grade_level", "program", "phase",
        "metric_id", "metric_label", "dimension", "dimension_label", "subgroup", "subgroup_label", "reference",
        "reference_subgroup", "metric_version", "policy_version", "race_standard", "econ_basis", "snapshot_date",
        "extract_as_of", "baseline_school_year", "goal_gap", "alternate_risk_ratio_reason",
    ]
)  # fmt: skip
BANDS = ["rate_band", "reference_rate_band"]
_Z = 1.959963984540054
# Standard deviation of a number anywhere in a band, in widths of the band.
_UNIFORM = 1 / np.sqrt(12)


def protect_marts(
    marts: dict[str, pd.DataFrame], proof: Proof, derivation: Derivation
) -> dict[str, pd.DataFrame]:
    """The published marts: same columns, plus `suppressed`, `suppression_reason` and the bands (`BANDS`).

    `n` is rounded, `rate` is the middle of its band, `successes` are never published. Every other value is worked out
    from these by the SQL of the marts; intervals are widened by what rounding adds, and a status is told only where it
    holds anywhere in the bands. A suppressed row keeps its keys and has no value.

    Args:
        marts: the restricted marts by name; only their columns are used.
        proof: of the counts that are published, those of its statement; what it does not prove is not.
        derivation: the SQL of the warehouse.

    Raises:
        DisclosureError: a mart needs more than the published counts.
    """
    cells = proof.statement
    base = _base(cells, proof)
    measured = _derive_gaps(cells, base, derivation)
    result = {name: measured[name] if name in measured else derivation.run(name) for name in marts}
    gaps = measured["gap_metrics"]
    return {name: _finish(result[name][list(marts[name].columns)], base, gaps) for name in marts}


def published_counts(gaps: pd.DataFrame, dimensions: pd.DataFrame) -> pd.DataFrame:
    """The counts that a release is about: one row per `CELL` with `n`, `successes` and `reason`, in order.

    Raises:
        DisclosureError: a dimension without a row in the seed, or a group with more successes than students.
    """
    gaps = gaps[published(gaps, dimensions)]
    if unknown := sorted(set(gaps["dimension"]) - set(dimensions["dimension"])):
        raise DisclosureError(
            f"dimensions without a row in the seed dimensions: {', '.join(unknown)}; add them to it"
        )
    people = [c for c in ("people",) if c in gaps]
    cells = gaps[[*CELL, "n", "successes", "reason", *people]].drop_duplicates(CELL).reset_index(drop=True)
    known = cells.dropna(subset=["n"])
    if (known["successes"] > known["n"]).any() or (known["successes"] < 0).any():
        raise DisclosureError("a group has more successes than students; nothing is published")
    return cells


def _base(cells: pd.DataFrame, proof: Proof) -> pd.DataFrame:
    """What is shown of every group, by `CELL`: `n`, `rate`, `rate_band`, `width` of the band and `hidden`; a group that was
    not measured is neither hidden nor shown."""
    base = pd.DataFrame(index=pd.MultiIndex.from_frame(cells[CELL])).join(proof.base)
    hidden = base["hidden"].astype("boolean").fillna(False).to_numpy(bool)
    shown = ~hidden & base["hidden"].notna().to_numpy()
    low, high = base["low"], base["high"]
    texts = [band(int(a), int(b)) if s else None for a, b, s in zip(low, high, shown, strict=True)]
    return pd.DataFrame(
        {
            "n": base["n"].astype("Int64").where(shown),
            "rate": ((low + high) / (2 * WHOLE)).where(shown),
            "width": ((high - low) / WHOLE).where(shown),
            "rate_band": pd.Series(texts, index=base.index, dtype=object),
            "hidden": hidden,
        }
    )


def _derive_gaps(cells: pd.DataFrame, base: pd.DataFrame, derivation: Derivation) -> dict[str, pd.DataFrame]:
    """`gap_metrics` and `gap_closure` on the base."""
    derivation.put_counts(
        cells[CELL].assign(
            grade_level=DISTRICT,
            n=base["n"].to_numpy(),
            successes=(base["n"].astype("Float64") * base["rate"]).to_numpy(float, na_value=np.nan),
            reason=cells["reason"].where(cells["n"].isna(), None),
            counted_from=None,
        )
    )
    rules = derivation.rules()
    gaps = derivation.run("gap_metrics")
    own, other, below, above = _widths(gaps, base, rules)
    gaps = _widened(gaps, own, other)
    derivation.put("gap_metrics", gaps)
    comparisons = derivation.run("int_comparison")
    levels = derivation.run("int_gap_level")
    doubt = pd.DataFrame(
        {"below": (own + other) / 2 + below, "above": (own + other) / 2 + above},
        index=pd.MultiIndex.from_frame(gaps[PAIR]),
    )
    named = levels.merge(comparisons, on="comparison", how="left")
    doubt = doubt.reindex(pd.MultiIndex.from_frame(named[PAIR]))
    derivation.put(
        "int_gap_level", _certain(levels, named["direction"], doubt, rules.number("closure_tolerance"))
    )
    return {"gap_metrics": gaps, "gap_closure": derivation.run("gap_closure")}


def _widths(
    gaps: pd.DataFrame, base: pd.DataFrame, rules: Rules
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How wide the bands of a gap's two rates are, and how much larger and smaller the gap may be besides.

    The rest of a group has the mean width of its groups, by students. It is also off by their rounded numbers, which weigh
    rates that differ, and by anything where one of them is hidden. The highest rate may be that of a group whose band reaches
    further, or of a hidden one: then the gap is larger than it looks, never smaller.
    """
    own = base["width"].reindex(pd.MultiIndex.from_frame(gaps[CELL])).to_numpy(float)
    other = base["width"].reindex(reference_cells(gaps)).to_numpy(float)
    told = base[["n", "width", "rate"]].astype(float)
    told["spread"], told["silent"] = told["n"] * told["width"], told["n"].isna()
    direction = told.index.get_level_values("metric_id").map(rules.direction).to_numpy(float)
    told["best"] = direction * told["rate"] + told["width"] / 2
    known = told[~is_unknown(told.index.get_level_values("subgroup").to_series()).to_numpy(bool)]
    by_place = pd.MultiIndex.from_frame(gaps[CELL[:-1]])
    parts = known[known.index.get_level_values("dimension").isin(rules.partitioning)]
    places = parts.groupby(level=CELL[:-1]).agg(
        n=("n", "sum"), spread=("spread", "sum"), groups=("n", "count"), silent=("silent", "any"),
        least=("rate", "min"), most=("rate", "max"),
    ).reindex(by_place).reset_index(drop=True)  # fmt: skip
    groups = known.groupby(level=CELL[:-1]).agg(best=("best", "max"), silent=("silent", "any"))
    groups = groups.reindex(by_place).reset_index(drop=True)
    its_best = gaps["metric_id"].map(rules.direction) * gaps["reference_rate"].astype(float) + other / 2
    mine = told[["n", "spread"]].reindex(pd.MultiIndex.from_frame(gaps[CELL])).to_numpy(float)
    mine[is_unknown(gaps["subgroup"]).to_numpy(bool)] = 0
    n, spread = (places[["n", "spread"]].to_numpy(float) - mine).T
    with np.errstate(all="ignore"):
        width = np.where(n == 0, np.nan, spread / n)
        weights = ROUNDED_TO / 2 * places["groups"] * (places["most"] - places["least"]) / n
    is_rest, is_highest = ((gaps["reference"] == name).to_numpy() for name in ("rest", "highest"))
    of_rest, of_highest = (
        np.where(found["silent"].fillna(False).astype(bool), np.inf, off)
        for found, off in ((places, weights), (groups, groups["best"].to_numpy() - its_best.to_numpy()))
    )
    below, above = (
        np.select([is_rest, is_highest], [of_rest, of_highest], 0.0),
        np.where(is_rest, of_rest, 0.0),
    )
    return own, np.where(is_rest, width, other), below, above


def _certain(
    levels: pd.DataFrame, direction: pd.Series, doubt: pd.DataFrame, tolerance: float
) -> pd.DataFrame:
    """`level` where it is the same for every gap that may be, from `doubt` `below` the published one to `above` it, else
    `not_measurable`: a gap that is not closed must not be called closed, nor a closed one open, because rates are told in
    bands and some not at all. What may be either reversed or closed is called closed."""
    below, above = doubt["below"].to_numpy(), doubt["above"].to_numpy()
    level, gap = levels["level"].to_numpy(), levels["gap"].to_numpy(float) * direction.to_numpy(float)
    least_low = np.where(direction == 1, levels["gap_low"], -levels["gap_high"]).astype(float) - below
    with np.errstate(invalid="ignore"):
        closed = np.isin(level, ["closed", "reversed"]) & (gap - below >= -tolerance - 1e-9)
        reversed_ = closed & (level == "reversed") & (gap - below > tolerance + 1e-9) & (least_low > 1e-9)
        open_ = (level == "open") & (gap + above <= -tolerance + 1e-9)
    certain = np.select([reversed_, closed, open_], ["reversed", "closed", "open"], "not_measurable")
    return levels.assign(level=certain)


def _widened(gaps: pd.DataFrame, own: np.ndarray, other: np.ndarray) -> pd.DataFrame:
    """Intervals as wide as sampling and banding make them together, both at 95 %."""
    banding = _Z * _UNIFORM * np.hypot(own, other)
    # The last bit of a difference of round numbers must not decide whether a gap is within the tolerance.
    gap = gaps["gap"].astype(float).round(12)
    return gaps.assign(
        gap=gap,
        students_needed=np.floor(gaps["students_needed"].astype("Float64") + 1e-9).astype("Int64"),
        gap_low=np.maximum(gap - np.hypot(gap - gaps["gap_low"].astype(float), banding), -1),
        gap_high=np.minimum(gap + np.hypot(gaps["gap_high"].astype(float) - gap, banding), 1),
    )


def reference_cells(gaps: pd.DataFrame) -> pd.MultiIndex:
    """The cell that each row of `gap_metrics` is compared with; of `rest`, which is no cell, one that is not there."""
    everyone = gaps["reference"] == "overall"
    return pd.MultiIndex.from_frame(
        gaps[CELL].assign(
            dimension=gaps["dimension"].where(~everyone, ALL_STUDENTS),
            subgroup=gaps["reference_subgroup"].where(gaps["reference_subgroup"].notna(), ""),
        )
    )


def _finish(frame: pd.DataFrame, base: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """The frame with `suppressed`, its reason and the bands, and no value in a suppressed row."""
    of_reference = [*CELL, "reference"]
    keys = frame if "reference" in frame else frame.assign(reference="designated")
    own = base.reindex(pd.MultiIndex.from_frame(frame[CELL]))
    compared = gaps.set_index(of_reference).reindex(pd.MultiIndex.from_frame(keys[of_reference]))
    reference = base["rate_band"].reindex(
        reference_cells(keys.assign(reference_subgroup=compared["reference_subgroup"].to_numpy()))
    )
    absent = own["n"].isna().to_numpy() & ~own["hidden"].to_numpy(bool)
    # Rows of gaps alone have nothing to say where the gap has not.
    hidden = own["hidden"].to_numpy(bool) if "n" in frame else ~absent & compared["gap"].isna().to_numpy()
    result = frame.assign(rate_band=own["rate_band"].to_numpy(), reference_rate_band=reference.to_numpy())
    for column in {"successes", "reference_successes"} & set(result):
        result[column] = pd.array([pd.NA] * len(result), "Int64")
    for column in [c for c in result.columns if c not in STATED]:
        result[column] = _where(result[column], ~hidden & (~absent | (column == "reason")))
    reason = np.full(len(result), None, object)
    reason[hidden], reason[absent] = "privacy", "not_measured"
    return result.assign(suppressed=hidden | absent, suppression_reason=reason)


def _where(column: pd.Series, shown: np.ndarray) -> pd.Series:
    """The column with null where not shown, its type kept."""
    if pd.api.types.is_bool_dtype(column.dtype):
        column = column.astype("boolean")
    elif pd.api.types.is_integer_dtype(column.dtype):
        column = column.astype("Int64")
    return column.where(shown)
