"""A wheel holds all that the program needs, so that it works outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from hatchling.build import build_wheel

from equity_pipeline.publishing import page
from equity_pipeline.warehouse import project

REPOSITORY = Path(__file__).resolve().parents[2]
ASK = """
from equity_pipeline.publishing import page
from equity_pipeline.warehouse import project
print(project.FOLDER, project.digest(), len(page.environment().list_templates()), sep="\\n")
"""


def test_an_installed_package_has_its_own_dbt_project_and_templates(tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))).extractall(tmp_path / "site")
    asked = subprocess.run(
        [sys.executable, "-c", ASK], cwd=tmp_path, env={**os.environ, "PYTHONPATH": "site"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    folder, digest, templates = asked.stdout.split()
    assert Path(folder) == tmp_path / "site/equity_pipeline/dbt_project"
    assert digest == project.digest()
    assert int(templates) == len(page.environment().list_templates())
    assert not (Path(folder) / "target").exists()
