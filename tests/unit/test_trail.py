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


def test_many_may_write_at_once(home):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: trail.log(home, "ran", job=str(number)), range(40)))
    assert (trail.check(home).entries, trail.check(home).fault) == (40, None)
