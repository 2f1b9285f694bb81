"""The order in which groups are listed: one for all places, so that it says nothing of any."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Sequence


class Order:
    """What came behind what in all lists seen so far. A list in the order of its own figures would tell which of two hidden ones
    is larger."""

    def __init__(self) -> None:
        self._behind: defaultdict[Hashable, set[Hashable]] = defaultdict(set)

    def keeps(self, listed: Sequence[Hashable]) -> bool:
        """Whether no two of the list stand in another order than in the lists before it, whatever else stood between them."""
        for first, second in itertools.pairwise(listed):
            if first == second or first in self._behind[second]:
                return False
            if second not in self._behind[first]:
                new = {second, *self._behind[second]}
                for one, behind in self._behind.items():
                    if one == first or first in behind:
                        behind |= new
        return True
