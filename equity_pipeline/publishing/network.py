"""The network's page for programme staff, from released files only: no warehouse, ledger or extract is opened here."""

from __future__ import annotations

import collections
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import DisclosureError
from equity_pipeline.domain.rows import Row
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import datafiles, manifest, tables, tracker, words
from equity_pipeline.publishing.page import environment, slug
from equity_pipeline.publishing.release import Release
from equity_pipeline.publishing.words import ENGLISH
from equity_pipeline.storage.atomic import new_folder, point
from equity_pipeline.storage.home import Home

_KEY = ["partner_id", "school_year", "school_id", "metric_id", "dimension", "subgroup"]


@dataclass(frozen=True)
class _Released:
    """A partner's latest release, read back from its folder."""

    partner_id: str
    manifest: dict[str, Any]
    certificate: dict[str, Any]
    tools: pd.DataFrame

    @property
    def name(self) -> str:
        return str(self.manifest["partner"]["name"])

    @property
    def year(self) -> int:
        return int(max(self.manifest["school_years"]))

    @property
    def programs(self) -> list[str]:
        """The programmes of the latest school year for the whole partner."""
        return [
            words.program(p["program"], p["phase"])
            for p in self.manifest["partner"]["programs"]
            if p["school_year"] == self.year and not p["school_id"]
        ]


def publish(home: Home, partners: Mapping[str, Partner]) -> Release:
    """Publish the roll-up of the partners' latest releases. Partners without a release are named as missing.

    Same releases, same id; then nothing is written.

    Raises:
        DisclosureError: it says what the releases do not; the roll-up that is read stays.
    """
    # Imported here: releases are read and rendered without a solver at hand.
    from equity_pipeline.disclosure.audit import audit_network

    released = [r for r in (_read(home.releases(p), p) for p in sorted(partners)) if r]
    portfolio = [_line(r) for r in released]
    middle = _middle(released, portfolio)
    clients = sorted((c for c in map(_client, released) if c), key=lambda c: c["order"])
    missing = {p: partners[p].name for p in sorted(set(partners) - {r.partner_id for r in released})}
    data = datafiles.both("data/tools_package", _together([r.tools for r in released])) | datafiles.both(
        "data/portfolio",
        pd.DataFrame([{k: v for k, v in line.items() if k != "tally"} | line["tally"] for line in portfolio]),
    )
    made_from = {r.partner_id: r.manifest["release_id"] for r in released}
    stated: dict[str, Any] = {
        "made_from": made_from,
        "missing": missing,
        "versions": {"layout": manifest.layout()},
    }
    release_id = manifest.release_id(data, stated)
    target, latest = home.network_releases / release_id, home.network_releases / "latest"
    before = manifest.read(latest)
    if before and before["release_id"] == release_id:
        return Release(release_id, target, changed=False, restated=0)
    if manifest.read(target) is None:
        page = environment().get_template("network.html.j2").render(
            title=ENGLISH("The network: do closed gaps stay closed?"), clients=clients, portfolio=portfolio, missing=[*missing.values()],
            late=[line for r in released for line in _late(r)], labs=[lab for r in released for lab in _labs(r)],
            middle=middle, apart=_apart(released), files=sorted(data), release_id=release_id, latest_year=max((r.year for r in released), default=None),
        )  # fmt: skip
        files = data | {"index.html": page.encode()}
        with new_folder(target) as scratch:
            for path, content in files.items():
                (scratch / path).parent.mkdir(exist_ok=True)
                (scratch / path).write_bytes(content)
            found = audit_network(scratch, {one: home.releases(one) / of for one, of in made_from.items()})
            if not found.passed:
                raise DisclosureError("\n".join(["the network's roll-up was not published", *found.lines()]))
            made = {"release_id": release_id, "previous_release": before["release_id"] if before else None, **stated,
                    "files": {p: {"sha256": manifest.sha256(c), "bytes": len(c)} for p, c in sorted(files.items())}}  # fmt: skip
            (scratch / "manifest.json").write_bytes(manifest.dump(made))
    point(latest, release_id)
    return Release(release_id, target, changed=True, restated=0)


def is_current(home: Home, partners: Mapping[str, Partner]) -> bool:
    """Whether the roll-up that is read was made of the releases that are read."""
    said = {partner_id: manifest.read(home.releases(partner_id) / "latest") for partner_id in partners}
    standing = {one: of["release_id"] for one, of in said.items() if of and of["school_years"]}
    roll_up = manifest.read(home.network_releases / "latest")
    return (roll_up["made_from"] if roll_up else {}) == standing


def _read(releases: Path, partner_id: str) -> _Released | None:
    """Through one resolved folder, so that a release that appears meanwhile does not mix in."""
    latest = (releases / "latest").resolve()
    said = manifest.read(latest)
    if said is None or not said["school_years"]:
        return None
    certificate = json.loads((latest / "certificate.json").read_text(encoding="utf-8"))
    return _Released(
        partner_id, said, certificate, pd.read_parquet(latest / "data" / "tools_package.parquet")
    )


def _apart(released: list[_Released]) -> int | None:
    """What every release proves: how many students apart the two numbers are at the least that a hidden one may be. None where one of them
    proves nothing, or takes numbers of students as known that leave fewer."""
    said = [r.certificate.get("proof", {}) for r in released]
    proofs = [
        0 if one.get("counts_limited_by_public_enrollment") else one.get("apart_at_least") for one in said
    ]
    return min(proofs) if proofs and all(proofs) else None


