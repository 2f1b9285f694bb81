"""Where the files lie that are shipped with the program and are no Python."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "dbt_project"
DBT_PROJECT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "dbt_project"
"""The dbt project: within an installed package, beside it in a checkout."""
