from __future__ import annotations

from pathlib import Path

import pytest

from equity_pipeline.publishing.release import write_release
from equity_pipeline.storage.home import Home

from .frames import context, frames, partner


def holds(folder: Path) -> dict[str, object]:
    """An attack that finds nothing."""
    return {"pass": True, "files": sorted(p.name for p in (folder / "data").iterdir())}


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """One ordinary release; tests read it and change nothing."""
    home = Home(tmp_path_factory.mktemp("home"))
    return write_release(home, partner(), frames(), context(), holds)


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
