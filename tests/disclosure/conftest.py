"""One sample district, taken in and built once: its restricted marts, and what may be published of them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest

from equity_pipeline import sample
from equity_pipeline.disclosure.derive import Derivation
from equity_pipeline.disclosure.figures import Rules
from equity_pipeline.disclosure.marts import protect_marts, published_counts
from equity_pipeline.disclosure.proof import Proof, prove
from equity_pipeline.extracts import intake
from equity_pipeline.partners import registry
from equity_pipeline.publishing import contracts, source
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse.build import build
from tests.warehouses import marts_of

PARTNER = "harborview_ps"


@dataclass(frozen=True)
class District:
    home: Home
    marts: dict[str, pd.DataFrame]
    dimensions: pd.DataFrame
    rules: Rules

    def proof(self, gaps: pd.DataFrame) -> Proof:
        """The first proof is kept, as a partner's is beside the warehouse."""
        kept = self.home.root / "witness.npz"
        proof = prove(published_counts(gaps, self.dimensions), self.dimensions, 10, kept)
        if not kept.is_file():
            proof.keep(kept)
        return proof

    def protect(self, **replaced: pd.DataFrame) -> dict[str, pd.DataFrame]:
        marts = self.marts | replaced
        proof = self.proof(marts["gap_metrics"])
        frames = protect_marts(marts, proof, Derivation(self.home.warehouse(PARTNER)))
        return {name: contracts.check(name, frame) for name, frame in frames.items()}


@pytest.fixture(scope="session")
def district(tmp_path_factory: pytest.TempPathFactory) -> District:
    home = Home(tmp_path_factory.mktemp("disclosure") / "home")
    sample.write(home, scale=0.4)
    partner = registry.load_all(home)[PARTNER]
    intake.take_delivery(home, partner)
    for year in range(2022, 2027):
        intake.load_extracts(home, partner, year)
    build(home, partner)
    read, context = source.read(home, partner)
    marts = marts_of(home, partner.partner_id, read)
    two_years = {name: frame[frame["school_year"] >= 2025] for name, frame in marts.items()}
    return District(home, two_years, context.labels.dimensions, Derivation(home.warehouse(PARTNER)).rules())


@pytest.fixture(scope="session")
def protected(district: District) -> dict[str, pd.DataFrame]:
    return district.protect()
