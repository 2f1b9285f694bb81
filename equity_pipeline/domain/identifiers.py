"""Identifiers that become folder names, partition keys or SQL names, and the one form they may take."""

from __future__ import annotations

import re

PARTNER_ID = re.compile(r"^[a-z][a-z0-9_]{1,30}$")


def check_partner_id(partner_id: str) -> str:
    """Return the id unchanged if it is a slug.

    Raises:
        ValueError: it is not; the id is a folder name and a partition key, so nothing else may pass.
    """
    if not PARTNER_ID.fullmatch(partner_id):
        raise ValueError(f"partner_id {partner_id!r} must match {PARTNER_ID.pattern}")
    return partner_id
