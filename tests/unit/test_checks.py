"""What is checked before a commit is what is checked before a merge."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_hooks_run_the_commands_of_make_check():
    recipe = re.search(r"^check: setup\n((?:\t.+\n)+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    said = [
        line.strip().replace("$(BIN)/", ".venv/bin/").replace("$(MAKE)", "make").removesuffix(" .")
        for line in recipe[1].splitlines()
    ]
    [local] = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"  # nothing is fetched
    assert [hook["entry"] for hook in local["hooks"]] == said
    assert {hook["language"] for hook in local["hooks"]} == {"system"}


def test_the_merge_waits_for_the_checks():
    assert "make check && make test" in (REPOSITORY / ".ci/run").read_text()
