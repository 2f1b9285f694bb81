"""Reads one sheet of a workbook (standard input) into Arrow (standard output), as a program of its own.

A few hundred bytes can ask for more memory than there is, by a cell in the last row and column or by one text that stands in
a million cells, or for hours, by a million columns; and who asks for memory is ended by the system without a word. So this
program is ended, and not a run. It imports nothing of ours: it starts in a quarter of a second.

`python -P sheet.py <bytes of memory> <seconds of computing> <name of the sheet, or nothing>`. Exit code 0: the sheet; 3: its
name does not say which, and the output is the names, one a line. Any other: no readable workbook, or it asks for too much.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import IO


def read(content: bytes, sheet: str | None, out: IO[bytes]) -> int:
    """Write the output for a workbook; the exit code."""
    import fastexcel
    import polars as pl

    book = fastexcel.read_excel(content)
    names = book.sheet_names
    if sheet not in names and (sheet or len(names) > 1):
        out.write("\n".join(names).encode())
        return 3
    # Eagerly: a text that stands in many cells is then held once until the table is made.
    loaded = book.load_sheet_eager(sheet or 0, header_row=None, skip_rows=0, dtypes="string")
    cells = pl.DataFrame(loaded)
    del loaded, book
    cells.select(pl.all().cast(pl.String).fill_null("")).write_ipc(out)
    return 0


def main(memory: int, seconds: int, sheet: str | None) -> int:
    """Read the sheet with so much memory and computing; the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold cells
    os.environ["POLARS_MAX_THREADS"] = "1"
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # its own takes memory ahead of need
    return read(sys.stdin.buffer.read(), sheet, sys.stdout.buffer)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None))
