"""What a release states besides the marts: labels and policy, school names, what was delivered and what was rejected."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing.words import ENGLISH, Language

QUALITY_COLUMNS = ["school_year", "extract", "rows_in", "loaded", "rejected", "duplicates"]
REJECTION_COLUMNS = ["school_year", "extract", "reason", "rows"]


@dataclass(frozen=True)
class Labels:
    """The policy seeds of the warehouse, which hold every label and every rule in words.

    `metrics`: metric_id, label, phase, sort, direction, requires, definition; `dimensions`: dimension, label, sort,
    reference_subgroup, partitioning; `subgroups`: dimension, subgroup, label, sort (a subgroup of several attribute values
    has several rows); `policy`: key, value, unit. All carry version and source.
    """

    metrics: pd.DataFrame
    dimensions: pd.DataFrame
    subgroups: pd.DataFrame
    policy: pd.DataFrame

    def metric(self, metric_id: str) -> str:
        """The label of a metric."""
        return str(self._metrics[metric_id]["label"])

    def definition(self, metric_id: str) -> str:
        """What is counted, of whom."""
        return str(self._metrics[metric_id]["definition"])

    def direction(self, metric_id: str) -> int:
        """1 when a higher rate is better, -1 when a lower one is."""
        return -1 if self._metrics[metric_id]["direction"] == "lower_is_better" else 1

    def dimension(self, dimension: str) -> str:
        """The label of a dimension."""
        return str(self._dimensions[dimension]["label"])

    def subgroup(self, dimension: str, subgroup: str, say: Language = ENGLISH) -> str:
        """The label of a subgroup; of a crossing without a row of its own, the labels of its parts."""
        label = self._subgroup_labels.get((dimension, subgroup))
        if label is None and "*" in dimension and len(dimension.split("*")) == len(subgroup.split("*")):
            parts = zip(dimension.split("*"), subgroup.split("*"), strict=True)
            return ", ".join(self.subgroup(*part, say) for part in parts)
        return say(label or subgroup.replace("_", " ").capitalize())

    def reference_subgroup(self, dimension: str) -> str | None:
        """The designated reference of a dimension, or None."""
        value = self._dimensions[dimension]["reference_subgroup"]
        return value if isinstance(value, str) and value else None

    def partitioning(self, dimension: str) -> bool:
        """Whether every student is in exactly one subgroup of the dimension."""
        return str(self._dimensions[dimension]["partitioning"]).lower() in ("yes", "true")

    @cached_property
    def _metrics(self) -> dict[str, Row]:
        return _by(self.metrics, "metric_id")

    @cached_property
    def _dimensions(self) -> dict[str, Row]:
        return _by(self.dimensions, "dimension")

    @cached_property
    def _subgroup_labels(self) -> dict[tuple[str, str], str]:
        rows = self.subgroups.dropna(subset=["label"])
        return dict(zip(zip(rows["dimension"], rows["subgroup"], strict=True), rows["label"], strict=True))


@dataclass(frozen=True)
class Context:
    """Everything a release needs that is not a mart.

    `schools`: school_id → name. `deliveries`: one dict per delivery × extract × school year that the numbers rest on
    (delivery_id, file, extract, school_year). `quality`: `QUALITY_COLUMNS`, `rejections`: `REJECTION_COLUMNS`, rows.
    `refused`: files that no number rests on (file, message); `superseded`: files that a newer one replaced (file, extract,
    school_year); `as_of`: the newest date that a delivery states. `dictionary`: mart → column → description.
    `programmes`: the programmes' tables as they may leave, by name; `minimum_cell`: the partner's, students. `held_back`: school
    year → the release whose numbers of it are said again, corrections since being too few (`disclosure/proof.py`).
    """

    labels: Labels
    schools: dict[str, str]
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    quality: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=QUALITY_COLUMNS))
    rejections: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=REJECTION_COLUMNS))
    refused: list[dict[str, str]] = field(default_factory=list)
    superseded: list[dict[str, Any]] = field(default_factory=list)
    as_of: dt.date | None = None
    dictionary: dict[str, dict[str, str]] = field(default_factory=dict)
    programmes: dict[str, pd.DataFrame] = field(default_factory=dict)
    minimum_cell: int = 10
    held_back: dict[str, str] = field(default_factory=dict)

    def school(self, school_id: str) -> str:
        """The school's name, its id where none is known."""
        return self.schools.get(school_id) or f"School {school_id}"


def _by(seed: pd.DataFrame, key: str) -> dict[str, Row]:
    """The rows of a seed by their key."""
    return {row[key]: {str(name): value for name, value in row.items()} for row in seed.to_dict("records")}
