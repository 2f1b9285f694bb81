"""The history of a team's installation, in a real PostgreSQL that is started for these tests."""

import glob
import os
import shutil
import socket
import subprocess

import dagster as dg
import pytest

from equity_pipeline.defs import history
from equity_pipeline.defs.jobs import TAKE_IN
from equity_pipeline.defs.runs import execute
from tests.processes import start


def _program(name):
    return shutil.which(name) or next(
        iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None
    )


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """The URL of an empty database."""
    initdb, server = _program("initdb"), _program("postgres")
    if not (initdb and server):
        pytest.skip("no PostgreSQL server on this machine (Debian: apt-get install postgresql)")
    folder = tmp_path_factory.mktemp("postgres")
    become = []
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        if not shutil.which("runuser"):
            pytest.skip("root, and no runuser to start PostgreSQL as another user")
        become = ["runuser", "-u", "nobody", "--"]
        folder = "/tmp/" + folder.parent.name + "-postgres"
        os.makedirs(folder)
        shutil.chown(folder, "nobody")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = f"{folder}/data"
    subprocess.run(
        [*become, initdb, "-D", data, "-U", "equity", "-A", "trust", "-N"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    settings = [
        "-c",
        "fsync=off",
        "-c",
        f"unix_socket_directories={folder}",
        "-c",
        "listen_addresses=127.0.0.1",
    ]
    running = subprocess.Popen(
        [*become, server, "-D", data, "-p", str(port), *settings], stderr=subprocess.PIPE, text=True, cwd="/"
    )
    for line in running.stderr:
        if "ready to accept connections" in line:
            break
    else:
        raise RuntimeError("PostgreSQL did not start")
    yield f"postgresql+psycopg2://equity@127.0.0.1:{port}/postgres"
    running.terminate()
    running.communicate(timeout=30)
    shutil.rmtree(folder, ignore_errors=True)


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
