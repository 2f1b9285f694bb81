"""The automation conditions, evaluated as the daemon does."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import dagster as dg
import pytest

from equity_pipeline.defs.location import definitions
from equity_pipeline.warehouse import build as warehouse

STUDENTS, GOALS = (dg.AssetKey(["warehouse", "staging", f"stg_{name}"]) for name in ("students", "goals"))
MART, RELEASE, NETWORK = (
    dg.AssetKey(["warehouse", "marts", "gap_metrics"]),
    dg.AssetKey("release"),
    dg.AssetKey("network_release"),
)


class Daemon:
    """Evaluates every condition of a home, tick by tick."""

    def __init__(self, location, instance):
        self.location, self.instance, self.cursor = location, instance, None
        self.graph = location.resolve_asset_graph()

    def tick(self) -> dg.EvaluateAutomationConditionsResult:
        # Dagster starts an event loop of its own; in this thread the browser of other tests may have one running.
        with ThreadPoolExecutor(1) as thread:
            result = thread.submit(
                dg.evaluate_automation_conditions, self.location, self.instance, cursor=self.cursor
            ).result()
        self.cursor = result.cursor
        return result

    def made(self, key, partition=None):
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))


@pytest.fixture
def daemon(home, add_partner):
    for partner_id in ("north", "south"):
        add_partner(partner_id)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(definitions(home, dt.date(2025, 12, 1)), instance)


def test_a_new_partner_without_data_asks_for_nothing(daemon):
    assert daemon.tick().total_requested == 0
    assert daemon.tick().total_requested == 0


@pytest.mark.parametrize("year", ["2025-26", "2021-22", "2026-27"])
def test_a_correction_to_any_year_rebuilds_its_partner_and_no_other_though_other_years_are_missing(
    daemon, year
):
    daemon.tick()
    daemon.made(dg.AssetKey(["extracts", "students"]), f"north|{year}")
    asked = daemon.tick()
    for key in (STUDENTS, MART, RELEASE):  # one run makes them all
        assert asked.get_requested_partitions(key) == {"north"}, key
    assert daemon.tick().total_requested == 0


def test_nothing_is_built_between_taking_in_and_loading(daemon):
    """Such a build has nothing of the delivery, and the load that ends before the next tick would count as handled by it."""
    daemon.tick()
    daemon.made("deliveries", "north")
    assert daemon.tick().total_requested == 0
    daemon.made(dg.AssetKey(["extracts", "students"]), "north|2025-26")
    assert daemon.tick().get_requested_partitions(RELEASE) == {"north"}


def test_an_edited_partner_file_rebuilds(daemon):
    daemon.tick()
    daemon.made("partner_file", "south")
    asked = daemon.tick()
    assert asked.get_requested_partitions(GOALS) == asked.get_requested_partitions(RELEASE) == {"south"}


def test_what_a_person_rebuilt_is_published_and_not_where_a_blocking_check_failed(daemon, monkeypatch):
    """The warehouse's asset as it is, with dbt left out: a test fails for north, all pass for south."""

    def build(home, partner, engine):
        nodes = warehouse.manifest()["nodes"].values()
        results = [
            warehouse.NodeResult(
                node["unique_id"], "pass" if node["resource_type"] == "test" else "success", "", 1
            )
            for node in nodes
        ]
        if partner.partner_id == "north":
            results = [replace(one, status="fail" if one.status == "pass" else one.status) for one in results]
            raise warehouse.BuildError("a test failed", results)
        return warehouse.BuildResult(True, results)

    monkeypatch.setattr(warehouse, "build", build)
    daemon.tick()
    tables = daemon.location.resolve_assets_def(MART)
    for partner_id, succeeds in (("north", False), ("south", True)):
        made = dg.materialize(
            [tables], instance=daemon.instance, partition_key=partner_id, raise_on_error=False
        )
        assert made.success == succeeds
    event = daemon.instance.get_latest_materialization_event(MART).asset_materialization
    assert "\n| rate | int_references.n, int_references.successes |\n" in event.metadata["made of"].value
    [rate] = {
        dep.asset_key.path[-1]
        for dep in event.metadata["dagster/column_lineage"].value.deps_by_column["rate"]
    }
    assert rate == "int_references"
    asked = daemon.tick()
    assert asked.get_requested_partitions(RELEASE) == {"south"}
    assert asked.get_num_requested(STUDENTS) == 0


def test_the_network_follows_a_release_without_waiting_for_partners_that_have_none(daemon):
    daemon.tick()
    daemon.made(RELEASE, "north")
    assert daemon.tick().get_num_requested(NETWORK) == 1
    assert daemon.tick().total_requested == 0


def test_july_1_brings_a_year_that_nobody_has_delivered_and_holds_nothing_up(home, daemon):
    daemon.tick()
    summer = Daemon(definitions(home, dt.date(2026, 7, 1)), daemon.instance)
    summer.cursor = daemon.cursor
    assert (
        "north|2027-28"
        in summer.graph.get(dg.AssetKey(["extracts", "students"])).partitions_def.get_partition_keys()
    )
    assert summer.tick().total_requested == 0
    summer.made(dg.AssetKey(["extracts", "exam_results"]), "north|2025-26")
    assert summer.tick().get_requested_partitions(RELEASE) == {"north"}
