"""Kill the whole way at random moments, again and again, and compare what stands after the next run with what stands
after a run that nobody disturbed.

    python benchmarks/soak.py [KILLS [SEED]]        default: 200 kills, seed 1

One sample partner has a release; a further year's delivery lies in landing/. A round kills the work on it (`kill -9`, in a
stage and at a moment drawn anew) a few times in a row and then lets it end. Prints where the kills fell, and stops at the
first difference.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import duckdb

from equity_pipeline import sample
from equity_pipeline.defs import runs
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners import registry
from equity_pipeline.stewardship.status import latest_release
from equity_pipeline.storage.home import Home

PARTNER, HELD_BACK, SCALE = "harborview_ps", "edfi_2025-26.zip", 0.03
KILLS_IN_A_ROW = 5
STAGES = ("taking in", "loading", "building", "disclosure and publishing", "network")
_FORK = get_context("fork")  # so that a child starts with everything imported
_SCRATCH = re.compile(r"\..+\.(tmp|old)|\.build-.*")


def work(home: Home) -> BaseProcess:
    """Start the whole way in a child process."""
    child = _FORK.Process(target=_whole_way, args=(home,))
    child.start()
    return child


def finish(child: BaseProcess) -> None:
    child.join()
    if child.exitcode:
        raise SystemExit("a run failed that should have succeeded")


def kill_in(
    wanted: str, home: Home, before: Home, moments: random.Random, takes: dict[str, float]
) -> str | None:
    """Work, and kill it some time after a stage has begun; the stage that it was in, or None if it had come to its end."""
    child, after = work(home), moments.random()
    while child.is_alive() and STAGES.index(stage(home, before)) < STAGES.index(wanted):
        time.sleep(0.02)
    child.join(after * takes[wanted])
    if not child.is_alive():
        finish(child)
        return None
    os.killpg(child.pid, signal.SIGKILL)
    child.join()
    return stage(home, before)


def _whole_way(home: Home) -> None:
    os.setsid()
    os.umask(0o077)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    ended = runs.whole_way(home, [registry.load(home.partner_file(PARTNER))], (), say=lambda line: None)
    os._exit(1 if ended.failed else 0)


def apart(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call a function in a child process: threads of the engines in this one would hang its later children."""
    with _FORK.Pool(1) as pool:
        return pool.apply(function, arguments, named)


def state(home: Home) -> dict[str, str]:
    """What must be equal: every file of the extracts, the quarantine and the latest release, every mart, and the
    account of every row."""
    found = {}
    folders = [
        folder
        for folder in home.folders_of(PARTNER)
        if folder.parent.parent.name in {"extracts", "quarantine"}
    ]
    for folder in [*folders, home.releases(PARTNER) / "latest", home.network_releases / "latest"]:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                found[str(path.relative_to(home.root))] = hashlib.sha256(path.read_bytes()).hexdigest()
    with duckdb.connect(str(home.warehouse(PARTNER)), read_only=True) as warehouse:
        marts = "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
        for (mart,) in warehouse.execute(marts).fetchall():
            rows = warehouse.execute(f"select * from marts.{mart} order by all").fetchall()
            found[f"mart {mart}"] = hashlib.sha256(repr(rows).encode()).hexdigest()
    for load in Ledger(home).loads(PARTNER):
        assert load["rows_in"] == load["loaded"] + load["rejected"] + load["duplicates"], load
        name = f"ledger {load['delivery_id']} {load['file']} {load['extract']} {load['school_year']}"
        found[name] = repr(
            [load[count] for count in ("status", "rows_in", "loaded", "rejected", "duplicates")]
        )
    found["latest"] = str(latest_release(home, PARTNER))
    return found


def left_behind(home: Home) -> list[str]:
    """Scratch files and folders, and releases that are only half there."""
    scratch = [
        path
        for path in home.root.rglob(".*")
        if home.dagster not in path.parents and _SCRATCH.fullmatch(path.name)
    ]
    releases = [path for path in home.releases(PARTNER).iterdir() if not (path / "manifest.json").is_file()]
    return [str(path.relative_to(home.root)) for path in (*scratch, *releases)]


def prepared(folder: Path) -> tuple[Home, dict[str, str], dict[str, float]]:
    """A home with a release and a delivery waiting, what an undisturbed run makes of it, and how long it stays in each
    stage."""
    home = Home(folder / "before")
    apart(sample.write, home, scale=SCALE)
    for path in home.partners.iterdir():
        if path.stem != PARTNER:
            path.unlink()
            shutil.rmtree(home.landing(path.stem))
    late = home.landing(PARTNER) / HELD_BACK
    late.rename(folder / HELD_BACK)
    finish(work(home))
    shutil.copy(folder / HELD_BACK, late)
    undisturbed = copied(home, folder / "undisturbed")
    takes, child = dict.fromkeys(STAGES, 0.0), work(undisturbed)
    last = time.perf_counter()
    while child.is_alive():
        time.sleep(0.02)
        now = time.perf_counter()
        takes[stage(undisturbed, home)] += now - last
        last = now
    finish(child)
    return home, apart(state, undisturbed), takes


def copied(home: Home, target: Path) -> Home:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(home.root, target, symlinks=True)
    return Home(target)


def stage(home: Home, before: Home) -> str:
    """How far the work has come, as the disk shows it."""
    if latest_release(home, PARTNER) != latest_release(before, PARTNER):
        return "network"
    if home.warehouse(PARTNER).stat().st_mtime_ns != before.warehouse(PARTNER).stat().st_mtime_ns:
        return "disclosure and publishing"
    if len(Ledger(home).deliveries(PARTNER)) == len(Ledger(before).deliveries(PARTNER)):
        return "taking in"
    return "loading" if Ledger(home).pending(PARTNER) else "building"


def soak(folder: Path, kills: int, seed: int) -> Counter[str]:
    """Kill `kills` times; how often in which stage.

    Raises:
        AssertionError: something was lost, left behind, or differs from the undisturbed run.
    """
    moments = random.Random(seed)
    before, expected, takes = prepared(folder)
    stages: Counter[str] = Counter()
    while stages.total() < kills:
        home = copied(before, folder / "killed")
        for _ in range(min(KILLS_IN_A_ROW, kills - stages.total())):
            if killed := kill_in(moments.choice(STAGES), home, before, moments, takes):
                stages[killed] += 1
        finish(work(home))
        found = apart(state, home)
        assert found == expected, sorted(
            k for k in found.keys() | expected if found.get(k) != expected.get(k)
        )
        assert not left_behind(home), left_behind(home)
        print(f"{stages.total()} kills: {dict(stages)}", flush=True)
    return stages


if __name__ == "__main__":
    kills, seed = (int(one) for one in (*sys.argv[1:], *("200", "1")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as scratch:
        print(dict(soak(Path(scratch), kills, seed)))
