"""The command line. Every command says what it did in a few lines; exit code 0 success, 1 work failed, 2 misuse.

Belongs here: options, words, exit codes. All work that changes data runs as a Dagster run (`defs/runs.py`), so that it
stands in the UI's history as well. Heavy imports are inside the commands: `--help` answers at once.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import sys
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import click

from equity_pipeline.domain import school_years
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.partners import registry
from equity_pipeline.partners.registry import Partner
from equity_pipeline.stewardship import status as statuses
from equity_pipeline.storage import atomic, trail
from equity_pipeline.storage.home import Home


class _SchoolYear(click.ParamType[int]):
    name = "school year"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return school_years.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _with_home(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--home`, and turn our own errors into one sentence and exit code 1."""

    @click.option(
        "--home", "folder", type=click.Path(file_okay=False), help="Default: $EQUITY_HOME or ./equity_home."
    )
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
@click.option(
    "--partner", "partner_ids", multiple=True, help="Only this partner; may be given several times."
)
@click.option("--school-year", "years", multiple=True, type=_SchoolYear(), help="Only this year, as 2025-26.")
@click.option(
    "--target",
    type=click.Choice(["duckdb", "spark"]),
    default="duckdb",
    show_default=True,
    help="What computes the warehouse; the tables are the same.",
)
@_with_home
def run(home: Home, partner_ids: tuple[str, ...], years: tuple[int, ...], target: str) -> None:
    """Take in what is pending in landing/, rebuild what it touches, publish."""
    _run(home, partner_ids, years, target)


def _run(home: Home, partner_ids: tuple[str, ...], years: tuple[int, ...], target: str = "duckdb") -> None:
    from equity_pipeline.defs.runs import whole_way

    partners, problems = registry.load_valid(home)
    _known(home, partner_ids)
    if not partners and not problems:
        raise click.UsageError(
            f"no partner files in {home.partners}: `equity-pipeline new-partner` makes one"
        )
    for problem in problems:
        click.echo(problem, err=True)
    chosen = [
        partner for partner in partners.values() if not partner_ids or partner.partner_id in partner_ids
    ]
    ended = whole_way(home, chosen, years, say=click.echo, target=target)
    if not ended.worked:
        click.echo("nothing new: every file in landing/ is already in, and every release is up to date")
    click.echo(_table(home, chosen))
    site = home.network_releases / "latest" / "index.html"
    if site.exists():
        click.echo(f"site: {site}")
    if problems or ended.failed:
        sys.exit(1)


def _table(home: Home, partners: Sequence[Partner]) -> str:
    """Partner, school years, rows in / loaded / quarantined, release."""
    rows: list[tuple[str, ...]] = [("partner", "school years", "rows in", "loaded", "quarantined", "release")]
    for partner in partners:
        counted = statuses.status(home, partner, dt.date.today())
        on_file = [row.school_year for row in counted if row.loaded and row.school_year]
        span = (
            f"{school_years.label(min(on_file))} … {school_years.label(max(on_file))}" if on_file else "none"
        )
        totals = (
            f"{sum(getattr(row, name) for row in counted):,}" for name in ("rows_in", "loaded", "rejected")
        )
        release = statuses.latest_release(home, partner.partner_id) or "none"
        rows.append((partner.partner_id, span, *totals, release))
    return _columns(rows, numbers=range(2, 5))


