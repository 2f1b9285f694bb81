"""The secret key of each partner, from which pseudonyms are made.

Belongs here: where keys lie, how they come and go. Does not belong here: what they are used for.

A key is a file of its own, readable by this user only, in `$EQUITY_KEYS` (a secrets mount, say), else in `keys/` of the
home. Whoever backs up or hands on the data leaves the keys out: without its key no pseudonym can be made from an id.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.domain.identifiers import check_partner_id
from equity_pipeline.storage.home import Home

_BYTES = 32


def key_file(home: Home, partner_id: str) -> Path:
    """Where the partner's key lies or will lie."""
    folder = os.environ.get("EQUITY_KEYS")
    return (Path(folder) if folder else home.keys) / f"{check_partner_id(partner_id)}.key"


def key(home: Home, partner_id: str) -> bytes:
    """The partner's key; made where there is none yet.

    Raises:
        EquityError: the file is no key, or others may read it.
    """
    path = key_file(home, partner_id)
    if not path.exists():
        with contextlib.suppress(FileExistsError), _new_key(path) as scratch:
            os.link(scratch, path)  # of two processes that come at once one makes the key, and both read it
    return read(path)[0]


def read(path: Path) -> list[bytes]:
    """The keys in a file, one or more with blanks between them.

    Raises:
        EquityError: there is none, something else stands there, or others may read it.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise EquityError(f"{path}: others may read this key; `chmod 600` it, then rotate it")
        return parsed(path.read_text(encoding="latin-1"), str(path))
    except FileNotFoundError:
        raise EquityError(f"{path}: the key is not there; put it back") from None


def parsed(text: str, where: str) -> list[bytes]:
    """The keys in a text.

    Raises:
        EquityError: there is none, or something else stands there.
    """
    try:
        found = [bytes.fromhex(word) for word in text.split()]
    except ValueError:
        found = []
    if not found or any(len(one) < _BYTES for one in found):
        raise EquityError(f"{where}: no key of {2 * _BYTES} hexadecimal digits; put the right one back")
    return found


@contextlib.contextmanager
def _new_key(path: Path) -> Iterator[Path]:
    """A new key in a scratch file beside `path`."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(_BYTES))
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def rotate(home: Home, partner_id: str) -> None:
    """Put a new key in the place of the partner's; everything is read from the archive again under new pseudonyms."""
    path = key_file(home, partner_id)
    with _new_key(path) as scratch:
        os.replace(scratch, path)


def destroy(home: Home, partner_id: str) -> bool:
    """Remove the partner's key; whether there was one."""
    path = key_file(home, partner_id)
    there = path.exists()
    path.unlink(missing_ok=True)
    return there
