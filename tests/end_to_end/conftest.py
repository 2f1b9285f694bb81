"""The whole product, run once on the five sample partners, as a person would run it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from equity_pipeline import sample
from equity_pipeline.cli import main
from equity_pipeline.sample import SampleDistrict
from equity_pipeline.storage.home import Home


@dataclass(frozen=True)
class Demo:
    """A home in which everything has been run, and the truth that it was made from."""

    home: Home
    districts: dict[str, SampleDistrict]
    result: Result


def run(home: Home, *partner_ids: str) -> Result:
    """`equity-pipeline run` in this process."""
    arguments = [argument for partner_id in partner_ids for argument in ("--partner", partner_id)]
    return CliRunner().invoke(main, ["run", "--home", str(home.root), *arguments])


def mart(home: Home, partner_id: str, name: str) -> pd.DataFrame:
    """A mart of a partner's warehouse, rows in a fixed order."""
    with duckdb.connect(str(home.warehouse(partner_id)), read_only=True) as warehouse:
        return warehouse.execute(f"select * from marts.{name} order by all").df()


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Demo:
    home = Home(tmp_path_factory.mktemp("demo") / "home")
    districts = {district.partner_id: district for district in sample.generate()}
    home.partners.mkdir(parents=True)
    for partner_id, district in districts.items():  # as `sample.write`, and the truth is kept
        home.partner_file(partner_id).write_text(district.partner_file)
        district.deliver(home.landing(partner_id))
    result = run(home)
    assert result.exit_code == 0, result.output
    return Demo(home, districts, result)


@pytest.fixture
def undelivered(demo, tmp_path) -> Callable[[str], Home]:
    """A function: a new home with one sample partner's file and deliveries, nothing taken in yet.

    Its counts come out as they did before, so the worlds that were found for them are only checked again; finding them takes a minute.
    """

    def copy(partner_id: str) -> Home:
        home = Home(tmp_path / "undelivered")
        home.partners.mkdir(parents=True, exist_ok=True)
        shutil.copy(demo.home.partner_file(partner_id), home.partners)
        shutil.copytree(demo.home.landing(partner_id), home.landing(partner_id))
        kept = home.warehouse(partner_id).parent
        kept.mkdir(parents=True)
        shutil.copy(demo.home.warehouse(partner_id).with_name("witness.npz"), kept)
        return home

    return copy


@pytest.fixture
def built(demo, tmp_path) -> Callable[[str], Home]:
    """A function: a copy of the home in which everything has been run, with only one of its partners left."""

    def copy(partner_id: str) -> Home:
        home = Home(tmp_path / "built")
        shutil.copytree(demo.home.root, home.root, symlinks=True)
        for path in home.partners.iterdir():
            if path.stem != partner_id:
                path.unlink()
        return home

    return copy
