"""What a release shows beside its data files: the audit passes an untouched release and finds every leak planted in its files."""

from __future__ import annotations

import dataclasses
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from equity_pipeline.disclosure.audit import audit, pages, programmes, workbook
from equity_pipeline.disclosure.audit.order import Order
from equity_pipeline.disclosure.audit.said import Said
from equity_pipeline.partners import registry
from equity_pipeline.publishing import programmes as published_programmes
from equity_pipeline.publishing import source
from equity_pipeline.publishing.release import write_release
from equity_pipeline.storage.home import Home
from tests.disclosure.conftest import PARTNER, District

NAME = "Independent School District 8,431 (66.6%) & Co"
INDEX, TRACKER, ENROLLED = "index.html", "tables/ap_ib_enrollment.html", "ap_ib_enrollment"
OTHER = "tables/exam_taken.html"
QUALITY = "quality.html"
CLIMATE = "programmes/climate.html"
SHEET, BOOK = "xl/worksheets/sheet2.xml", "xl/workbook.xml"


@pytest.fixture(scope="session")
def release(
    district: District, protected: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A release of two years in all its formats, of a partner whose name has numbers, as names of districts have."""
    partner = registry.load_all(district.home)[PARTNER]
    partner = partner.model_copy(update={"name": NAME})
    _, context = source.read(district.home, partner)
    years = set(protected["gap_metrics"]["school_year"])
    tables = {
        name: table[table["school_year"].isin(years)] if "school_year" in table else table
        for name, table in context.programmes.items()
    }
    tables = published_programmes.beside(tables, protected["gap_metrics"])
    home = Home(tmp_path_factory.mktemp("shown") / "home")
    made = write_release(
        home,
        partner,
        protected,
        dataclasses.replace(context, programmes=tables),
        lambda folder: {"pass": True},
    )
    return made.path


@pytest.fixture(scope="session")
def said(protected: dict[str, pd.DataFrame], district: District) -> Said:
    return Said(protected, district.rules, NAME)


@pytest.fixture(scope="session")
def tables(release: Path) -> dict[str, pd.DataFrame]:
    return {
        path.stem: pd.read_parquet(path) for path in sorted((release / "data/programmes").glob("*.parquet"))
    }


def test_an_untouched_release_has_no_finding(release: Path, district: District) -> None:
    result = audit(release, district.rules, 10)
    assert result.findings == ()
    read = {
        path.relative_to(release).as_posix()
        for path in release.rglob("*")
        if path.suffix in (".html", ".xlsx")
    }
    assert read <= set(result.files)


def swap(old: str, new: str, count: int = 1) -> Callable[[str], str]:
    """Put other text where a pattern matches first."""

    def plant(text: str) -> str:
        planted, times = re.subn(old, new, text, count=count)
        assert times and planted != text
        return planted

    return plant


def two_rows_swapped(text: str) -> str:
    """Two groups of one dimension in another order, as sorting by what is hidden would put them."""
    rows = re.findall(r"<tr>\n<th scope=\"row\".*?</tr>", text, re.DOTALL)
    first, second = rows[1], rows[2]
    return text.replace(first, "\0").replace(second, first).replace("\0", second)


def sorted_cards(text: str) -> str:
    cards = re.findall(r"<li>\n<div class=\"head\">.*?</div>\n</li>", text, re.DOTALL)
    return text.replace(cards[0], "\0").replace(cards[1], cards[0]).replace("\0", cards[1])


CELL = r'(<td class="gt_row gt_right"><b class="gap">)[^<]*(</b>)'
HIDDEN = r'<span class="void" title="not shown: privacy"><span aria-hidden="true">—</span><span class="sr">not shown: privacy</span></span>'
NANO = r'(<svg class="nano".*?<path class="line" d="M[\d.]+ )([\d.]+)'
PAGES: dict[str, tuple[str, Callable[[str], str]]] = {
    "a tooltip": (TRACKER, swap(r'title="not shown: privacy"', 'title="7 students"')),
    "a tooltip on a shown cell": (TRACKER, swap(r'<b class="gap">', '<b class="gap" title="n 43">')),
    "a label for who listens": (TRACKER, swap(r'role="region" aria-label="', 'role="region" aria-label="43 students, ')),
    "a hidden cell unhidden": (TRACKER, swap(HIDDEN, '<b class="gap">−7</b><span class="n">n ~10</span>')),
    "the mark of a small group beside that of others": (TRACKER, swap(HIDDEN, HIDDEN.replace("not shown: privacy</span>", "fewer than ten</span>"))),
    "a gap with a decimal": (TRACKER, swap(r'<b class="gap">([−+]?\d+)</b>', r'<b class="gap">\1.4</b>')),
    "students to the unit": (TRACKER, swap(r"n ~(\d+)0<", r"n \g<1>3<")),
    "a rate beside its band": (TRACKER, swap(r"\d+ to \d+% of", "31.4% of")),
    "another end of an interval": (TRACKER, swap(r'(<span class="interval">[−+]?)\d+', r"\g<1>77")),
    "students needed": (TRACKER, swap(r'(<td class="gt_row gt_right">)(\d+)(</td>)', r"\g<1>1\2\3")),
    "another status": (TRACKER, swap(r'(<td class="gt_row gt_left"><span class="status s-)\w+', r"\1narrowing_")),
    "a point of a nanoplot": (TRACKER, swap(NANO, r"\g<1>9.9")),
    "a further point of a nanoplot": (TRACKER, swap(r'(<path class="line" d="[^"]*)', r"\1L92.0 20.0")),
    "the name of a nanoplot": (TRACKER, swap(r'(<svg class="nano"[^>]*aria-label="[^"]*)"', r'\1, 2020-21 −4"')),
    "the scale of a nanoplot": (TRACKER, swap(r'(<svg class="nano".*?d="M0 )[\d.]+', r"\g<1>9.9")),
    "groups in the order of what is hidden": (TRACKER, two_rows_swapped),
    "a point of a chart": (INDEX, swap(r'(<circle class="dot" cx="[\d.]+" cy=")[\d.]+', r"\g<1>61.7")),
    "an interval of a chart": (INDEX, swap(r'(<path class="interval" d="M[\d.]+ )[\d.]+', r"\g<1>61.7")),
    "a rule of a chart where no number stands": (INDEX, swap(r'(<path class="grid" d="M[\d.]+ )[\d.]+(L[\d.]+ )[\d.]+', r"\g<1>61.70\g<2>61.70")),
    "a rule of a chart that ends where it should not": (INDEX, swap(r'(<path class="parity" d="M[\d.]+ [\d.]+L)[\d.]+', r"\g<1>123.00")),
    "a dot of a chart that says its place in words": (INDEX, swap(r'(<circle class="dot" cx=")[\d.]+', r"\g<1>here")),
    "the number at a chart's point": (INDEX, swap(r'(<text class="value"[^>]*>)[^<]*', r"\1−3.7")),
    "a dot on the scale of rates": (INDEX, swap(r'(<circle class="own" cx=")[\d.]+', r"\g<1>31.37")),
    "the end of a band on the scale of rates": (INDEX, swap(r'(<line class="band" x1=")[\d.]+', r"\g<1>13.21")),
    "students to parity": (INDEX, swap(r"about \d+ more students", "about 91 more students")),
    "a rate in a sentence": (INDEX, swap(r"about \d+%", "about 31.4%")),
    "a count in a sentence": (INDEX, swap(r"(<p class=\"lede\">)", r"\g<1>43 students. ")),
    "a tally": (INDEX, swap(r"<li><b>\d+</b>", "<li><b>97</b>")),
    "the width of a ladder": (INDEX, swap(r'style="flex:\d+"', 'style="flex:97"')),
    "a share of 100 students": (INDEX, swap(r"(<td><b>)\d+(</b><i)", r"\g<1>101\2")),
    "the width of such a share": (INDEX, swap(r"(<td><b>\d+</b><i style=\"width:)[\d.]+", r"\g<1>31.37")),
    "gaps in an order of their own": (INDEX, sorted_cards),
    "a comment": (INDEX, swap("</main>", "<!-- n 7 --></main>")),
    "an attribute for a script": (INDEX, swap("<main ", '<main data-n="7" ')),
    "an element that is not shown": (INDEX, swap("</main>", '<p hidden="">about 7</p></main>')),
    "a style that hides": (INDEX, swap("</main>", '<p style="display:none">about</p></main>')),
    "a script's data": (INDEX, swap('("words"|id="words">\\{)', r'\1"n": 7, ')),
    "the size of a file": (INDEX, swap(r"\d+ KB", "43,210 KB")),
    "a language that says more": ("tables/ap_ib_enrollment.es.html", swap(r"n ~(\d+)0<", r"n \g<1>3<")),
    "rows that were loaded": (QUALITY, swap(r'(data-label="Loaded">)~([\d,]+)0<', r"\g<1>\g<2>3<")),
    "rows that were loaded, rounded to nothing": (QUALITY, swap(r'(data-label="Loaded">~[\d,]+)0<', r"\g<1>7<")),
    "rows that were delivered": (QUALITY, swap(r'(data-label="Delivered">)[^<]*', r"\g<1>~1,230")),
    "few rows counted out loud": (QUALITY, swap(r'(data-label="Duplicates">)[^<]*', r"\g<1>7")),
    "rows that were rejected for a reason": (QUALITY, swap(r'(data-label="Rows">)[^<]*', r"\g<1>7")),
    "rows in a sentence": (QUALITY, swap(r"about [\d,]+ are in the numbers", "1,234 are in the numbers")),
    "a programme's rate": (CLIMATE, swap(r'(data-label="Rate">)[^<]*', r"\g<1>31.4%")),
    "a programme's number of people": (CLIMATE, swap(r"n ~(\d+)0<", r"n ~\g<1>3<")),
    "a programme's bar": (CLIMATE, swap(r'(<circle class="own" cx=")[\d.]+', r"\g<1>31.37")),
}  # fmt: skip


def some_pages(release: Path, path: str, folder: Path) -> Path:
    """The page, and those that it is held against."""
    for name in {path, path.replace(".es.", "."), INDEX, OTHER}:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(release / name, folder / name)
    (folder / "data").symlink_to(release / "data")
    return folder


@pytest.mark.parametrize("path", sorted({path for path, _ in PAGES.values()}))
def test_pages_by_themselves_have_no_finding(
    path: str, release: Path, said: Said, tables: dict, tmp_path: Path
) -> None:
    assert not pages.findings(some_pages(release, path, tmp_path), said, Order(), tables, 10)


def test_deliveries_are_counted_also_behind_other_counts(
    release: Path, said: Said, tables: dict, tmp_path: Path
) -> None:
    """In a list of counts, where 977 is said of nothing else on the page."""
    some_pages(release, INDEX, tmp_path)
    text = (tmp_path / INDEX).read_text(encoding="utf-8")
    for listed, found in ((", 977 deliveries overdue", False), (", 977 groups", True)):
        planted = re.sub(
            r"(<span>[^<]* not shown: privacy[^<]*)</span>", rf"\1{listed}</span>", text, count=1
        )
        assert planted != text
        (tmp_path / INDEX).write_text(planted, encoding="utf-8")
        assert bool(pages.findings(tmp_path, said, Order(), tables, 10)) == found


@pytest.mark.parametrize("plant", PAGES)
def test_a_leak_planted_in_a_page_is_found(
    plant: str, release: Path, said: Said, tables: dict, tmp_path: Path
) -> None:
    path, change = PAGES[plant]
    planted = some_pages(release, path, tmp_path) / path
    planted.write_text(change(planted.read_text(encoding="utf-8")), encoding="utf-8")
    assert pages.findings(tmp_path, said, Order(), tables, 10)


def students_of_a_hidden_group(text: str) -> str:
    """A number of students in the first row that has none, looking as the others of its column do."""
    style = re.search(r'<c r="F2" (s="\d+")', text)[1]
    empty = r'(<c r="E(\d+)" [^>]*><v>\d+</v></c>)(?!<c r="F)'
    return swap(empty, rf'\1<c r="F\2" {style}><v>7</v></c>')(text)


BOOKS: dict[str, tuple[str, Callable[[str], str]]] = {
    "students of a hidden group": (SHEET, students_of_a_hidden_group),
    "a rate with a decimal": (SHEET, swap(r'(<c r="G\d+" s="\d+"><v>)[\d.]+', r"\g<1>0.314")),
    "a gap with a decimal": (SHEET, swap(r'(<c r="K\d+" s="\d+"><v>)(-?\d+)<', r"\1\2.4<")),
    "students needed": (SHEET, swap(r'(<c r="P\d+" s="\d+"><v>)', r"\g<1>9")),
    "a hidden row": (SHEET, swap(r'<row r="5"', '<row r="5" hidden="1"')),
    "a hidden column": (SHEET, swap(r'<col min="8"', '<col hidden="1" min="8"')),
    "a row under the table": (SHEET, swap("</sheetData>", '<row r="99999"><c r="A99999"><v>7</v></c></row></sheetData>')),
    "a column beside the table": (SHEET, swap(r'(<row r="5".*?)</row>', r'\1<c r="Z5"><v>7</v></c></row>')),
    "a formula": (SHEET, swap(r'(<c r="F\d+" s="\d+">)<v>', r"\1<f>3+4</f><v>")),
    "a colour of its own": (SHEET, swap(r'(<c r="F5" s=")\d+', r"\g<1>1")),
    "a conditional format": (SHEET, swap("<pageMargins", "<conditionalFormatting/><pageMargins")),
    "rows in the order of what is hidden": (SHEET, lambda text: _rows_swapped(text)),
    "a hidden sheet": (BOOK, swap(r'<sheet name="exam_taken"', '<sheet state="veryHidden" name="exam_taken"')),
    "a defined name": (BOOK, swap("<definedNames>", '<definedNames><definedName name="n">7</definedName>')),
    "a note": ("xl/comments1.xml", swap("Rounded, to protect students", "43 students")),
    "a property": ("docProps/core.xml", swap("<dc:title>", "<dc:title>43 ")),
    "the time of making": ("docProps/core.xml", swap("1980-01-01", "2026-01-07")),
    "a text that no cell shows": ("xl/sharedStrings.xml", swap("</sst>", "<si><t>43</t></si></sst>")),
    "a text on the first sheet": ("xl/sharedStrings.xml", swap("Rounding", "Rounding, 43 students")),
    "a further part": ("docProps/custom.xml", lambda text: "<n>7</n>"),
}  # fmt: skip


def _rows_swapped(text: str) -> str:
    cells = {line: re.search(rf'<row r="{line}".*?</row>', text, re.DOTALL)[0] for line in (4, 5)}
    moved = [cells[a].replace(f'{a}"', f'{b}"') for a, b in ((5, 4), (4, 5))]
    return text.replace(cells[4] + cells[5], "".join(moved))


@pytest.mark.parametrize("plant", BOOKS)
def test_a_leak_planted_in_the_workbook_is_found(
    plant: str, release: Path, said: Said, tmp_path: Path
) -> None:
    part, change = BOOKS[plant]
    (tmp_path / "data").mkdir()
    shutil.copy(release / "methods.html", tmp_path)
    with (
        zipfile.ZipFile(release / workbook.PATH) as book,
        zipfile.ZipFile(tmp_path / workbook.PATH, "w") as planted,
    ):
        parts = {name: book.read(name).decode() for name in book.namelist()}
        for name, content in (parts | {part: change(parts.get(part, ""))}).items():
            planted.writestr(name, content)
    assert workbook.findings(tmp_path, said, Order())


TABLES: dict[str, tuple[str, str, object]] = {
    "people to the unit": ("climate", "n", 43),
    "few people": ("climate", "n", 0),
    "a narrower band": ("climate", "rate_low", 0.3141),
    "incidents to the unit": ("discipline_incidents", "incidents", 43),
}


@pytest.mark.parametrize("plant", TABLES)
def test_a_leak_planted_in_a_programmes_table_is_found(plant: str, tables: dict, protected: dict) -> None:
    name, column, value = TABLES[plant]
    table = tables[name].copy()
    table.loc[table.index[table[column].notna()][0], column] = value
    assert not list(programmes.findings(tables, protected["gap_metrics"], 10))
    assert list(programmes.findings(tables | {name: table}, protected["gap_metrics"], 10))


def test_a_group_hidden_in_the_gap_tables_is_hidden_in_a_programmes_table(
    tables: dict, protected: dict
) -> None:
    climate, gaps = tables["climate"].copy(), protected["gap_metrics"]
    private = gaps[gaps["suppression_reason"].eq("privacy") & (gaps["metric_id"] == ENROLLED)]
    key = ["school_year", "school_id", "dimension", "subgroup"]
    at = (
        climate.merge(
            private[key].drop_duplicates().astype({"school_year": "int32"}),
            on=key,
            how="left",
            indicator=True,
        )["_merge"]
        == "both"
    )
    climate.loc[climate.index[at][0], ["n", "rate_low", "rate_high"]] = (10, 0.5, 1.0)
    found = programmes.findings({"climate": climate}, gaps, 10)
    assert "a group is told of that is hidden elsewhere" in {finding.kind for finding in found}


def test_years_since_a_start_are_told_on_the_scale_of_a_picture_and_no_others(said: Said) -> None:
    """A data file writes them so that a spreadsheet takes them for text; the year before the start, its zero, is no row."""
    terms = pd.DataFrame({"term": ["'+0", "'+1", "'-2", "effect"]})
    told = programmes.Told({"initiative_evaluation": terms}, said, set())
    steps = {"−3", "−2", "−1", "+0", "+1", "+2"}
    assert steps & told.words == steps - {"−3", "+2"}


@pytest.mark.parametrize(
    ("name", "share", "about"),
    [
        ("cycles_of_inquiry", "latest_rate", {"latest_school_year": 0, "start_school_year": 0}),
        ("cycles_of_inquiry", "baseline_rate", {"latest_school_year": 0, "start_school_year": 1}),
        ("problems_of_practice", "rate", {"school_year": 0}),
        ("problems_of_practice", "reference_rate", {"school_year": 0}),
        ("focus_areas", "reference_rate", {"school_year": 0}),
    ],
)
def test_a_group_hidden_in_the_gap_tables_is_told_by_no_other_year_place_or_comparison(
    name: str, share: str, about: dict, protected: dict
) -> None:
    """About: year columns, as years after that of the hidden group. What the gap tables say is no leak, in any other number it is."""
    gaps = protected["gap_metrics"]
    of = "reference_" if share == "reference_rate" else ""
    rows = gaps[(gaps["school_id"] == "_all") & (gaps["reference"] == ("designated" if of else "overall"))]
    people = {
        "latest_rate": "latest_n",
        "baseline_rate": "baseline_n",
        "rate": "n",
        "reference_rate": "reference_n",
    }[share]

    def found(row: pd.Series, n: float, low: float, high: float) -> set[str]:
        table = pd.DataFrame([{"dimension": row["dimension"], "subgroup": row["subgroup"], "metric_id": row["metric_id"],
                               **({} if name.startswith("problems") else {"school_id": "_all"}),
                               **{column: int(row["school_year"]) + later for column, later in about.items()},
                               people: n, f"{share}_low": low, f"{share}_high": high, "suppressed": False}])  # fmt: skip
        return {finding.kind for finding in programmes.findings({name: table}, gaps, 10)}

    private = rows[rows["suppression_reason"].eq("privacy")].iloc[0]
    assert "a number of the gap tables in another form" in found(private, 10, 0.0, 0.5)
    whole = rows[rows[f"{of}rate"].notna() & rows[f"{of}rate_band"].isna()].iloc[0]
    rate, n = float(whole[f"{of}rate"]), float(whole[f"{of}n"])
    assert found(whole, n, rate, rate) == set()
    assert found(whole, n, rate - 0.01, rate - 0.01) == {"a number of the gap tables in another form"}
