"""What a home of 13,000 districts, 50 million students and ten school years would weigh, by layer.

    python benchmarks/storage.py HOME…      homes in which partners have been built and released

Bytes and files of each layer are measured on the partners of the homes and drawn out in a straight line over student-years;
districts are drawn from a log-normal distribution. Prints a Markdown table. No price: multiply by your store's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from equity_pipeline.storage.home import Home

DISTRICTS, STUDENTS, SCHOOL_YEARS = 13_000, 50_000_000, 10
SIGMA = 1.5  # of the logarithm of a district's size: half have fewer than a third of the mean
RELEASES_A_YEAR = 4
LAYERS = ("archive", "extracts", "warehouse", "releases")


def measured(home: Home) -> dict[str, list[tuple[int, int, int]]]:
    """Per layer: (student-years, bytes, files) of each partner that has student rows."""
    found: dict[str, list[tuple[int, int, int]]] = {layer: [] for layer in LAYERS}
    for path in sorted(home.partners.glob("*.yml")):
        rows = sum(
            pl.scan_parquet(file).select(pl.len()).collect().item()
            for file in (home.root / "extracts" / "students" / f"partner_id={path.stem}").rglob("*.parquet")
        )
        if not rows:
            continue
        folders = {layer: [home.root / layer / path.stem] for layer in LAYERS}
        folders["extracts"] = list((home.root / "extracts").glob(f"*/partner_id={path.stem}"))
        for layer, of in folders.items():
            files = [
                file
                for folder in of
                for file in folder.rglob("*")
                if file.is_file() and not file.is_symlink()
            ]
            found[layer].append((rows, sum(file.stat().st_size for file in files), len(files)))
    return found


def districts() -> np.ndarray:
    """Students of each district."""
    drawn = np.random.default_rng(20260701).lognormal(0.0, SIGMA, DISTRICTS)
    return drawn * STUDENTS / drawn.sum()


def main(homes: list[Home]) -> None:
    points = {layer: [point for home in homes for point in measured(home)[layer]] for layer in LAYERS}
    student_years = districts() * SCHOOL_YEARS
    print(
        "| layer | measured: kB a partner + bytes a student-year | files a partner | simulated: TB | million objects |"
    )
    print("|---|---|---|---|---|")
    for layer, found in points.items():
        x, size, files = (np.array(column, float) for column in zip(*found, strict=True))
        slope = max(0.0, np.polyfit(x, size, 1)[0])
        base = max(0.0, (size - slope * x).mean())
        kept = RELEASES_A_YEAR * SCHOOL_YEARS if layer == "releases" else 1
        total = kept * (base + slope * student_years).sum()
        objects = kept * files.mean() * DISTRICTS
        print(
            f"| {layer} | {base / 1e3:,.0f} + {slope:,.0f} | {files.mean():,.0f} | {total / 1e12:,.2f} | {objects / 1e6:,.1f} |"
        )
    print(
        f"\nfrom {len(found)} partners of {min(x):,.0f} to {max(x):,.0f} student-years; {kept} releases kept of each district"
    )
    print(f"median district {np.median(districts()):,.0f} students, largest {districts().max():,.0f}")


if __name__ == "__main__":
    main([Home(Path(name)) for name in sys.argv[1:]])
