"""What the whole way costs: `make benchmark`. Prints a table and writes benchmarks/results/<date>.json.

The sample run from landing to site; a further partner of hardly any rows in a warm process, take-in to release, and the same
without publishing; loading the code location. In wall and CPU seconds, and as a multiple of a yardstick that is measured in the same
run: the hand-written script of benchmarks/marts.py for 20,000 student-years. The limits are wall seconds on 2 processors with nothing
else running.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import marts

from equity_pipeline import sample
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home

LIMITS = {"sample_run": 90.0, "further_partner": 2.0, "without_publishing": 6.0, "location_load": 5.0}
Spent = tuple[float, float]  # wall and CPU seconds


def spent_by(*command: str, home: Home) -> Spent:
    """Of a process of its own and those that it starts."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"EQUITY_HOME": str(home.root)}
    subprocess.run([sys.executable, *command], check=True, env=environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu


def spent_in(work: Callable[[], object]) -> Spent:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


def sample_run(folder: Path) -> tuple[Spent, int]:
    """Landing to site for the five sample partners at full size, and the rows that went through."""
    home = Home(folder / "sample")
    sample.write(home)
    taken = spent_by("-m", "equity_pipeline.cli", "run", "--home", str(home.root), home=home)
    from equity_pipeline.extracts.ledger import Ledger

    return taken, sum(Ledger(home).counts(partner_id)["rows_in"] for partner_id in registry.load_all(home))


def further_partner(folder: Path) -> tuple[Spent, Spent]:
    """Three tiny partners one after the other in this process; the cheaper of the last two, and the same without the time
    that publishing takes of its own."""
    from equity_pipeline.defs import history
    from equity_pipeline.defs.runs import one_partner
    from equity_pipeline.publishing import release
    from equity_pipeline.warehouse.project import DUCKDB

    home = Home(folder / "tiny")
    sample.write(home, scale=0.02)
    source = home.partner_file("prairie_rose_sd").read_text(encoding="utf-8")
    names = [f"tiny_{number}" for number in range(3)]
    for name in names:
        home.partner_file(name).write_text(source.replace("prairie_rose_sd", name), encoding="utf-8")
        shutil.copytree(home.landing("prairie_rose_sd"), home.landing(name))
    partners = [registry.load(home.partner_file(name)) for name in names]
    with history.open_instance(home) as instance:
        whole = min(
            [
                spent_in(lambda one=one: list(one_partner(instance, home, one, (), DUCKDB)))
                for one in partners
            ][1:]
        )
    shutil.rmtree(home.releases(names[-1]))
    (home.warehouse(names[-1]).parent / "witness.npz").unlink()  # the proof is part of publishing
    publishing = spent_in(lambda: release.publish(home, partners[-1]))
    return whole, (whole[0] - publishing[0], whole[1] - publishing[1])


def location_load(folder: Path) -> Spent:
    home = Home(folder / "tiny")
    return min(spent_by("-c", "import equity_pipeline.definitions", home=home) for _ in range(3))


def yardstick(folder: Path) -> Spent:
    home = Home(folder / "yardstick")
    marts.generate(home, 20_000, 2)
    marts.prepare(home)
    return spent_in(lambda: marts.by_hand(home))


def main() -> None:
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        folder = Path(name)
        measured = {"yardstick": yardstick(folder)}
        measured["sample_run"], rows = sample_run(folder)
        measured["further_partner"], measured["without_publishing"] = further_partner(folder)
        measured["location_load"] = location_load(folder)
    print(f"{'':<20}{'wall s':>8}{'CPU s':>8}{'yardsticks':>12}{'limit':>8}")
    for key, (wall, cpu) in measured.items():
        limit = f"{LIMITS[key]:>8.0f}" if key in LIMITS else ""
        print(f"{key:<20}{wall:>8.1f}{cpu:>8.1f}{cpu / measured['yardstick'][1]:>12.1f}{limit}")
    wall = measured["sample_run"][0]
    print(f"{rows:,} rows in, {rows / wall:,.0f} a second from landing to site, {os.cpu_count()} processors")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    report = {"at": now.isoformat(timespec="seconds"), "processors": os.cpu_count(), "rows_in": rows}
    spent = {key: {"wall": wall, "cpu": cpu} for key, (wall, cpu) in measured.items()}
    path = results / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(
        json.dumps(report | {"seconds": spent, "limits": LIMITS}, indent=2) + "\n", encoding="utf-8"
    )
    print(f"written: {path}")


if __name__ == "__main__":
    main()
