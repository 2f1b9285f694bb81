"""What was withdrawn is read by nobody, is not forgotten by the attack, and does not come back."""

import dataclasses
import json
import os
import shutil

import pytest
from click.testing import CliRunner

from equity_pipeline.cli import main
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.publishing import manifest, network
from equity_pipeline.publishing.withdrawal import ever_published, withdraw
from equity_pipeline.storage import trail
from equity_pipeline.storage.home import Home
from tests.conftest import PARTNER_FILE

from .frames import partner
from .test_release import publish, small

WHO = "riverside_usd"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Two releases, and a roll-up made of each."""
    home = Home(tmp_path_factory.mktemp("withdrawal"))
    for seed in (7, 8):
        publish(home, small(seed=seed))
        network.publish(home, {WHO: partner()})
    return home.root


@pytest.fixture
def home(published, tmp_path):
    shutil.copytree(published, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Home(tmp_path)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.is_symlink())


def test_latest_goes_back_then_away_and_roll_ups_go_along(home):
    second = os.readlink(home.releases(WHO) / "latest")
    first = json.loads((home.releases(WHO) / "latest/manifest.json").read_text())["previous_release"]
    done = withdraw(home, WHO, second, "a wrong year")
    assert (done.latest, names(home.releases(WHO)), names(home.withdrawn(WHO))) == (first, [first], [second])
    assert names(home.withdrawn("_network")) == list(done.roll_ups) and len(done.roll_ups) == 1
    told = trail.entries(home, "withdrew", WHO)[-1]["detail"]
    assert (told["release_id"], told["because"]) == (second, "a wrong year")
    network.publish(home, {WHO: partner()})
    for roll_up in names(home.network_releases):
        assert manifest.read(home.network_releases / roll_up)["made_from"] == {WHO: first}

    assert withdraw(home, WHO, first, "all of it").latest is None
    assert names(home.releases(WHO)) == [] and not (home.releases(WHO) / "latest").is_symlink()
    network.publish(home, {WHO: partner()})
    text = (home.network_releases / "latest/manifest.json").read_text()
    assert first not in text and second not in text
    assert home.withdrawn(WHO).stat().st_mode & 0o077 == 0


def test_an_older_one_goes_without_moving_latest(home):
    second = os.readlink(home.releases(WHO) / "latest")
    [first] = set(names(home.releases(WHO))) - {second}
    assert withdraw(home, WHO, first, "x").latest == second
    assert withdraw(home, WHO, second, "x").latest is None  # the one before it was withdrawn as well


def test_the_same_numbers_do_not_come_back_under_another_version(home, monkeypatch):
    second = os.readlink(home.releases(WHO) / "latest")
    withdraw(home, WHO, second, "x")
    with pytest.raises(EquityError, match=f"withdrawn as release {second}"):
        publish(home, small(seed=8))
    monkeypatch.setattr(manifest, "layout", lambda: "another")
    with pytest.raises(EquityError, match="these numbers were withdrawn"):
        publish(home, small(seed=8))
    corrected = publish(home, small(seed=9))
    assert os.readlink(home.releases(WHO) / "latest") == corrected.release_id
    assert len(names(home.releases(WHO))) == 2


def test_numbers_that_stand_in_another_release_are_not_those_that_were_withdrawn(home):
    """A release that only held corrections back says what the one before it says."""
    marts, said = small(seed=8)
    held = publish(home, (marts, dataclasses.replace(said, held_back={"2025": "0" * 16})))
    withdraw(home, WHO, held.release_id, "x")
    publish(home, (marts, dataclasses.replace(said, held_back={"2026": "0" * 16})))
    assert (home.releases(WHO) / "latest").exists()
    assert manifest.of(home.releases(WHO) / "latest")["held_back"] == {"2026": "0" * 16}


def test_the_attack_on_later_releases_knows_what_was_withdrawn(home):
    before = {path.name for path in ever_published(home, WHO)}
    assert len(before) == 2
    for release in before:
        withdraw(home, WHO, release, "x")
    assert {path.name for path in ever_published(home, WHO)} == before


@pytest.mark.parametrize("release_id", ["", "latest", "..", "0" * 16, "../../keys"])
def test_only_a_release_of_the_partner_can_be_withdrawn(home, release_id):
    with pytest.raises(EquityError, match="no release"):
        withdraw(home, WHO, release_id, "x")
    assert len(names(home.releases(WHO))) == 2


def test_a_person_withdraws_from_the_command_line(home, monkeypatch):
    for name in ("DAGSTER_HOME", "EQUITY_HOME", "DAGSTER_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")  # what the command sets is gone after the test
    home.partners.mkdir()
    home.partner_file(WHO).write_text(PARTNER_FILE.format(partner_id=WHO, first_school_year="2021-22"))
    second = os.readlink(home.releases(WHO) / "latest")
    [first] = set(names(home.releases(WHO))) - {second}

    def withdrawn(release_id):
        said = [
            "withdraw",
            "--home",
            str(home.root),
            "--partner",
            WHO,
            "--because",
            "a wrong year",
            release_id,
        ]
        return CliRunner().invoke(main, said)

    told = withdrawn(second)
    assert told.exit_code == 0, told.output
    assert f"{WHO}: release {second} withdrawn; latest is {first}" in told.output
    assert manifest.read(home.network_releases / "latest")["made_from"] == {WHO: first}
    again = withdrawn(second)
    assert (again.exit_code, f"no release {second!r}" in again.output) == (1, True)
    assert [entry["action"] for entry in trail.entries(home, partner_id=WHO)] == ["withdrew"]
    assert trail.check(home).fault is None
