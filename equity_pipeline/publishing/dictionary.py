"""`data/datapackage.json`: what each column of the data files means (Frictionless Data Package v1)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from equity_pipeline.publishing import contracts, manifest

# Columns that only a release has; the others are described beside the models that make them.
_PUBLISHED = {
    "suppressed": "Whether the values of the row are hidden; they are null then, and the row stays.",
    "suppression_reason": "`privacy`: showing it would show something about few students; `not_measured`: the data needed is not on file.",
    "rate_band": "The range that the rate lies in; `rate` is its middle. Null where the rate is a whole percent.",
    "reference_rate_band": "The range that the reference rate lies in; `reference_rate` is its middle.",
}
_REASONS = {"suppression_reason": ["privacy", "not_measured"], "status": contracts.STATUSES}


def package(
    frames: dict[str, pd.DataFrame], described: dict[str, dict[str, str]], files: dict[str, bytes]
) -> bytes:
    """The descriptor of the CSV files. `frames`: as published, mart → frame; `described`: mart → column → description;
    `files`: the data files, path → bytes."""
    shared = {column: said for columns in described.values() for column, said in columns.items() if column}
    return manifest.dump(
        {
            "profile": "tabular-data-package",
            "name": "equity-gap-tracker",
            "title": "Equity gap tracker",
            "resources": [
                _resource(mart, frame, shared | described.get(mart, {}), files)
                for mart, frame in sorted(frames.items())
            ],
        }
    )


def _resource(
    mart: str, frame: pd.DataFrame, described: dict[str, str], files: dict[str, bytes]
) -> dict[str, Any]:
    data = files[f"data/{mart}.csv"]
    return {
        "profile": "tabular-data-resource", "name": mart, "path": f"{mart}.csv", "format": "csv", "mediatype": "text/csv",
        "encoding": "utf-8", "bytes": len(data), "hash": f"sha256:{manifest.sha256(data)}",
        "description": described.get("", ""),
        "schema": {
            "fields": [_field(name, frame[name], described) for name in frame.columns],
            "primaryKey": [key for key in contracts.KEYS if key in frame.columns],
            "missingValues": [""],
        },
    }  # fmt: skip


def _field(name: str, values: pd.Series, described: dict[str, str]) -> dict[str, Any]:
    kind = ("boolean" if pd.api.types.is_bool_dtype(values) else "integer" if pd.api.types.is_integer_dtype(values)
            else "number" if pd.api.types.is_numeric_dtype(values) else "date" if name in ("snapshot_date", "extract_as_of")
            else "string")  # fmt: skip
    said: dict[str, Any] = {
        "name": name,
        "type": kind,
        "description": _PUBLISHED.get(name) or described.get(name, ""),
    }
    if kind == "boolean":
        said |= {"trueValues": ["true"], "falseValues": ["false"]}
    if name in _REASONS:
        said["constraints"] = {"enum": _REASONS[name]}
    return said
