"""Which unknowns of a homogeneous linear system are fixed by the knowns: exact, by elimination in whole
numbers."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Sequence

Row = dict[int, int]


def determined(rows: Sequence[Row], unknown: Collection[int]) -> dict[int, Row]:
    """Unknown column → the combination of `rows` (row number → factor) that leaves it as the only unknown.

    `rows` are equations `sum(coefficient × column) = 0`. A column is fixed by the known columns exactly when
    its unit vector is in the row
    space of the unknown part, that is when Gauss-Jordan elimination of that part ends with a row holding it
    alone. Rows stay whole
    numbers (cross-multiplied, divided by their greatest common divisor), so there is no tolerance and no
    rounding. Subtraction closure
    is the beginning of it: the shortest row is the next pivot, and a row with one unknown is the shortest
    there is.
    """
    unknown = set(unknown)
    parts = {
        number: part
        for number, row in enumerate(rows)
        if (part := {column: factor for column, factor in row.items() if column in unknown})
    }
    combinations = {number: {number: 1} for number in parts}
    holders: dict[int, set[int]] = defaultdict(set)
    for number, part in parts.items():
        for column in part:
            holders[column].add(number)
    shortest = [(len(part), number) for number, part in parts.items()]
    heapq.heapify(shortest)
    pivots: dict[int, int] = {}
    while shortest:
        length, number = heapq.heappop(shortest)
        if number in pivots or length != len(parts[number]) or not length:
            continue
        column = min(parts[number], key=lambda c: (len(holders[c]), c))
        pivots[number] = column
        for other in sorted(holders[column] - {number}):
            _eliminate(parts, combinations, holders, other, number, column)
            if other not in pivots:
                heapq.heappush(shortest, (len(parts[other]), other))
    return {
        column: combinations[number] for number, column in sorted(pivots.items()) if len(parts[number]) == 1
    }


def _eliminate(
    parts: dict[int, Row],
    combinations: dict[int, Row],
    holders: dict[int, set[int]],
    row: int,
    pivot: int,
    column: int,
) -> None:
    """Take `column` out of `row` with the help of `pivot`, in place."""
    of_row, of_pivot = parts[pivot][column], parts[row][column]
    before = parts[row]
    part = _combine(before, of_row, parts[pivot], -of_pivot)
    combination = _combine(combinations[row], of_row, combinations[pivot], -of_pivot)
    divisor = math.gcd(*part.values(), *combination.values())
    parts[row] = {key: value // divisor for key, value in part.items()}
    combinations[row] = {key: value // divisor for key, value in combination.items()}
    for gone in before.keys() - part.keys():
        holders[gone].discard(row)
    for new in part.keys() - before.keys():
        holders[new].add(row)


def _combine(left: Row, left_factor: int, right: Row, right_factor: int) -> Row:
    result = {key: value * left_factor for key, value in left.items()}
    for key, value in right.items():
        total = result.get(key, 0) + value * right_factor
        if total:
            result[key] = total
        else:
            result.pop(key, None)
    return result
