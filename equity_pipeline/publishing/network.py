"""The network's page for programme staff, from released files only: no warehouse, ledger or extract is opened here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from equity_pipeline.domain import school_years
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import datafiles, manifest, site, tables, tracker, words
from equity_pipeline.publishing.release import Release, point
from equity_pipeline.storage.atomic import new_folder
from equity_pipeline.storage.home import Home

_KEY = ["partner_id", "school_year", "school_id", "metric_id", "dimension", "subgroup"]


@dataclass(frozen=True)
class _Released:
    """A partner's latest release, read back from its folder."""

    partner_id: str
    manifest: dict
    tools: pd.DataFrame

    @property
    def year(self) -> int:
        return max(self.manifest["school_years"])

    @property
    def programs(self) -> list[str]:
        """The programmes of the latest school year for the whole partner."""
        return [
            words.PROGRAMS[p["program"]] + (f": {words.PHASES[p['phase']]}" if p["phase"] else "")
            for p in self.manifest["partner"]["programs"]
            if p["school_year"] == self.year and not p["school_id"]
        ]


def publish(home: Home, partners: Mapping[str, Partner]) -> Release:
    """Publish the roll-up of the partners' latest releases. Partners without a release are named as missing.

    Same releases, same id; then nothing is written.
    """
    released = [r for r in (_read(home.releases(p), p) for p in sorted(partners)) if r]
    clients = sorted((c for c in map(_client, released) if c), key=lambda c: c["order"])
    portfolio = [_line(r) for r in released]
    missing = [partners[p].name for p in sorted(set(partners) - {r.partner_id for r in released})]
    data = datafiles.both("data/tools_package", _together([r.tools for r in released])) | datafiles.both(
        "data/portfolio",
        pd.DataFrame([{k: v for k, v in line.items() if k != "tally"} | line["tally"] for line in portfolio]),
    )
    made_from = {r.partner_id: r.manifest["release_id"] for r in released}
    stated = {"made_from": made_from, "missing": missing, "versions": {"layout": manifest.layout()}}
    release_id = manifest.release_id(data, stated)
    target, latest = home.network_releases / release_id, home.network_releases / "latest"
    before = manifest.read(latest)
    if before and before["release_id"] == release_id:
        return Release(release_id, target, changed=False, restated=0)
    if manifest.read(target) is None:
        page = site.environment().get_template("network.html.j2").render(
            title="The network: do closed gaps stay closed?", clients=clients, portfolio=portfolio, missing=missing,
            files=sorted(data), release_id=release_id, latest_year=max((r.year for r in released), default=None),
        )  # fmt: skip
        files = data | {"index.html": page.encode()}
        with new_folder(target) as scratch:
            for path, content in files.items():
                (scratch / path).parent.mkdir(exist_ok=True)
                (scratch / path).write_bytes(content)
            made = {"release_id": release_id, "previous_release": before["release_id"] if before else None, **stated,
                    "files": {p: {"sha256": manifest.sha256(c), "bytes": len(c)} for p, c in sorted(files.items())}}  # fmt: skip
            (scratch / "manifest.json").write_bytes(manifest.dump(made))
    point(latest, release_id)
    return Release(release_id, target, changed=True, restated=0)


def _read(releases: Path, partner_id: str) -> _Released | None:
    """Through one resolved folder, so that a release that appears meanwhile does not mix in."""
    latest = (releases / "latest").resolve()
    said = manifest.read(latest)
    if said is None or not said["school_years"]:
        return None
    return _Released(partner_id, said, pd.read_parquet(latest / "data" / "tools_package.parquet"))


def _told(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `tools_package` that a summary counts and whose status can be told."""
    kept = ~rows["dimension"].str.contains("*", regex=False) & ~rows["dimension"].isin(tracker.OVERLAPPING)
    kept &= (rows["subgroup"] != "unknown") & ~rows["suppressed"].astype(bool) & rows["gap"].notna()
    return rows[kept & rows["status"].notna() & (rows["status"] != "not_measurable").fillna(False)]


def _together(frames: list[pd.DataFrame]) -> pd.DataFrame:
    frames = [frame for frame in frames if not frame.empty]
    return (
        pd.concat(frames, ignore_index=True).sort_values(_KEY, ignore_index=True)
        if frames
        else pd.DataFrame(columns=_KEY)
    )


def _client(released: _Released) -> dict[str, object] | None:
    """A Tools Package client of the partner's latest year, or None. Counts are of the district where it is a client, else of its schools."""
    now = released.tools[released.tools["school_year"] == released.year]
    if now.empty:
        return None
    rows = _told(now)
    place = "district" if (now["school_id"] == "_all").any() else "schools"
    if place == "district":
        rows = rows[rows["school_id"] == "_all"]
    rows = rows.sort_values(["urgency_rank", *_KEY[2:]]).assign(
        measure=rows["metric_label"], students_needed=rows["seats_gap"], state="gap"
    )
    rows["group"] = (
        rows["subgroup_label"] if place == "district" else rows["subgroup_label"] + ", " + rows["school_name"]
    )
    count = {code: int((rows["status"] == code).sum()) for code in words.STATUSES}
    was = rows[rows["prior_status"].isin(words.CLOSED)]
    still = int(was["status"].isin(words.CLOSED).sum())
    urgent = rows[
        rows["status"].isin(["reopened", "widening"])
        | (rows["prior_status"].isin(words.CLOSED) & (rows["status"] == "open"))
    ]
    name = released.manifest["partner"]["name"]
    return {
        "id": released.partner_id, "name": name, "year": released.year, "place": place, "was": len(was), "still": still,
        "tally": {code: number for code, number in count.items() if number}, "total": len(rows),
        "order": (-count["reopened"], -count["widening"], still - len(was), -count["open"], name.casefold(), released.partner_id),
        "table": tables.tools_package(urgent.head(10), id=f"client-{released.partner_id}",
                                      caption=f"{name}: what needs eyes first in {school_years.label(released.year)}")
        if len(urgent) else "",
        "more": max(0, len(urgent) - 10),
    }  # fmt: skip


def _line(released: _Released) -> dict[str, object]:
    """One partner of the portfolio: programme, latest year, and how many district gaps stand on each step."""
    said = released.manifest
    return {
        "partner_id": released.partner_id, "name": said["partner"]["name"], "state": said["partner"]["state"],
        "program": "; ".join(released.programs), "school_year": released.year,
        "tally": {code: said["district_gaps_by_status"].get(code, 0) for code in words.STATUSES if code != "not_measurable"},
    }  # fmt: skip
