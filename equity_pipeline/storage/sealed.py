"""Files that are encrypted at rest where a key is set, and plain where none is.

Belongs here: the bytes of a sealed file, and where its key comes from. Does not belong here: which files are sealed: the
writers of archive, readings, extracts and quarantine write through `write`, and their readers read both kinds.

The key is 64 hexadecimal digits, in `$EQUITY_ENCRYPTION_KEY` or in the file (for its owner only) that
`$EQUITY_ENCRYPTION_KEY_FILE` names. Several, with blanks between them, are a rotation: the first seals, all open.

A sealed file is the mark, the key's id, a salt, then blocks of 1 MiB, each under AES-256-GCM with a key of the file's own
and its number, and whether it is the last, as nonce: no block can be changed, moved or cut off unseen. The file's key is
HKDF-SHA-256 of key, salt and place, so that no file can take the place of another. The salt is the HMAC of the content, so
that the same content gives the same bytes in its place and no key is used for two.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.storage import atomic, keys

KEY, KEY_FILE = "EQUITY_ENCRYPTION_KEY", "EQUITY_ENCRYPTION_KEY_FILE"
MARK = b"\x00eqseal1"
_ID, _SALT, _TAG = 8, 32, 16
_HEAD = len(MARK) + _ID + _SALT
_BLOCK = 1024**2
_COPIED = 16 * 1024**2
"""Bytes that are copied at once: another thread works meanwhile, and each time may have to be waited for."""
_ROW_GROUP = 2**16
"""Rows whose columns a processor holds near it while they are written."""
_PLACE = 4
"""Names at the end of a path that say what a file is: extract, partner, school year, part; or partner, content, set, file.
The home before them may be moved."""


class SealError(EquityError):
    """A sealed file can't be opened: no key, another key, or other bytes than were written."""


def _keys() -> list[bytes]:
    if text := os.environ.get(KEY):
        return keys.parsed(text, f"${KEY}")
    if path := os.environ.get(KEY_FILE):
        return keys.read(Path(path))
    return []


def _derived(key: bytes, salt: bytes, purpose: bytes, length: int = 32) -> bytes:
    return HKDF(SHA256(), length, salt, b"equity-pipeline " + purpose).derive(key)


def _id(key: bytes) -> bytes:
    return _derived(key, b"", b"key id", _ID)


def _cipher(key: bytes, salt: bytes, path: Path) -> AESGCM:
    place = "\0".join(atomic.destined(path.absolute()).parts[-_PLACE:])
    return AESGCM(_derived(key, salt, b"file " + os.fsencode(place)))


def is_sealed(path: Path) -> bool:
    """Whether a file begins as a sealed one does."""
    with path.open("rb") as file:
        return file.read(len(MARK)) == MARK


def write(target: Path, content: bytes) -> None:
    """Write a file: sealed where there is a key."""
    with target.open("wb") as file:
        file.writelines(_sealed(content, found[0], target) if (found := _keys()) else [content])


