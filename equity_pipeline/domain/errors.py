"""Errors that a person reads. Each says what is wrong, where, and what to do; none carries a student's value."""

from __future__ import annotations


class EquityError(Exception):
    """Base of every error that the product raises on purpose. Permanent: retrying does not help."""


class PartnerFileError(EquityError):
    """A partner file is wrong. The message names the file and the line."""


class DeliveryError(EquityError):
    """A delivered file can't be taken in as a whole (single bad rows go to quarantine instead).

    The message is `<file>, line <n>: <what is wrong>; <what to do>`.
    """

    def __init__(self, problem: str, *, file: str, line: int | None = None, remedy: str = "") -> None:
        self.problem, self.file, self.line, self.remedy = problem, file, line, remedy
        where = file if line is None else f"{file}, line {line}"
        super().__init__(f"{where}: {problem}" + (f"; {remedy}" if remedy else ""))


class DisclosureError(EquityError):
    """A release would let a hidden number be recovered, so nothing is published."""


class TransientError(EquityError):
    """Something outside was busy or away (a lock, a disk, a network). Worth a bounded retry."""
