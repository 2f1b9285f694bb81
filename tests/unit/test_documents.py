"""What the documents point at exists, what they show can be typed, and the site that is made of them is whole."""

from __future__ import annotations

import re
import runpy
import shlex
import textwrap
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from mkdocs.commands.build import build
from mkdocs.config import load_config

from equity_pipeline import cli
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.defs import alerts
from equity_pipeline.partners.registry import Partner

REPOSITORY = Path(__file__).resolve().parents[2]

DOCUMENTS = sorted(
    [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("dbt_project/*.md")]
)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
PLACE = re.compile(r"`((?:equity_pipeline|dbt_project|tests|benchmarks|docs|deploy)/[^`*<> ]*)`")
FENCED = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
SHOWN = re.compile(r"^(?:    |\t)(.+)$", re.MULTILINE)
SAID = re.compile(r"`((?:\.venv/bin/)?equity-pipeline [^`]+|make [^`]+)`")
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
REFERENCE = runpy.run_path(str(REPOSITORY / "docs" / "reference.py"))["pages"]()
TUTORIAL = (REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8")

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))


def blocks(text, *languages):
    return [textwrap.dedent(body) for _, language, body in FENCED.findall(text) if language in languages]


@documents
def test_links_and_paths_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    links = [
        document.parent / link for link in LINK.findall(text) if "://" not in link and "mailto:" not in link
    ]
    made = [REPOSITORY / "docs" / page for page in REFERENCE]
    places = [REPOSITORY / place for place in PLACE.findall(text)]
    assert not [str(path) for path in [*links, *places] if path.resolve() not in made and not path.exists()]


def wrong_with(line, whole):
    """What is wrong with a command; None where it can be typed. `whole`: it is shown to be typed as it stands."""
    program, *arguments = shlex.split(line.removesuffix(" …"), comments=True)  # …: and so on
    if program == "make":
        unknown = [target for target in arguments if "=" not in target and target not in TARGETS]
        return f"make knows no {unknown[0]}" if unknown else None
    if not arguments or arguments[0].startswith("-"):
        return None
    name, *arguments = arguments
    if name not in cli.main.commands:
        return f"there is no command {name}"
    command = cli.main.commands[name]
    context = click.Context(command)
    try:
        given, left, _ = command.make_parser(context).parse_args(arguments)
    except click.UsageError as error:
        return error.format_message()
    missing = [
        param.name
        for param in command.params
        if whole and param.required and given.get(param.name) in (None, ())
    ]
    return f"{left} too many" if left else f"{missing} missing" if missing else None


@documents
def test_commands_shown_exist_with_their_options(document):
    text = document.read_text(encoding="utf-8")
    shown = "\n".join([*blocks(text, "sh", "console"), *SHOWN.findall(FENCED.sub("", text))])
    typed = [line.strip().removeprefix(".venv/bin/") for line in shown.splitlines()]
    commands = [(line, True) for line in typed if re.match(r"(equity-pipeline|make) ", line)] + [
        (" ".join(line.split()).removeprefix(".venv/bin/"), False) for line in SAID.findall(text)
    ]
    wrong = {line: fault for line, whole in commands if (fault := wrong_with(line, whole))}
    assert not wrong


@pytest.mark.parametrize(
    "line",
    [
        "equity-pipeline rnu --partner p",
        "equity-pipeline run --patner p",
        "equity-pipeline erase",
        "make rnu",
    ],
)
def test_a_command_that_does_not_exist_is_found(line):
    assert wrong_with(line, True)


@documents
def test_what_is_to_be_written_into_a_partner_file_is_valid_there(document):
    partner = {
        "partner_id": "maple_grove", "name": "Maple Grove", "state": "CA", "timezone": "America/Los_Angeles",
        "first_school_year": "2025-26", "sources": [{"name": "a", "format": "canonical", "files": ["a"]}],
    }  # fmt: skip
    for block in blocks(document.read_text(encoding="utf-8"), "yaml"):
        Partner.model_validate(partner | yaml.safe_load(block))


def test_the_tutorial_says_what_the_commands_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EQUITY_HOME", str(tmp_path / "home"))
    runpy.run_path(str(REPOSITORY / "docs" / "first_district.py"))["main"](tmp_path / "maple", "2025-26")

    def typed(beginning):
        line = next(
            line
            for block in blocks(TUTORIAL, "sh")
            for line in block.splitlines()
            if line.startswith(beginning)
        )
        line = line.replace(
            "maple/*.csv", " ".join(f"maple/{path.name}" for path in (tmp_path / "maple").iterdir())
        )
        done = CliRunner().invoke(cli.main, shlex.split(line)[1:])
        assert done.exit_code == 0, done.output
        return done.output

    said = typed("equity-pipeline new-partner")
    path = tmp_path / "home" / "partners" / "maple_grove.yml"
    text = re.sub(r"\d{4}-\d{2}$", "2025-26", path.read_text(), flags=re.MULTILINE)
    for before, after in (
        ("state: XX", "state: CA"),
        ("America/New_York", "America/Los_Angeles"),
        ("Direct: unknown", "Direct: 'yes'"),
    ):
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)
    said += typed("equity-pipeline check-delivery")
    expected = [line for block in blocks(TUTORIAL, "text") for line in block.splitlines()]
    assert expected and not [line for line in expected if line.strip() not in said]


def test_each_alert_has_its_runbook():
    headings = re.findall(
        r"^## (.+)$", (REPOSITORY / "docs" / "how_to" / "alerts.md").read_text(), re.MULTILINE
    )
    causes = (alerts.RUN, alerts.CHECK, alerts.OVERDUE, alerts.REJECTED, alerts.DRIFT, alerts.PARTNER_FILE)
    assert sorted(heading.lower() for heading in headings) == sorted(causes)


def test_the_reference_holds_everything_there_is():
    made = "\n".join(REFERENCE.values())
    marts = [path.stem for path in REPOSITORY.glob("dbt_project/models/marts/*/*.sql")]
    headings = set(re.findall(r"^## (.+)$", made, re.MULTILINE))
    assert headings >= {*EXTRACTS, *marts, *cli.main.commands}
    columns = {column.name for extract in EXTRACTS.values() for column in extract.columns}
    assert not [name for name in columns if f"`{name}`" not in REFERENCE["reference/extracts.md"]]


def test_the_site_is_built_without_a_warning_and_asks_no_other_host(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(REPOSITORY)
    build(load_config("mkdocs.yml", strict=True, site_dir=str(tmp_path)))
    assert not [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    loaded = re.compile(
        r'<(?:script|img|iframe|source)[^>]*\ssrc="(?:https?:)?//|<link[^>]*\shref="(?:https?:)?//'
    )
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 25
    assert not [page.name for page in pages if loaded.search(page.read_text(encoding="utf-8"))]


def test_the_table_of_changes_names_places():
    rows = [
        line for line in (REPOSITORY / "CONTRIBUTING.md").read_text().splitlines() if line.startswith("| a")
    ]
    assert len(rows) >= 10
    assert all(PLACE.search(row) for row in rows)
