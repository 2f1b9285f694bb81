"""The proof that a release depends on: what may be published, and the worlds that show why.

What is published is what is proven: where no two worlds are found for a count, cells are withheld until there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.search import proven
from equity_pipeline.disclosure.suppression import C, X, publish
from equity_pipeline.disclosure.worlds import FAR, Prover, Year

# So many different earlier statements of a school year are in one proof with the new one. With all of them a partner that corrects
# its files every week could publish nothing from the fourth week on; the audit still reads every earlier release.
_JOINED = 2
_STATEMENT = [*CELL, "n", "successes", "people", "minimum_cell", "withheld"]


@dataclass(frozen=True)
class Proof:
    """What may be published, and why. `base`: by `CELL`, what is said of each measured cell (`publish`), and whether it was
    `withheld` for the sake of others. `asked`: counts of hidden groups, their successes and the others, and every smaller
    number of successes or of others of the groups that are shown; `apart`: X → how many of them have two worlds at least X
    apart; `narrowest`: the least distance; `worlds`: school year → world × count name × group, the true counts first, and
    `withheld`, of each of its cells; `statement`: what a release says and of which counts, for the proofs of later ones."""

    base: pd.DataFrame
    asked: int
    apart: dict[int, int]
    narrowest: int
    worlds: dict[int, np.ndarray]
    withheld: dict[int, np.ndarray]
    groups: int
    sums: int
    releases: int
    statement: pd.DataFrame

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
            "cells": len(self.base),
            "cells_withheld_for_others": int(self.base["withheld"].sum()),
            "worlds": sum(len(worlds) for worlds in self.worlds.values()),
            "groups": self.groups,
            "sums": self.sums,
            "known_of_a_group": C,
            "releases_joined": self.releases,
        }


def prove(
    counts: pd.DataFrame,
    dimensions: pd.DataFrame,
    minimum_cell: int,
    kept: Path | None = None,
    earlier: Sequence[pd.DataFrame] = (),
) -> Proof:
    """Find what may be published: witness worlds for every count that must stay open, in every school year; no sum joins two
    years. Where there are none, cells beside it are withheld.

    A school year that earlier releases told of is proven together with what the newest two of them said that differ: each world is one
    of all three, in which the same counts did not change. Every change of fewer than the minimum cell is asked for too, and what was
    hidden in any earlier release stays hidden until as many have changed.

    Args:
        counts: one row per `CELL` with `n` and `successes`; a metric that was not measured has none. `people`, where it
            is there: how many are behind seats or answers, -1 where the students themselves are counted.
        kept: worlds of an earlier proof, used for the years whose counts are the same.
        earlier: the `statement` of every release before, the newest last.

    Raises:
        DisclosureError: some count stays open to nobody but its number; nothing may be published.
    """
    known = counts.dropna(subset=["n"]).astype({"n": "int64", "successes": "int64"}).sort_values(CELL)
    # Where nothing was measured there is nothing to say, in the same columns.
    nothing = publish(np.zeros(0, np.int64), np.zeros(0, np.int64), minimum_cell).assign(withheld=False)
    bases = [nothing.set_index(pd.MultiIndex.from_frame(known[CELL][:0]))]
    widths, worlds, held, groups, sums, releases = [], {}, {}, 0, 0, 1
    for school_year in sorted({int(one) for one in known["school_year"]}):
        now = Year.of(known[known["school_year"] == school_year], dimensions, minimum_cell)
        before = _before(earlier, school_year)
        again = _again(now, before, dimensions, kept)
        prover, found, joined = again or _first(now, before, dimensions)
        year, size = prover.year, len(now.cells)
        worlds[school_year], held[school_year] = np.array(found), prover.withheld
        widths.append(prover.widths(found))
        said = prover.said[:size].assign(withheld=prover.withheld[:size])
        bases.append(said.set_index(pd.MultiIndex.from_frame(now.cells[CELL])))
        groups, sums = groups + len(year.groups), sums + year.sums.shape[0]
        releases = max(releases, 1 + joined)
    width = np.concatenate([*widths, np.zeros(0, np.int64)])
    apart = {x: int((width >= x).sum()) for x in (1, 3, 5)}
    base = pd.concat(bases)
    statement = _stated(known, minimum_cell).assign(withheld=base["withheld"].to_numpy(bool))
    return Proof(
        base, len(width), apart, int(width.min(initial=FAR)), worlds, held, groups, sums, releases, statement
    )  # fmt: skip


def _before(earlier: Sequence[pd.DataFrame], school_year: int) -> dict[bytes, pd.DataFrame]:
    """The different statements of the releases before about a year, by what is in them, the newest last."""
    of_year = [statement[statement["school_year"] == school_year].sort_values(CELL) for statement in earlier]
    newest_first = {_mark(statement): statement for statement in reversed(of_year) if len(statement)}
    return dict(reversed(newest_first.items()))


def _mark(statement: pd.DataFrame) -> bytes:
    marks: np.ndarray = pd.util.hash_pandas_object(statement[_STATEMENT], index=False).to_numpy()
    return marks.tobytes()


def _newest(before: Mapping[bytes, pd.DataFrame], dimensions: pd.DataFrame) -> list[tuple[Year, np.ndarray]]:
    """The counts of the statements that a proof is joined with, and their cells that were withheld, in an order of their own."""
    return [_year(before[mark], dimensions) for mark in sorted([*before][-_JOINED:])]


def _year(statement: pd.DataFrame, dimensions: pd.DataFrame) -> tuple[Year, np.ndarray]:
    minimum_cell = int(statement["minimum_cell"].iloc[0])
    return Year.of(statement, dimensions, minimum_cell), statement["withheld"].to_numpy(bool)


def _first(
    now: Year, before: Mapping[bytes, pd.DataFrame], dimensions: pd.DataFrame
) -> tuple[Prover, list[np.ndarray], int]:
    """A proof of what may be said of a year, and with how many earlier releases it is joined: what was hidden in any release stays so
    while fewer than the minimum cell have come or gone."""
    frozen, hidden_now = np.zeros(len(now.cells), bool), Prover(now).said["hidden"].to_numpy()
    cells = pd.MultiIndex.from_frame(now.cells[CELL])
    for year, withheld in (_year(statement, dimensions) for statement in before.values()):
        at = pd.MultiIndex.from_frame(year.cells[CELL]).get_indexer(cells)
        hidden = Prover(year, withheld).said["hidden"].to_numpy()[at] & (at >= 0)
        few = abs(now.cells["n"].to_numpy() - year.cells["n"].to_numpy()[at]) < now.minimum_cell
        frozen |= hidden & few & ~hidden_now
    newest = _newest(before, dimensions)
    return *proven(*_joined(now, frozen, newest)), len(newest)


def _joined(
    now: Year, withheld: np.ndarray, before: list[tuple[Year, np.ndarray]]
) -> tuple[Year, np.ndarray]:
    if not before:
        return now, withheld
    years, held = zip((now, withheld), *before, strict=True)
    return Year.joined(years), np.concatenate(held)


def _again(
    now: Year, before: Mapping[bytes, pd.DataFrame], dimensions: pd.DataFrame, kept: Path | None
) -> tuple[Prover, list[np.ndarray], int] | None:
    """As `_first`, by the kept worlds, where they are of these counts and prove what must be proven."""
    if kept is None or not kept.is_file():
        return None
    school_year = now.cells["school_year"].iloc[0]
    with np.load(kept) as file:
        worlds = file.get(str(school_year), np.zeros((1, 0)))
        held = file.get(f"withheld_{school_year}", np.zeros(0, bool))
    own = held[: len(now.cells)]
    if len(own) < len(now.cells):
        return None
    # A release that said the same of the same counts has nothing to add.
    same = _mark(_stated(now.cells, now.minimum_cell).assign(withheld=own))
    newest = _newest({mark: of for mark, of in before.items() if mark != same}, dimensions)
    year, withheld = _joined(now, own, newest)
    if not np.array_equal(worlds[0], year.values) or not np.array_equal(held, withheld):
        return None
    prover, found = Prover(year, withheld), list(worlds)
    holds = all(map(prover.consistent, found)) and not len(prover.narrow(found))
    return (prover, found, len(newest)) if holds else None


def _stated(cells: pd.DataFrame, minimum_cell: int | np.ndarray) -> pd.DataFrame:
    """The counts that a statement is of; `people` is -1 where the students themselves are counted."""
    people = cells["people"].astype("int64") if "people" in cells else -1
    return cells[[*CELL, "n", "successes"]].assign(people=people, minimum_cell=minimum_cell)
