"""Two engines, one project: what differs stands in one file, and whoever lacks an engine is told so."""

from __future__ import annotations

import re

import pytest

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.warehouse import project, spark

DIALECT = project.FOLDER / "macros" / "dialect.sql"


def sources():
    for folder in ("models", "macros", "tests", "seeds"):
        for path in sorted((project.FOLDER / folder).rglob("*.*")):
            if path.suffix in {".sql", ".py", ".yml"} and path != DIALECT:
                yield path, path.read_text(encoding="utf-8")


def test_no_model_macro_or_test_names_an_engine():
    named = {
        path.name: found
        for path, text in sources()
        if (found := re.findall(r"target\.type|adapter\.dispatch|duckdb|spark", text, re.IGNORECASE))
    }
    assert not named


def test_what_one_engine_says_its_own_way_every_other_can_say_too():
    text = DIALECT.read_text(encoding="utf-8")
    dispatched = set(re.findall(r"adapter\.dispatch\('(\w+)'\)", text))
    assert dispatched == set(re.findall(r"macro default__(\w+)", text))
    assert dispatched == set(re.findall(r"macro duckdb__(\w+)", text))


def test_without_spark_or_java_a_person_is_told_what_is_missing(monkeypatch):
    monkeypatch.setattr(spark, "find_spec", lambda name: None)
    with pytest.raises(EquityError, match=r"pip install 'equity-pipeline\[spark\]'"):
        spark._needs_spark()
    monkeypatch.setattr(spark, "find_spec", lambda name: object())
    monkeypatch.setattr(spark.shutil, "which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(EquityError, match="needs Java"):
        spark._needs_spark()
