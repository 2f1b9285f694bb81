"""What all tests share: an empty home, and no Dagster or home of the person who runs them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from equity_pipeline.storage.home import Home
from tests import unmasked

# The same inputs in every run of a test, on every machine, however slow it is.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")

# Files written by other people. They are no part of the repository: their tests run where the files are.
EXTRACTS = Path(os.environ.get("EQUITY_EXTRACTS") or Path(__file__).parents[2] / "shared" / "extracts")

PARTNER_FILE = """\
partner_id: {partner_id}
name: {partner_id}
state: CA
timezone: America/Los_Angeles
first_school_year: {first_school_year}
sources:
  - {{name: canonical, format: canonical, files: ["*.csv"]}}
"""


# Folders whose files take longest, the longest first: begun at last, they would keep one process busy and the others idle.
LONG = (
    "end_to_end", "orchestration", "programmes", "publishing", "dbt", "disclosure", "adapters", "extracts", "sample",
)  # fmt: skip
# Fixtures that take long: whatever uses one runs in the process that made it. Several folders call theirs `built`.
COSTLY = ("demo", "district", "built")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """One process runs a file, or all of a folder that uses the same costly fixture."""
    for item in items:
        costly = next((name for name in COSTLY if name in item.fixturenames), None)
        item.add_marker(pytest.mark.xdist_group(f"{item.path.parent} {costly}" if costly else str(item.path)))
    items.sort(key=lambda item: [*LONG, item.path.parent.name].index(item.path.parent.name))


@pytest.fixture(autouse=True)
def _no_homes_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EQUITY_HOME", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="session")
def _keys(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each partner has one key in all homes, so that their files can be compared."""
    os.environ["EQUITY_KEYS"] = str(tmp_path_factory.mktemp("keys"))
    unmasked.remember()


@pytest.fixture
def home(tmp_path) -> Home:
    """A home without partners."""
    return Home(tmp_path / "home")


@pytest.fixture
def add_partner(home):
    """Write a partner file that takes canonical CSVs."""

    def add(partner_id: str, first_school_year: str = "2021-22") -> None:
        path = home.partner_file(partner_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PARTNER_FILE.format(partner_id=partner_id, first_school_year=first_school_year))
        home.landing(partner_id).mkdir(parents=True)

    return add


@pytest.fixture(scope="session")
def extract() -> Callable[[str], Path]:
    """A file or folder of the extracts by name; the test is skipped where it is missing."""

    def find(name: str) -> Path:
        path = EXTRACTS / name
        if not path.exists():
            pytest.skip(f"{name} is neither in ../shared/extracts nor in $EQUITY_EXTRACTS")
        return path

    return find


@pytest.fixture(scope="session")
def partner_file() -> Callable[[str], Path]:
    """The partner file that goes with an extract, by partner id."""
    return lambda partner_id: Path(__file__).parent / "real_extracts" / "partners" / f"{partner_id}.yml"


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium of the machine; nothing is downloaded."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip("no chromium, chromium-browser or google-chrome on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        opened = play.chromium.launch(executable_path=found, args=args)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    """Opens a page from disk; fails the test at its end if a page logged an error, asked for anything that failed or left the disk."""
    troubles: list[str] = []
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.on(
        "console",
        lambda m: troubles.append(f"console {m.type}: {m.text}") if m.type in ("error", "warning") else None,
    )
    tab.on("pageerror", lambda e: troubles.append(f"script: {e}"))
    tab.on("requestfailed", lambda r: troubles.append(f"failed: {r.url}"))
    tab.on(
        "request",
        lambda r: (
            None if r.url.startswith(("file:", "data:")) else troubles.append(f"left the disk: {r.url}")
        ),
    )
    tab.on("dialog", lambda d: (troubles.append(f"dialog: {d.message}"), d.dismiss()))

    def go(path: Path, width: int = 1280):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.goto(path.as_uri())
        return tab

    yield go
    tab.close()
    assert troubles == []
