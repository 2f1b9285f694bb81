"""A table's row where cells are read one by one, not column by column."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
"""Each column's plain value, None where it is missing. Which columns and types: the contract of the mart it is read from."""
