"""What Dagster shows changes only on purpose.

After a wanted change: `python -m tests.orchestration.test_definitions` rewrites the list; read its diff.
"""

import datetime as dt
import re
import tempfile
from pathlib import Path

import dagster as dg
import pytest
import yaml

from equity_pipeline.defs.automation import ENVIRONMENTS
from equity_pipeline.defs.location import definitions
from equity_pipeline.defs.transform import PARTNER_FILE
from equity_pipeline.storage.home import Home
from tests.conftest import PARTNER_FILE as PARTNER_YAML

LIST = Path(__file__).with_name("definitions.txt")


TODAY = dt.date(2025, 12, 1)
ZONED = re.compile(r"_america_\w+$")  # a schedule for each time zone of the partners


def listed(home: Home) -> list[str]:
    """One line for each asset, check and job, and for each schedule and sensor of each environment."""
    location = definitions(home, TODAY)
    declared = [
        line
        for environment in ENVIRONMENTS
        for line in _started(environment, definitions(home, TODAY, environment))
    ]
    graph = location.resolve_asset_graph()
    repository = location.get_repository_def()
    return sorted(
        [f"asset {graph.get(key).group_name} {key.to_user_string()}" for key in graph.get_all_asset_keys()]
        + [f"check {key.asset_key.to_user_string()} {key.name}" for key in graph.asset_check_keys]
        + [f"job {job.name}" for job in repository.get_all_jobs() if not job.name.startswith("__")]
        + declared
    )


def _started(environment: str, location: dg.Definitions) -> list[str]:
    repository = location.get_repository_def()
    return [f"sensor {environment} {sensor.name}" for sensor in repository.sensor_defs] + [
        f"schedule {environment} {ZONED.sub('', one.name)} {one.cron_schedule} {one.job_name}"
        for one in repository.schedule_defs
    ]


@pytest.fixture
def location(home, add_partner):
    add_partner("north")
    add_partner("south", "2023-24")
    return definitions(home, TODAY)


def test_the_definitions_are_the_listed_ones_in_every_environment_with_or_without_partners(
    location, home, tmp_path
):
    expected = LIST.read_text(encoding="utf-8").splitlines()
    assert listed(home) == expected
    zoned = ("nightly", "weekly", "term")
    assert listed(Home(tmp_path / "empty")) == [
        line for line in expected if not line.startswith(tuple(f"schedule prod {kind}" for kind in zoned))
    ]


def test_every_asset_says_what_it_is_whose_it_is_and_at_which_stage(location):
    graph = location.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description and node.owners and node.kinds, key.to_user_string()
    assert {graph.get(key).group_name for key in graph.get_all_asset_keys()} == {
        "ingest", "policy", "staging", "intermediate", "marts", "publish", "network",
    }  # fmt: skip


def test_extracts_are_cut_by_partner_and_year_everything_behind_them_by_partner(location):
    graph = location.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        keys = graph.get(key).partitions_def
        if key.path[0] == "extracts":
            assert "south|2023-24" in keys.get_partition_keys()
        elif key.path != ["network_release"]:
            assert list(keys.get_partition_keys()) == ["north", "south"], key.to_user_string()


def test_a_mart_rests_on_the_extracts_and_the_partner_file(location):
    graph = location.resolve_asset_graph()
    upstream = dg.AssetSelection.keys("warehouse/marts/gap_closure").upstream().resolve(graph)
    assert {dg.AssetKey("deliveries"), dg.AssetKey(["extracts", "students"])} <= set(upstream)
    assert graph.get(dg.AssetKey(["warehouse", "staging", "stg_goals"])).parent_keys == {PARTNER_FILE}
    assert graph.get(dg.AssetKey("release")).parent_keys == {
        key for key in graph.get_all_asset_keys() if key.path[:2] == ["warehouse", "marts"]
    }


def test_the_workspace_file_loads_the_code_location():
    workspace = yaml.safe_load(Path("workspace.yaml").read_text(encoding="utf-8"))
    assert workspace == {"load_from": [{"python_module": "equity_pipeline.definitions"}]}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "partners").mkdir()
        (Path(folder) / "partners" / "north.yml").write_text(
            PARTNER_YAML.format(partner_id="north", first_school_year="2021-22")
        )
        LIST.write_text("\n".join(listed(Home(Path(folder)))) + "\n", encoding="utf-8")
