"""The order in which groups are listed: one for all places, so that it says nothing of any."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


class Order:
    """The order of all lists seen so far. A list in the order of its own figures would tell which of two hidden ones is larger."""

    def __init__(self) -> None:
        self._listed: list[Hashable] = []

    def keeps(self, listed: Sequence[Hashable]) -> bool:
        """Whether the list is in the one order; what was not seen before takes its place behind what stands before it."""
        place = {what: at for at, what in enumerate(self._listed)}
        known = [place[what] for what in listed if what in place]
        if known != sorted(set(known)) or len(set(listed)) < len(listed):
            return False
        if len(known) < len(listed):
            at = 0
            for what in listed:
                if what in place:
                    at = self._listed.index(what) + 1
                else:
                    self._listed.insert(at, what)
                    at += 1
        return True
