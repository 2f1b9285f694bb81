"""The proof that a release depends on: what may be published, and the worlds that show why.

What is published is what is proven: where no two worlds are found for a count, cells are withheld until there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.model import CELL
from equity_pipeline.disclosure.publication import C, X, publish
from equity_pipeline.disclosure.search import proven
from equity_pipeline.disclosure.worlds import FAR, Prover, Year


@dataclass(frozen=True)
class Proof:
    """What may be published, and why. `base`: by `CELL`, what is said of each measured cell (`publish`), and whether it was
    `withheld` for the sake of others. `asked`: counts of hidden groups, their successes and the others, and every smaller
    number of successes or of others of the groups that are shown; `apart`: X → how many of them have two worlds at least X
    apart; `narrowest`: the least distance; `worlds`: school year → world × count name × group, the true counts first."""

    base: pd.DataFrame
    asked: int
    apart: dict[int, int]
    narrowest: int
    worlds: dict[int, np.ndarray]
    groups: int
    sums: int

    def keep(self, file: Path) -> None:
        """Write the worlds, readable by their owner alone: they are counts of students."""
        scratch = file.with_suffix(".tmp.npz")
        held = {
            f"withheld_{year}": of["withheld"].to_numpy() for year, of in self.base.groupby("school_year")
        }
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
        }


def prove(
    counts: pd.DataFrame, dimensions: pd.DataFrame, minimum_cell: int, kept: Path | None = None
) -> Proof:
    """Find what may be published: witness worlds for every count that must stay open, in every school year; no sum joins two
    years. Where there are none, cells beside it are withheld.

    Args:
        counts: one row per `CELL` with `n` and `successes`; a metric that was not measured has none. `people`, where it
            is there: how many are behind seats or answers, -1 where the students themselves are counted.
        kept: worlds of an earlier proof, used for the years whose counts are the same.

    Raises:
        DisclosureError: some count stays open to nobody but its number; nothing may be published.
    """
    known = counts.dropna(subset=["n"]).astype({"n": "int64", "successes": "int64"}).sort_values(CELL)
    # Where nothing was measured there is nothing to say, in the same columns.
    nothing = publish(np.zeros(0, np.int64), np.zeros(0, np.int64), minimum_cell).assign(withheld=False)
    bases = [nothing.set_index(pd.MultiIndex.from_frame(known[CELL][:0]))]
    widths, worlds, groups, sums = [], {}, 0, 0
    for school_year in sorted({int(one) for one in known["school_year"]}):
        of_year = known[known["school_year"] == school_year]
        year = Year.of(of_year, dimensions, minimum_cell)
        prover, found = _again(year, school_year, kept) or proven(year)
        worlds[school_year] = np.array(found)
        widths.append(prover.widths(found))
        bases.append(
            prover.said.assign(withheld=prover.withheld).set_index(pd.MultiIndex.from_frame(year.cells[CELL]))
        )
        groups, sums = groups + len(year.groups), sums + year.sums.shape[0]
    width = np.concatenate([*widths, np.zeros(0, np.int64)])
    return Proof(
        pd.concat(bases), len(width), {x: int((width >= x).sum()) for x in (1, 3, 5)}, int(width.min(initial=FAR)), worlds, groups, sums
    )  # fmt: skip


def _again(year: Year, school_year: int, kept: Path | None) -> tuple[Prover, list[np.ndarray]] | None:
    """The kept worlds, where they are of these counts and prove what must be proven."""
    if kept is None or not kept.is_file():
        return None
    with np.load(kept) as file:
        worlds = file.get(str(school_year), np.zeros((1, 0)))
        withheld = file.get(f"withheld_{school_year}", np.zeros(0, bool))
    if not np.array_equal(worlds[0], year.values) or len(withheld) != len(year.cells):
        return None
    prover, found = Prover(year, withheld), list(worlds)
    return (prover, found) if all(map(prover.consistent, found)) and not len(prover.narrow(found)) else None
