import ast
import re
from pathlib import Path

import pandas as pd
import pytest
from markupsafe import Markup

from equity_pipeline.disclosure.audit import pages
from equity_pipeline.disclosure.audit.said import numbers
from equity_pipeline.publishing import page, programmes, words, workbook
from equity_pipeline.publishing.programmes import climate, vocabulary

PROGRAMMES = (
    "action_for_equity",
    "equity_communities_of_practice",
    "equity_implemented_partnership",
    "opportunity_accelerator",
)
# What the tables themselves hold, and is looked for in them.
CODES = {"no trend before", "students and "}


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (-0.095, "−10"),
        (0.058, "+6"),
        (0.0, "0"),
        (-0.004, "0"),
        (0.285, "+29"),
        (-0.0051, "−1"),
    ],
)
def test_points(difference, said):
    assert words.points(difference) == said


@pytest.mark.parametrize(("rate", "said"), [(0.381, "38%"), (0.2885, "29%"), (1.0, "100%"), (0.0, "0%")])
def test_percent(rate, said):
    assert words.percent(rate) == said


def test_a_goal_is_said_as_it_was_set():
    assert [words.goal(gap) for gap in (-0.02, -0.025, 0.0)] == ["−2", "−2.5", "0"]


@pytest.mark.parametrize(
    ("rate", "band", "english", "spanish", "about"),
    [
        (0.38, None, "38%", "38%", "38%"),
        (0.3, "20% to 40%", "20 to 40%", "20 a 40%", "about 30%"),
        (0.1, "under 20%", "under 20%", "menos de 20%", "about 10%"),
        (0.9, "80% or more", "80% or more", "80% o más", "about 90%"),
    ],
)
def test_a_rate_reads_well_as_a_percent_or_a_band(rate, band, english, spanish, about):
    assert (words.ENGLISH.rate(rate, band), words.SPANISH.rate(rate, band)) == (english, spanish)
    assert words.ENGLISH.about(rate, band) == about


def test_missing_sources_in_words():
    assert words.ENGLISH.not_measured("not_measured: exam_results") == "no exam results on file"
    assert words.ENGLISH.not_measured("not_measured: ap_ib_courses;final_grades") == (
        "no course on file is classified as AP or IB; no final grades on file"
    )
    assert words.ENGLISH.not_measured("not_measured: climate_survey") == "no climate survey on file"


def test_every_status_has_its_own_symbol_and_word():
    assert (
        len({s.symbol for s in words.STATUSES.values()})
        == len({s.words for s in words.STATUSES.values()})
        == 8
    )


def places(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


PUBLISHING = Path(words.__file__).parent
SPANISH_PAGES = ("shell", "base", "table", "reading")


def strings(file: Path) -> set[str]:
    """What a template says by `_`, a module by `say` or a Language by itself."""
    text = file.read_text()
    if file.suffix == ".j2":
        return set(re.findall(r'(?<![\w.])_\("((?:[^"\\]|\\.)*)"', text))
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and node.args)
    return {
        call.args[0].value for call in calls
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
        and getattr(call.func, "attr", getattr(call.func, "id", "")) in ("say", "self", "ENGLISH")
    }  # fmt: skip


def vocabulary_of_programmes() -> set[str]:
    """The words for what the programmes' tables hold as codes."""
    words_of = {vocabulary.OVERDUE.words, *(words.PROGRAMS[code] for code in PROGRAMMES)}
    for codes in (
        value for name, value in vars(vocabulary).items() if name.isupper() and isinstance(value, dict)
    ):
        words_of |= {getattr(said, "words", said) for said in codes.values()}
    return words_of


def test_every_string_stands_in_the_translations():
    said = set().union(*(strings(file) for file in PUBLISHING.rglob("*") if file.suffix in (".py", ".j2")))
    assert len(said) > 350
    said |= {text for heading, _, _, note in workbook._COLUMNS for text in (heading, note) if text}
    said |= set(page.GROUPS.values()) | set(words.REFERENCES.values()) | vocabulary_of_programmes()
    said |= {label for label, _ in programmes.MODULES.values()} | {
        title for title, _ in climate.PACKS.values()
    }
    assert said - set(words.translations()) == set()


def test_no_module_of_the_programmes_speaks_past_the_translations():
    """Every text of two words or more in the code of their pages is a string of the translations, a docstring, or markup."""
    past = set()
    for file in (PUBLISHING / "programmes").glob("[a-z]*.py"):
        tree = ast.parse(file.read_text())
        documents = {
            ast.get_docstring(node, clean=False) for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        }  # fmt: skip
        past |= {
            node.value for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in documents
            and re.search(r"[a-z]{2,} [a-z]{2,}", node.value) and "<" not in node.value
        }  # fmt: skip
    assert past - set(words.translations()) == CODES


