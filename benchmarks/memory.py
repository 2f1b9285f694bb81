"""What the webserver and the daemon hold in memory while their history grows to a thousand runs.

    python benchmarks/memory.py [RUNS]        default: 1000

A home's UI runs with everything that `prod` declares. A tenth of the runs at a time is put into the history, each with a step,
a table and a check, and the pages that a person on call looks at are asked for. Prints MiB of resident memory by process; the
first tenths warm its caches, so the rise is that from the middle to the end.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import dagster as dg

from equity_pipeline.defs import history
from equity_pipeline.defs.jobs import TAKE_IN
from equity_pipeline.defs.partitions import PARTNER
from equity_pipeline.defs.runs import execute
from equity_pipeline.storage.home import Home

PARTNER_FILE = """\
partner_id: north
name: North
state: CA
timezone: UTC
first_school_year: 2024-25
sources: [{name: canonical, format: canonical, files: ["*.csv"]}]
"""
PAGES = (
    "{runsOrError(limit: 30) {... on Runs {results {runId status tags {key value} stats {... on RunStatsSnapshot {stepsSucceeded}}}}}}",
    '{assetNodeOrError(assetKey: {path: ["deliveries"]}) {... on AssetNode {id assetMaterializations(limit: 50) {runId timestamp}}}}',
    "{runsOrError(limit: 30, filter: {statuses: [FAILURE]}) {... on Runs {results {runId status}}}}",
    "{instance {daemonHealth {allDaemonStatuses {daemonType healthy}}}}",
)
_LOOKS = 10  # at all the pages, after each tenth of the runs
PROCESSES = {"webserver": "dagster_webserver", "daemon": "dagster._daemon"}


def started(home: Home, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "equity_pipeline.cli", "ui", "--home", home.root, "--port", str(port)]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    ui = subprocess.Popen(
        command, env=os.environ | {"EQUITY_ENVIRONMENT": "prod"}, start_new_session=True, **silent
    )
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5).close()
            return ui
        except OSError:
            if ui.poll() is not None:
                raise SystemExit("the UI did not start") from None
            time.sleep(1)


def resident(group: int) -> dict[str, float]:
    """MiB of each process of the UI's session."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) != group:
                continue
            command = (process / "cmdline").read_bytes().decode().replace("\0", " ")
            pages = int((process / "statm").read_text().split()[1])
        except (OSError, ProcessLookupError):
            continue
        for name, words in PROCESSES.items():
            if words in command:
                found[name] = pages * os.sysconf("SC_PAGE_SIZE") / 1024**2
    return found


def put_runs(instance: dg.DagsterInstance, job: dg.JobDefinition, number: int) -> None:
    """Runs as `take_in` leaves them, without the work."""
    key, check = dg.AssetKey("deliveries"), "no_refused_files"
    for _ in range(number):
        run = instance.create_run_for_job(job, tags={PARTNER: "north"}, status=dg.DagsterRunStatus.STARTED)
        instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata={"accepted": 1}))
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=key, check_name=check, passed=True)
        )
        instance.report_engine_event("worked", run)
        instance.report_run_failed(run) if number % 7 == 0 else instance.report_run_canceled(run)


def look(port: int) -> None:
    for query in PAGES:
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            if "errors" in json.load(answer):
                raise SystemExit(f"the UI did not answer: {query}")


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        home = Home(Path(folder) / "home")
        home.landing("north").mkdir(parents=True)
        home.partners.mkdir()
        home.partner_file("north").write_text(PARTNER_FILE)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        with history.open_instance(home) as instance:
            execute(instance, home, TAKE_IN, partition_key="north")

            @dg.job(name=TAKE_IN)
            def like_take_in() -> None:
                pass

            ui = started(home, port)
            try:
                measured = []
                for tenth in range(1, 11):
                    put_runs(instance, like_take_in, runs // 10)
                    for _ in range(_LOOKS):
                        look(port)
                    time.sleep(5)
                    measured.append(resident(ui.pid))
                    told = "  ".join(f"{name} {size:6.1f}" for name, size in sorted(measured[-1].items()))
                    print(f"{tenth * runs // 10:5d} runs  {told}", flush=True)
            finally:
                os.killpg(ui.pid, signal.SIGINT)
                ui.wait(60)
        for name in PROCESSES:
            middle, end = (
                statistics.mean(one[name] for one in part) for part in (measured[4:6], measured[8:])
            )
            print(f"{name}: {middle:.1f} to {end:.1f} MiB, {end / middle - 1:+.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
