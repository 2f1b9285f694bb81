"""What earlier releases said and of which counts, kept beside the warehouse and never in a release: for the proofs of later ones.

A statement is kept under the hash of the `gap_metrics` that were made of it, before these are published, so that no release stands
whose counts are not known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd


def remember(folder: Path, release: Path, statement: pd.DataFrame) -> None:
    """Keep the statement (`Proof.statement`) of a release that is about to be published, readable by its owner alone."""
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{_of(release)}.parquet"
    scratch = file.with_suffix(".tmp")
    statement.to_parquet(scratch, index=False)
    scratch.chmod(0o600)
    scratch.replace(file)


def remembered(folder: Path, releases: Iterable[Path]) -> list[pd.DataFrame]:
    """The statements of these releases; those of releases that are gone are forgotten."""
    names = {f"{_of(release)}.parquet" for release in releases}
    for file in sorted(folder.glob("*")):
        if file.name not in names:
            file.unlink()
    return [pd.read_parquet(folder / name) for name in sorted(names) if (folder / name).is_file()]


def _of(release: Path) -> str:
    return hashlib.sha256((release / "data" / "gap_metrics.parquet").read_bytes()).hexdigest()