def test_numbers_of_fixed_texts_are_numbers_that_the_auditor_lets_stand():
    """Else a page is refused where no count happens to be the same number, as in a very small district."""
    said = set().union(*(strings(file) for file in PUBLISHING.rglob("*") if file.suffix in (".py", ".j2")))
    fixed = {number for text in said for number in numbers(re.sub(r"\{\w+\}", "", text))}
    assert "0.7" in fixed
    assert {
        number for number in fixed - pages.ALWAYS if int(number.strip("%")) > 3
    } == set()  # 1 to 3 count sections


def test_the_spanish_pages_say_everything_in_spanish_with_the_same_places():
    said = set().union(
        *(strings(PUBLISHING / f"templates/{name}.html.j2") for name in SPANISH_PAGES),
        *(strings(PUBLISHING / name) for name in ("tables.py", "layouts.py", "sentences.py")),
    )
    said |= {part for step in words.STATUSES.values() for part in (step.words, step.meaning)} | set(
        words.MISSING.values()
    )
    said |= {words.HIDDEN_WORDS, words.NOT_ENOUGH, words.NOT_MEASURED}
    spanish = {
        text: entry.get("es", {}) if isinstance(entry, dict) else entry and {"other": entry}
        for text, entry in words.translations().items()
    }
    assert {text for text in said if not spanish.get(text)} == set()
    for text, forms in spanish.items():
        for form in (forms or {}).values():
            assert places(form) | {"{n}"} == places(text) | {"{n}"}, text


def test_a_string_has_the_forms_of_its_number():
    for number, said in ((0, "0 gaps"), (1, "1 gap"), (2, "2 gaps"), (1200, "1,200 gaps")):
        assert words.ENGLISH("{n} gaps", n=number) == said
    assert words.SPANISH("{n} gaps", n=1) == "1 brecha" and words.SPANISH("{n} gaps", n=3) == "3 brechas"
    assert words.ENGLISH("{n} of {gaps} are closed", n=0, gaps="4 gaps") == "None of 4 gaps is closed"


def test_every_plural_has_the_forms_of_its_languages_and_every_number_a_plural():
    """A string with `n` that is not among the translations as a plural would say “1 gaps”."""
    for text, entry in words.translations().items():
        assert ("{n}" in text) <= isinstance(entry, dict), text
        for forms in entry.values() if isinstance(entry, dict) else []:
            assert {"one", "other"} <= set(forms) <= {"=0", "one", "many", "other"}, text
            assert places(text) - {"{n}"} <= places(forms["other"]) <= places(text), text


def test_lists_in_words():
    say = words.ENGLISH.listed
    assert [say(list("abcd")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert say(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert words.SPANISH.listed(["a", "b"]) == "a y b"


def test_values_are_escaped_where_a_sentence_holds_markup():
    said = words.ENGLISH("New files: {files}.", n=1, files=Markup("<bdi>{}</bdi>").format("<x>"))
    assert said == "New file: <bdi>&lt;x&gt;</bdi>."


def test_what_has_no_translation_is_said_in_english():
    assert words.SPANISH("no such string {n}", n=3) == "no such string 3"
    assert words.SPANISH.not_measured("not_measured: exam_results;climate_survey") == (
        "faltan los resultados de exámenes; faltan datos: climate survey"
    )


def test_the_labels_of_the_gap_tracker_are_said_in_spanish():
    seeds, spanish = PUBLISHING.parents[1] / "dbt_project/seeds/policy", words.translations()
    metrics = pd.read_csv(seeds / "metrics.csv").query("publish == 'yes'")
    said = {*metrics["label"], *metrics["definition"]}
    for seed in ("dimensions", "subgroups"):
        said |= set(pd.read_csv(seeds / f"{seed}.csv")["label"].dropna())
    assert {text for text in said if not spanish.get(text)} == set()


def test_every_rule_of_the_policy_has_plain_words_without_a_number_that_could_be_a_count():
    policy = pd.read_csv(PUBLISHING.parents[1] / "dbt_project/seeds/policy/policy.csv")
    assert set(words.RULES) == set(policy["key"])
    assert set(words.RULES.values()) <= set(words.translations())
    assert len(set(words.RULES.values())) == len(words.RULES)
    assert {n for text in words.RULES.values() for n in re.findall(r"\d+%?", text)} == {"95%"}


@pytest.mark.parametrize(
    "template", sorted((PUBLISHING / "templates").rglob("*.j2")), ids=lambda file: file.name
)
def test_no_template_speaks_past_the_translations(template):
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", template.read_text(), flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", "", text)
    assert re.findall(r"[^\W\d_]{2,}", text) == []
