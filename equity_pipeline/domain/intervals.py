"""Intervals of rates, for figures that are worked out from published numbers; the warehouse has its own in SQL.

Belongs here: textbook formulas on plain numbers. Does not belong here: policy, such as the size below which nothing is said.
"""

from __future__ import annotations

import math

Z95 = 1.959963984540054


def wilson(rate: float, n: float) -> tuple[float, float]:
    """The 95 % score interval of a rate (Wilson 1927)."""
    middle = rate + Z95**2 / (2 * n)
    half = Z95 * math.sqrt(rate * (1 - rate) / n + Z95**2 / (4 * n**2))
    return (middle - half) / (1 + Z95**2 / n), (middle + half) / (1 + Z95**2 / n)


def newcombe(rate: float, n: float, other: float, other_n: float) -> tuple[float, float]:
    """The 95 % interval of `rate - other` by the hybrid score method (Newcombe 1998, method 10)."""
    (low, high), (other_low, other_high) = wilson(rate, n), wilson(other, other_n)
    gap = rate - other
    return gap - math.hypot(rate - low, other_high - other), gap + math.hypot(high - rate, other - other_low)


def cohens_h(rate: float, other: float) -> float:
    """The difference of two rates on a scale that is even from 0 to 1 (Cohen 1988)."""
    return 2 * (math.asin(math.sqrt(rate)) - math.asin(math.sqrt(other)))
