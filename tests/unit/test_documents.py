"""What the documents point at exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("dbt_project/*.md")]
)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
PLACE = re.compile(r"`((?:equity_pipeline|dbt_project|tests|benchmarks|docs|deploy)/[^`*<> ]*)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_and_paths_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    links = [
        document.parent / link for link in LINK.findall(text) if "://" not in link and "mailto:" not in link
    ]
    places = [REPOSITORY / place for place in PLACE.findall(text)]
    assert not [str(path) for path in [*links, *places] if not path.exists()]


def test_the_table_of_changes_names_places():
    rows = [
        line for line in (REPOSITORY / "CONTRIBUTING.md").read_text().splitlines() if line.startswith("| a")
    ]
    assert len(rows) >= 10
    assert all(PLACE.search(row) for row in rows)
