"""One writer at a time for a partner, whoever started it: the daemon, the UI, a command, two of each by mistake.

Dagster's limits bind only the runs that its queue started; this lock binds all, and the kernel frees it when its holder
dies. Whoever gets it first clears up after those who died.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.storage import atomic
from equity_pipeline.storage.home import Home

NETWORK_TURN = "_network"


@contextlib.contextmanager
def turn(home: Home, name: str) -> Iterator[None]:
    """Wait until nobody else writes for the partner `name` (or `NETWORK_TURN`), clear up, and hold the lock.

    Raises:
        EquityError: the home can't be written.
    """
    lock = home.lock(name)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("w")
    except OSError as error:
        raise EquityError(f"{lock}: can't be written ({error.strerror}); give this user the home") from None
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for folder in _written(home, name):
            atomic.recover(folder)
        yield


def _written(home: Home, name: str) -> Iterator[Path]:
    """The folders in which a partner's files appear: those that are its own, and one level below."""
    if name == NETWORK_TURN:
        yield home.network_releases
        return
    for top in home.folders_of(name):
        if top.is_dir() and top != home.landing(name):
            yield top
            yield from (path for path in top.iterdir() if path.is_dir() and not path.is_symlink())
