"""A full disk, a landing folder that can't be written, writers at the same time, a clock that is set back, a killed process."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from equity_pipeline.defs import history
from equity_pipeline.defs.ingest import extract_key
from equity_pipeline.defs.jobs import LOAD, TAKE_IN
from equity_pipeline.defs.partitions import range_tags
from equity_pipeline.defs.runs import execute
from equity_pipeline.defs.turns import turn
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts import intake, ledger
from equity_pipeline.partners import registry
from equity_pipeline.storage import atomic, sealed
from equity_pipeline.storage.home import Home

HEADER = "school_year,student_id,grade_level\n"
STUDENTS = HEADER + "2026,s1,09\n2026,s2,10\n"


def ingest(home: Home, partner_id: str) -> None:
    with history.open_instance(home) as instance:
        execute(instance, home, TAKE_IN, partition_key=partner_id)
        # Of the extracts only the one that was sent, as `equity-pipeline run` does it.
        tags = range_tags(partner_id, 2026, 2026)
        execute(instance, home, LOAD, tags=tags, assets=[extract_key("students")])


def stored(home: Home, partner_id: str) -> bytes:
    return (home.extract("students", partner_id, 2026) / "part-0.parquet").read_bytes()


@pytest.fixture
def mounted(tmp_path):
    """A function: mount a file system of the machine's memory at a folder."""
    points = []

    def mount(folder: Path, options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=False, capture_output=True
        )
        if done.returncode:
            pytest.skip("only who may mount can test a full disk")
        points.append(folder)

    yield mount
    for folder in reversed(points):
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_after_making_room_nothing_is_missing(home, add_partner, mounted):
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("only who may mount can test a full disk")
    add_partner("north")
    mounted(home.archive("north"), "size=64k")
    rows = "".join(f"2026,s{number},09\n" for number in range(20_000))
    (home.landing("north") / "students.csv").write_text(HEADER + rows)
    with history.open_instance(home) as instance:
        with pytest.raises(EquityError, match="the disk is full"):
            execute(instance, home, TAKE_IN, partition_key="north")
        assert [path for path in home.archive("north").rglob("*") if path.is_file()] == []
        assert ledger.Ledger(home).deliveries("north") == []
        subprocess.run(["mount", "-o", "remount,size=64m", str(home.archive("north"))], check=True)
        ingested = execute(instance, home, TAKE_IN, partition_key="north")
    assert ingested.metadata["deliveries"]["rows_by_extract"] == {"students": 20_000}


def test_a_landing_folder_that_is_read_only_is_enough(home, add_partner, mounted):
    add_partner("north")
    folder = home.landing("north")
    mounted(folder, "size=1m")
    (folder / "students.csv").write_text(STUDENTS)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    ingest(home, "north")
    assert stored(home, "north")


@pytest.mark.parametrize("grows", ["before", "while"])
def test_a_file_that_changes_while_it_is_read_is_taken_in_when_it_is_complete(
    home, add_partner, monkeypatch, grows
):
    """`before`: between the look at its bytes and their copy; `while`: in the middle of the copy."""
    add_partner("north")
    partner, file = registry.load(home.partner_file("north")), home.landing("north") / "students.csv"
    file.write_text(STUDENTS)
    copied = sealed.copied

    def growing(path, target):
        if grows == "while":
            digest = copied(path, target)
            target.write_bytes(target.read_bytes()[:-9])
        file.write_text(STUDENTS + "2026,s3,11\n")
        return copied(path, target) if grows == "before" else digest[::-1]

    with monkeypatch.context() as patch:
        patch.setattr(sealed, "copied", growing)
        [first] = intake.take_delivery(home, partner)
    assert (first.status, "changed while it was read" in first.message) == ("refused", True)
    assert [path for path in home.archive("north").rglob("*") if path.is_file()] == []
    assert ledger.Ledger(home).deliveries("north") == []
    [second] = intake.take_delivery(home, partner)
    assert (second.status, second.rows) == ("accepted", {"students": {2026: 3}})


def test_a_second_writer_of_a_partner_waits_and_one_of_another_partner_does_not(home, add_partner):
    add_partner("north")
    order = []

    def second():
        with turn(home, "north"):
            order.append("second")

    with turn(home, "north"):
        waiting = threading.Thread(target=second)
        waiting.start()
        with turn(home, "south"):
            order.append("other partner")
        waiting.join(0.2)
        order.append("first")
    waiting.join()
    assert order == ["other partner", "first", "second"]


def test_twenty_partners_from_four_processes_and_one_of_them_twice_all_succeed(home, add_partner):
    """Two daemons by mistake start each run twice; that is no more than the same partner twice."""
    partner_ids = [f"partner_{number}" for number in range(20)]
    for partner_id in partner_ids:
        add_partner(partner_id)
        (home.landing(partner_id) / "students.csv").write_text(STUDENTS)
    with ProcessPoolExecutor(4, get_context("spawn")) as pool:
        for ended in [pool.submit(ingest, home, one) for one in [partner_ids[0], *partner_ids]]:
            ended.result()
    assert {len(ledger.Ledger(home).deliveries(one)) for one in partner_ids} == {1}
    [pending] = {frozenset(ledger.Ledger(home).pending(one)) for one in partner_ids}
    assert not pending
    assert all(stored(home, one) for one in partner_ids)


def test_a_clock_that_is_set_back_changes_neither_order_nor_result(home, add_partner, monkeypatch):
    class Clock(ledger.dt.datetime):
        hour_now = 12

        @classmethod
        def now(cls, tz=None):
            cls.hour_now -= 1
            return cls(2026, 7, 1, cls.hour_now, tzinfo=tz)

    monkeypatch.setattr(ledger.dt, "datetime", Clock)
    add_partner("north")
    partner = registry.load(home.partner_file("north"))
    for score in ("first", "second"):
        text = STUDENTS if score == "first" else STUDENTS.replace("09", "11")
        (home.landing("north") / "students.csv").write_text(text)
        os.utime(home.landing("north") / "students.csv", (2 if score == "first" else 1,) * 2)
        intake.take_delivery(home, partner)
        intake.load_extracts(home, partner, 2026)
    first, second = ledger.Ledger(home).deliveries("north")
    assert first["received_at"] > second["received_at"]  # the clock went back
    [standing] = {load["delivery_id"] for load in ledger.Ledger(home).current("north", 2026)}
    assert standing == second["delivery_id"]


@pytest.mark.parametrize("moved_away", [False, True])
def test_what_a_killed_writer_left_is_cleared_up_and_put_back(home, moved_away):
    """Killed between the two renames of a folder that is replaced, and before them."""
    folder = home.extract("students", "north", 2026)
    with atomic.new_folder(folder) as scratch:
        (scratch / "part-0.parquet").write_bytes(b"old")
    token = "0" * 32
    (folder.parent / f".{folder.name}.{token}.tmp").mkdir()
    if moved_away:
        folder.rename(folder.parent / f".{folder.name}.{token}.old")
    with turn(home, "north"):
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]
        assert (folder / "part-0.parquet").read_bytes() == b"old"


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing_and_leave_nothing():
    """Three of the soak in `benchmarks/soak.py`."""
    soak = Path(__file__).parents[2] / "benchmarks" / "soak.py"
    environment = os.environ | {"PYTHONPATH": str(soak.parents[1])}
    done = subprocess.run(
        [sys.executable, soak, "3", "7"], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
