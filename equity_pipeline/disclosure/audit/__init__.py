"""An outsider's attempt to narrow down the counts of students behind a release, from its files and nothing else.

It shares no code with the suppressor and none with the pages. What the rows of the data files say is read back as intervals, from
which nobody may work out a hidden number (`intervals`), and every other figure must be what anyone could work out from those
(`marts`, `figures`). The workbook (`workbook`), the pages (`pages`) and the programmes' tables (`programmes`) may say nothing
but that, and the roll-up of the network (`network`) nothing but what the releases say that it was made of.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from equity_pipeline.disclosure.audit import network, pages, programmes, workbook
from equity_pipeline.disclosure.audit.finding import Finding
from equity_pipeline.disclosure.audit.marts import UNBOUNDED, Reading
from equity_pipeline.disclosure.audit.order import Order
from equity_pipeline.disclosure.audit.said import Said, partner_name
from equity_pipeline.disclosure.figures import Rules
from equity_pipeline.domain.errors import DisclosureError


@dataclass(frozen=True)
class AuditResult:
    """What the attack found."""

    findings: tuple[Finding, ...]
    cells: int
    hidden: int
    hidden_by_dimension: dict[str, int] = field(default_factory=dict)
    figures: int = 0
    minimum_cell: int = 0
    releases: int = 1
    narrowest: int = UNBOUNDED
    files: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def lines(self) -> list[str]:
        """The result for a person: the verdict, what was tried, and each finding."""
        verdict = "passed" if self.passed else f"FAILED, {len(self.findings)} findings"
        return [
            f"audit {verdict}: {self.cells} groups, {self.hidden} hidden, minimum cell {self.minimum_cell}",
            f"figures worked out again from published students and rates: {self.figures}",
            *(
                []
                if self.narrowest == UNBOUNDED
                else [f"narrowest interval of a hidden number: {self.narrowest} apart"]
            ),
            *(f"{finding.kind}: {finding.mart} {finding.where}" for finding in self.findings),
        ]


def audit(
    release_dir: Path | str,
    rules: Rules | None = None,
    minimum_cell: int | None = None,
    previous: Sequence[Path | str] = (),
    exactly: bool = False,
) -> AuditResult:
    """Attack the files of a release, together with those of earlier releases of the same partner.

    Args:
        release_dir: holds `data/<mart>.csv` and `data/<mart>.parquet`, the programmes' tables in `data/programmes/`, the
            workbook and the pages.
        rules: the public policy, as the outsider knows it.
        minimum_cell: the policy the release promises, students. Both are read from the release's certificate.json
            where not given.
        previous: earlier releases; no difference from them may say that a change was of fewer than `CHANGE` students.
        exactly: settle by whole-number programs what sums leave open of hidden numbers, which takes up to a minute or so.

    Raises:
        DisclosureError: there is nothing to read, or a file can't be read as a table; what can't be attacked
            is not safe.
    """
    if rules is None or minimum_cell is None:
        rules, minimum_cell = _stated(Path(release_dir) / "certificate.json")
    release_dir = Path(release_dir)
    frames, files, findings = _read(release_dir, "data")
    if not {"data/gap_metrics.csv", "data/gap_metrics.parquet"} <= set(files):
        raise DisclosureError("the release has no data/gap_metrics to attack; nothing is published")
    tables, files_of_tables, of_tables = _read(release_dir, "data/programmes")
    earlier = [_read_parquet(Path(folder) / "data" / "gap_metrics.parquet") for folder in previous]
    result = attack(frames, rules, minimum_cell, earlier, exactly)
    of_tables += programmes.findings(tables, frames["gap_metrics"], minimum_cell)
    said, order = Said(frames, rules, partner_name(release_dir)), Order()
    shown = workbook.findings(release_dir, said, order) + pages.findings(
        release_dir, said, order, tables, minimum_cell
    )
    found = {*findings, *of_tables, *result.findings, *shown}
    return AuditResult(
        **{
            **result.__dict__,
            "findings": tuple(sorted(found, key=lambda f: (f.kind, f.mart, f.where))),
            "files": files
            | files_of_tables
            | _hashes(release_dir, [*release_dir.glob("data/*.xlsx"), *release_dir.rglob("*.html")]),
        }
    )


def made_from(release_dir: Path) -> dict[str, str]:
    """The releases that a folder says it was made of, by partner: those of a roll-up of the network, none of a partner's release."""
    try:
        said = json.loads((release_dir / "manifest.json").read_text(encoding="utf-8")).get("made_from")
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) and all(isinstance(one, str) for one in said.values()) else {}


