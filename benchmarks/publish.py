"""Publishing many partners on two processes: `PYTHONPATH=. python benchmarks/publish.py [partners, else 200] [scale of the samples, else 1]`.

The sample districts are taken in, built and published once. Then partners in equal parts have the warehouse of each of them under a name of
their own and publish it: disclosure control, pages, workbook, data files, and the attack on the result. Their counts were proven
before, as they are on every night that changed something else than counts; what a release costs whose counts are new is
measured apart, with one partner of each district. Last, the districts themselves are asked again as many times, where nothing
changed. Prints seconds a partner, and asserts that the last pass renders nothing.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from equity_pipeline import sample
from equity_pipeline.partners import registry
from equity_pipeline.publishing import release, site
from equity_pipeline.storage.home import Home

PROCESSES = 2


def _districts(home: Home, scale: float) -> list[str]:
    """The sample districts, each with a finished warehouse and a proof of its counts."""
    districts = sample.write(home, scale=scale)
    command = [sys.executable, "-m", "equity_pipeline.cli", "run", "--home", str(home.root)]
    subprocess.run(
        [*command, *(word for district in districts for word in ("--partner", district))],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return districts


def _partner(home: Home, district: str, name: str, *, proven: bool) -> str:
    """A partner that has the warehouse of a district, and the proof of its counts."""
    stated = home.partner_file(district).read_text(encoding="utf-8")
    home.partner_file(name).write_text(stated.replace(district, name), encoding="utf-8")
    home.warehouse(name).parent.mkdir(parents=True)
    for file in (home.warehouse(district).name, *(["witness.npz"] if proven else [])):
        os.link(home.warehouse(district).with_name(file), home.warehouse(name).with_name(file))
    return name


def _publish(asked: tuple[Path, str]) -> tuple[float, float, bool]:
    """Seconds and processor seconds for one partner, and whether a page was rendered."""
    home = Home(asked[0])
    partner = registry.load(home.partner_file(asked[1]))
    rendered = []
    pages, site.pages = site.pages, lambda *given: rendered.append(1) or pages(*given)
    start, start_cpu = time.perf_counter(), time.process_time()
    release.publish(home, partner)
    spent = time.perf_counter() - start, time.process_time() - start_cpu
    site.pages = pages
    return *spent, bool(rendered)


def _line(title: str, partners: int, seconds: float, walls: list[float], cpus: list[float]) -> None:
    print(f"{title:40} {partners:8} {seconds / partners:18.2f} {statistics.median(walls):12.2f} {max(walls):8.2f} {statistics.mean(cpus):12.2f}", flush=True)  # fmt: skip


def main(number: int, scale: float) -> None:
    with (
        tempfile.TemporaryDirectory() as root,
        ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as workers,
    ):
        home = Home(Path(root))
        districts = _districts(home, scale)
        of = {
            f"partner_{at:03d}": district
            for at, district in zip(range(number), itertools.cycle(districts), strict=False)
        }
        fresh = [_partner(home, district, f"new_{district}", proven=False) for district in districts]
        known = [_partner(home, district, name, proven=True) for name, district in of.items()]
        print(f"{'':40} {'partners':>8} {'wall s a partner':>18} {'median wall':>12} {'slowest':>8} {'processor s':>12}")  # fmt: skip
        for title, names, renders in (
            ("new counts, proof and all", fresh, True), ("counts proven before", known, True),
            ("unchanged", list(itertools.islice(itertools.cycle(districts), number)), False),
        ):  # fmt: skip
            start = time.perf_counter()
            walls, cpus, rendered = zip(
                *workers.map(_publish, [(home.root, name) for name in names]), strict=True
            )
            assert set(rendered) == {renders}
            _line(title, len(names), time.perf_counter() - start, walls, cpus)
            if names is known and renders:
                parts = defaultdict(list)
                for name, spent in zip(names, zip(walls, cpus, strict=True), strict=True):
                    parts[of[name]].append(spent)
                for district, spent in parts.items():
                    of_district = [list(part) for part in zip(*spent, strict=True)]
                    _line(f"  as {district}", len(spent), sum(of_district[0]) / PROCESSES, *of_district)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