def _told(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `tools_package` that a summary counts and whose status can be told."""
    kept = ~rows["dimension"].str.contains("*", regex=False) & ~rows["dimension"].isin(tracker.OVERLAPPING)
    kept &= (rows["subgroup"] != "unknown") & ~rows["suppressed"].astype(bool) & rows["gap"].notna()
    return rows[kept & rows["status"].notna() & (rows["status"] != "not_measurable").fillna(False)]


def _line(released: _Released) -> dict[str, Any]:
    """One partner of the portfolio: programme, latest year, how many district gaps stand on each step, and the share of those
    that can be told which is closed (None where none can be told)."""
    said = released.manifest
    tally = _on_the_ladder(said["district_gaps_by_status"])
    total = sum(tally.values())
    return {
        "partner_id": released.partner_id, "name": released.name, "state": said["partner"]["state"],
        "program": "; ".join(released.programs), "school_year": released.year,
        "closed_share": sum(tally[code] for code in words.CLOSED) / total if total else None, "tally": tally,
    }  # fmt: skip


def _on_the_ladder(counts: dict[str, int]) -> dict[str, int]:
    return {code: counts.get(code, 0) for code in words.STATUSES if code != "not_measurable"}


def _middle(released: list[_Released], portfolio: list[Row]) -> float | None:
    """The median share of closed gaps, where as many partners have one as policy asks for; a comparison among fewer would show
    each partner to the others. The largest number that any release states counts; where none states one, nothing is compared."""
    asked = [
        int(p)
        for r in released
        if (p := r.manifest["versions"].get("policy", {}).get("portfolio_smallest_partners"))
    ]
    shares = [line["closed_share"] for line in portfolio if line["closed_share"] is not None]
    return float(np.median(shares)) if asked and len(shares) >= max(asked) else None


def _late(released: _Released) -> list[dict[str, Any]]:
    """Overdue data of one partner: what its latest release states as overdue."""
    return [
        {"partner_id": released.partner_id, "name": released.name} | line
        for line in released.manifest.get("missing", [])
        if line["overdue"] and line["school_year"] >= released.year - 1
    ]


def _labs(released: _Released) -> list[dict[str, Any]]:
    """The Equity Leader Labs of a partner's latest year: the school, or the partner where the programme names no school."""
    said = released.manifest
    labs = [
        p
        for p in said["partner"]["programs"]
        if p["program"] == "equity_leader_lab" and p["school_year"] == released.year
    ]
    return [
        {
            "partner_id": released.partner_id, "name": released.name, "year": released.year,
            "school": said["schools"].get(lab["school_id"], lab["school_id"]) if lab["school_id"] else "",
            "path": f"schools/{slug(lab['school_id'])}.html" if lab["school_id"] in said["school_gaps_by_status"] else "index.html",
            "tally": _on_the_ladder(said["school_gaps_by_status"].get(lab["school_id"], {}) if lab["school_id"] else said["district_gaps_by_status"]),
        }
        for lab in labs
    ]  # fmt: skip


def _together(frames: list[pd.DataFrame]) -> pd.DataFrame:
    frames = [frame for frame in frames if not frame.empty]
    return (
        pd.concat(frames, ignore_index=True).sort_values(_KEY, ignore_index=True)
        if frames
        else pd.DataFrame(columns=_KEY)
    )


def _client(released: _Released) -> dict[str, Any] | None:
    """A Tools Package client of the partner's latest year, or None. Counts are of the district where it is a client, else of its schools."""
    now = released.tools[released.tools["school_year"] == released.year]
    if now.empty:
        return None
    rows = _told(now)
    place = "district" if (now["school_id"] == "_all").any() else "schools"
    if place == "district":
        rows = rows[rows["school_id"] == "_all"]
    told = [
        row | {
            "measure": row["metric_label"], "students_needed": row["seats_gap"], "state": "gap",
            "group": row["subgroup_label"] if place == "district" else f"{row['subgroup_label']}, {row['school_name']}",
        }
        for row in tracker.plain(rows.sort_values(["urgency_rank", *_KEY[2:]]))
    ]  # fmt: skip
    count = collections.Counter(row["status"] for row in told)
    was = [row for row in told if row["prior_status"] in words.CLOSED]
    still = sum(row["status"] in words.CLOSED for row in was)
    newly = sum(row["status"] in words.CLOSED and row["prior_status"] in words.OPEN for row in told)
    urgent = [
        row for row in told
        if row["status"] in ("reopened", "widening") or (row["prior_status"] in words.CLOSED and row["status"] == "open")
    ]  # fmt: skip
    name = released.name
    return {
        "id": released.partner_id, "name": name, "year": released.year, "place": place, "was": len(was), "still": still, "newly": newly,
        "tally": {code: count[code] for code in words.STATUSES if count[code]}, 
        "order": (-count["reopened"], -count["widening"], still - len(was), -count["open"], name.casefold(), released.partner_id),
        "table": tables.tools_package(urgent[:10], id=f"client-{released.partner_id}",
                                      caption=ENGLISH("{partner}: what needs eyes first in {year}", partner=name, year=school_years.label(released.year)))
        if urgent else "",
        "more": max(0, len(urgent) - 10),
    }  # fmt: skip
