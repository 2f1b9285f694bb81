"""How long the whole way takes: `make benchmark`. Prints a table and writes benchmarks/results/<date>.json.

The figures of the first build, on 2 cores with nothing else running: sample run within 90 s, each further partner
within 6 s of fixed cost, the code location within 5 s.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from equity_pipeline import sample
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home

LIMITS = {"sample_run": 90.0, "further_partner": 6.0, "location_load": 5.0}


def seconds(*command: str, home: Home) -> float:
    start = time.perf_counter()
    environment = os.environ | {"EQUITY_HOME": str(home.root)}
    subprocess.run([sys.executable, *command], check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def sample_run(folder: Path) -> tuple[float, int]:
    """Landing to site for the five sample partners at full size, and the rows that went through."""
    home = Home(folder / "sample")
    sample.write(home)
    taken = seconds("-m", "equity_pipeline.cli", "run", "--home", str(home.root), home=home)
    from equity_pipeline.extracts.ledger import Ledger

    return taken, sum(Ledger(home).counts(partner_id)["rows_in"] for partner_id in registry.load_all(home))


def further_partner(folder: Path) -> float:
    """What Dagster and dbt cost for a partner of hardly any rows, once the process is warm: take in, load, and build
    three tiny partners one after the other, without the time that publishing takes of its own."""
    from equity_pipeline.defs import history
    from equity_pipeline.defs.jobs import LOAD, REFRESH, TAKE_IN
    from equity_pipeline.defs.partitions import range_tags
    from equity_pipeline.defs.runs import execute
    from equity_pipeline.publishing import release

    home = Home(folder / "tiny")
    sample.write(home, scale=0.02)
    source = home.partner_file("prairie_rose_sd").read_text(encoding="utf-8")
    names = [f"tiny_{number}" for number in range(3)]
    for name in names:
        home.partner_file(name).write_text(source.replace("prairie_rose_sd", name), encoding="utf-8")
        shutil.copytree(home.landing("prairie_rose_sd"), home.landing(name))
    taken = []
    with history.open_instance(home) as instance:
        for name in names:
            start = time.perf_counter()
            execute(instance, home, TAKE_IN, partition_key=name)
            execute(instance, home, LOAD, tags=range_tags(name, 2022, 2026))
            execute(instance, home, REFRESH, partition_key=name)
            taken.append(time.perf_counter() - start)
    start = time.perf_counter()
    shutil.rmtree(home.releases(names[-1]))
    release.publish(home, registry.load(home.partner_file(names[-1])))
    return min(taken[1:]) - (time.perf_counter() - start)


def location_load(folder: Path) -> float:
    home = Home(folder / "tiny")
    return min(seconds("-c", "import equity_pipeline.definitions", home=home) for _ in range(3))


def main() -> None:
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        folder = Path(name)
        taken, rows = sample_run(folder)
        measured = {
            "sample_run": taken,
            "further_partner": further_partner(folder),
            "location_load": location_load(folder),
        }
    print(f"{'':<18}{'seconds':>9}{'limit':>8}{'share':>8}")
    for key, value in measured.items():
        print(f"{key:<18}{value:>9.1f}{LIMITS[key]:>8.0f}{value / LIMITS[key]:>8.0%}")
    print(f"{rows:,} rows in, {rows / taken:,.0f} a second from landing to site, {os.cpu_count()} processors")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    report = {"at": now.isoformat(timespec="seconds"), "processors": os.cpu_count(), "rows_in": rows}
    path = results / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(
        json.dumps(report | {"seconds": measured, "limits": LIMITS}, indent=2) + "\n", encoding="utf-8"
    )
    print(f"written: {path}")


if __name__ == "__main__":
    main()
