"""Rules of a dbt project that hold for every model, so that the next one can't forget them: what dbt-project-evaluator asks of
documentation, names, layers, contracts and keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from equity_pipeline.warehouse import project

# Whose key is proven by the rows of another: dbt_project/tests/integrity/marts_hold_together.sql counts four gaps for every
# count, whose key is tested; the two others are rows of `gap_closure`.
KEY_FOLLOWS = {"gap_metrics", "access", "success"}
PREFIX = {"staging": "stg_", "intermediate": "int_"}
BELOW = {
    "staging": {"source", "seed"},
    "intermediate": {"seed", "staging", "intermediate"},
    "marts": {"seed", "staging", "intermediate", "marts"},
}
# A gap's level is judged on the gap that is published.
READS_A_MART = {("int_gap_level", "gap_metrics")}


@pytest.fixture(scope="module")
def manifest() -> Mapping[str, Any]:
    return project.compiled().manifest


@pytest.fixture(scope="module")
def models(manifest) -> dict[str, Mapping[str, Any]]:
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


def layer(node: Mapping[str, Any]) -> str:
    return node["fqn"][1] if node["resource_type"] == "model" else node["resource_type"]


def test_everything_is_described(manifest, models):
    seeds = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "seed"}
    sources = {node["name"]: node for node in manifest["sources"].values()}
    assert [
        name for name, node in (models | seeds | sources).items() if not node["description"].strip()
    ] == []
    marts = [node for node in models.values() if layer(node) == "marts"]
    columns = [(node["name"], column) for node in marts for column in node["columns"].values()]
    assert [(name, column["name"]) for name, column in columns if not column["description"].strip()] == []


def test_a_mart_promises_its_columns(models):
    assert [
        name
        for name, node in models.items()
        if layer(node) == "marts" and not (node["config"]["contract"]["enforced"] and node["columns"])
    ] == []


def test_the_key_of_a_mart_is_tested(manifest, models):
    nodes = manifest["nodes"].values()
    attached = {
        node["attached_node"].split(".")[-1] for node in nodes if "unique_combination" in node["name"]
    }
    [together] = (node for node in nodes if node["name"] == "keys_are_unique")
    listed = set(re.findall(r"select '(\w+)' as rule", together["compiled_code"]))
    marts = {name for name, node in models.items() if layer(node) == "marts"}
    assert marts - attached - listed == KEY_FOLLOWS


def test_a_model_reads_what_stands_before_it_and_its_name_says_its_layer(manifest, models):
    every = manifest["nodes"] | manifest["sources"]
    read = {
        (name, every[key]["name"])
        for name, node in models.items()
        for key in node["depends_on"]["nodes"]
        if layer(every[key]) not in BELOW[layer(node)]
    }
    assert read == READS_A_MART
    assert [
        name
        for name, node in models.items()
        if not name.startswith(PREFIX.get(layer(node), ""))
        or (layer(node) == "marts" and name[:4] in PREFIX.values())
    ] == []


def test_every_model_before_a_mart_is_read(manifest, models):
    read = {
        key.split(".")[-1]
        for node in manifest["nodes"].values()
        for key in node["depends_on"].get("nodes", ())
    }
    assert {name for name, node in models.items() if layer(node) != "marts"} <= read
