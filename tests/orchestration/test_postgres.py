"""The history of a team's installation, in a real PostgreSQL that is started for these tests."""

import dagster as dg

from equity_pipeline.defs import history
from equity_pipeline.defs.jobs import TAKE_IN
from equity_pipeline.defs.runs import execute
from tests.processes import start


def test_a_run_and_its_checks_stand_in_postgres_and_not_in_the_home(home, add_partner, postgres, monkeypatch):
    monkeypatch.setenv(history.POSTGRES_URL, postgres)
    add_partner("north")
    (home.landing("north") / "letter.docx").write_bytes(b"Dear all")
    with history.open_instance(home) as instance:
        execute(instance, home, TAKE_IN, partition_key="north")
    assert postgres not in (home.dagster / "dagster.yaml").read_text()
    assert not (home.dagster / "history").exists()
    with history.open_instance(home) as instance:
        [run] = instance.get_runs()
        assert run.is_success and run.tags["dagster/partition"] == "north"
        key = dg.AssetCheckKey(dg.AssetKey("deliveries"), "no_unclaimed_files")
        [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert (record.partition, record.status.value) == ("north", "FAILED")


def test_two_processes_write_one_history_at_the_same_time(home, add_partner, postgres, monkeypatch):
    monkeypatch.setenv(history.POSTGRES_URL, postgres)
    for partner_id in ("east", "west"):
        add_partner(partner_id)
        (home.landing(partner_id) / "letter.docx").write_bytes(b"Dear all")
    for run in [start(home, "run", "--partner", partner_id) for partner_id in ("east", "west")]:
        run.communicate()  # it complains of the letter, which is not the matter here
    with history.open_instance(home) as instance:
        runs = {(run.job_name, run.tags["partner"]) for run in instance.get_runs() if "partner" in run.tags}
    assert runs == {("take_in", "east"), ("take_in", "west"), ("refresh", "east"), ("refresh", "west")}
