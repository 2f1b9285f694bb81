"""Spark in this process, and the sample partners built by both engines."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from equity_pipeline import sample
from equity_pipeline.extracts import intake
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home

SCALE = 0.02
SCHOOL_YEARS = (2025, 2026)  # a year and the one that it is compared with
# Few rows and two hundred statements: making or optimizing code for each, or planning again while it runs, would cost more
# than it saves. Java gives code a fifth of its usual room where it is not optimized, which the largest partners' statements fill.
SMALL = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC",
    "spark.master": "local[2]",
    "spark.driver.memory": "2g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of Spark's tests share one session, which is costly to start."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("spark"))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Spark can be started: its settings are those of a small machine."""
    pytest.importorskip("pyspark", reason="Spark is not installed: make test-spark")
    if not shutil.which("java"):
        pytest.skip("no Java on this machine")
    folder = tmp_path_factory.mktemp("conf")
    (folder / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in SMALL.items()))
    os.environ |= {"SPARK_CONF_DIR": str(folder), "SPARK_LOCAL_IP": "127.0.0.1"}


@pytest.fixture(scope="session")
def loaded(spark: None, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the sample partners' extracts, nothing built yet."""
    home = Home(tmp_path_factory.mktemp("home") / "home")
    for partner_id in sample.write(home, scale=SCALE):
        partner = registry.load(home.partner_file(partner_id))
        intake.take_delivery(home, partner)
        for school_year in SCHOOL_YEARS:
            intake.load_extracts(home, partner, school_year)
    return home
