"""Errors that a person reads. Each says what is wrong, where, and what to do; none carries a student's value."""

from __future__ import annotations

import traceback
from pathlib import Path

DISK_FULL = "the disk is full"
_PACKAGE = Path(__file__).resolve().parents[1]


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


def without_value(error: Exception) -> str:
    """What may be told of a foreign error, whose own words may quote a cell: its type, or that the disk is full."""
    return DISK_FULL if is_disk_full(error) else type(error).__name__.lstrip("_")


def fault_of_ours(error: Exception) -> str:
    """What is told of an error that nobody foresaw: its type and its place in our code, and never its own words."""
    frames = traceback.extract_tb(error.__traceback__)
    frames = frames[1:] or frames  # the first is where it was caught
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or frames
    place = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}, in {ours[-1].name}"
    return (
        f"unexpected {type(error).__name__} at {place}; its text is withheld because it may quote a student's data; "
        "this is a fault of the program: report the place"
    )


def is_disk_full(error: Exception) -> bool:
    """Whether an error of the operating system, the engine or SQLite says so, or one of ours that passes it on."""
    said = ("No space left on device", "disk is full", "Disk quota exceeded")
    return any(words in str(error) for words in said)
