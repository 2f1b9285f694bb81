"""Exact elimination against textbook Gauss-Jordan in fractions."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.disclosure.elimination import determined


def echelon(vectors: list[list[int]]) -> dict[int, list[Fraction]]:
    """Leading column → row, of the row space of `vectors`."""
    leading: dict[int, list[Fraction]] = {}
    for vector in vectors:
        rest = reduce(leading, vector)
        if any(rest):
            leading[next(i for i, value in enumerate(rest) if value)] = rest
    return leading


def reduce(leading: dict[int, list[Fraction]], vector: list[int]) -> list[Fraction]:
    """What is left of `vector` when its part in the row space is taken away."""
    rest = list(map(Fraction, vector))
    for column in sorted(leading):
        if rest[column]:
            factor = rest[column] / leading[column][column]
            rest = [a - factor * b if b else a for a, b in zip(rest, leading[column], strict=True)]
    return rest


def in_row_space(leading: dict[int, list[Fraction]], target: list[int]) -> bool:
    """Whether `target` is a linear combination of the vectors behind `leading`."""
    return not any(reduce(leading, target))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_column_is_determined_exactly_when_its_unit_vector_is_in_the_row_space(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 7))
    rows = data.draw(st.lists(st.lists(st.integers(-2, 2), min_size=width, max_size=width), max_size=7))
    unknown = data.draw(st.sets(st.integers(0, width - 1)))
    sparse = [{i: c for i, c in enumerate(row) if c} for row in rows]
    found = determined(sparse, unknown)
    order = sorted(unknown)
    part = echelon([[row[i] for i in order] for row in rows])
    expected = {c for c in order if in_row_space(part, [int(i == c) for i in order])}
    assert set(found) == expected
    for column, combination in found.items():
        left = [sum(factor * rows[number][i] for number, factor in combination.items()) for i in order]
        assert {i for i, value in zip(order, left, strict=True) if value} == {column}


def test_coefficients_that_floating_point_can_not_tell_apart_are_told_apart() -> None:
    large = 10**17
    assert determined([{0: large, 1: 1}, {0: large, 1: 2}], {0, 1}).keys() == {0, 1}
    assert not determined([{0: large, 1: 1}, {0: 2 * large, 1: 2}], {0, 1})
