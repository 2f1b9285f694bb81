"""The record of who did what shows every attack on it that keeps away from its head, and is the same for all writers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from equity_pipeline.storage import trail


@pytest.fixture
def written(home):
    for number in range(5):
        trail.log(home, "delivered", "north", number=number)
    return home


def test_entries_say_who_what_and_when(written):
    found = trail.entries(written, "delivered", "north")
    assert [entry["detail"]["number"] for entry in found] == list(range(5))
    assert all(entry["who"] and entry["at"].endswith("+00:00") for entry in found)
    checked = trail.check(written)
    assert (checked.entries, checked.fault) == (5, None)
    assert checked.head == found[-1]["hash"]


def test_nothing_is_wrong_where_nothing_was_done(home):
    assert trail.check(home).fault is None


ATTACKS = {
    "a word": lambda lines: [line.replace("delivered", "released") for line in lines],
    "a number": lambda lines: [lines[0], lines[1].replace('"number": 1', '"number": 7'), *lines[2:]],
    "one out": lambda lines: lines[:2] + lines[3:],
    "the first out": lambda lines: lines[1:],
    "the end off": lambda lines: lines[:-1],
    "all out": lambda lines: [],
    "swapped": lambda lines: [lines[1], lines[0], *lines[2:]],
    "twice": lambda lines: [*lines, lines[-1]],
    "no JSON": lambda lines: [*lines[:-1], "{}"],
    "another's": lambda lines: [
        *lines[:-1],
        json.dumps(json.loads(lines[-1]) | {"who": "somebody else"}, sort_keys=True),
    ],
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_was_tampered_with_shows(written, attack):
    lines = attack(written.trail.read_text().splitlines())
    written.trail.write_text("".join(f"{line}\n" for line in lines))
    assert trail.check(written).fault


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_what_is_written_afterwards_hides_nothing(written, attack):
    """But for the end alone: it stands in the head as well, and comes back."""
    whole = written.trail.read_text().splitlines()
    lines = attack(whole)
    written.trail.write_text("".join(f"{line}\n" for line in lines))
    for _ in range(2):
        trail.log(written, "released", "north")
    assert (trail.check(written).fault is None) == (lines == whole[:-1])


@pytest.mark.parametrize("head", [None, "", "5", "nonsense nonsense", f"4 {'0' * 64}\n{{}}"])
def test_a_lost_head_shows_and_so_does_what_is_no_head(written, head):
    written.trail_head.unlink()
    if head is not None:
        written.trail_head.write_text(head)
    assert trail.check(written).fault
    trail.log(written, "released", "north")
    assert trail.check(written).fault


@pytest.mark.parametrize("left", [0, 1, 40, -1])
def test_what_a_killed_writer_did_not_append_is_made_up_for(written, left):
    """The entry stands in the head before it is in the record: of the line itself the disk may hold nothing, or a part."""
    whole = written.trail.read_bytes()
    *before, last = whole.splitlines(keepends=True)
    written.trail.write_bytes(b"".join(before) + last[:left])
    assert trail.log(written, "released", "north") == 6
    assert written.trail.read_bytes().startswith(whole)
    assert (trail.check(written).entries, trail.check(written).fault) == (6, None)


def test_a_long_entry_is_appended_to_as_any_other(home):
    for _ in range(3):
        trail.log(home, "withdrew", "north", because="x" * 200_000)
    assert (trail.check(home).entries, trail.check(home).fault) == (3, None)


def test_many_may_write_at_once(home):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: trail.log(home, "ran", job=str(number)), range(40)))
    assert (trail.check(home).entries, trail.check(home).fault) == (40, None)
