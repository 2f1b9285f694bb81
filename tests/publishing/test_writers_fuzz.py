"""Whatever a district calls its schools: in a spreadsheet it is text, in a page it is text, and nothing else runs.

Tried are 2,000 texts in CSV and Parquet, and 28 of every kind in the workbook and in each page of a site. Harmful is a
cell that any spreadsheet would run, also one that comes into being when the line is parted at another separator; an
element or attribute that the same page does not have when everything has a plain name; a link that runs a script.
"""

from __future__ import annotations

import csv
import io
import itertools
import random
import unicodedata
import zipfile
from html.parser import HTMLParser

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.publishing import contracts, datafiles, tracker
from equity_pipeline.publishing.release import write_release
from equity_pipeline.publishing.workbook import workbook
from equity_pipeline.storage.home import Home

from .conftest import holds
from .frames import context, frames, partner

STARTS = ["=", "+", "-", "@", "\t=", "\r+", "\n-", "\0@", " =", "\u00a0=", "\ufeff=", "\u200b+", "\uff1d", "\uff0b", "\uff0d",
          "\uff20", "\ufe66", "%0A=", "'=", '"=', ";=", '";=', ",@", "x;-", "x\t=", 'x";"+', "x;\u200b=", "", "a"]  # fmt: skip
ENDS = ["1+1", "cmd|' /C calc'!A0", 'HYPERLINK("http://example.org")', "<script>alert(1)</script>", "SUM(A1:A9)",
        '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", "</td></tr></table><iframe src=x>", "javascript:alert(1)",
        "{{ 7*7 }}", "{% raw %}", "&lt;b&gt;&#x3c;b&#x3e;", "]]><svg/onload=alert(1)>", "--><a href=javascript:alert(1)>x",
        "</style><script>1</script>", "</title><script>1</script>", "\u202eabc", "${7*7}", "#REF!", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "a" * 300]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=20),
    st.builds(lambda *parts: "".join(parts), *(st.sampled_from(part) for part in (STARTS, ENDS, STARTS))),
)


def runs(cell: str) -> bool:
    """Whether a spreadsheet may take a cell for a formula: what is in front of the sign and can't be seen is let off, and
    other forms of the sign are taken for it."""
    shown = [sign for sign in cell if unicodedata.category(sign)[0] not in "ZC"]
    return bool(shown) and unicodedata.normalize("NFKC", shown[0])[0] in "=+-@"


@settings(max_examples=80)
@given(texts=st.lists(TEXTS, min_size=25, max_size=25))
def test_no_cell_of_a_csv_or_parquet_file_runs(texts):
    files = datafiles.both("x", pd.DataFrame({"name": ["plain", *texts], "gap": [0.5] + [-0.5] * len(texts)}))
    lines = files["x.csv"].decode().split("\n")[2:-1]
    assert len(lines) == len(texts)
    for line, separator in itertools.product(lines, ",;\t"):
        cells = [cell for row in csv.reader(io.StringIO(line), delimiter=separator) for cell in row]
        parted = [part.strip('"') for cell in line.rsplit(",", 1)[:1] for part in cell.split(separator)]
        assert not [
            cell for cell in [*cells, *(parted if separator != "," else ())] if cell != "-0.5" and runs(cell)
        ]
    told = pd.read_csv(io.BytesIO(files["x.csv"]), keep_default_na=False)["name"].tolist()
    assert told == pd.read_parquet(io.BytesIO(files["x.parquet"]))["name"].tolist()
    assert list(csv.reader(io.StringIO(files["x.csv"].decode())))[2:] == [[one, "-0.5"] for one in told[1:]]


def test_a_plain_text_stays_as_it_is():
    for text in (
        "Cesar Chavez Early College",
        "St. Mary's - North",
        "9-12",
        "A;B;C",
        "Grades 6+",
        "q@example.org",
        "x = y",
    ):
        assert datafiles.harmless(text) == text


NAMES = [f"{start}{end}" for start, end in zip((STARTS * 2)[:28], (ENDS * 3)[:28], strict=True)]
random.Random(7).shuffle(NAMES)
SCHOOLS = {str(number): name for number, name in enumerate(NAMES)}
PLAIN = {school: f"School {school}" for school in SCHOOLS}


@pytest.fixture(scope="module")
def asked():
    return {"years": [2026], "schools": SCHOOLS, "size": 4_000, "metrics": ["ap_ib_enrollment"]}


def test_every_cell_of_the_workbook_is_a_text_or_a_number(asked):
    marts = {mart: contracts.check(mart, frame) for mart, frame in frames(**asked).items()}
    rows = tracker.plain(tracker.view(marts, context(schools=SCHOOLS)))
    content = workbook(rows, context(schools=SCHOOLS), NAMES[0])
    assert not [
        name for name in zipfile.ZipFile(io.BytesIO(content)).namelist()
        if any(word in name.lower() for word in ("vba", "external", "activex", "embed", "connection", "macro"))
    ]  # fmt: skip
    cells = [
        cell
        for sheet in openpyxl.load_workbook(io.BytesIO(content))
        for line in sheet.iter_rows()
        for cell in line
    ]
    assert {cell.data_type for cell in cells if cell.value is not None} <= {"s", "n"}
    assert all(cell.hyperlink is None for cell in cells)
    assert len({cell.value for cell in cells if cell.data_type == "s"}) > len(NAMES)


class Shape(HTMLParser):
    """The elements of a page with the names of their attributes, and where its links lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements, self.links = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, *(name for name, _ in attrs)))
        self.links += [
            value or "" for name, value in attrs if name in ("href", "src", "action", "formaction")
        ]

    def handle_decl(self, decl):
        self.elements.append(decl)

    def handle_comment(self, data):
        self.elements.append("comment")


def test_no_page_gets_an_element_or_a_script_from_a_name(asked, tmp_path):
    shapes = []
    for schools, name in ((SCHOOLS, '"><script>alert(1)</script>'), (PLAIN, "Plain")):
        said = context(schools=schools, years=[2026])
        said.deliveries.append(
            {"delivery_id": "e" * 16, "file": f"{name}.csv", "extract": "students", "school_year": 2026}
        )
        who = partner(name=name)
        made = frames(who=who, **(asked | {"schools": schools}))
        folder = write_release(Home(tmp_path / str(len(shapes))), who, made, said, holds).path
        pages = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.html"))}
        shapes.append({page: Shape(path.read_text()) for page, path in pages.items()})
    hostile, plain = shapes
    assert hostile.keys() == plain.keys()
    assert len(hostile) > len(SCHOOLS)
    for page, shape in hostile.items():
        assert sorted(map(str, shape.elements)) == sorted(map(str, plain[page].elements)), page
        assert not [link for link in shape.links if not link.startswith(("#", "data:")) and ":" in link], page
