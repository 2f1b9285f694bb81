"""The marts as they may leave: a base of rounded students and rates or bands, and all else worked out from it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.derive import COUNTS, PAIRS, Derivation
from equity_pipeline.disclosure.intervals import band, is_number
from equity_pipeline.disclosure.model import CELL, DISTRICT, REST, Group, published, rest_of, rests
from equity_pipeline.disclosure.suppress import protect
from equity_pipeline.domain.errors import DisclosureError

# Columns that rest on no count: what the row is about and which rules made it.
STATED = frozenset(
    [
        "partner_id", "school_year", "school_year_label", "school_id", "school_name", "grade_level", "program", "phase",
        "metric_id", "metric_label", "dimension", "dimension_label", "subgroup", "subgroup_label", "reference",
        "reference_subgroup", "metric_version", "policy_version", "race_standard", "econ_basis", "snapshot_date",
        "extract_as_of", "baseline_school_year", "goal_gap",
    ]
)  # fmt: skip
BANDS = ["n_band", "rate_band", "reference_n_band", "reference_rate_band", "gap_band"]
REFERENCES = ("rest", "overall", "highest", "designated")
PAIR = [*CELL, "reference"]
# Numbers of students, however finely the rates they come from are stated.
_WHOLE = frozenset({"students_needed", "seats_gap"})
# Statuses of an open gap: where a band allows several of them, it is open.
_OPEN = frozenset({"open", "narrowing", "widening"})


def protect_marts(
    marts: dict[str, pd.DataFrame], minimum_cell: int, dimensions: pd.DataFrame, derivation: Derivation
) -> dict[str, pd.DataFrame]:
    """The published marts: same columns, plus `suppressed`, `suppression_reason` and the bands (`BANDS`).

    `n` is rounded down, `successes` is never published, `rate` and `gap` are null where only their band may be shown.
    Every derived value is worked out from these by the SQL of the marts, at both ends of the bands; it is published
    where both ends agree. A suppressed row keeps its keys and has no value.

    Args:
        marts: the restricted marts by name; only the counts of `gap_metrics` are used.
        minimum_cell: the partner's `privacy.minimum_cell`, students.
        dimensions: the seed.
        derivation: the SQL of the warehouse.

    Raises:
        DisclosureError: counts that can't be protected, a dimension without a row in the seed, or a mart that needs
            more than the published counts.
    """
    gaps = marts["gap_metrics"]
    gaps = gaps[published(gaps, dimensions)]
    if unknown := sorted(set(gaps["dimension"]) - set(dimensions["dimension"])):
        raise DisclosureError(f"dimensions without a row in the seed dimensions: {', '.join(unknown)}; add them to it")
    cells = gaps[[*CELL, "n", "successes", "reason"]].drop_duplicates(CELL).reset_index(drop=True)
    base = _base(cells, dimensions, minimum_cell)
    pairs = _pairs(cells, base, derivation)
    ends = [_end(pairs, base, derivation, low_in_even_years) for low_in_even_years in (True, False)]
    result = _agreed(*ends, _links(pairs, base))
    for name in ("gap_metrics", "gap_closure"):
        derivation.put(name, result[name][list(ends[0][name].columns)])
    for name in [name for name in marts if name not in result]:
        result[name] = derivation.run(name)
        result[name] = result[name].merge(
            result["gap_metrics"].loc[
                result["gap_metrics"]["reference"] == "designated", [*CELL, *BANDS, "_own_hidden", "_gap_hidden", "_absent"]
            ],
            on=CELL, how="left", validate="one_to_one",
        )  # fmt: skip
    return {name: _finish(result[name], "n" in marts[name]) for name in marts}


def _base(cells: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int) -> pd.DataFrame:
    """What is shown of every group and rest, by `CELL`: `students`, `low` and `high` (rates), null where hidden, and
    the texts `n_band` and `rate_band`."""
    said = protect(cells, dimensions, minimum_cell)
    keys = [(c.school_year, c.metric_id, *c.group) for c in said]
    index = pd.MultiIndex.from_tuples(keys, names=CELL)
    base = pd.DataFrame(list(said.values()), index=index)
    number = is_number(base["low"], base["high"])
    base["n_band"] = [f"{a} to {b}" for a, b in zip(base["n_low"], base["n_high"], strict=True)]
    base["rate_band"] = [band(a, b) for a, b in zip(base["low"], base["high"], strict=True)]
    base.loc[number, "rate_band"] = None
    base["high"] = np.where(number, base["low"], base["high"]) / 100
    base["low"] = base["low"] / 100
    base["students"] = base["n_low"].astype("Int64")
    base.loc[base["hidden"], ["n_band", "rate_band", "students", "low", "high"]] = None
    # The rest that is one group has that group's row.
    groups = {Group(*key[2:]) for key in keys if not key[4].startswith(REST)}
    single = {g: parts[0] for g, parts in rests(groups, dimensions).items() if len(parts) == 1}
    aliases = {
        (year, metric_id, *rest_of(g)): (year, metric_id, *single[g])
        for year, metric_id, *group in keys
        if (g := Group(*group)) in single and (year, metric_id, *single[g]) in base.index
    }
    same = base.loc[list(aliases.values())]
    same.index = pd.MultiIndex.from_tuples(list(aliases), names=CELL)
    return pd.concat([base, same])


def _pairs(cells: pd.DataFrame, base: pd.DataFrame, derivation: Derivation) -> pd.DataFrame:
    """`int_references` of the published groups: who is compared with whom, the highest by what is published."""
    at = base.reindex(pd.MultiIndex.from_frame(cells[CELL]))
    counts = cells[CELL].assign(
        grade_level=DISTRICT,
        n=at["students"].to_numpy(),
        successes=(at["students"].astype(float) * (at["low"] + at["high"]) / 2).to_numpy(),
        reason=cells["reason"].where(cells["n"].isna(), None),
    )
    derivation.put(COUNTS, counts)
    return derivation.run(PAIRS)


def _reference_key(pairs: pd.DataFrame, reference: str) -> pd.MultiIndex:
    """The group a row is compared with; for `rest` the name of that rest, or of its one other group."""
    keys = pairs[CELL].copy()
    if reference == "rest":
        keys["subgroup"] = REST + keys["subgroup"]
    else:
        keys["subgroup"] = pairs[f"{reference}_subgroup"]
    if reference == "overall":
        keys["dimension"] = "all_students"
    return pd.MultiIndex.from_frame(keys)


def _at(base: pd.DataFrame, pairs: pd.DataFrame, reference: str | None) -> pd.DataFrame:
    keys = pd.MultiIndex.from_frame(pairs[CELL]) if reference is None else _reference_key(pairs, reference)
    found = base.reindex(keys).reset_index(drop=True)
    if reference == "rest":
        found.loc[~pairs["partitioning"].astype(bool).to_numpy()] = None
    return found


def _links(pairs: pd.DataFrame, base: pd.DataFrame) -> pd.DataFrame:
    """Per `PAIR`: the texts of both sides, and whether the group, or either side, is hidden or was not measured."""
    own = _at(base, pairs, None)
    frames = []
    for reference in REFERENCES:
        other = _at(base, pairs, reference)
        hidden, other_hidden = (side["hidden"].astype("boolean").fillna(False).to_numpy(bool) for side in (own, other))
        frames.append(
            pairs[CELL].assign(
                reference=reference,
                n_band=own["n_band"], rate_band=own["rate_band"],
                reference_n_band=other["n_band"], reference_rate_band=other["rate_band"],
                _own_hidden=hidden, _gap_hidden=hidden | other_hidden, _absent=own["hidden"].isna().to_numpy(),
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _end(
    pairs: pd.DataFrame, base: pd.DataFrame, derivation: Derivation, low_in_even_years: bool
) -> dict[str, pd.DataFrame]:
    """Both marts at one end of the bands: a group at its lowest rate and those it is compared with at their highest, or
    the other way round; alternating by year, so that a change is taken from one end to the other."""
    lowest = (pairs["school_year"] % 2 == 0).to_numpy() == low_in_even_years
    frame = pairs.copy()
    sides = {None: lowest} | {reference: ~lowest for reference in REFERENCES}
    for reference, low in sides.items():
        at = _at(base, pairs, reference)
        if reference not in (None, "rest"):
            # A group compared with itself is at the same end as itself.
            low = np.where(pairs[f"{reference}_subgroup"] == pairs["subgroup"], lowest, low)
        rate = np.where(low, at["low"].astype(float), at["high"].astype(float))
        prefix = f"{reference}_" if reference else ""
        frame[f"{prefix}n"] = at["students"].astype("Int64").to_numpy()
        frame[f"{prefix}successes"] = rate * at["students"].astype(float).to_numpy()
    derivation.put(PAIRS, frame)
    result = {"gap_metrics": derivation.run("gap_metrics")}
    derivation.run("int_gap_level")
    result["gap_closure"] = derivation.run("gap_closure")
    return result


def _agreed(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame], links: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What both ends of the bands say; a gap they differ in is stated as a band, and a status they differ in is not
    measurable, unless the gap is open at both."""
    result = {}
    bands = None
    for name in one:
        left, right = (side[name].sort_values(PAIR, ignore_index=True) for side in (one, other))
        frame = left[[c for c in left.columns if c in STATED]].copy()
        for column in [c for c in left.columns if c not in STATED]:
            same = (left[column] == right[column]).astype("boolean").fillna(False).to_numpy(bool)
            frame[column] = _where(left[column], same)
            if column in _WHOLE:
                frame[column] = np.floor(frame[column].astype("Float64") + 1e-9).astype("Int64")
        if name == "gap_metrics":
            ends = pd.concat([left["gap"], right["gap"]], axis=1).astype(float)
            low, high = ends.min(axis=1), ends.max(axis=1)
            bands = left[PAIR].assign(gap_band=[_points(a, b) for a, b in zip(low, high, strict=True)])
        else:
            both = left["status"].isin(_OPEN) & right["status"].isin(_OPEN)
            fallback = np.where(both, "open", "not_measurable")
            frame["status"] = frame["status"].astype(object).where(left["status"] == right["status"], fallback)
            banded = frame["gap"].isna() | (frame["baseline_gap"].isna() & left["baseline_gap"].notna())
            for column in ("on_track", "years_to_parity"):
                frame[column] = _where(frame[column], ~banded.to_numpy())
        frame = frame.merge(links, on=PAIR, how="left", validate="one_to_one")
        result[name] = frame.merge(bands, on=PAIR, how="left", validate="one_to_one")
    return result


