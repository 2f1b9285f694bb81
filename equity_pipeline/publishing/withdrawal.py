"""Take back what was published: a release that should not be read any more, and every roll-up made of it.

Belongs here: moving releases out of sight, and keeping them out. Does not belong here: making new ones.

A withdrawn release is kept under `withdrawn/`, restricted: whoever read it knows its numbers, so the attack on every later
release goes on from them. Numbers that were withdrawn are not published a second time, whatever version made them.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.publishing import manifest
from equity_pipeline.storage import trail
from equity_pipeline.storage.atomic import point
from equity_pipeline.storage.home import Home

_NETWORK = "_network"


class WithdrawnError(EquityError):
    """What is about to be published was published before, as `release_id`, and withdrawn."""

    def __init__(self, partner_id: str, release_id: str) -> None:
        self.release_id = release_id
        super().__init__(
            f"{partner_id}: these numbers were withdrawn as release {release_id}: nothing was published; correct the "
            "delivery or the partner file first"
        )


@dataclass(frozen=True)
class Withdrawal:
    """`latest`: the release of the partner that is read now, or None; `roll_ups`: releases of the network that held its
    numbers and went with it."""

    latest: str | None
    roll_ups: tuple[str, ...]


def withdraw(home: Home, partner_id: str, release_id: str, because: str) -> Withdrawal:
    """Move a release, and the network's that were made of it, out of `releases/`. `latest` goes back to the newest release
    before it that stands, or away.

    Raises:
        EquityError: the partner has no such release.
    """
    releases = home.releases(partner_id)
    if release_id not in {path.name for path in releases.glob("[0-9a-f]*") if path.is_dir()}:
        raise EquityError(f"{partner_id}: no release {release_id!r}; see `equity-pipeline status`")
    roll_ups = [
        path.name
        for path in sorted(home.network_releases.glob("[0-9a-f]*"))
        if manifest.of(path)["made_from"].get(partner_id) == release_id
    ]
    trail.log(home, "withdrew", partner_id, release_id=release_id, because=because, roll_ups=roll_ups)
    for name in roll_ups:
        _take_away(home, _NETWORK, name)
    _take_away(home, partner_id, release_id)
    latest = releases / "latest"
    return Withdrawal(latest.resolve().name if latest.exists() else None, tuple(roll_ups))


def _take_away(home: Home, name: str, release_id: str) -> None:
    """The link goes first: killed in between, nobody is led to what shall not be read, and doing it again ends it."""
    releases = home.network_releases if name == _NETWORK else home.releases(name)
    latest = releases / "latest"
    if latest.is_symlink() and os.readlink(latest) == release_id:
        before = manifest.of(releases / release_id)["previous_release"]
        while before and not (releases / before).is_dir():
            said = manifest.read(home.withdrawn(name) / before)
            before = said and said["previous_release"]
        if before:
            point(latest, before)
        else:
            latest.unlink()
    target = home.withdrawn(name) / release_id
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.replace(releases / release_id, target)


def forget(home: Home, partner_id: str) -> None:
    """Remove the network's releases that hold numbers of a partner whose own are gone, or name it as one that has none."""
    for folder in (home.network_releases, home.withdrawn(_NETWORK)):
        for release in sorted(folder.glob("[0-9a-f]*")):
            said = manifest.of(release)
            if partner_id in said["made_from"] or partner_id in said["missing"]:
                shutil.rmtree(release)
    latest = home.network_releases / "latest"
    if latest.is_symlink() and not latest.exists():
        latest.unlink()


def ever_published(home: Home, partner_id: str) -> list[Path]:
    """The releases of a partner that somebody may have read, those that were withdrawn among them."""
    return sorted(
        file.parent.parent
        for folder in (home.releases(partner_id), home.withdrawn(partner_id))
        for file in folder.glob("[0-9a-f]*/data/gap_metrics.parquet")
    )


def refuse_again(
    home: Home, partner_id: str, data: dict[str, bytes], standing: dict[str, Any] | None
) -> None:
    """`data`: path → bytes of what is about to be published; `standing`: the manifest of the release that is read now.

    Raises:
        WithdrawnError: a withdrawn release of the partner said the same, and the one that is read does not.
    """
    tables = {path: manifest.sha256(content) for path, content in data.items() if path.endswith(".csv")}

    def says_the_same(made: dict[str, Any]) -> bool:
        return {path: made["files"].get(path, {}).get("sha256") for path in tables} == tables

    if standing and says_the_same(standing):
        return
    for release in sorted(home.withdrawn(partner_id).glob("*")):
        if says_the_same(manifest.of(release)):
            raise WithdrawnError(partner_id, release.name)
