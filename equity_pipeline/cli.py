"""The command line. Every command says what it did in a few lines; exit code 0 success, 1 work failed, 2 misuse.

Belongs here: options, words, exit codes. All work that changes data runs as a Dagster run (`defs/runs.py`), so that it
stands in the UI's history as well. Heavy imports are inside the commands: `--help` answers at once.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home


class _SchoolYear(click.ParamType):
    name = "school year"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return school_years.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _with_home(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--home`, and turn our own errors into one sentence and exit code 1."""

    @click.option("--home", "folder", type=click.Path(file_okay=False), help="Default: $EQUITY_HOME or ./equity_home.")
    @functools.wraps(command)
    def wrapped(folder: str | None, **arguments: Any) -> None:
        try:
            command(Home.resolve(folder), **arguments)
        except EquityError as error:
            raise click.ClickException(str(error)) from None

    return wrapped


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Disaggregated equity marts and gap-tracking tables from school district extracts."""
    os.umask(0o077)


@main.command()
@_with_home
def demo(home: Home) -> None:
    """Write the sample partners' deliveries into landing/ and run everything."""
    from equity_pipeline import sample

    click.echo("writing the sample partners' deliveries")
    partner_ids = sample.write(home)
    _run(home, tuple(partner_ids), ())


@main.command()
@click.option("--partner", "partner_ids", multiple=True, help="Only this partner; may be given several times.")
@click.option("--school-year", "years", multiple=True, type=_SchoolYear(), help="Only this year, as 2025-26.")
@_with_home
def run(home: Home, partner_ids: tuple[str, ...], years: tuple[int, ...]) -> None:
    """Take in what is pending in landing/, rebuild what it touches, publish."""
    _run(home, partner_ids, years)


def _run(home: Home, partner_ids: tuple[str, ...], years: tuple[int, ...]) -> None:
    from equity_pipeline.defs.runs import whole_way

    partners, problems = registry.load_valid(home)
    if unknown := sorted(set(partner_ids) - set(partners) - {Path(p).stem for p in home.partners.glob("*.yml")}):
        raise click.UsageError(f"no partner file for {', '.join(unknown)} in {home.partners}")
    if not partners and not problems:
        raise click.UsageError(f"no partner files in {home.partners}: `equity-pipeline new-partner` makes one")
    for problem in problems:
        click.echo(problem, err=True)
    chosen = [partner for partner in partners.values() if not partner_ids or partner.partner_id in partner_ids]
    ended = whole_way(home, chosen, years, say=click.echo)
    if not ended.worked:
        click.echo("nothing new: every file in landing/ is already in, and every release is up to date")
    click.echo(_table(home, [partner.partner_id for partner in chosen]))
    site = home.network_releases / "latest" / "index.html"
    if site.exists():
        click.echo(f"site: {site}")
    if problems or ended.failed:
        sys.exit(1)


def _table(home: Home, partner_ids: list[str]) -> str:
    """Partner, school years, rows in / loaded / quarantined, release."""
    rows = [("partner", "school years", "rows in", "loaded", "quarantined", "release")]
    for partner_id in partner_ids:
        counted = _status(home, partner_id)
        on_file = sorted({row["school_year"] for row in counted if row["loaded"]})
        span = f"{school_years.label(on_file[0])} … {school_years.label(on_file[-1])}" if on_file else "none"
        totals = (f"{sum(row[name] for row in counted):,}" for name in ("rows_in", "loaded", "rejected"))
        rows.append((partner_id, span, *totals, _latest(home, partner_id) or "none"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 2 <= column <= 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _latest(home: Home, partner_id: str) -> str | None:
    link = home.releases(partner_id) / "latest"
    return link.resolve().name if link.exists() else None
