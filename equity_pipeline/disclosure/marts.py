"""The marts as they may leave: every value that rests on a hidden count is null, in every mart, by one
table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import CELL, Group, everyone, published
from equity_pipeline.disclosure.suppress import Cell, Protection, suppress
from equity_pipeline.domain.errors import DisclosureError

# Columns that rest on no count: what the row is about and which rules made it.
STATED = frozenset(
    [
        "partner_id",
        "school_year",
        "school_year_label",
        "school_id",
        "school_name",
        "grade_level",
        "program",
        "phase",
        "metric_id",
        "metric_label",
        "dimension",
        "dimension_label",
        "subgroup",
        "subgroup_label",
        "reference",
        "metric_version",
        "policy_version",
        "race_standard",
        "econ_basis",
        "snapshot_date",
        "extract_as_of",
        "baseline_school_year",
        "goal_gap",
        "alternate_risk_ratio_reason",
    ]
)

_OWN = frozenset({"own"})
_REFERENCE = frozenset({"reference"})
_GAP = _OWN | _REFERENCE
_CHANGE = _GAP | {"prior"}

# Column → whose counts it is made of: the group's `own`, the row's `reference`, the group's references
# `rest`, `overall` and `highest` (which some
# columns use on every row), and the same group's gap in the `prior` year, the year `before_prior` and the
# `baseline` year.
RESTS_ON = {
    **dict.fromkeys(["n", "successes", "rate", "ppg2017_margin", "ppg2022_margin"], _OWN),
    **dict.fromkeys(["reference_n", "reference_successes", "reference_rate"], _REFERENCE),
    **dict.fromkeys(
        [
            "gap",
            "gap_low",
            "gap_high",
            "rate_ratio",
            "odds_ratio",
            "cohens_h",
            "parity_index_adjusted",
            "p_value",
            "risk_ratio",
            "risk_ratio_reason",
            "alternate_risk_ratio",
            "students_needed",
            "seats_gap",
        ],
        _GAP,
    ),
    **dict.fromkeys(["reliable", "reason"], _GAP),
    **dict.fromkeys(["representation_index", "ppg2017_flag"], _OWN | {"overall"}),
    "ppg2022_flag": _OWN | {"rest"},
    "index80_flag": _OWN | {"highest"},
    "prior_gap": frozenset({"prior"}),
    "baseline_gap": frozenset({"baseline"}),
    **dict.fromkeys(
        ["gap_change", "gap_change_low", "gap_change_high", "leveled_down", "status", "what_changed"], _CHANGE
    ),
    **dict.fromkeys(["comparable_to_prior_year", "comparability_reason"], _CHANGE),
    "years_to_parity": _CHANGE | {"baseline"},
    "on_track": _GAP | {"baseline"},
    "prior_status": frozenset({"prior", "before_prior"}),
    **dict.fromkeys(["urgency", "what_to_do", "urgency_rank"], _CHANGE | {"before_prior"}),
}


def protect_marts(
    marts: dict[str, pd.DataFrame], minimum_cell: int, dimensions: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """The marts with every value null that rests on a hidden count, or that would let one be worked out.

    Rows keep their order; key columns are never null. Rows of kinds that are not published
    (`model.published`) are left out. Added
    columns: `suppressed` (all values of the row are null), `suppression_reason` (`privacy`, `not_measured`
    or null) and `rate_band`
    (null). A row whose own counts are shown and whose reference is not keeps its own and loses its reference
    and gap.

    Args:
        marts: name → frame; `gap_metrics` must be among them and the others have rows for its groups only. A
        mart without a
            `reference` column is about the designated one.
        minimum_cell: the partner's `privacy.minimum_cell`, students.
        dimensions: the seed: `dimension`, `reference_subgroup`, `partitioning`, `crosses`, `publish_level`.

    Raises:
        DisclosureError: a column that no rule knows, a row that `gap_metrics` does not have, a reference
        that is not what the
            model says it is, or counts that can't be protected.
    """
    marts = {name: frame[published(frame, dimensions)] for name, frame in marts.items()}
    gap_metrics = marts["gap_metrics"]
    _check_dimensions(gap_metrics, dimensions)
    cells = gap_metrics[[*CELL, "n", "successes"]].drop_duplicates()
    masks = _Masks(gap_metrics, suppress(cells, dimensions, minimum_cell))
    return {name: _protect(name, frame, masks) for name, frame in marts.items()}


def _check_dimensions(gap_metrics: pd.DataFrame, dimensions: pd.DataFrame) -> None:
    if unknown := sorted(set(gap_metrics["dimension"]) - set(dimensions["dimension"])):
        raise DisclosureError(
            f"dimensions without a row in the seed dimensions: {', '.join(unknown)}; add them to it"
        )


class _Masks:
    """Which counts behind a row of any mart are shown."""

    def __init__(self, gap_metrics: pd.DataFrame, protection: Protection) -> None:
        self.protection = protection
        self.reference: dict[tuple[Cell, str], bool] = {}
        counts = {cell: row for cell, row in zip(_cells(gap_metrics), gap_metrics.itertuples(), strict=True)}
        for cell, row in zip(_cells(gap_metrics), gap_metrics.itertuples(), strict=True):
            self.reference[cell, row.reference] = self._reference_shown(cell, row, counts)

    def _reference_shown(self, cell: Cell, row: tuple, counts: dict[Cell, tuple]) -> bool:
        if row.reference == "rest":
            return cell in self.protection.rest_shown
        if pd.isna(row.reference_n):
            return True
        group = (
            everyone(cell.group.school_id)
            if row.reference == "overall"
            else Group(cell.group.school_id, cell.group.dimension, row.reference_subgroup)
        )
        other = counts.get(Cell(cell.school_year, cell.metric_id, group))
        if (
            other is None
            or pd.isna(other.n)
            or other.n != row.reference_n
            or other.successes != row.reference_successes
        ):
            raise DisclosureError(
                f"gap_metrics states a reference {row.reference!r} in {cell.group.dimension} that is not the group it names; "
                "nothing is published"
            )
        return Cell(cell.school_year, cell.metric_id, group) in self.protection.shown

    def own(self, cell: Cell) -> bool:
        return cell in self.protection.shown

    def gap_or_absent(self, cell: Cell, reference: str) -> bool:
        """Whether the gap of a row of another year is shown, or there is no such row or no such
        measurement."""
        if (cell, reference) not in self.reference or cell in self.protection.not_measured:
            return True
        return self.own(cell) and self.reference[cell, reference]

    def whose(self) -> dict[str, Callable[[Cell, str, object], bool]]:
        """Each name used in `RESTS_ON` → whether those counts of a row (cell, reference, baseline year) are
        shown."""

        def years_back(years: int) -> Callable[[Cell, str, object], bool]:
            return lambda c, r, _: self.gap_or_absent(c._replace(school_year=c.school_year - years), r)

        def baseline(cell: Cell, reference: str, year: object) -> bool:
            return pd.isna(year) or self.gap_or_absent(cell._replace(school_year=int(year)), reference)

        return {
            "own": lambda c, r, _: self.own(c),
            "reference": lambda c, r, _: self.reference[c, r],
            **{
                name: lambda c, r, _, name=name: self.reference.get((c, name), False)
                for name in ("rest", "overall", "highest")
            },
            "prior": years_back(1),
            "before_prior": years_back(2),
            "baseline": baseline,
        }


def _cells(frame: pd.DataFrame) -> list[Cell]:
    columns = [frame[name].tolist() for name in CELL]
    return [Cell(int(year), metric, Group(*group)) for year, metric, *group in zip(*columns, strict=True)]


def _protect(mart: str, frame: pd.DataFrame, masks: _Masks) -> pd.DataFrame:
    values = [name for name in frame.columns if name not in STATED and name != "reference_subgroup"]
    if unknown := [name for name in values if name not in RESTS_ON]:
        raise DisclosureError(
            f"mart {mart}: no rule says which counts {', '.join(unknown)} rest on; declare it in disclosure/marts.py"
        )
    cells = _cells(frame)
    references = frame["reference"].tolist() if "reference" in frame else ["designated"] * len(frame)
    baselines = (
        frame["baseline_school_year"].tolist() if "baseline_school_year" in frame else [None] * len(frame)
    )
    if any(
        (cell, reference) not in masks.reference for cell, reference in zip(cells, references, strict=True)
    ):
        raise DisclosureError(f"mart {mart} has rows that gap_metrics does not have; nothing is published")
    keys = list(zip(cells, references, baselines, strict=True))
    shown = {name: np.array([test(*key) for key in keys], dtype=bool) for name, test in masks.whose().items()}
    result = frame.copy()
    # A row is suppressed whole when the counts it is about are hidden: its own, and in a mart of gaps alone
    # the reference's as well.
    whole = shown["own"] if "n" in frame else shown["own"] & shown["reference"]
    for name in values:
        result[name] = _where(
            frame[name], np.logical_and.reduce([whole, *(shown[who] for who in sorted(RESTS_ON[name]))])
        )
    not_measured = np.array([cell in masks.protection.not_measured for cell in cells], dtype=bool)
    if "reason" in frame:
        result["reason"] = result["reason"].astype(object).mask(not_measured, frame["reason"])
    if "reference_subgroup" in frame:
        # Which group is highest is read off the counts; the other references are policy.
        free = np.array(references, dtype=object) != "highest"
        result["reference_subgroup"] = _where(
            frame["reference_subgroup"], free | (shown["own"] & shown["reference"])
        )
    if "urgency_rank" in frame:
        # Ranks closed up, so that no missing number says where a hidden row stood.
        result["urgency_rank"] = (
            result.groupby("school_year")["urgency_rank"].rank(method="dense").astype("Int64")
        )
    result["suppressed"] = ~whole
    result["suppression_reason"] = np.select([whole, not_measured], [None, "not_measured"], "privacy")
    result["rate_band"] = None
    return result


def _where(column: pd.Series, shown: np.ndarray) -> pd.Series:
    """The column with null where not shown, its type kept."""
    if pd.api.types.is_bool_dtype(column.dtype):
        column = column.astype("boolean")
    elif pd.api.types.is_integer_dtype(column.dtype):
        column = column.astype("Int64")
    return column.where(shown)
