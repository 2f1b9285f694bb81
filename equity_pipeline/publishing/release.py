"""Publish a partner: protected marts in, an immutable release folder out, and `latest` pointing to it.

Fails closed: the release is written to a scratch folder and attacked there; only what holds takes its place, and until then
`latest` points to the release before.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from equity_pipeline.domain.errors import DisclosureError, EquityError
from equity_pipeline.domain.rows import Row
from equity_pipeline.partners.registry import Partner
from equity_pipeline.publishing import (
    changes,
    contracts,
    datafiles,
    dictionary,
    manifest,
    programmes,
    quality,
    site,
    tracker,
    withdrawal,
)
from equity_pipeline.publishing.context import Context
from equity_pipeline.publishing.page import Edition
from equity_pipeline.publishing.workbook import workbook
from equity_pipeline.storage.atomic import new_file, new_folder, point
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse.build import inputs_of, is_current


@dataclass(frozen=True)
class Release:
    """A release that stands. `changed`: it is not the one `latest` pointed to before. `restated`: rows of `gap_metrics` that say
    something else than in the release before."""

    release_id: str
    path: Path
    changed: bool
    restated: int


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """A release makes a million values and hardly a cycle among them: looking for cycles took an eighth of its time."""
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


@_no_collection()
def publish(home: Home, partner: Partner) -> Release:
    """Publish the partner's finished warehouse. Where nothing is new, the release that stands is returned and nothing is rendered.

    Raises:
        DisclosureError: a hidden number could be recovered, or a mart breaks its contract; the last release stays.
        WithdrawnError: the same was published before and withdrawn; that is the end of it until something changes.
        EquityError: there is no warehouse yet, or it counts no student yet.
    """
    # Imported here: a release can be rendered and tested without a warehouse, a ledger or a solver at hand.
    from equity_pipeline.disclosure.audit import audit, certificate
    from equity_pipeline.disclosure.derive import Derivation
    from equity_pipeline.disclosure.history import remember, remembered
    from equity_pipeline.disclosure.marts import protect_marts, published_counts
    from equity_pipeline.disclosure.proof import prove
    from equity_pipeline.publishing import source

    if is_published(home, partner) and (made := _read_note(home, partner.partner_id)):
        if (home.withdrawn(partner.partner_id) / made.release_id).exists():
            raise withdrawal.WithdrawnError(partner.partner_id, made.release_id)
        if made.told == _told(home, partner.partner_id):
            path = home.releases(partner.partner_id) / made.release_id
            return Release(made.release_id, path, changed=False, restated=0)
    marts, context = source.read(home, partner)
    if marts["gap_metrics"].empty:
        raise EquityError(
            f"{partner.partner_id}: nothing to publish yet: no student of the grades that are counted is enrolled on a "
            "snapshot date; deliver students and school_enrollments (or aggregate_counts) of one school year"
        )
    smallest, dimensions = partner.privacy.minimum_cell, _with_public(context.labels.dimensions, partner)
    derivation = Derivation(home.warehouse(partner.partner_id))
    rules = derivation.rules()

    restricted = home.warehouse(partner.partner_id).parent
    witness, said = restricted / "witness.npz", restricted / "said"
    earlier = withdrawal.ever_published(home, partner.partner_id)
    before = remembered(said, earlier)
    latest = home.releases(partner.partner_id) / "latest"
    counts = published_counts(marts["gap_metrics"], dimensions)
    proof = prove(
        counts, dimensions, smallest, witness, [*before.values()], before.get(latest.resolve().name)
    )
    frames = protect_marts(marts, proof, derivation)

    def attack(folder: Path) -> dict[str, Any]:
        proof.keep(witness)
        remember(said, folder, proof.statement)
        return certificate(audit(folder, rules, smallest, earlier), rules, proof.summary())

    of_programmes = programmes.beside(context.programmes, frames["gap_metrics"])
    context = dataclasses.replace(
        context,
        programmes=programmes.held_back(of_programmes, latest / "data" / "programmes", proof.held),
        held_back=changes.held_back(proof.held, manifest.read(latest)),
    )
    try:
        release = write_release(home, partner, frames, context, attack)
    except withdrawal.WithdrawnError as withdrawn:
        _note(home, partner.partner_id, withdrawn.release_id)
        raise
    _note(home, partner.partner_id, release.release_id)
    return release


def _with_public(dimensions: pd.DataFrame, partner: Partner) -> pd.DataFrame:
    """The dimensions with `public`: whether anyone can read elsewhere how many students each group has."""
    public = partner.privacy.public_enrollment
    if unknown := sorted(set(public) - set(dimensions["dimension"])):
        raise EquityError(
            f"partners/{partner.partner_id}.yml: privacy.public_enrollment: no dimension {', '.join(unknown)}; "
            f"there are {', '.join(sorted(dimensions['dimension']))}"
        )
    return dimensions.assign(public=dimensions["dimension"].isin(public))


@dataclass(frozen=True)
class _Note:
    """Of what the release was made that says all that is there now: `made_of`, and the files `told` of on its pages."""

    made_of: str
    told: str
    release_id: str


def _note(home: Home, partner_id: str, release_id: str) -> None:
    """Write it down beside the warehouse."""
    with new_file(_published(home, partner_id)) as scratch:
        scratch.write_text(f"{_made_of(home, partner_id)} {_told(home, partner_id)} {release_id}")


def _read_note(home: Home, partner_id: str) -> _Note | None:
    path = _published(home, partner_id)
    parts = path.read_text().split() if path.exists() else []
    return _Note(*parts) if len(parts) == len(dataclasses.fields(_Note)) else None


def _published(home: Home, partner_id: str) -> Path:
    return home.warehouse(partner_id).with_name("published")


def _made_of(home: Home, partner_id: str) -> str:
    """A hash over what the numbers of a release rest on: the inputs of the warehouse, and the code that protects, lays out and
    attacks."""
    return manifest.sha256(f"{inputs_of(home, partner_id)} {manifest.layout()}".encode())


def _told(home: Home, partner_id: str) -> str:
    """A hash over the files on which no number rests, and of which the pages tell."""
    from equity_pipeline.publishing import source

    return manifest.sha256(repr(source.account(home, partner_id)).encode())


def is_published(home: Home, partner: Partner) -> bool:
    """Whether the numbers of the release that is read, or that was withdrawn, were made of all that is there now.

    By what lies on the disk: Dagster's history does not know of a warehouse whose builder was killed before it could tell.
    """
    note = _read_note(home, partner.partner_id)
    if note is None or not is_current(home, partner):
        return False
    latest = home.releases(partner.partner_id) / "latest"
    stands = latest.exists() and latest.resolve().name == note.release_id
    withdrawn = (home.withdrawn(partner.partner_id) / note.release_id).exists()
    return note.made_of == _made_of(home, partner.partner_id) and (stands or withdrawn)


def write_release(
    home: Home,
    partner: Partner,
    frames: dict[str, pd.DataFrame],
    context: Context,
    attack: Callable[[Path], dict[str, Any]],
) -> Release:
    """Write a release from protected frames.

    The id is a hash over the data files and what else is stated, so the same inputs give the same id; a release that `latest`
    already points to is left alone. `attack`: takes the scratch folder, returns the certificate with `pass`.

    Raises:
        DisclosureError: a frame breaks its contract, or the attack found a hidden number; the last release stays.
        WithdrawnError: the same was published before and withdrawn.
    """
    frames = {mart: contracts.check(mart, frames[mart]) for mart in contracts.MARTS}
    data = _data(frames, context)
    stated = manifest.versions(frames, context)
    said = {
        "partner": _stated(partner),
        "schools": context.schools,
        "versions": stated,
        "quality": _quality(context, partner),
        "held_back": context.held_back,
    }
    release_id = manifest.release_id(data, said)

    releases = home.releases(partner.partner_id)
    latest, target = releases / "latest", releases / release_id
    before = manifest.read(latest)
    if before and before["release_id"] == release_id:
        return Release(release_id, target, changed=False, restated=0)
    withdrawal.refuse_again(home, partner.partner_id, data, before)
    difference = _compare(latest, before, frames, context, stated)
    if manifest.read(target) is None:
        previous = before["release_id"] if before else None
        rows = tracker.plain(tracker.view(frames, context))
        data["data/gap_tracker.xlsx"] = workbook(rows, context, partner.name)
        edition = Edition(
            release_id, previous, difference, {path: len(content) for path, content in data.items()}
        )
        files = data | {
            p: text.encode() for p, text in site.pages(frames, rows, context, partner, edition).items()
        }
        with new_folder(target) as scratch:
            _write(scratch, files)
            certificate = attack(scratch)
            if certificate.get("pass") is not True:
                raise DisclosureError(_refusal(partner.partner_id, certificate))
            files["certificate.json"] = manifest.dump(certificate)
            made = manifest.manifest(release=release_id, partner=_stated(partner), previous=previous, context=context, frames=frames,
                                     stated=stated, changes=difference, files=files, statuses=_statuses(rows),
                                     missing=quality.missing(context, partner, tracker.years_of(rows)))  # fmt: skip
            _write(
                scratch, {"certificate.json": files["certificate.json"], "manifest.json": manifest.dump(made)}
            )
    point(latest, release_id)
    return Release(release_id, target, changed=True, restated=difference.restated)


def _data(frames: dict[str, pd.DataFrame], context: Context) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for mart, frame in frames.items():
        files |= datafiles.both(f"data/{mart}", frame)
    for table, frame in context.programmes.items():
        files |= datafiles.both(f"data/programmes/{table}", frame)
    return files | {"data/datapackage.json": dictionary.package(frames, context.dictionary, files)}


def _quality(context: Context, partner: Partner) -> dict[str, Any]:
    """What the data-quality page is made of, for the id."""
    return quality.shown(context, partner.privacy.minimum_cell) | {
        "refused": context.refused, "superseded": context.superseded, "as_of": str(context.as_of), "expected": partner.expected,
    }  # fmt: skip


def _statuses(rows: list[Row]) -> dict[str, dict[str, int]]:
    """School (`_all` is the district) → how many gaps of the latest year stand on each step."""
    latest = max(tracker.years_of(rows), default=None)
    at = collections.defaultdict(list)
    for row in rows:
        if row["school_year"] == latest:
            at[row["school_id"]].append(row)
    return {school: tracker.statuses(at[school]) for school in sorted(at)}


def _refusal(partner_id: str, certificate: dict[str, Any]) -> str:
    """How many findings of which kind; a finding's place may hint at what it hides, so it stays out of the message."""
    kinds = collections.Counter(finding["kind"] for finding in certificate.get("findings", []))
    said = "; ".join(f"{kind} ({number})" for kind, number in sorted(kinds.items())) or "no reason given"
    return f"{partner_id}: the attack on the new release succeeded: {said}. Nothing was published; the last release stays"


def _stated(partner: Partner) -> dict[str, Any]:
    """What a release says about the partner: no source, no path."""
    return partner.model_dump(include={"partner_id", "name", "state", "programs", "goals", "privacy"})


def _compare(
    latest: Path,
    before: dict[str, Any] | None,
    frames: dict[str, pd.DataFrame],
    context: Context,
    stated: dict[str, Any],
) -> changes.Changes:
    previous = pd.read_parquet(latest / "data" / "gap_metrics.parquet") if before else None
    return changes.compare(previous, frames["gap_metrics"], context.deliveries, stated, before)


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
