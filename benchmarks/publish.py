"""Publishing many partners on two processes: `PYTHONPATH=. python benchmarks/publish.py [partners, else 200]`.

Each partner has five schools, five years and four metrics, protected marts at hand (disclosure control is measured by its own
benchmark). Prints seconds a partner, the ratio to writing its data files alone, which no release can do without, and what a second
pass over unchanged partners costs. Asserts that the second pass renders nothing.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from equity_pipeline.publishing import release, site
from equity_pipeline.storage.home import Home
from tests.publishing.frames import context, frames, partner

_MADE: dict[int, dict] = {}
_SHAPES = 4  # different students; the partners of one shape differ in name only


def _publish(asked: tuple[str, int]) -> tuple[float, float, float, bool]:
    """Seconds, processor seconds and seconds of the data files alone for one partner, and whether a page was rendered."""
    root, number = asked
    if not _MADE:
        _MADE.update({shape: frames(seed=shape) for shape in range(_SHAPES)})
    name = f"partner_{number:03d}"
    who, said = partner(partner_id=name, name=f"District {number}"), context()
    marts = {mart: frame.assign(partner_id=name) for mart, frame in _MADE[number % _SHAPES].items()}
    rendered = []
    pages, site.pages = site.pages, lambda *given: rendered.append(name) or pages(*given)
    start, start_cpu = time.perf_counter(), time.process_time()
    release.write_release(Home(Path(root)), who, marts, said, lambda folder: {"pass": True})
    wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    site.pages = pages
    start = time.perf_counter()
    release._data(marts, said)
    return wall, cpu, time.perf_counter() - start, bool(rendered)


def main(partners: int) -> None:
    with tempfile.TemporaryDirectory() as root, ProcessPoolExecutor(2) as workers:
        list(workers.map(_publish, [(f"{root}/warm", number) for number in range(_SHAPES)]))
        for title in ("first pass", "unchanged"):
            start = time.perf_counter()
            walls, cpus, alone, rendered = zip(
                *workers.map(_publish, [(root, number) for number in range(partners)]), strict=True
            )
            assert all(rendered) if title == "first pass" else not any(rendered)
            print(
                f"{title}: {partners} partners in {time.perf_counter() - start:.0f} s on 2 processes; each {statistics.median(walls):.2f} s "
                f"(slowest {max(walls):.2f} s, processor {statistics.median(cpus):.2f} s), "
                f"{statistics.median(walls) / statistics.median(alone):.1f} times its data files alone"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
