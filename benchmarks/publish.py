"""Publishing many partners on two processes: `PYTHONPATH=. python benchmarks/publish.py [partners, else 200]`.

A sample district of 12,400 students and five years is taken in and built once; each partner then publishes that warehouse under
its own name: disclosure control, pages, workbook, data files, and the attack on the result. Prints seconds a partner and what a second
pass over unchanged partners costs. Asserts that the second pass renders nothing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from equity_pipeline import sample
from equity_pipeline.partners import registry
from equity_pipeline.publishing import release, site
from equity_pipeline.storage.home import Home

DISTRICT = "riverside_usd"


def _partners(home: Home, number: int) -> list[str]:
    """Partners that all have the warehouse of the sample district."""
    sample.write(home)
    command = ["-m", "equity_pipeline.cli", "run", "--home", str(home.root), "--partner", DISTRICT]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    stated = home.partner_file(DISTRICT).read_text(encoding="utf-8")
    names = [f"partner_{position:03d}" for position in range(number)]
    for name in names:
        home.partner_file(name).write_text(stated.replace(DISTRICT, name), encoding="utf-8")
        home.warehouse(name).parent.mkdir(parents=True)
        os.link(home.warehouse(DISTRICT), home.warehouse(name))
    return names


def _publish(asked: tuple[str, str]) -> tuple[float, float, bool]:
    """Seconds and processor seconds for one partner, and whether a page was rendered."""
    home = Home(Path(asked[0]))
    partner = registry.load(home.partner_file(asked[1]))
    rendered = []
    pages, site.pages = site.pages, lambda *given: rendered.append(1) or pages(*given)
    start, start_cpu = time.perf_counter(), time.process_time()
    release.publish(home, partner)
    spent = time.perf_counter() - start, time.process_time() - start_cpu
    site.pages = pages
    return *spent, bool(rendered)


def main(number: int) -> None:
    with tempfile.TemporaryDirectory() as root, ProcessPoolExecutor(2) as workers:
        names = _partners(Home(Path(root)), number)
        for title in ("first pass", "unchanged"):
            start = time.perf_counter()
            walls, cpus, rendered = zip(*workers.map(_publish, [(root, name) for name in names]), strict=True)
            assert all(rendered) if title == "first pass" else not any(rendered)
            whole = time.perf_counter() - start
            print(
                f"{title}: {number} partners in {whole:.0f} s on 2 processes, {whole / number:.2f} s a partner; of one process "
                f"{statistics.median(walls):.2f} s (slowest {max(walls):.2f} s, processor {statistics.median(cpus):.2f} s)"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
