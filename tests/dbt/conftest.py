"""Both worlds are built once, at the same time, from two processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import duckdb
import pandas as pd
import pytest

from equity_pipeline.storage.home import Home
from tests.dbt import raw_worlds as worlds
from tests.dbt.workshop import Workshop

_BUILD = """
import sys; sys.path[:0] = {path!r}
import raw_worlds as worlds
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse.build import build
result = build(Home.resolve({home!r}), getattr(worlds, {partner!r}))
print(result.changed, len(result.results))
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, tuple[int, str, str]]]:
    """A home with both warehouses, and exit code, output and errors of the two processes that built them."""
    home = Home(tmp_path_factory.mktemp("home"))
    worlds.write_rows_usd(home)
    worlds.write_counts_sd(home)
    path = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    processes = {
        name: Popen(
            [sys.executable, "-c", _BUILD.format(path=path, home=str(home.root), partner=name)],
            stdout=PIPE, stderr=PIPE, text=True,
        )
        for name in ("ROWS", "COUNTS")
    }  # fmt: skip
    ended = {}
    for name, process in processes.items():
        output, errors = process.communicate()
        ended[name] = (process.returncode, output, errors)
    return home, ended


@pytest.fixture(scope="session")
def query(built: tuple[Home, object]) -> Iterator[Callable[[str, str], pd.DataFrame]]:
    """`query(partner_id, sql)`: a frame from a finished warehouse, opened read-only."""
    home, _ = built

    def ask(partner_id: str, sql: str) -> pd.DataFrame:
        with duckdb.connect(home.warehouse(partner_id), read_only=True) as connection:
            return connection.execute(sql).df()

    yield ask


@pytest.fixture(scope="session")
def workshop(built: tuple[Home, object], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """The models' statements and a copy of a warehouse to run them on; a test leaves its rows behind."""
    home, _ = built
    opened = Workshop.open(home.warehouse("rows_usd"), tmp_path_factory.mktemp("workshop"))
    yield opened
    opened.connection.close()
