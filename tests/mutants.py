"""For mutation testing alone (`make mutants`): what all tests of the disclosure share is made once, before the first mutant, and handed to the
tests of each, which mutmut runs in a copy of this process. A mutant is so judged by what the tests themselves call."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

SHARED = ("district", "protected", "release", "said", "tables")
_made: dict[str, Any] = {}


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    name = fixturedef.argname
    shared = name in SHARED and fixturedef.scope == "session"  # an argument of a test may be called so too
    if shared and name in _made:
        fixturedef.func = lambda: _made[name]
        fixturedef.argnames = ()
    value = yield
    if shared:
        _made[name] = value
    return value