def _sealed(content: bytes, key: bytes, path: Path) -> Iterable[bytes]:
    salt = hmac.digest(_derived(key, b"", b"salt"), content, "sha256")
    cipher = _cipher(key, salt, path)
    yield MARK + _id(key) + salt
    view = memoryview(content)
    last = max(len(content) - 1, 0) // _BLOCK
    for number in range(last + 1):
        block = view[number * _BLOCK : (number + 1) * _BLOCK]
        yield cipher.encrypt(_nonce(number, number == last), block, MARK)


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def read(path: Path) -> bytes:
    """The content of a file, sealed or plain.

    Raises:
        SealError: it can't be opened.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if head[: len(MARK)] != MARK:
            return head + file.read()
        key_id, salt = head[len(MARK) : -_SALT], head[-_SALT:]
        key = next((key for key in _keys() if _id(key) == key_id), None)
        if key is None:
            raise SealError(
                f"{path.parent}: a file here is encrypted, and ${KEY} or ${KEY_FILE} has no key for it; put the right "
                "one back"
            )
        cipher = _cipher(key, salt, path)
        content = bytearray()
        block, number = file.read(_BLOCK + _TAG), 0
        try:
            while following := file.read(_BLOCK + _TAG):
                content += cipher.decrypt(_nonce(number, False), block, MARK)
                block, number = following, number + 1
            content += cipher.decrypt(_nonce(number, True), block, MARK)
        except InvalidTag:
            raise SealError(
                f"{path.parent}: an encrypted file here is not as it was written, or not where; restore it from a "
                "backup"
            ) from None
    return bytes(content)


def source(path: Path) -> Path | bytes:
    """What a reader of files takes: the file itself where it is plain, else its content."""
    return read(path) if is_sealed(path) else path


def opened(path: Path) -> io.BufferedReader | io.BytesIO:
    """A file, sealed or plain, to read from."""
    return io.BytesIO(read(path)) if is_sealed(path) else path.open("rb")


def parquet_of(folder: Path) -> list[Any]:
    """The Parquet files of a folder in order, each a path or bytes, as polars takes them."""
    return [source(path) for path in sorted(folder.glob("*.parquet"))]


def write_parquet(frame: pl.DataFrame, target: Path, **options: Any) -> None:
    """Write a frame as Parquet (zstd): sealed where there is a key. `options`: polars' own."""
    chosen: dict[str, Any] = {"compression": "zstd", "row_group_size": _ROW_GROUP} | options
    if not _keys():
        frame.write_parquet(target, **chosen)
        return
    content = io.BytesIO()
    frame.write_parquet(content, **chosen)
    write(target, content.getvalue())


def write_coded(frame: pl.DataFrame, target: Path) -> None:
    """The same of many rows in no order, some of whose columns of text may be Enums: the codes are written as they are, and
    read as text. What is least and greatest would tell a reader nothing."""
    stream = io.BytesIO() if _keys() else str(target)
    pq.write_table(
        frame.to_arrow(), stream, row_group_size=_ROW_GROUP, compression="zstd", compression_level=1,
        use_dictionary=[name for name, dtype in frame.schema.items() if dtype == pl.Enum],
        store_schema=False, write_statistics=False,
    )  # fmt: skip
    if isinstance(stream, io.BytesIO):
        write(target, stream.getvalue())


def write_ipc(frame: pl.DataFrame, target: Path) -> None:
    """Write a frame as it lies in memory, for a short while: sealed where there is a key."""
    if not _keys():
        frame.write_ipc(target)
        return
    content = io.BytesIO()
    frame.write_ipc(content)
    write(target, content.getvalue())


def read_ipc(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """What `write_ipc` wrote, or columns of it; of a plain file only what is looked at is ever read."""
    if is_sealed(path):
        return pl.read_ipc(read(path), columns=columns)
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
        return pl.DataFrame(table.select(columns) if columns else table)


def renew(folders: Iterable[Path]) -> int:
    """Seal the files below these folders that are plain or under an older key; how many there were."""
    found = _keys()
    if not found:
        return 0
    current, renewed = MARK + _id(found[0]), 0
    for path in (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()):
        with path.open("rb") as file:
            if file.read(len(current)) == current:
                continue
        with atomic.new_file(path) as scratch:
            write(scratch, read(path))
        renewed += 1
    return renewed


def carry(source: Path, target: Path) -> None:
    """Put a file that is never changed in another place as well: a second name for it, or sealed anew for there."""
    if is_sealed(source):
        write(target, read(source))
    else:
        atomic.link_or_copy(source, target)


def copied(path: Path, target: Path) -> str:
    """Copy a plain file as `write` writes it; the sha256 of its content."""
    if _keys():
        content = path.read_bytes()
        write(target, content)
        return hashlib.sha256(content).hexdigest()
    if is_sealed(path):
        return (
            ""  # made to look like a sealed file: no content has this sum, and none would be read out of it
        )
    digest, room = hashlib.sha256(), memoryview(bytearray(min(_COPIED, path.stat().st_size + 1)))
    # Written with a buffer: without one the system may write a part, where a disk is full, and call that a success.
    with path.open("rb", buffering=0) as file, target.open("wb") as copy:
        while size := file.readinto(room):
            digest.update(room[:size])
            copy.write(room[:size])
    return digest.hexdigest()
