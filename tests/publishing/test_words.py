import re
from pathlib import Path

import pytest

from equity_pipeline.publishing import words


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (-0.095, "−9.5"),
        (0.058, "+5.8"),
        (0.0, "0.0"),
        (-0.0004, "0.0"),
        (0.285, "+28.5"),
        (-0.00051, "−0.1"),
        (0.1235, "+12.4"),
    ],
)
def test_points(difference, said):
    assert words.points(difference) == said


@pytest.mark.parametrize(
    ("rate", "said"), [(0.381, "38.1%"), (0.2885, "28.9%"), (1.0, "100.0%"), (0.0, "0.0%")]
)
def test_percent(rate, said):
    assert words.percent(rate) == said


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


PUBLISHING = Path(words.__file__).parent
SPANISH_PAGES = ("base", "table", "reading", "script")


def strings(file: Path) -> set[str]:
    """What a template says by `_`, a module by `say` or a Language by itself."""
    text = file.read_text()
    if file.suffix == ".j2":
        return set(re.findall(r'(?<![\w.])_\("((?:[^"\\]|\\.)*)"', text))
    return set(re.findall(r'(?<!\w)(?:say|self)\(\s*"((?:[^"\\]|\\.)*)"', text)) | set(
        re.findall(r"(?<!\w)say\('([^']*)'", text)
    )


def test_every_string_stands_in_the_catalogue():
    said = set().union(*(strings(file) for file in PUBLISHING.rglob("*") if file.suffix in (".py", ".j2")))
    assert len(said) > 150
    assert said - set(words.catalogue()) == set()


def test_the_spanish_pages_say_everything_in_spanish_with_the_same_places():
    said = set().union(
        *(strings(PUBLISHING / f"templates/{name}.html.j2") for name in SPANISH_PAGES),
        strings(PUBLISHING / "tables.py"),
    )
    said |= {part for step in words.STATUSES.values() for part in (step.words, step.meaning)} | set(
        words.MISSING.values()
    )
    said |= {words.HIDDEN_WORDS, words.NOT_ENOUGH, words.NOT_MEASURED}
    spanish = words.catalogue()
    assert {text for text in said if not spanish.get(text)} == set()
    for text, translated in spanish.items():
        if translated:
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", translated)), text


def test_what_has_no_translation_is_said_in_english():
    assert words.SPANISH("no such string {n}", n=3) == "no such string 3"
    assert words.SPANISH.not_measured("not_measured: exam_results;climate_survey") == (
        "faltan los resultados de exámenes; faltan datos: climate survey"
    )
