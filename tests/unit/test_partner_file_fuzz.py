"""Whatever stands in a partner file, it is a partner or an error that names the file: no crash, no other exception."""

from __future__ import annotations

import tempfile
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.domain.errors import PartnerFileError
from equity_pipeline.partners import registry

FILES = [
    path.read_text(encoding="utf-8")
    for path in sorted((resources.files("equity_pipeline.sample") / "partner_files").iterdir(), key=str)
]
ODD = ("&a", "*a", "!!python/name:os.system", "{", "[", "- ", ": ", "<<: *a", "? ", "|", ">", "\t", "\0", "%", "@", "'", '"', "~", "9" * 400, "\u202e", "\ud7ff", "!!binary x", "!!set {a}", "!!timestamp 1", "---", "...", "#", "\r")  # fmt: skip


@st.composite
def spoilt(draw) -> str:
    """A partner file with some lines gone, doubled or moved, and odd things in it."""
    lines = draw(st.sampled_from(FILES)).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(("out", "twice", "in", "cut", "indent"))):
            case "out":
                del lines[at]
            case "twice":
                lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
            case "in":
                place = draw(st.integers(0, len(lines[at])))
                what = draw(st.sampled_from(ODD) | st.text(max_size=5))
                lines[at] = lines[at][:place] + what + lines[at][place:]
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case "indent":
                lines[at] = " " * draw(st.integers(0, 8)) + lines[at].lstrip()
    return "\n".join(lines)


@settings(max_examples=60)
@given(text=spoilt())
def test_a_spoilt_partner_file_is_a_partner_or_an_error_that_names_it(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "riverside_usd.yml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            registry.load(path)
        except PartnerFileError as error:
            assert "riverside_usd.yml" in str(error)


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path):
    """YAML would take the last one without a word: a minimum cell that was named before would be gone."""
    path = tmp_path / "riverside_usd.yml"
    assert "\nprivacy:" in FILES[0]
    path.write_text(FILES[0] + "privacy:\n  public_enrollment: [sex]\n")
    line = len(path.read_text().splitlines()) - 1
    with pytest.raises(
        PartnerFileError, match=rf"riverside_usd\.yml, line {line}: .*'privacy' stands here a second time"
    ):
        registry.load(path)
