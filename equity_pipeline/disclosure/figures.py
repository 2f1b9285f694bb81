"""Every figure of a release as anyone can work it out from the students and rates that stand there.

The auditor's own arithmetic: no code is shared with the SQL that made the figures. A figure that is not what follows
from published students and rates would tell something about the counts behind them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

CELL = ["school_year", "metric_id", "school_id", "dimension", "subgroup"]
PAIR = [*CELL, "reference"]
ROUNDED = 10  # students are told to tens
PLACE = CELL[:4]
# What a row may say whether or not it has a number.
ABOUT = {
    "partner_id", "school_year", "school_year_label", "school_id", "school_name", "grade_level", "program",
    "phase", "metric_id", "metric_label", "dimension", "dimension_label", "subgroup", "subgroup_label",
    "reference", "reference_subgroup", "metric_version", "policy_version", "race_standard", "econ_basis",
    "snapshot_date", "extract_as_of", "baseline_school_year", "goal_gap", "alternate_risk_ratio_reason",
    "suppressed", "suppression_reason",
}  # fmt: skip
# Why a comparison is missing: declared by the partner or by what follows from the rows themselves.
REASONS = {"risk_ratio_reason", "reason", "comparability_reason", "comparable_to_prior_year"}
CLOSED = ["closed", "maintained_closed", "reversed"]


_erfc = np.vectorize(math.erfc, otypes=[float])


@dataclass(frozen=True)
class Rules:
    """The public rules a release was made by. `direction`: metric → 1 or -1; `policy`: key → value as text."""

    dimensions: pd.DataFrame
    direction: dict[str, int]
    risk_ratio: frozenset[str]
    policy: dict[str, str]
    actions: pd.DataFrame

    def number(self, key: str) -> float:
        """A value of the policy, as a number."""
        return float(self.policy[key])

    @cached_property
    def partitioning(self) -> set[str]:
        """The dimensions in which every student is in one subgroup."""
        return set(self.dimensions.loc[self.dimensions["partitioning"] == "yes", "dimension"])

    @cached_property
    def designated(self) -> dict[str, str]:
        """Dimension → its designated reference, where it has one."""
        named = self.dimensions.dropna(subset=["reference_subgroup"])
        return dict(zip(named["dimension"], named["reference_subgroup"], strict=True))


def is_unknown(subgroups: pd.Series) -> pd.Series:
    """Whether some attribute of a subgroup is not reported."""
    return subgroups.map({s: "unknown" in s.split("*") for s in subgroups.unique()})


def compared(base: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """What every cell of the base may be compared with: one row per `PAIR` with `n`, `p` and `width` of the cell and
    `m`, `q` and `reference_width` of its reference, the reference's name, and how much larger and smaller the true gap may be, `doubt_below` and `doubt_above`.

    `base`: one row per `CELL`, `n`, `p` (the middle of its band) and `width`, null where hidden or not measured.
    """
    base = base.assign(
        unknown=is_unknown(base["subgroup"]).to_numpy(bool),
        partitioning=base["dimension"].isin(rules.partitioning),
        direction=base["metric_id"].map(rules.direction).astype(float),
    )
    base["s"] = base["n"] * base["p"]
    base["spread"] = base["n"] * base["width"]
    known = base[~base["unknown"] & base["partitioning"]]
    places = known.groupby(PLACE)
    summed = places[["n", "s", "spread"]].sum(min_count=1).assign(
        # Numbers rounded to tens weigh rates that differ; what a hidden group adds may be anything.
        off=ROUNDED / 2 * places["n"].count() * (places["p"].max() - places["p"].min()),
        silent=places["n"].count() < places.size(),
    )  # fmt: skip
    place = base.merge(summed.reset_index(), on=PLACE, how="left", suffixes=("", "_known"))
    own_n, own_s, own_spread = (np.where(base["unknown"], 0, base[c]) for c in ("n", "s", "spread"))
    rest_n, rest_s = place["n_known"].to_numpy() - own_n, place["s_known"].to_numpy() - own_s
    rest_spread = place["spread_known"].to_numpy() - own_spread
    with np.errstate(all="ignore"):
        rest = base.assign(
            reference="rest", name=None, m=rest_n, q=np.where(rest_n == 0, np.nan, rest_s / rest_n)
        )
        rest["reference_width"] = np.where(rest_n == 0, np.nan, rest_spread / rest_n)
        rest["off"] = np.where(place["silent"].fillna(False).astype(bool), np.inf, place["off"] / rest_n)
    large = base[~base["unknown"] & (base["n"] >= rules.number("n_reliability"))]
    best = (
        large.assign(score=-large["direction"] * large["p"])
        .sort_values([*PLACE, "score", "subgroup"])
        .drop_duplicates(PLACE)
    )
    # The best may be another group: one whose band reaches further, or one that is hidden.
    reach = base.assign(reach=base["direction"] * base["p"] + base["width"] / 2)[~base["unknown"]].groupby(
        PLACE
    )
    reach = reach.agg(reach=("reach", "max"), shown=("n", "count"), groups=("n", "size")).reset_index()
    everyone = base[base["dimension"] == "all_students"]
    named = base[base["subgroup"] == base["dimension"].map(rules.designated)]
    frames = [rest]
    for reference, of, on in (
        ("overall", everyone, PLACE[:3]), ("highest", best, PLACE), ("designated", named, PLACE)
    ):  # fmt: skip
        of = of.drop_duplicates(on)[[*on, "subgroup", "n", "p", "width"]].set_axis(
            [*on, "name", "m", "q", "reference_width"], axis=1
        )
        frames.append(base.assign(reference=reference).merge(of, on=on, how="left"))
    of_best = frames[2].merge(reach, on=PLACE, how="left")
    further = of_best["reach"] - of_best["direction"] * of_best["q"] - of_best["reference_width"] / 2
    frames[2]["further"] = np.where(of_best["shown"] < of_best["groups"], np.inf, further)
    pairs = pd.concat(frames, ignore_index=True)
    pairs["doubt_above"] = (pairs["width"] + pairs["reference_width"]) / 2 + pairs["off"].fillna(0)
    pairs["doubt_below"] = pairs["doubt_above"] + pairs["further"].fillna(0)
    for reference, of in (("overall", frames[1]), ("rest", rest), ("highest", frames[2])):
        pairs[f"{reference}_n"] = np.tile(of["m"].to_numpy(float), 4)
        pairs[f"{reference}_rate"] = np.tile(of["q"].to_numpy(float), 4)
    return pairs


def of_gaps(pairs: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """The figures of `gap_metrics`, by row of `compared`."""
    n, p, m, q = (pairs[c].to_numpy(float) for c in ("n", "p", "m", "q"))
    direction = pairs["direction"].to_numpy()
    z = rules.number("confidence_z")
    own = (pairs["subgroup"] == pairs["name"]) | (pairs["reference"] == "overall")
    overlaps = (own | ~pairs["partitioning"] & (pairs["reference"] != "rest")).to_numpy(bool)
    with np.errstate(all="ignore"):
        gap = np.round(p - q, 12)
        (low, high), (reference_low, reference_high) = _wilson(n, p, z), _wilson(m, q, z)
        width, other = (pairs[c].to_numpy(float) for c in ("width", "reference_width"))
        banding = z / np.sqrt(12) * np.hypot(width, other)
        pooled = (n * p + m * q) / (n + m)
        score = np.where(np.isin(pooled, (0, 1)), 0, gap / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))
        ratio = p / np.where(q == 0, np.nan, q)
        margin17 = np.maximum(1.96 * np.sqrt(0.25 / n), rules.number("ppg2017_smallest_margin"))
        spread = np.where(np.isin(p, (0, 1)), 0.5, p)
        margin22 = np.maximum(
            1.96 * np.sqrt(spread * (1 - spread) / n), rules.number("ppg2022_smallest_margin")
        )
        good, best = (np.where(direction == 1, r, 1 - r) for r in (p, pairs["highest_rate"].to_numpy()))
        k = rules.number("n_reliability")
        big = (n >= rules.number("risk_ratio_n")) & (m >= rules.number("risk_ratio_n"))
        cell = rules.number("risk_ratio_cell") - 1e-9
        risk = pairs["metric_id"].isin(rules.risk_ratio) & (pairs["reference"] == "rest") & big
        risk &= (n * p >= cell) & (m * q >= cell)
        return pd.DataFrame(
            {
                "n": n, "rate": p, "reference_n": m, "reference_rate": q, "gap": gap,
                "gap_low": np.where(overlaps, np.nan, np.maximum(gap - np.hypot(np.hypot(p - low, reference_high - q), banding), -1)),
                "gap_high": np.where(overlaps, np.nan, np.minimum(gap + np.hypot(np.hypot(high - p, q - reference_low), banding), 1)),
                "representation_index": p / pairs["overall_rate"], "rate_ratio": ratio,
                "odds_ratio": p * (1 - q) / ((1 - p) * q),
                "cohens_h": 2 * np.arcsin(np.sqrt(p)) - 2 * np.arcsin(np.sqrt(q)),
                "parity_index_adjusted": np.where(ratio <= 1, ratio, 2 - 1 / ratio),
                "p_value": np.where(overlaps, np.nan, _erfc(np.abs(score) / np.sqrt(2))),
                "risk_ratio": np.where(risk, ratio, np.nan), "alternate_risk_ratio": np.nan,
                "ppg2017_margin": margin17, "ppg2022_margin": margin22,
                **_flag("ppg2017_flag", direction * (p - pairs["overall_rate"]) + margin17),
                **_flag("ppg2022_flag", direction * (p - pairs["rest_rate"]) + margin22),
                **_flag("index80_flag", good - rules.number("index80_percent") / 100 * best),
                # Up to whole students; the products of rounded numbers are not whole.
                "students_needed": np.maximum(0, direction * (q - p) * n), "reliable": (n >= k) & (m >= k),
            },
            index=pairs.index,
        )  # fmt: skip


def _flag(name: str, difference: pd.Series | np.ndarray) -> dict[str, object]:
    """A flag of what is below 0, and what it may also be where the last bit of a number decides."""
    return {name: np.asarray(difference) < -1e-9, f"{name}_or": np.asarray(difference) <= 1e-9}


def _wilson(n: np.ndarray, p: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)


def of_changes(gaps: pd.DataFrame, stated: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """The figures of `gap_closure`, by its rows. `gaps`: what `gap_metrics` says by `PAIR`, and how much larger and smaller
    the true gap may be, `doubt_below` and `doubt_above`; `stated`: the mart itself, of which only its keys, what it is
    compared with and the goal are used."""
    direction = stated["metric_id"].map(rules.direction).to_numpy(float)
    tolerance = rules.number("closure_tolerance")
    keys = stated[PAIR]

    def at(years: pd.Series | np.ndarray) -> pd.DataFrame:
        index = pd.MultiIndex.from_frame(keys.assign(school_year=years))
        return gaps.reindex(index).reset_index(drop=True)

    now, prior = at(keys["school_year"]), at(keys["school_year"] - 1)
    baseline = at(stated["baseline_school_year"].fillna(0).astype(int))
    gap, before, first = (side["gap"].to_numpy(float) for side in (now, prior, baseline))
    with np.errstate(all="ignore"):
        same = stated["comparable_to_prior_year"].fillna(False).astype(bool).to_numpy()
        change = np.where(same, gap - before, np.nan)
        spread = [
            np.hypot(gap - now["gap_low"], prior["gap_high"] - before),
            np.hypot(now["gap_high"] - gap, before - prior["gap_low"]),
        ]
        change_low, change_high = change - spread[0].to_numpy(float), change + spread[1].to_numpy(float)
        level, prior_level = (_level(side, direction, tolerance) for side in (now, prior))
        signed = [
            np.where(direction == 1, a, -b) for a, b in ((change_low, change_high), (change_high, change_low))
        ]
        was_closed = np.isin(prior_level, ["closed", "reversed"])
        status = np.select(
            [
                np.isin(level, ["not_measurable", "reversed"]) | ~same, (level == "closed") & was_closed, level == "closed",
                was_closed, signed[0] > 0, signed[1] < 0,
            ],
            [level, "maintained_closed", "closed", "reopened", "narrowing", "widening"], "open",
        )  # fmt: skip
        years = (keys["school_year"] - stated["baseline_school_year"]).to_numpy(float)
        fell = direction * (prior["reference_rate"] - now["reference_rate"]).to_numpy(float)
        # Whether the baseline can be compared is not stated: a pace may be either.
        paces = [direction * (gap - first) / years, direction * change]
        return pd.DataFrame(
            {
                "gap": gap, "prior_gap": before, "baseline_gap": first, "gap_change": change, "gap_change_low": change_low,
                "gap_change_high": change_high, "status": status, "seats_gap": now["students_needed"].to_numpy(float),
                "leveled_down": (direction * change > 0) & (fell > rules.number("leveled_down_share") * direction * change),
                "years_to_parity": -direction * gap / paces[0], "years_to_parity_or": -direction * gap / paces[1],
                "rate_ahead": direction * (now["rate"] - prior["rate"]).to_numpy(float), "fell": fell,
            }
        )  # fmt: skip


def _level(side: pd.DataFrame, direction: np.ndarray, tolerance: float) -> np.ndarray:
    """The level of a gap where it is the same however large it truly is, else `not_measurable`; what may be reversed or
    closed is closed."""
    gap = direction * side["gap"].to_numpy(float)
    below, above = (side[f"doubt_{where}"].to_numpy(float) for where in ("below", "above"))
    ends = [side[c].to_numpy(float) for c in ("gap_low", "gap_high")]
    low, high = (np.where(direction == 1, one, -other) for one, other in (ends, ends[::-1]))
    itself = (side["subgroup_name"] == side["reference_subgroup"]).fillna(False).to_numpy(bool)
    known = ~np.isnan(gap) & side["reliable"].fillna(False).to_numpy(bool) & ~itself
    least, most = gap - below, gap + above
    closed = known & (least >= -tolerance - 1e-9) & ((high >= 0) | np.isnan(high))
    reversed_ = known & (least > tolerance + 1e-9) & (low - below > 1e-9)
    open_ = known & (most <= -tolerance + 1e-9)
    return np.select([reversed_, closed, open_], ["reversed", "closed", "open"], "not_measurable")
