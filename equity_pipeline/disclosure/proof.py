"""The proof that a release depends on: what may be published, and the worlds that show why.

What is published is what is proven: where no two worlds are found for a count, cells are withheld until there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.search import proven
from equity_pipeline.disclosure.suppression import C, X, publish
from equity_pipeline.disclosure.worlds import FAR, Prover, Year
from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import DisclosureError

# A year is told anew where that tells of this share, at least, of the groups that are large enough, or of as many groups as were last
# told of. Else every few corrections of a small district would take more of it away than they put right.
_AS_MUCH = 0.75
_STATED = [*CELL, "n", "successes", "people", "minimum_cell", "withheld"]


@dataclass(frozen=True)
class Proof:
    """What may be published, and why. `base`: by `CELL`, what is said of each measured cell (`publish`), and whether it was
    `withheld` for the sake of others. `asked`: counts of hidden groups, their successes and the others, and every smaller
    number of successes or of others of the groups that are shown; `apart`: X → how many of them have two worlds at least X
    apart; `narrowest`: the least distance; `worlds`: school year → world × count name × group, the true counts first, and
    `withheld`, of each of its cells; `public`: dimensions whose numbers of students were taken as known, and `limited`: how many counts
    that leaves fewer than X to be apart, of which `narrowest` says nothing; `statement`: of which counts a release says what, one row
    per `CELL`, also of what was not measured; `held`: school years of which the last statement is repeated although counts have changed."""

    base: pd.DataFrame
    asked: int
    apart: dict[int, int]
    narrowest: int
    worlds: dict[int, np.ndarray]
    withheld: dict[int, np.ndarray]
    public: tuple[str, ...]
    limited: int
    groups: int
    sums: int
    releases: int
    statement: pd.DataFrame
    held: tuple[int, ...]

    def keep(self, file: Path) -> None:
        """Write the worlds, readable by their owner alone: they are counts of students."""
        scratch = file.with_suffix(".tmp.npz")
        held = {f"withheld_{year}": withheld for year, withheld in self.withheld.items()}
        arrays: dict[str, Any] = {str(year): worlds for year, worlds in self.worlds.items()} | held
        np.savez_compressed(scratch, **arrays)
        scratch.chmod(0o600)
        scratch.replace(file)

    def summary(self) -> dict[str, object]:
        """For `certificate.json`: no count of a group is in it."""
        return {
            "counts_asked": self.asked,
            "counts_with_two_worlds_at_least_apart": {
                str(x): number for x, number in sorted(self.apart.items())
            },
            "narrowest_interval": self.narrowest,
            "apart_at_least": X,
            "public_enrollment": [*self.public],
            "counts_limited_by_public_enrollment": self.limited,
            "cells": len(self.base),
            "cells_withheld_for_others": int(self.base["withheld"].sum()),
            "worlds": sum(len(worlds) for worlds in self.worlds.values()),
            "groups": self.groups,
            "sums": self.sums,
            "known_of_a_group": C,
            "releases_joined": self.releases,
            "school_years_held_back": [*self.held],
        }


class _Told(NamedTuple):
    """What is said of a school year: `rows` of the statement, and a proof of it together with `others`, earlier ones."""

    rows: pd.DataFrame
    prover: Prover
    worlds: list[np.ndarray]
    others: int


def prove(
    counts: pd.DataFrame,
    dimensions: pd.DataFrame,
    minimum_cell: int,
    kept: Path | None = None,
    earlier: Sequence[pd.DataFrame] = (),
    standing: pd.DataFrame | None = None,
) -> Proof:
    """Find what may be published: witness worlds for every count that must stay open, in every school year; no sum joins two
    years. Where there are none, cells beside it are withheld.

    A school year that earlier releases told of is proven together with all that they said of it: each world is one of all of them, in
    which the same counts did not change. Every change of fewer than the minimum cell is asked for too, and what was hidden in any
    earlier release stays hidden until as many have changed.

    Of a year that the standing release tells of, the very same is said again until some count has changed by the minimum cell and the
    year can be told anew with few more cells hidden. So corrections are held back until they are enough to hide each other.

    Args:
        counts: one row per `CELL` with `n` and `successes`; a metric that was not measured has none. Where they are there:
            `reason`, why it was not; `people`, how many are behind seats or answers, -1 where the students themselves are counted.
        dimensions: those of the policy; of which `public`, if it is said, anyone knows the numbers of students of all releases.
        kept: worlds of an earlier proof, used for the years whose counts are the same.
        earlier: the `statement` of every release before.
        standing: that of the release that is read now.

    Raises:
        DisclosureError: some count stays open to nobody but its number; nothing may be published.
    """
    # Where nothing was measured there is nothing to say, in the same columns.
    nothing = publish(np.zeros(0, np.int64), np.zeros(0, np.int64), minimum_cell).assign(withheld=False)
    bases = [nothing.set_index(pd.MultiIndex.from_frame(counts[CELL][:0]))]
    widths, wanted, worlds, withheld, held, statements = [], [], {}, {}, [], []
    groups, sums, releases = 0, 0, 1
    public = sorted(dimensions.loc[dimensions["public"], "dimension"]) if "public" in dimensions else []
    stated = _stated(counts, minimum_cell)
    for school_year in sorted({*map(int, stated["school_year"])}):
        now = _of_year(stated, school_year)
        if now["n"].isna().all():
            statements.append(now)
            continue
        before = {_mark(said): said for said in (_of_year(of, school_year) for of in earlier) if len(said)}
        last = None if standing is None else _of_year(standing, school_year)
        try:
            told = _told(now, before, last, dimensions, kept)
        except DisclosureError as error:
            if not (before and public):
                raise
            raise DisclosureError(
                f"{school_years.label(school_year)}: {error}. Earlier releases may tell too much of this year beside the numbers that "
                f"`privacy.public_enrollment` ({', '.join(public)}) calls public: take out a dimension that is not, or delete them"
            ) from None
        year, size = told.prover.year, len(_measured(told.rows))
        worlds[school_year], withheld[school_year] = np.array(told.worlds), told.prover.withheld
        widths.append(told.prover.widths(told.worlds))
        wanted.append(told.prover.wanted)
        said = told.prover.said[:size].assign(withheld=told.prover.withheld[:size])
        bases.append(said.set_index(pd.MultiIndex.from_frame(year.cells[CELL][:size])))
        statements.append(told.rows.copy())
        statements[-1].loc[told.rows["n"].notna(), "withheld"] = said["withheld"].to_numpy(bool)
        groups, sums = groups + len(year.groups), sums + year.sums.shape[0]
        releases = max(releases, 1 + told.others)
        if told.rows is last and _change(now, last):
            held.append(school_year)
    width, enough = (np.concatenate([*of, np.zeros(0, np.int64)]) for of in (widths, wanted))
    apart = {x: int((width >= x).sum()) for x in (1, 3, 5)}
    return Proof(
        pd.concat(bases), len(width), apart, int(width[enough == X].min(initial=FAR)), worlds, withheld,
        tuple(public), int((enough < X).sum()), groups, sums, releases,
        pd.concat(statements, ignore_index=True), tuple(held),
    )  # fmt: skip


def _told(
    now: pd.DataFrame,
    before: Mapping[bytes, pd.DataFrame],
    last: pd.DataFrame | None,
    dimensions: pd.DataFrame,
    kept: Path | None,
) -> _Told:
    """What is said of the counts of a year; or of those of its last statement, which was proven before, so saying it again adds
    nothing."""
    if again := _again(now, None, before, dimensions, kept):
        return again
    smallest = int(now["minimum_cell"].iloc[0])
    if last is None or not (last["minimum_cell"] == smallest).all() or last.empty:
        return _first(now, None, before, dimensions)
    withheld = _measured(last)["withheld"].to_numpy(bool)
    if _change(now, last) >= smallest:
        large = int((~Prover(_year(now, dimensions)).said["hidden"]).sum())
        told = int((~Prover(_year(last, dimensions), withheld).said["hidden"]).sum())
        try:
            return _first(now, None, before, dimensions, min(_AS_MUCH * large, told))
        except DisclosureError:
            pass  # too few to hide each other
    again = _again(last, withheld, before, dimensions, kept) or _first(last, withheld, before, dimensions)
    # What was said can't be said again if it tells too much, as where numbers of students have become public since.
    same = np.array_equal(again.prover.withheld[: len(withheld)], withheld)
    return again if same else _first(last, None, before, dimensions)


def _change(now: pd.DataFrame, last: pd.DataFrame) -> int:
    """By how much the counts of two statements differ at most; where there was no count there were none."""
    both = [of.set_index(CELL)[["n", "successes"]] for of in (now, last)]
    return int(both[0].sub(both[1], fill_value=0).abs().max().fillna(0).max())


def _first(
    rows: pd.DataFrame,
    withheld: np.ndarray | None,
    before: Mapping[bytes, pd.DataFrame],
    dimensions: pd.DataFrame,
    least: float = 0,
) -> _Told:
    """A proof of what may be said of a year, of `least` cells at least. Where it was not said before (`withheld`), what was hidden
    in any release stays so while fewer than the minimum cell have come or gone."""
    now, others = _year(rows, dimensions), _others(rows, withheld, before)
    if withheld is None:
        withheld, hidden_now = np.zeros(len(now.cells), bool), Prover(now).said["hidden"].to_numpy()
        cells = pd.MultiIndex.from_frame(now.cells[CELL])
        for said in others:
            year = _year(said, dimensions)
            at = pd.MultiIndex.from_frame(year.cells[CELL]).get_indexer(cells)
            hidden = Prover(year, said["withheld"].to_numpy(bool)).said["hidden"].to_numpy()[at] & (at >= 0)
            few = abs(now.cells["n"].to_numpy() - year.cells["n"].to_numpy()[at]) < now.minimum_cell
            withheld |= hidden & few & ~hidden_now
    return _Told(rows, *_proven(*_joined(now, withheld, others, dimensions), least), len(others))


def _proven(year: Year, withheld: np.ndarray, least: float) -> tuple[Prover, list[np.ndarray]]:
    """What may be said both to who knows the public numbers of students and to who does not, of whom they must be hidden too; and
    the worlds of who knows them."""
    unread = replace(year, public=np.zeros_like(year.public))
    while year.public.any():
        before = proven(unread, withheld, least)[0].withheld
        prover, worlds = proven(year, before, least)
        if np.array_equal(prover.withheld, before):
            return prover, worlds
        withheld = prover.withheld
    return proven(year, withheld, least)


def _again(
    rows: pd.DataFrame,
    withheld: np.ndarray | None,
    before: Mapping[bytes, pd.DataFrame],
    dimensions: pd.DataFrame,
    kept: Path | None,
) -> _Told | None:
    """As `_first`, by the kept worlds, where they are of these counts and prove what must be proven."""
    if kept is None or not kept.is_file():
        return None
    school_year, now = rows["school_year"].iloc[0], _year(rows, dimensions)
    with np.load(kept) as file:
        worlds = file.get(str(school_year), np.zeros((1, 0)))
        held = file.get(f"withheld_{school_year}", np.zeros(0, bool))
    own = held[: len(now.cells)]
    if len(own) < len(now.cells) or (withheld is not None and not np.array_equal(own, withheld)):
        return None
    others = _others(rows, own, before)
    year, withheld = _joined(now, own, others, dimensions)
    if not np.array_equal(worlds[0], year.values) or not np.array_equal(held, withheld):
        return None
    prover, found = Prover(year, withheld), list(worlds)
    holds = all(map(prover.consistent, found)) and not len(prover.narrow(found))
    return _Told(rows, prover, found, len(others)) if holds else None


def _others(
    rows: pd.DataFrame, withheld: np.ndarray | None, before: Mapping[bytes, pd.DataFrame]
) -> list[pd.DataFrame]:
    """The measured rows of the different statements before, in an order of their own. One that said the same of the same counts has
    nothing to add."""
    own = None if withheld is None else _mark(_measured(rows).assign(withheld=withheld))
    return [_measured(before[mark]) for mark in sorted(before) if mark != own]


def _joined(
    now: Year, withheld: np.ndarray, others: list[pd.DataFrame], dimensions: pd.DataFrame
) -> tuple[Year, np.ndarray]:
    if not others:
        return now, withheld
    held = [said["withheld"].to_numpy(bool) for said in others]
    return Year.joined([now, *(_year(said, dimensions) for said in others)]), np.concatenate(
        [withheld, *held]
    )


def _year(rows: pd.DataFrame, dimensions: pd.DataFrame) -> Year:
    return Year.of(_measured(rows), dimensions, int(rows["minimum_cell"].iloc[0]))


def _of_year(statement: pd.DataFrame, school_year: int) -> pd.DataFrame:
    return statement[statement["school_year"] == school_year].sort_values(CELL, ignore_index=True)


def _measured(rows: pd.DataFrame) -> pd.DataFrame:
    known = rows.dropna(subset=["n"])
    return known.astype({"n": "int64", "successes": "int64", "people": "int64"})


def _mark(rows: pd.DataFrame) -> bytes:
    """What tells a statement of a year from another."""
    marks: np.ndarray = pd.util.hash_pandas_object(_measured(rows)[_STATED], index=False).to_numpy()
    return marks.tobytes()


def _stated(counts: pd.DataFrame, minimum_cell: int) -> pd.DataFrame:
    """The rows of a statement that withholds nothing yet."""
    rows = counts.reindex(columns=[*CELL, "n", "successes", "reason", "people"])
    rows["people"] = rows["people"].fillna(-1)
    return rows.sort_values(CELL, ignore_index=True).assign(minimum_cell=minimum_cell, withheld=False)
