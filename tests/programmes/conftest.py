"""The three sample partners that are in a programme, a fifth of their size, each built and published once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from equity_pipeline import sample
from equity_pipeline.extracts import intake
from equity_pipeline.partners import registry
from equity_pipeline.publishing import changes, site, source, tracker
from equity_pipeline.publishing.page import Edition
from equity_pipeline.publishing.programmes import MODULES
from equity_pipeline.publishing.programmes.page import Reader
from equity_pipeline.sample import SampleDistrict
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import build
from tests.end_to_end.truth import recompute
from tests.warehouses import marts_of

SCALE = 0.2


class Built:
    """A partner's finished warehouse, what is released of its programmes, its site, and the truth that it was made from."""

    def __init__(self, district: SampleDistrict, root: Path) -> None:
        self.tables = district.tables
        home = Home(root)
        file = home.partner_file(district.partner_id)
        file.parent.mkdir(parents=True)
        file.write_text(district.partner_file)
        district.deliver(home.landing(district.partner_id))
        partner = registry.load(file)
        intake.take_delivery(home, partner)
        for year in range(2022, 2027):
            intake.load_extracts(home, partner, year)
        build.build(home, partner)
        self.warehouse = home.warehouse(partner.partner_id)
        read, self.context = source.read(home, partner)
        marts = marts_of(home, partner.partner_id, read)
        self.pages = {
            page.path: page
            for _, module in MODULES.values()
            for page in module.pages(Reader(self.context, marts, partner))
        }
        self.partner = partner
        self._site = (marts, tracker.plain(tracker.view(marts, self.context)), partner)
        self.site = root / "site"
        for path, page in self.rendered(self.released).items():
            (self.site / path).parent.mkdir(parents=True, exist_ok=True)
            (self.site / path).write_text(page, encoding="utf-8")

    def rendered(self, tables: dict[str, pd.DataFrame]) -> dict[str, str]:
        """The pages of the site, had these tables of the programmes been released."""
        marts, rows, partner = self._site
        edition = Edition("0" * 16, None, changes.compare(None, marts["gap_metrics"], [], {}, None))
        return site.pages(marts, rows, dataclasses.replace(self.context, programmes=tables), partner, edition)

    @property
    def released(self) -> dict[str, pd.DataFrame]:
        return self.context.programmes

    @functools.cached_property
    def true_gaps(self) -> pd.DataFrame:
        """`gap_metrics` worked out again from the truth."""
        return recompute.gap_metrics(self.tables)

    def mart(self, name: str) -> pd.DataFrame:
        with duckdb.connect(str(self.warehouse), read_only=True) as con:
            return con.execute(f"from marts.{name} order by all").df()

    def table(self, name: str) -> pd.DataFrame:
        """A table of the truth."""
        return pd.DataFrame(self.tables[name].to_dict(as_series=False))


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Callable[[str], Built]:
    """A function: a partner by its id."""
    districts = {district.partner_id: district for district in sample.generate(scale=SCALE)}
    made: dict[str, Built] = {}

    def of(partner_id: str) -> Built:
        if partner_id not in made:
            made[partner_id] = Built(districts[partner_id], tmp_path_factory.mktemp(partner_id))
        return made[partner_id]

    return of