def audit_network(network_dir: Path | str, releases: Mapping[str, Path]) -> AuditResult:
    """Hold a roll-up of the network against the releases that it was made of.

    Args:
        network_dir: holds `data/tools_package`, `data/portfolio` and the page.
        releases: the folders of those releases, by partner.

    Raises:
        DisclosureError: there is nothing to read, or a file can't be read; what can't be attacked is not safe.
    """
    network_dir = Path(network_dir)
    tables, files, found = _read(network_dir, "data")
    if not {"tools_package", "portfolio"} <= set(tables):
        raise DisclosureError("the roll-up has no data to attack; nothing is published")
    partners = {one: _released(one, folder) for one, folder in releases.items()}
    found += network.findings((network_dir / network.PAGE).read_bytes(), tables, partners)
    return AuditResult(
        findings=tuple(sorted(set(found), key=lambda f: (f.kind, f.mart, f.where))),
        cells=len(tables["tools_package"]),
        hidden=int(tables["tools_package"].get("suppressed", pd.Series(dtype=bool)).astype(bool).sum()),
        figures=len(tables["portfolio"]),
        minimum_cell=max(
            (_stated(folder / "certificate.json")[1] for folder in releases.values()), default=0
        ),
        releases=len(releases),
        files=files | _hashes(network_dir, [network_dir / network.PAGE]),
    )


def _released(partner_id: str, folder: Path) -> network.Partner:
    """What a release says that the network may repeat: of its newest year."""
    if not folder.is_dir():
        raise DisclosureError(
            f"the roll-up was made of release {folder.name} of {partner_id}, which is not at {folder}; not safe"
        )
    names = ("gap_metrics", "gap_closure", "tools_package")
    marts = {name: _read_parquet(folder / "data" / f"{name}.parquet") for name in names}
    newest = marts["gap_metrics"]["school_year"].max()
    of_newest = {
        name: frame if name == "tools_package" else frame[frame["school_year"] == newest]
        for name, frame in marts.items()
    }
    return network.Partner(
        partner_id,
        Said(of_newest, _stated(folder / "certificate.json")[0], partner_name(folder)),
        marts["tools_package"],
    )


def _hashes(release_dir: Path, paths: Iterable[Path]) -> dict[str, str]:
    """The hash of each file, by its path in the release."""
    return {
        path.relative_to(release_dir).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
    }


def _read(release_dir: Path, within: str) -> tuple[dict[str, pd.DataFrame], dict[str, str], list[Finding]]:
    """The tables of a folder, the hash of each file read, and where its formats disagree."""
    paths = sorted(path for kind in ("csv", "parquet") for path in (release_dir / within).glob(f"*.{kind}"))
    tables: dict[str, pd.DataFrame] = {}
    findings: list[Finding] = []
    for name, of_name in itertools.groupby(paths, key=lambda path: path.stem):
        twins = {path.suffix: path for path in of_name}
        if set(twins) != {".csv", ".parquet"}:
            findings.append(Finding("one format only", name, " and ".join(sorted(twins))))
        if ".parquet" not in twins:
            raise DisclosureError(
                f"data/{name}.parquet is missing, which says what data/{name}.csv counts; not safe"
            )
        tables[name] = _read_parquet(twins[".parquet"])
        # Nearly always the one is the other, written again; cells are compared only where it is not.
        if (
            ".csv" in twins
            and pl.read_parquet(twins[".parquet"]).write_csv().encode() != twins[".csv"].read_bytes()
        ):
            findings += _twins(name, _read_csv(twins[".csv"]), tables[name])
    return tables, _hashes(release_dir, paths), findings


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from None


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DisclosureError:
    return DisclosureError(f"data/{path.name} can't be read as a table ({type(error).__name__}); not safe")


def _stated(certificate_file: Path) -> tuple[Rules, int]:
    """The rules and the smallest cell that a release says it was made with."""
    try:
        stated = json.loads(certificate_file.read_text(encoding="utf-8"))
        said = stated["rules"]
        rules = Rules(pd.DataFrame(said["dimensions"]), said["direction"], frozenset(said["risk_ratio"]), said["policy"],
                      pd.DataFrame(said["actions"]))  # fmt: skip
        return rules, int(stated["minimum_cell"])
    except (OSError, ValueError, KeyError, TypeError):
        raise DisclosureError(
            f"{certificate_file.name} is missing or does not say what was promised; not safe"
        ) from None


