"""The page that says where each need of the four programmes is met: every name in it is the name of something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from equity_pipeline.publishing import words
from equity_pipeline.warehouse import project

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PROGRAMMES = {
    "Equity Communities of Practice", "Opportunity Accelerator", "Equity Implemented Partnership", "Action For Equity",
}  # fmt: skip


def rows() -> list[tuple[str, list[str]]]:
    """Programme and cells of each row: need, tables, page, tests."""
    found, programme = [], ""
    for line in (DOCS / "programmes.md").read_text().splitlines():
        if line.startswith("## "):
            programme = line[3:]
        elif line.startswith("| ") and not line.startswith("| need"):
            found.append((programme, [cell.strip() for cell in line.strip("| ").split(" | ")]))
    return found


def names() -> set[str]:
    """Marts with their columns, seeds and policies."""
    known = {file.stem for file in (project.FOLDER / "seeds").rglob("*.csv")}
    known |= {
        line.partition(",")[0]
        for line in (project.FOLDER / "seeds/policy/policy.csv").read_text().splitlines()
    }
    for file in (project.FOLDER / "models/marts").rglob("*.yml"):
        for model in yaml.safe_load(file.read_text()).get("models", []):
            known |= {model["name"]} | {f"{model['name']}.{column['name']}" for column in model["columns"]}
    return known


@pytest.mark.parametrize(("programme", "cells"), rows(), ids=lambda of: of if isinstance(of, str) else of[0])
def test_a_need_is_traced_to_a_table_a_page_and_a_test(programme, cells):
    _, tables, page, tests = cells
    told = set(re.findall(r"`([^`]+)`", tables))
    assert told and told <= names()
    assert page in words.translations()
    named = re.findall(r"`([^`]+)`", tests)
    written = "".join(file.read_text() for file in (ROOT / "tests").glob("*/test_*.py"))
    assert named and [test for test in named if f"\ndef {test}(" not in written] == []


def test_every_programme_has_its_needs_and_a_walk_through_of_a_cycle():
    assert {programme for programme, _ in rows()} == PROGRAMMES
    text = (DOCS / "programmes.md").read_text()
    pages = re.findall(r"Walk-through: \[[^]]+\]\(([^)]+)\)", text)
    assert len(pages) == len(PROGRAMMES)
    for page in pages:
        steps = re.findall(r"(?m)^(\d)\. \*\*", (DOCS / page).read_text())
        assert len(steps) >= 5 and steps == [str(n) for n in range(1, len(steps) + 1)]
