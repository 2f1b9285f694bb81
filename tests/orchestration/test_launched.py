"""A run whose process was killed does not stay "started", and every run stands in the record of who did what."""

from __future__ import annotations

import logging
import time

import dagster as dg
import pytest
from dagster._daemon.monitoring.run_monitoring import monitor_started_run

from equity_pipeline.defs import history
from equity_pipeline.defs.launched import at_work, died
from equity_pipeline.defs.turns import turn
from equity_pipeline.storage import trail
from tests.processes import start


def test_a_run_that_works_or_has_ended_has_not_died(home):
    assert not died(home, "7")
    with pytest.raises(KeyboardInterrupt), at_work(home, "7", "load", {}):
        assert not died(home, "7")
        raise KeyboardInterrupt
    assert not died(home, "7")
    assert list(home.lock("x").parent.iterdir()) == []


@pytest.mark.parametrize(
    ("tags", "partition", "started_by"),
    [
        ({}, None, "UI"),
        ({"dagster/partition": "north", "dagster/sensor_name": "due"}, "north", "sensor due"),
        (
            {"dagster/asset_partition_range_start": "a|1", "dagster/asset_partition_range_end": "a|2",
             "dagster/schedule_name": "nightly_utc"}, "a|1 to a|2", "schedule nightly_utc",
        ),
        ({"dagster/backfill": "x", "started_by": "command line"}, None, "command line"),
    ],
)  # fmt: skip
def test_the_record_says_for_whom_a_run_was_and_who_started_it(home, tags, partition, started_by):
    with at_work(home, "7", "load", tags):
        pass
    [entry] = trail.entries(home, "ran")
    assert entry["detail"] == {"job": "load", "partition": partition, "started_by": started_by}


def test_the_daemon_gives_the_place_of_a_killed_run_back_and_of_no_other(home, add_partner):
    add_partner("north")
    (home.landing("north") / "students.csv").write_text("school_year,student_id,grade_level\n2026,s1,09\n")
    with history.open_instance(home) as instance:

        def look():
            [record] = instance.get_run_records()
            monitor_started_run(instance, None, record, logging.getLogger("test"))
            return instance.get_runs()[0].status

        with turn(home, "north"):  # so that the run waits in the middle of its work
            working = start(home, "run")
            while not instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
                assert working.poll() is None, working.stdout.read()
                time.sleep(0.1)
            assert look() is dg.DagsterRunStatus.STARTED
            working.kill()
            working.wait()
        assert instance.get_runs()[0].status is dg.DagsterRunStatus.STARTED
        assert look() is dg.DagsterRunStatus.FAILURE
        [run] = instance.get_runs()
        assert "died" in str(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE))
