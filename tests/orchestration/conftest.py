"""Servers of other people's programs, started for the tests that need one."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator

import pytest


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _program(name):
    return shutil.which(name) or next(
        iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None
    )


@contextlib.contextmanager
def _running(command: list[object], ready: str) -> Iterator[None]:
    """A server, from the line in which it says that it is ready until the end of the tests."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")
    if not any(ready in line for line in server.stdout):
        raise RuntimeError(f"the server ended with {server.wait()} before it was ready")
    try:
        yield
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """The URL of an empty database."""
    initdb, server = _program("initdb"), _program("postgres")
    if not (initdb and server):
        pytest.skip("no PostgreSQL server on this machine (Debian: apt-get install postgresql)")
    folder = tmp_path_factory.mktemp("postgres")
    become = []
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        if not shutil.which("runuser"):
            pytest.skip("root, and no runuser to start PostgreSQL as another user")
        become = ["runuser", "-u", "nobody", "--"]
        folder = tempfile.mkdtemp(
            prefix="postgres-"
        )  # pytest's own folder is closed to others; a killed run leaves its folder
        shutil.chown(folder, "nobody")
    port = _free_port()
    data = f"{folder}/data"
    subprocess.run(
        [*become, initdb, "-D", data, "-U", "equity", "-A", "trust", "-N"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    settings = [
        "-c",
        "fsync=off",
        "-c",
        f"unix_socket_directories={folder}",
        "-c",
        "listen_addresses=127.0.0.1",
    ]
    command = [*become, server, "-D", data, "-p", str(port), *settings]
    with _running(command, "ready to accept connections"):
        yield f"postgresql+psycopg2://equity@127.0.0.1:{port}/postgres"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis(tmp_path_factory):
    """The URL of an empty Redis."""
    server = shutil.which("redis-server")
    if not server:
        pytest.skip("no redis-server on this machine (Debian: apt-get install redis-server)")
    port = _free_port()
    settings = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(tmp_path_factory.mktemp("redis")),
    ]
    with _running([server, *settings], "Ready to accept connections"):
        yield f"redis://127.0.0.1:{port}/0"
