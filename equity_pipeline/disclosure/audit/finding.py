"""What an attack finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One way in which a release says too much. Names rows by their public keys; carries no count."""

    kind: str
    mart: str
    where: str