def _twins(mart: str, csv: pd.DataFrame, parquet: pd.DataFrame) -> Iterable[Finding]:
    """The two formats of a mart must say the same, cell by cell."""
    if list(csv.columns) != list(parquet.columns) or len(csv) != len(parquet):
        yield Finding("formats disagree", mart, "columns or number of rows")
        return
    for name in csv.columns:
        left, right = (_plain(frame[name]) for frame in (csv, parquet))
        same = (left == right) | (left.isna() & right.isna())
        numbers = [pd.to_numeric(side[~same], errors="coerce") for side in (left, right)]
        same[~same] = (numbers[0] - numbers[1]).abs() <= 1e-12
        if not same.all():
            yield Finding("formats disagree", mart, f"column {name}, {int((~same).sum())} rows")


def _plain(column: pd.Series) -> pd.Series:
    """Values as text, the same for every format: flags lower case, days as CSV writes them, null null."""
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    position, distinct = pd.factorize(column)
    texts = [str(value).lower() if str(value) in ("True", "False") else str(value) for value in distinct]
    return pd.Series(np.array([*texts, None], dtype=object)[position], index=column.index)


def attack(
    frames: dict[str, pd.DataFrame],
    rules: Rules,
    minimum_cell: int,
    earlier: Sequence[pd.DataFrame] = (),
    exactly: bool = False,
) -> AuditResult:
    """Attack published marts: name → frame; `earlier`: `gap_metrics` of releases before. Needs no IO."""
    reading = Reading(frames, rules, minimum_cell)
    reading.read_base()
    reading.check_gaps()
    reading.check_closure()
    for mart in sorted(set(frames) - {"gap_metrics", "gap_closure"}):
        reading.check_copy(mart)
    readings = [Reading({"gap_metrics": gaps}, rules, minimum_cell) for gaps in earlier]
    for before in readings:
        before.read_base()
        reading.check_difference(before)
        reading.check_sums(before)
    reading.check_intervals(readings, exactly)
    hidden = reading.base[reading.base["n"].isna()]
    return AuditResult(
        findings=tuple(sorted(set(reading.findings), key=lambda f: (f.kind, f.mart, f.where))),
        cells=len(reading.base),
        hidden=len(hidden),
        hidden_by_dimension=dict(sorted(Counter(hidden["dimension"]).items())),
        figures=reading.checked,
        minimum_cell=minimum_cell,
        releases=1 + len(earlier),
        narrowest=reading.narrowest,
    )


def certificate(result: AuditResult, rules: Rules, proof: Mapping[str, object]) -> dict[str, object]:
    """What `certificate.json` says: what was attacked, how, what is left to guess, and whether the release may leave."""
    public: Any = proof.get("public_enrollment")
    known = f", or as far as the public numbers of students by {', '.join(public)} permit" if public else ""
    return {
        "pass": result.passed,
        "promise": f"every number of fewer than {result.minimum_cell} students, and every hidden one, may be one of two that are at "
        f"least {proof.get('apart_at_least')} apart{known}, also for who knows one of the students: both make the very same release",
        "minimum_cell": result.minimum_cell,
        "attacked": result.files,
        "rules": {
            "dimensions": _records(rules.dimensions[["dimension", "reference_subgroup", "partitioning", "crosses", "publish_level"]]),
            "direction": dict(sorted(rules.direction.items())),
            "risk_ratio": sorted(rules.risk_ratio),
            "policy": dict(sorted(rules.policy.items())),
            "actions": _records(rules.actions[["prior_status", "status", "urgency", "what_to_do"]]),
        },
        "proof": dict(proof),
        "cells": result.cells,
        "hidden": result.hidden,
        "hidden_by_dimension": result.hidden_by_dimension,
        "figures": result.figures,
        "releases": result.releases,
        "findings": [finding.__dict__ for finding in result.findings],
    }  # fmt: skip


def _records(frame: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Rows as plain values in a total order, None for null."""
    plain = frame.astype(object).where(frame.notna(), None)
    return sorted(plain.to_dict("records"), key=lambda row: json.dumps(row, sort_keys=True))
