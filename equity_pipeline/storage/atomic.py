"""Files and folders that appear whole or not at all, also when the process is killed in between."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_SCRATCH = re.compile(r"\.(?P<target>.+)\.[0-9a-f]{32}\.(?P<kind>tmp|old)")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def reaching_disk(path: Path) -> Iterator[None]:
    """Have a file, or the files of a folder, reach the disk while other work is done."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    with ThreadPoolExecutor(1) as disk:
        done = [disk.submit(_sync, each) for each in (*files, path.parent)]
        yield
        for each in done:
            each.result()


@contextlib.contextmanager
def new_file(target: Path, sync: bool = True) -> Iterator[Path]:
    """Yield a scratch path beside `target`; on success it is renamed onto it, on failure removed. `sync`: whether it has
    reached the disk by then; else a loss of power, not a kill, may tear it before it does (see `reaching_disk`)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.parent / f".{target.name}.{uuid.uuid4().hex}.tmp"
    try:
        yield scratch
        if sync:
            _sync(scratch)
        os.replace(scratch, target)
        if sync:
            _sync(target.parent)
    finally:
        scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty scratch folder beside `target`; on success it takes its place, on failure it is removed.

    A folder can't be replaced in one system call: an existing `target` is renamed away first, so a reader
    may for an instant find nothing, never a mixture.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    token = uuid.uuid4().hex
    scratch, old = (target.parent / f".{target.name}.{token}.{kind}" for kind in ("tmp", "old"))
    scratch.mkdir()
    try:
        yield scratch
        if target.exists():
            os.replace(target, old)
        os.replace(scratch, target)
        _sync(target.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def point(link: Path, beside: str) -> None:
    """Make a symlink point to what lies beside it, in one step."""
    scratch = link.parent / f".{link.name}.{uuid.uuid4().hex}.tmp"
    scratch.symlink_to(beside)
    os.replace(scratch, link)


def destined(path: Path) -> Path:
    """Where a file will lie once the scratch file or folder in which it is written takes its place."""
    parts = ((scratch["target"] if (scratch := _SCRATCH.fullmatch(part)) else part) for part in path.parts)
    return Path(*parts)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file that is never changed; its copy where the file system knows no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def recover(folder: Path) -> None:
    """Clear up what killed writers left in a folder, and put back what they had already moved away.

    Only for a caller who knows that nobody is writing there now.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if not (scratch := _SCRATCH.fullmatch(path.name)):
            continue
        target = folder / scratch["target"]
        if scratch["kind"] == "old" and not target.exists():
            os.replace(path, target)  # killed between the two renames of `new_folder`
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
