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


def remembered(folder: Path, releases: Iterable[Path]) -> dict[str, pd.DataFrame]:
    """The statements of these releases by their ids; those of releases that are gone are forgotten."""
    made_of = {release.name: _of(release) for release in releases}
    kept = {}
    for file in sorted(folder.glob("*")):
        if file.stem in made_of.values() and file.suffix == ".parquet":
            kept[file.stem] = pd.read_parquet(file)
        else:
            file.unlink()
    return {release: kept[digest] for release, digest in made_of.items() if digest in kept}


def _of(release: Path) -> str:
    return hashlib.sha256((release / "data" / "gap_metrics.parquet").read_bytes()).hexdigest()
