"""What sums tell of the students of a release beside what is said of each group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from equity_pipeline.disclosure.figures import CELL
from equity_pipeline.disclosure.model import GROUP, Group, equations

# A hidden group may have any number of students: above all.
_ANY = 10**7
# Bounds hardly move after so many turns; each turn by itself is sound.
_TURNS = 4


def narrowed(base: pd.DataFrame, dimensions: pd.DataFrame) -> pd.DataFrame:
    """`n_low` and `n_high` of each row of one school year's `base`, as far as sums narrow them down: schools add up to the district,
    subgroups to all students, crossings to their margins. What contradicts itself is left as it was said."""
    said = base[["n_low", "n_high"]].fillna({"n_low": 0, "n_high": _ANY}).astype(np.int64)
    groups = [Group(*key) for key in base[GROUP].drop_duplicates().itertuples(index=False)]
    place = {group: i for i, group in enumerate(groups)}
    entries = [
        (row, place[group], sign)
        for row, equation in enumerate(equations(groups, dimensions))
        for group, sign in ((equation.total, -1), *((part, 1) for part in equation.parts))
    ]
    row, column, sign = np.array(entries, np.int64).reshape(-1, 3).T
    found = said.copy()
    for _, of_metric in base.groupby("metric_id"):
        here = np.array([place[Group(*key)] for key in of_metric[GROUP].itertuples(index=False)])
        low, high = np.zeros(len(groups), np.int64), np.full(len(groups), _ANY)
        low[here], high[here] = said.loc[of_metric.index].to_numpy().T
        # Sums of a group of which this metric says nothing say nothing either.
        there = np.isin(np.arange(len(groups)), here)
        whole = np.bincount(row, ~there[column]) == 0
        r, c, s = (part[whole[row]] for part in (row, column, sign))
        for _ in range(_TURNS):
            least = np.where(s > 0, low[c], -high[c])
            most = np.where(s > 0, high[c], -low[c])
            up = least - np.bincount(r, least, len(whole)).astype(np.int64)[r]
            down = most - np.bincount(r, most, len(whole)).astype(np.int64)[r]
            np.minimum.at(high, c, np.where(s > 0, up, -down))
            np.maximum.at(low, c, np.where(s > 0, down, -up))
        if (low <= high).all():
            found.loc[of_metric.index] = np.column_stack([low[here], high[here]])
    return found.join(base[CELL])
