"""What dbt made of the project is kept, and used again until a file of it changes."""

from __future__ import annotations

import json

import pytest

from equity_pipeline.warehouse import project


@pytest.fixture
def asked(tmp_path, monkeypatch) -> list[str]:
    """Each time that dbt is asked to compile; it makes two small files."""
    times: list[str] = []

    def compile_(scratch):
        times.append(scratch.name)
        manifest, seeds = scratch / "manifest.json", scratch / "warehouse.duckdb"
        manifest.write_text(json.dumps({"nodes": {}}))
        seeds.write_bytes(b"seeds")
        return manifest, seeds

    monkeypatch.setattr(project, "_compile", compile_)
    return times


def test_another_process_does_not_compile_again(asked, tmp_path):
    for _ in range(2):
        compiled = project._compiled(tmp_path / "target", "one")
        assert compiled.manifest == {"nodes": {}} and compiled.seeds.read_bytes() == b"seeds"
        project._compiled.cache_clear()
    assert len(asked) == 1
    project._compiled(tmp_path / "target", "changed")
    assert len(asked) == 2


def test_of_what_was_compiled_before_only_the_last_stays(asked, tmp_path):
    target = tmp_path / "target"
    for name in ("one", "two", "three"):
        project._compiled(target, name)
        (target / f"lineage-{name}.json").touch()
    assert sorted(path.name for path in target.iterdir()) == [
        "lineage-three.json", "lineage-two.json", "manifest-three.json", "manifest-two.json", "seeds-three.duckdb",
        "seeds-two.duckdb",
    ]  # fmt: skip


def test_an_installation_that_may_not_be_written_to_compiles_for_itself(asked, tmp_path):
    target = tmp_path / "target"
    target.write_text("no folder can be made here")
    compiled = project._compiled(target, "one")
    assert compiled.seeds.read_bytes() == b"seeds" and target.is_file() and len(asked) == 1
