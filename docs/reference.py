"""What the site shows beside the pages written by hand: the reference, made from the code at each build, and the
documents that stand at the top of the repository.

MkDocs calls `on_files` and `on_page_markdown` (`hooks` in mkdocs.yml). `pages` needs no MkDocs.
"""

from __future__ import annotations

import csv
import inspect
import posixpath
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml

from equity_pipeline import cli
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.contracts.contract import Column
from equity_pipeline.partners import registry

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[1]
DBT = REPOSITORY / "dbt_project"
AT_THE_TOP = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
_LINK = re.compile(r"(!?)\[((?:[^][]|\[[^]]*\])*)\]\(([^)#\s]*)(#[^)\s]*)?\)")


def pages() -> dict[str, str]:
    """The reference: address below `docs/` → Markdown."""
    seeds = {
        seed["name"]: seed for seed in yaml.safe_load((DBT / "seeds" / "seeds.yml").read_text())["seeds"]
    }
    layers = sorted(path.name for path in (DBT / "models" / "marts").iterdir() if path.is_dir())
    made = {
        "commands": _commands(),
        "partner_file": _partner_file(),
        "extracts": _extracts(),
        "metrics": _seeds("Metrics", seeds, ["metrics"]),
        "dimensions": _seeds("Dimensions and subgroups", seeds, ["dimensions", "subgroups"]),
        "policy": _seeds("Policy in force", seeds, _policy_seeds()),
        **{f"marts_{layer}": _marts(layer) for layer in layers},
    }
    return {f"reference/{name}.md": text for name, text in made.items()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference and the documents at the top."""
    from mkdocs.structure.files import File

    tops = {f"repository/{name}": (REPOSITORY / name).read_text(encoding="utf-8") for name in AT_THE_TOP}
    for address, text in {**pages(), **tops}.items():
        files.append(File.generated(config, address, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links lead to pages of the site; one to a place of the repository that is no page becomes its words."""
    address = page.file.src_uri
    origin = address.removeprefix("repository/") if address.startswith("repository/") else f"docs/{address}"

    def moved(link: re.Match[str]) -> str:
        mark, words, target, anchor = link.group(1), link.group(2), link.group(3), link.group(4) or ""
        if not target or ":" in target:
            return link.group(0)
        place = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        if place in AT_THE_TOP:
            place = f"docs/repository/{place}"
        if not place.startswith("docs/"):
            return words
        return f"{mark}[{words}]({posixpath.relpath(place[5:], posixpath.dirname(address) or '.')}{anchor})"

    return _LINK.sub(moved, markdown)


def _commands() -> str:
    parts = ["# Command line", "Exit code 0: done; 1: some of the work failed; 2: misuse."]
    for name, command in sorted(cli.main.commands.items()):
        context = click.Context(command, info_name=f"equity-pipeline {name}", terminal_width=100)
        parts += [f"## {name}", f"```text\n{command.get_help(context)}\n```"]
    return _joined(parts)


def _partner_file() -> str:
    parts = [
        "# Partner file",
        "`partners/<partner>.yml` in the home. A key that is not listed here is refused.",
    ]
    models = [
        model
        for _, model in inspect.getmembers(registry, inspect.isclass)
        if issubclass(model, registry.BaseModel)
        and model.__module__ == registry.__name__
        and model.model_fields
    ]
    for model in sorted(models, key=lambda model: (model is not registry.Partner, model.__name__)):
        schema = model.model_json_schema(by_alias=True)
        rows = [
            (f"`{name}`", "yes" if name in schema.get("required", ()) else "", _kind(field), _default(field))
            for name, field in schema["properties"].items()
        ]
        parts += [
            f"## {model.__name__}",
            inspect.getdoc(model) or "",
            _table(("key", "required", "value", "default"), rows),
        ]
    return _joined(parts)


def _kind(field: dict) -> str:
    """A value of a JSON schema in a few words."""
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_kind(one) for one in field["anyOf"] if one.get("type") != "null")
    if field.get("type") == "array":
        return f"list of {_kind(field['items'])}"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"mapping to {_kind(field['additionalProperties'])}"
    form = f" of the form `{field['pattern']}`" if "pattern" in field else ""
    return field.get("type", "any") + form


def _default(field: dict) -> str:
    default = field.get("default")
    return f"`{default}`" if default not in (None, [], {}) else ""


def _extracts() -> str:
    parts = [
        "# Contracts of the extracts",
        "What a row of each extract must be, whatever file it came from. A row that breaks a rule is rejected, and the rule "
        + "is its reason. Columns in bold are required.",
    ]
    for extract in sorted(EXTRACTS.values(), key=lambda extract: extract.name):
        key = ", ".join(f"`{name}`" for name in extract.key) or "none: rows have no identity"
        rows = [
            (
                f"**`{column.name}`**" if column.required else f"`{column.name}`",
                _value(column),
                _writings(column),
            )
            for column in extract.columns
        ]
        parts += [f"## {extract.name}", f"Key: {key}."]
        if extract.best:
            parts.append(f"Of several rows of a key the one with the highest `{extract.best}` counts.")
        parts.append(_table(("column", "value", "also written"), rows))
        if extract.rules:
            parts += ["Rejected besides:", "\n".join(f"- {rule.reason}" for rule in extract.rules)]
    return _joined(parts)


def _value(column: Column) -> str:
    said = "text" if column.type == "text" and not (column.allowed or column.pattern) else column.expectation
    bounds = [f"from {column.low}"] if column.low is not None else []
    bounds += [f"to {column.high}"] if column.high is not None else []
    return " ".join([said, *bounds])


def _writings(column: Column) -> str:
    return ", ".join(
        f"`{writing}` = `{value}`" for writing, value in column.writings.items() if writing != value
    )


def _policy_seeds() -> list[str]:
    names = {path.stem for path in (DBT / "seeds" / "policy").glob("*.csv")}
    return ["policy", *sorted(names - {"policy", "metrics", "dimensions", "subgroups"})]


def _seeds(title: str, described: dict[str, dict], names: Sequence[str]) -> str:
    parts = [f"# {title}"]
    for name in names:
        with (DBT / "seeds" / "policy" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        columns = [f"- `{column['name']}`: {column['description']}" for column in described[name]["columns"]]
        parts += [f"## {name}", described[name]["description"], _table(head, rows), "\n".join(columns)]
    return _joined(parts)


def _marts(layer: str) -> str:
    parts = [f"# Marts: {layer}"]
    for path in sorted((DBT / "models" / "marts" / layer).glob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            rows = [
                (f"`{column['name']}`", column["data_type"], column["description"])
                for column in model["columns"]
            ]
            parts += [
                f"## {model['name']}",
                model["description"],
                _table(("column", "type", "meaning"), rows),
            ]
    return _joined(parts)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"
