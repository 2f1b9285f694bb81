"""`manifest.json`: what a release is made of, by which versions, and the hash of every file in it."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from equity_pipeline.domain.rows import Row
from equity_pipeline.publishing.changes import Changes
from equity_pipeline.publishing.context import Context


def sha256(data: bytes) -> str:
    """The digest of a file's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def dump(value: object) -> bytes:
    """JSON with sorted keys: the same value gives the same bytes."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read(release: Path) -> dict[str, Any] | None:
    """The manifest of a release folder, or None where there is none."""
    return of(release) if (release / "manifest.json").is_file() else None


def of(release: Path) -> dict[str, Any]:
    """The manifest of a release folder that has one."""
    manifest: dict[str, Any] = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    return manifest


@cache
def layout() -> str:
    """A hash over the code that protects, lays out and attacks: with another it is another release, although no number changed."""
    here = Path(__file__).parent.parent
    files = sorted(
        p
        for package in ("disclosure", "publishing")
        for p in (here / package).rglob("*")
        if p.suffix in (".py", ".j2", ".css", ".js", ".json")
    )
    return sha256(b"".join(p.relative_to(here).as_posix().encode() + b"\0" + p.read_bytes() for p in files))[
        :16
    ]


def versions(frames: dict[str, pd.DataFrame], context: Context) -> dict[str, Any]:
    """What made the numbers and the pages."""
    metrics = frames["gap_metrics"]
    return {
        "layout": layout(),
        "metric_versions": {
            metric: sorted(set(of["metric_version"].dropna().astype(str))) for metric, of in metrics.groupby("metric_id", sort=True)
        },
        "policy": dict(sorted(zip(context.labels.policy["key"], map(str, context.labels.policy["value"]), strict=True))),
        "policy_versions": sorted(set(metrics["policy_version"].dropna().astype(str))),
        "labels": sha256(b"".join(_bytes(f) for f in (context.labels.metrics, context.labels.dimensions, context.labels.subgroups,
                                                      context.labels.policy)))[:16],
    }  # fmt: skip


def release_id(data: dict[str, bytes], stated: dict[str, Any]) -> str:
    """First 16 hex digits of the sha256 over the data files' hashes and what else the release states (versions, partner)."""
    return sha256(dump({"files": {path: sha256(data[path]) for path in sorted(data)}, "stated": stated}))[:16]


def manifest(
    *, release: str, partner: dict[str, Any], previous: str | None, context: Context, frames: dict[str, pd.DataFrame],
    stated: dict[str, Any], changes: Changes, files: dict[str, bytes], statuses: dict[str, dict[str, int]],
    missing: list[Row],
) -> dict[str, Any]:  # fmt: skip
    """The manifest as a value. `files`: every other file of the release, path → bytes; `statuses`: school → how many gaps of the
    latest year stand on each step of the ladder, as the pages count them; `missing`: of `quality.missing`."""
    return {
        "release_id": release,
        "partner": partner,
        "school_years": sorted({int(y) for y in frames["gap_metrics"]["school_year"]}),
        "previous_release": previous,
        "changes": {"restated": changes.restated, "added": changes.added, "removed": changes.removed,
                    "restated_by_school_year": {str(y): n for y, n in changes.years.items()}},
        "held_back": context.held_back,
        "made_from": sorted(context.deliveries, key=lambda d: json.dumps(d, sort_keys=True)),
        "versions": stated,
        "district_gaps_by_status": statuses.get("_all", {}),
        "school_gaps_by_status": {school: counts for school, counts in statuses.items() if school != "_all"},
        "schools": context.schools,
        "missing": [line | {"due": line["due"].isoformat()} for line in missing],
        "row_counts": {mart: len(frame) for mart, frame in sorted(frames.items())},
        "suppressed_rows": {
            mart: {str(reason): int(rows) for reason, rows in frame["suppression_reason"].value_counts().sort_index().items()}
            for mart, frame in sorted(frames.items())
        },
        "files": {path: {"sha256": sha256(data), "bytes": len(data)} for path, data in sorted(files.items())},
    }  # fmt: skip


def _bytes(frame: pd.DataFrame) -> bytes:
    ordered = frame[sorted(frame.columns)].astype(str)
    return ordered.sort_values(list(ordered.columns)).to_csv(index=False).encode()