def _points(low: float, high: float) -> str | None:
    """A band of a gap as text, in percentage points; none where the gap is a number, or there is no gap."""
    if pd.isna(low) or low == high:
        return None
    return " to ".join(f"{round(100 * end)}".replace("-", "−") for end in (low, high))


def _finish(frame: pd.DataFrame, about_counts: bool) -> pd.DataFrame:
    """The frame with `suppressed` and its reason, and no value in a suppressed row."""
    hidden = frame["_own_hidden" if about_counts else "_gap_hidden"].to_numpy(bool)
    absent = frame["_absent"].to_numpy(bool)
    result = frame.drop(columns=["_own_hidden", "_gap_hidden", "_absent"])
    suppressed = hidden | absent
    if "successes" in result:
        result["successes"], result["reference_successes"] = pd.array([pd.NA] * len(result), "Int64"), pd.array([pd.NA] * len(result), "Int64")
    for column in [c for c in result.columns if c not in STATED]:
        keep = ~suppressed if column != "reason" else ~hidden
        result[column] = _where(result[column], keep)
    if "urgency_rank" in result:
        result["urgency_rank"] = result.groupby("school_year")["urgency_rank"].rank(method="dense").astype("Int64")
    result["suppressed"] = suppressed
    result["suppression_reason"] = np.select([absent, hidden], ["not_measured", "privacy"], None)
    return result


def _where(column: pd.Series, shown: np.ndarray) -> pd.Series:
    """The column with null where not shown, its type kept."""
    if pd.api.types.is_bool_dtype(column.dtype):
        column = column.astype("boolean")
    elif pd.api.types.is_integer_dtype(column.dtype):
        column = column.astype("Int64")
    return column.where(shown)
