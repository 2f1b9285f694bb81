"""What taking in a large course enrollment file costs, against DuckDB's own copy of it to Parquet in the same run.

    python benchmarks/ingest.py [--rows 5000000] [--repeats 3]

Makes the file (rows in random order; one in 1,000 has a fault, one in 1,000 comes twice), then runs the two sides in turn,
each in a process of its own, the file in memory and nothing left to be written to disk. Taking in is all of it: hash,
archive, reading, width check, pseudonyms, types, contract, quarantine, duplicates, Parquet, ledger; the libraries that
each side loads count too. Prints one JSON object: of each side the medians of seconds, CPU seconds and peak memory in MiB;
the ratios of the medians, and that of each turn. The figures to hold: ratio at most 2.0, peak memory below 2048 MiB. On a
machine with other work the CPU ratio says more.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

HEADER = "school_year,student_id,school_id,course_id,section_id,term,entry_date,exit_date,final_grade,dropped"
BLOCK = 1_000_000
DELIVERED = "course_enrollments_2025-26.csv"
HOME = "home"


def make(path: Path, rows: int) -> None:
    """A course enrollment CSV: seven courses a student, each million in no order."""
    n = pl.col("n")
    student = n // 7
    columns = [
        pl.lit("2026").alias("year"),
        pl.format("S{}", (student * 2_654_435_761 % 10**9).cast(pl.String).str.zfill(9)).alias("student"),
        (student % 211).cast(pl.String).str.zfill(4).alias("school"),
        pl.format("C{}", (n * 7919 % 1500).cast(pl.String).str.zfill(5)).alias("course"),
        pl.format("{}-{}", n % 97, n % 7).alias("section"),
        pl.when(n % 2 == 0).then(pl.lit("S1")).otherwise(pl.lit("S2")).alias("term"),
        pl.when(n % 1000 == 500).then(pl.lit("25.08.2025")).otherwise(pl.lit("2025-08-25")).alias("entry"),
        pl.format("2026-0{}-{}", n % 5 + 1, n % 18 + 10).alias("exit"),
        pl.lit("ABCDF").str.slice(n * 31 % 5, 1).alias("grade"),
        pl.when(n % 50 == 0).then(pl.lit("yes")).otherwise(pl.lit("no")).alias("dropped"),
    ]
    with path.open("wb") as file:
        file.write(HEADER.encode() + b"\n")
        for start in range(0, rows, BLOCK):
            numbers = pl.int_range(start, min(start + BLOCK, rows), eager=True).alias("n")
            table = numbers.shuffle(seed=start).to_frame().select(columns)
            table.write_csv(file, include_header=False)
            table.gather_every(1000, offset=7).write_csv(file, include_header=False)


def copy_with_duckdb(folder: Path) -> None:
    import duckdb

    duckdb.connect().execute(
        f"COPY (FROM read_csv('{folder / DELIVERED}', all_varchar=true)) TO '{folder / 'copy.parquet'}' (FORMAT parquet)"
    )


def take_in(folder: Path) -> None:
    # Pandera loads hypothesis, half a second, where it finds it: beside the tests, and on no machine that takes files in.
    sys.modules["hypothesis"] = None
    from equity_pipeline.extracts.intake import load_extracts, take_delivery
    from equity_pipeline.extracts.ledger import Ledger
    from equity_pipeline.partners.registry import Partner
    from equity_pipeline.storage.home import Home

    partner = Partner(
        partner_id="large_usd", name="Large", state="CA", timezone="America/Los_Angeles",
        first_school_year="2025-26", sources=[{"name": "own", "format": "canonical", "files": ["*.csv"]}],
    )  # fmt: skip
    home = Home(folder / HOME)
    home.landing("large_usd").mkdir(parents=True)
    (home.landing("large_usd") / DELIVERED).hardlink_to(folder / DELIVERED)
    take_delivery(home, partner)
    load_extracts(home, partner, 2026)
    counts = Ledger(home).counts("large_usd")
    print(json.dumps({count: counts[count] for count in ("rows_in", "loaded", "rejected", "duplicates")}))


def measured(side: str, folder: Path) -> dict[str, float]:
    """Run one side in a process of its own: wall seconds without the start of Python, peak memory, what it printed."""
    os.sync()
    done = subprocess.run(
        [sys.executable, __file__, "--side", side, "--folder", folder],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    shutil.rmtree(folder / HOME, ignore_errors=True)
    *printed, timing = done.stdout.splitlines()
    return json.loads(timing) | (json.loads(printed[0]) if printed else {})


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {figure: statistics.median(run[figure] for run in runs) for figure in runs[0]}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=5_000_000)
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--side", choices=["duckdb", "ingest"], help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.side:
        start = time.perf_counter()
        {"duckdb": copy_with_duckdb, "ingest": take_in}[given.side](given.folder)
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = round(used.ru_utime + used.ru_stime, 2)
        print(
            json.dumps({"seconds": round(seconds, 2), "cpu_seconds": cpu, "peak_mib": used.ru_maxrss // 1024})
        )
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder / DELIVERED, given.rows)
        turns = [(measured("duckdb", folder), measured("ingest", folder)) for _ in range(given.repeats)]
        size = (folder / DELIVERED).stat().st_size // 1024**2
    duckdb, ingest = (medians([*side]) for side in zip(*turns, strict=True))
    result = {"rows": given.rows, "file_mib": size, "duckdb": duckdb, "ingest": ingest}
    for name, figure in (("ratio", "seconds"), ("cpu_ratio", "cpu_seconds")):
        result[name] = round(ingest[figure] / duckdb[figure], 2)
        result[f"{name}_of_each"] = [round(ours[figure] / theirs[figure], 2) for theirs, ours in turns]
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
