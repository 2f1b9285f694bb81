"""The command line in a process of its own, as a person starts it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from equity_pipeline.storage.home import Home


def start(home: Home, command: str, *arguments: str) -> subprocess.Popen[str]:
    """`equity-pipeline COMMAND --home HOME …`, its output and errors in one pipe."""
    line: list[Any] = [sys.executable, "-m", "equity_pipeline.cli", command, "--home", home.root, *arguments]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def succeed(runs: list[subprocess.Popen[str]]) -> None:
    """Wait for all of them; each has ended well."""
    outputs = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs), "\n".join(outputs)
