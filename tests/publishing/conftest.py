from __future__ import annotations

from pathlib import Path

import pytest

from equity_pipeline.publishing import network
from equity_pipeline.publishing.release import write_release
from equity_pipeline.storage.home import Home

from .frames import LABELS, context, frames, partner

RULES = {
    "dimensions": LABELS.dimensions.astype(object).where(LABELS.dimensions.notna(), None).to_dict("records"),
    "direction": {},
    "risk_ratio": [],
    "policy": dict(zip(LABELS.policy["key"], LABELS.policy["value"], strict=True)),
    "actions": [],
}


def holds(folder: Path) -> dict[str, object]:
    """An attack that finds nothing."""
    return {
        "pass": True,
        "proof": {"apart_at_least": 3},
        "rules": RULES,
        "minimum_cell": 10,
        "files": sorted(p.name for p in (folder / "data").iterdir()),
    }


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """One ordinary release; tests read it and change nothing."""
    home = Home(tmp_path_factory.mktemp("home"))
    return write_release(home, partner(), frames(), context(), holds)


@pytest.fixture(scope="session")
def network_page(tmp_path_factory):
    """The network's page over four partners, two of them Tools Package clients, one without a release."""
    home = Home(tmp_path_factory.mktemp("network"))
    partners = {"absent": partner(partner_id="absent", name="Absent District")}
    for position, name in enumerate(("riverside_usd", "bayside", "cedar")):
        who = partner(partner_id=name, name=name.capitalize(), goals=[])
        made = frames(who=who, seed=position, size=700, years=[2024, 2025, 2026])
        if position == 2:
            made["tools_package"] = made["tools_package"].iloc[:0]
        write_release(home, who, made, context(years=[2024, 2025, 2026]), holds)
        partners[name] = who
    return network.publish(home, partners).path / "index.html"
