"""A person at Dagster's UI, in headless Chromium: the graph, a partition launched and finished, its metadata, and the
reason of a check that failed."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from equity_pipeline.storage import trail

WAIT = 120_000  # ms; a machine that tests in parallel is slow


@pytest.fixture
def ui(home, add_partner):
    """The address of `equity-pipeline ui` on a home with one partner, nothing taken in yet, and what ends it."""
    add_partner("north")
    (home.landing("north") / "students.csv").write_text(
        "school_year,student_id,grade_level\n2026,s1,09\n2026,s2,10\n"
    )
    (home.landing("north") / "letter.docx").write_bytes(b"Dear all")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"EQUITY_ENVIRONMENT": "ci"}  # nothing starts by itself
    command = [sys.executable, "-m", "equity_pipeline.cli", "ui", "--home", home.root, "--port", str(port)]
    log = (home.root / "ui.log").open("w")
    running = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    for _ in range(WAIT // 1000):
        try:
            urllib.request.urlopen(f"{address}/server_info", timeout=5).close()
            break
        except OSError:
            assert running.poll() is None, (home.root / "ui.log").read_text()
            time.sleep(1)

    def end():
        """At once: to end well takes the servers half a minute, and nothing is asked of it."""
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()

    yield address, end
    end()


def test_a_person_launches_a_partition_watches_it_and_finds_why_a_check_failed(ui, browser, home):
    address, end = ui
    page = browser.new_page(viewport={"width": 1360, "height": 850})
    page.set_default_timeout(WAIT)
    page.goto(f"{address}/asset-groups")
    for stage in ("ingest", "staging", "intermediate", "marts", "publish", "network"):
        page.get_by_text(stage, exact=True).first.wait_for()

    page.goto(f"{address}/assets/deliveries")
    page.get_by_role("button", name=re.compile("Materialize")).first.click()
    page.get_by_text("All", exact=True).last.click()
    page.get_by_role("button", name=re.compile("Launch")).last.click()
    page.get_by_text("Launched run").first.wait_for()  # leaving earlier takes the request back
    page.goto(f"{address}/runs")
    page.get_by_text("Success", exact=True).first.wait_for()

    page.goto(f"{address}/assets/deliveries")
    page.get_by_text("rows_by_extract").first.wait_for()
    assert re.search(r'"students":\s*2', page.inner_text("body"))
    page.goto(f"{address}/assets/deliveries?view=checks&checkDetail=no_unclaimed_files")
    page.get_by_text("letter.docx: no source claims it").first.wait_for()
    page.close()
    end()  # its databases' journals come and go
    [ran] = trail.entries(home, "ran")
    assert ran["detail"] == {"job": ran["detail"]["job"], "partition": "north", "started_by": "UI"}
    ours = [home.landing("north").parent, home.partners, home.root / "ui.log"]
    written = [path for path in home.root.rglob("*") if not any(path.is_relative_to(one) for one in ours)]
    assert len(written) > 20
    assert [path for path in written if path.stat().st_mode & 0o077] == []