def _columns(rows: Sequence[Sequence[str]], numbers: Container[int]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _known(home: Home, partner_ids: Sequence[str]) -> None:
    known = {path.stem for path in home.partners.glob("*.yml")}
    if unknown := sorted(set(partner_ids) - known):
        raise click.UsageError(f"no partner file for {', '.join(unknown)} in {home.partners}")


@main.command("check-delivery")
@click.option("--partner", "partner_id", required=True)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@_with_home
def check_delivery(home: Home, partner_id: str, files: tuple[Path, ...]) -> None:
    """Say what would be accepted, mapped and rejected, and why; change nothing."""
    from equity_pipeline.extracts import intake

    _known(home, (partner_id,))
    checks = intake.check_delivery(home, registry.load(home.partner_file(partner_id)), files)
    for check in checks:
        click.echo(f"{check.file}: {check.status}" + (f" by source {check.source}" if check.source else ""))
        if check.message:
            click.echo(f"  {check.message}")
        for name, inferred in check.inferred.items():
            found = ", ".join(f"{what} {value!r}" for what, value in inferred.items())
            click.echo(f"  found in {name}: {found}" if found else f"  {name}: nothing had to be inferred")
        for extract, columns in check.columns.items():
            click.echo(f"  {extract}: {', '.join(columns)}")
        if check.counts:
            head = ("extract", "school year", "rows in", "loaded", "rejected", "duplicates")
            click.echo(_columns([head, *map(_count_row, check.counts)], numbers=range(2, 6)))
        for finding in check.findings:
            lines = ", ".join(map(str, finding.lines))
            click.echo(f"  {finding.file}, line {lines}: {finding.rows:,} rows rejected: {finding.reason}")
        for warning in check.warnings:
            click.echo(f"  note: {warning}")
    if any(check.status != "accepted" for check in checks):
        sys.exit(1)


def _count_row(count: dict[str, Any]) -> tuple[str, ...]:
    numbers = (f"{count[name]:,}" for name in ("rows_in", "loaded", "rejected", "duplicates"))
    return count["extract"], _year(count["school_year"]), *numbers


def _year(school_year: int) -> str:
    return school_years.label(school_year) if school_year else "unreadable"


@main.command()
@click.option(
    "--partner", "partner_ids", multiple=True, help="Only this partner; may be given several times."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of a table.")
@click.option("--audit", is_flag=True, help="Check the record of who did what instead.")
@_with_home
def status(home: Home, partner_ids: tuple[str, ...], as_json: bool, audit: bool) -> None:
    """Per partner, school year and extract: delivered, loaded, rejected, built, published, overdue."""
    if audit:
        found = trail.check(home)
        click.echo(f"{home.trail}: {found.entries:,} entries, head {found.head}")
        if found.fault:
            raise EquityError(f"{home.trail}: {found.fault}")
        return
    partners, problems = registry.load_valid(home)
    _known(home, partner_ids)
    today = dt.date.today()
    chosen = [
        partner for partner in partners.values() if not partner_ids or partner.partner_id in partner_ids
    ]
    rows = [row for partner in chosen for row in statuses.status(home, partner, today)]
    if as_json:
        click.echo(json.dumps([row.as_dict() for row in rows], indent=2))
    else:
        head = (
            "partner",
            "school year",
            "extract",
            "files",
            "held back",
            "rows in",
            "loaded",
            "rejected",
            "built",
            "release",
            "",
        )
        click.echo(
            _columns(
                [head]
                + [
                    (
                        row.partner_id,
                        _year(row.school_year),
                        row.extract,
                        *(
                            f"{count:,}"
                            for count in (row.deliveries, row.held, row.rows_in, row.loaded, row.rejected)
                        ),
                        "yes" if row.built else "no",
                        row.release or "none",
                        "OVERDUE" if row.overdue else "",
                    )
                    for row in rows
                ],
                numbers=range(3, 8),
            )
        )
        for partner in chosen:
            for message in statuses.not_taken(home, partner):
                click.echo(f"{partner.partner_id}: {message}")
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        sys.exit(1)


@main.command("new-partner")
@click.argument("partner_id")
@click.option(
    "--from", "files", multiple=True, type=click.Path(exists=True, path_type=Path), help="A file they send."
)
@_with_home
def new_partner(home: Home, partner_id: str, files: tuple[Path, ...]) -> None:
    """Scaffold partners/PARTNER_ID.yml, guessing the mapping from the files given."""
    from equity_pipeline.stewardship import scaffold

    try:
        path = home.partner_file(partner_id)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if path.exists():
        raise click.UsageError(f"{path} exists already")
    this_year = school_years.of_date(dt.date.today())
    guessed, open_questions = scaffold.new_partner(partner_id, list(files), this_year)
    with atomic.new_file(path) as scratch:
        scratch.write_text(guessed, encoding="utf-8")
    home.landing(partner_id).mkdir(parents=True, exist_ok=True)
    click.echo(f"wrote {path}")
    for question in open_questions:
        click.echo(f"  to decide: {question}")
    click.echo(
        f"then put files into {home.landing(partner_id)} and `equity-pipeline run --partner {partner_id}`"
    )


@main.command()
@click.option("--partner", "partner_id", required=True)
@click.argument("metric")
@click.argument("subgroup")
@click.option("--dimension", help="Needed only where subgroups of several dimensions share the name.")
@click.option("--school-year", "school_year", type=_SchoolYear(), help="Default: the newest with the metric.")
@click.option("--school", "school_id", default="_all", show_default=True)
@click.option("--reference", default="designated", show_default=True)
@_with_home
def explain(home: Home, partner_id: str, **number: Any) -> None:
    """Say where one number comes from: counts, rules, versions, deliveries. Restricted: not suppressed."""
    from equity_pipeline.warehouse.explain import explain as explained

    _known(home, (partner_id,))
    for line in explained(home, partner_id, **number):
        click.echo(line)


@main.command()
@click.argument("release", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--previous",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="An earlier release.",
)
def audit(release: Path, previous: tuple[Path, ...]) -> None:
    """Attack a release as an outsider would; exit code 1 if the guarantee fails.

    A roll-up of the network is held against the releases beside it that it was made of.
    """
    from equity_pipeline.disclosure import audit as outsider

    try:
        if of := outsider.made_from(release):
            releases = release.resolve().parents[1]
            found = outsider.audit_network(release, {one: releases / one / made for one, made in of.items()})
        else:
            found = outsider.audit(release, previous=previous, exactly=True)
    except EquityError as error:
        raise click.ClickException(str(error)) from None
    for line in found.lines():
        click.echo(line)
    if not found.passed:
        sys.exit(1)


@main.command()
@click.option("--partner", "partner_id", required=True)
@click.option("--student-id", help="Only this student, by the id that the partner's files have.")
@click.option(
    "--keep-releases", is_flag=True, help="Leave what was published of the partner: it holds no person."
)
@_with_home
def erase(home: Home, partner_id: str, student_id: str | None, keep_releases: bool) -> None:
    """Remove a partner, or one student, from every layer and write an erasure receipt."""
    _known(home, (partner_id,))
    from equity_pipeline.defs import erasure, history, runs
    from equity_pipeline.defs.jobs import NETWORK
    from equity_pipeline.stewardship import erasure as stewardship

    with history.open_instance(home) as instance:
        if student_id is None:
            said = {"partner_id": partner_id, "keep_releases": keep_releases}
            _correct(home, instance, erasure.ERASE, "erase_partner", **said)
        else:
            os.environ[erasure.STUDENT_ID] = student_id
            try:
                _correct(home, instance, erasure.ERASE_STUDENT, "strike_student", partner_id=partner_id)
            finally:
                del os.environ[erasure.STUDENT_ID]
        what = partner_id if student_id is None else f"one student of {partner_id}"
        receipt = stewardship.last_receipt(home, partner_id)
        click.echo(f"erased {what}; receipt: {receipt}")
        if student_id is not None:
            release = _made_again(home, instance, partner_id)
            stewardship.tell(receipt, release)
            click.echo(f"{partner_id}: warehouse made again; release: {release}")
        if home.network_releases.exists():
            runs.execute(instance, home, NETWORK)
            click.echo("network: release written again")


def _made_again(home: Home, instance: Any, partner_id: str) -> str:
    """Make the warehouse and the release again from what is left; what became of the release. Where it says what was
    withdrawn, nothing is published, and nothing is wrong with that."""
    from equity_pipeline.defs import runs
    from equity_pipeline.defs.jobs import REFRESH
    from equity_pipeline.publishing.release import is_published

    try:
        published = runs.execute(instance, home, REFRESH, partition_key=partner_id).metadata["release"]
    except EquityError as error:
        if not is_published(home, registry.load(home.partner_file(partner_id))):
            raise
        return str(error)
    return f"{published['release_id']} {'published' if published['changed'] else 'stays'}"


def _correct(home: Home, instance: Any, job: str, op: str, **config: Any) -> None:
    """Run a job of one op for a partner."""
    from equity_pipeline.defs import runs

    runs.execute(instance, home, job, run_config={"ops": {op: {"config": config}}})


@main.command()
@click.option("--partner", "partner_id", required=True)
@click.option("--because", required=True, help="Why; recorded with who said so.")
@click.argument("file")
@click.argument("school_year", type=_SchoolYear())
@_with_home
def rekey(home: Home, partner_id: str, because: str, file: str, school_year: int) -> None:
    """Take a delivered FILE as one of SCHOOL_YEAR, whatever its name or rows say."""
    _known(home, (partner_id,))
    from equity_pipeline.defs import history
    from equity_pipeline.defs.erasure import REKEY

    year = school_years.label(school_year)
    with history.open_instance(home) as instance:
        said = {"partner_id": partner_id, "file": file, "school_year": year, "because": because}
        _correct(home, instance, REKEY, "rekey_file", **said)
    click.echo(
        f"{file} is of {year} from now on: `equity-pipeline run --partner {partner_id}` reads it again"
    )


@main.command()
@click.option("--partner", "partner_id", required=True)
@click.option("--because", required=True, help="Why; recorded with who said so.")
@click.argument("release_id")
@_with_home
def withdraw(home: Home, partner_id: str, because: str, release_id: str) -> None:
    """Take back a release: it is read no more, `latest` goes back to the one before, and it is not published again."""
    _known(home, (partner_id,))
    from equity_pipeline.defs import history, runs
    from equity_pipeline.defs.erasure import WITHDRAW
    from equity_pipeline.defs.jobs import NETWORK

    with history.open_instance(home) as instance:
        said = {"partner_id": partner_id, "release_id": release_id, "because": because}
        _correct(home, instance, WITHDRAW, "take_back", **said)
        latest = statuses.latest_release(home, partner_id)
        click.echo(f"{partner_id}: release {release_id} withdrawn; latest is {latest or 'none'}")
        runs.execute(instance, home, NETWORK)
        click.echo("network: release written again")


@main.command("rotate-key")
@click.option("--partner", "partner_id", required=True)
@_with_home
def rotate_key(home: Home, partner_id: str) -> None:
    """Give a partner a new key, so that no pseudonym made so far says anything of a student."""
    _known(home, (partner_id,))
    from equity_pipeline.defs import history
    from equity_pipeline.defs.erasure import ROTATE_KEY

    with history.open_instance(home) as instance:
        _correct(home, instance, ROTATE_KEY, "new_key", partner_id=partner_id)
    click.echo(
        f"{partner_id} has a new key: `equity-pipeline run --partner {partner_id}` makes everything again"
    )


@main.command()
@click.option("--port", default=3000, show_default=True)
@_with_home
def ui(home: Home, port: int) -> None:
    """Open Dagster on this home, for this machine only."""
    from equity_pipeline.defs import history

    history.open_instance(home).dispose()  # before several processes of Dagster do it at once
    arguments = [
        "dev",
        "--module-name",
        "equity_pipeline.definitions",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    os.execv(sys.executable, [sys.executable, "-m", "dagster", *arguments])


if __name__ == "__main__":
    main()
