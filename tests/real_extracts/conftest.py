"""Files written by other people. They are no part of the repository: these tests run where the files are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

_EXTRACTS = Path(os.environ.get("EQUITY_EXTRACTS") or Path(__file__).parents[3] / "shared" / "extracts")


@pytest.fixture(scope="session")
def extract() -> Callable[[str], Path]:
    """A file or folder of the extracts by name; the test is skipped where it is missing."""

    def find(name: str) -> Path:
        path = _EXTRACTS / name
        if not path.exists():
            pytest.skip(f"{name} is neither in ../shared/extracts nor in $EQUITY_EXTRACTS")
        return path

    return find


@pytest.fixture(scope="session")
def partner_file() -> Callable[[str], Path]:
    """The partner file that goes with an extract, by partner id."""
    return lambda partner_id: Path(__file__).parent / "partners" / f"{partner_id}.yml"
