"""What a coach sees of the programmes, in headless Chromium: on a phone, a tablet, a laptop and on paper."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from equity_pipeline.publishing.programmes.vocabulary import RESOURCES

PAGES = {
    "riverside_usd": ["action_for_equity", "climate", "needs", "plan", "evaluation"],
    "cedar_valley_isd": ["scorecard", "scorecard_sheet", "cycles"],
    "harborview_ps": ["climate", "cycles", "presentation", "pack_students", "pack_staff", "pack_parents"],
}
EVERY = [
    pytest.param(partner, page, id=f"{partner}-{page}") for partner, pages in PAGES.items() for page in pages
]
# The packs are one page with other measures: axe, which takes seconds a page, reads one of them.
DIFFERENT = [of for of in EVERY if of.values[1] not in ("pack_staff", "pack_parents")]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def see(built, visit):
    """Opens a page of a partner, with all that is folded open: what is hidden can't be looked at."""

    def opened(partner, page, width=1280):
        tab = visit(built(partner).site / f"programmes/{page}.html", width)
        tab.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = true)")
        return tab

    return opened


def test_every_programme_page_is_looked_at(built):
    for partner, pages in PAGES.items():
        made = {path.stem for path in (built(partner).site / "programmes").glob("*.html")}
        assert made - {"action_for_equity"} == set(pages) - {"action_for_equity"}, partner


@pytest.mark.parametrize(("partner", "page"), DIFFERENT)
def test_axe_finds_nothing(see, partner, page):
    found = Axe().run(see(partner, page), options=RULES)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize(("partner", "page"), EVERY)
def test_a_page_fits_screens_and_paper_and_stands_without_script(built, see, partner, page):
    for width in (375, 768, 1280):
        tab = see(partner, page, width)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        cut = "[...document.querySelectorAll('.table')].filter(t => t.scrollWidth > t.clientWidth + 1).map(t => t.ariaLabel)"
        assert tab.evaluate(cut) == [], f"a table is wider than a screen of {width} px"
    tab.emulate_media(media="print")
    for width in (688, 710):  # A4 and Letter less their margins
        tab.set_viewport_size({"width": width, "height": 1000})
        assert tab.evaluate(cut) == [] and tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.locator("nav:visible, .filters:visible").count() == 0
    tab.emulate_media(media="screen")
    assert tab.locator("h1").count() == 1 and tab.title()
    ids = tab.evaluate("() => [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    here = built(partner).site / "programmes"
    for href in tab.evaluate(
        "() => [...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))"
    ):
        path, _, fragment = href.partition("#")
        target = (here / path).resolve() if path else here / f"{page}.html"
        assert target.is_file(), href
        assert not fragment or f'id="{fragment}"' in target.read_text(), href
    text = (here / f"{page}.html").read_text()
    assert "http://" not in text and "https://" not in text
    cells = tab.locator("main td, main th, main dd, main b").all_inner_texts()
    assert not {"None", "nan", "NaT", "<NA>"} & {cell.strip() for cell in cells}
    for name in tab.locator("svg[role=img]").evaluate_all(
        "all => all.map(e => e.getAttribute('aria-label'))"
    ):
        assert re.search(r"\d", name), "a picture says its figures to who can't see it"


@pytest.mark.parametrize("paper", ["A4", "Letter"])
@pytest.mark.parametrize(
    ("partner", "page", "sheets", "lying"),
    [
        ("cedar_valley_isd", "scorecard_sheet", 1, False),
        ("harborview_ps", "presentation", None, True),
        ("harborview_ps", "pack_parents", None, False),
    ],
)
def test_what_is_printed_is_a_set_of_sheets(see, paper, partner, page, sheets, lying):
    """The scorecard on one page; of the presentation and the packs each section on one, which lies where it is shown to a room."""
    tab = see(partner, page)
    sections = tab.locator("main section").count()
    boxes = re.findall(
        rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", tab.pdf(format=paper, prefer_css_page_size=True)
    )
    assert len(boxes) == (sheets or sections)
    assert all((float(width) > float(height)) == lying for width, height in boxes)


def test_no_status_rests_on_colour(see):
    for partner, page in (
        ("riverside_usd", "plan"),
        ("harborview_ps", "climate"),
        ("cedar_valley_isd", "scorecard"),
    ):
        said = see(partner, page).locator(".status").all_inner_texts()
        assert said and all(re.fullmatch(r"\S+ \S.*", text.strip()) for text in said), page


def test_a_coach_finds_the_answer_above_the_fold(see):
    """Finding and answers stand in the first window of a laptop, and each answer leads to where it is shown."""
    for partner, pages in PAGES.items():
        for page in pages:
            tab = see(partner, page)
            finding = tab.locator("h1").bounding_box()
            assert finding["y"] + finding["height"] < 420, page
            for answer in tab.locator(".answers li").all():
                box = answer.bounding_box()
                assert box["y"] + box["height"] < 900, page


def test_the_climate_page_is_short_until_more_is_asked_for(built, browser, visit):
    """On a phone a few screens; the keyboard opens a section, a link to it does, and paper has them all, also without script."""
    path = built("harborview_ps").site / "programmes/climate.html"
    tab = visit(path, 375)
    assert tab.evaluate("document.documentElement.scrollHeight") < 9000
    folded = tab.locator("details")
    assert folded.count() > 4 and tab.locator("details[open]").count() == 0
    assert all(len(text) > 8 for text in tab.locator("summary .note").all_inner_texts())
    folded.first.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert folded.first.locator("table").is_visible() and not folded.nth(1).locator("table").is_visible()
    tab.locator(f".contents a[href='#{folded.nth(1).locator('h2').get_attribute('id')}']").click()
    folded.nth(1).locator("table").wait_for(state="visible")
    plain = browser.new_page(java_script_enabled=False)
    plain.goto(path.as_uri())
    shown = "all => all.filter(t => t.getBoundingClientRect().height > 40 && t.checkVisibility({contentVisibilityAuto: true})).length"
    tables = plain.locator("main table")
    assert tables.evaluate_all(shown) == tables.count() - folded.count()
    plain.emulate_media(media="print")
    assert tables.evaluate_all(shown) == tables.count()
    plain.close()


def test_the_keyboard_reaches_everything(see):
    tab = see("riverside_usd", "needs")
    wanted = tab.evaluate(
        "() => [...document.querySelectorAll('a[href], [tabindex=\"0\"]')].map((e, i) => { e.dataset.place = i; return i; }).length"
    )
    reached = set()
    for _ in range(wanted + 2):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.dataset.place"))
    assert {str(place) for place in range(wanted)} <= reached


def said(low: float, high: float) -> str:
    low, high = round(100 * low), round(100 * high)
    return (
        f"{low}%"
        if low == high
        else f"under {high}%"
        if low == 0
        else f"{low}% or more"
        if high == 100
        else f"{low} to {high}%"
    )


def test_tiles_say_what_the_table_beside_them_says(built, see):
    frame = built("cedar_valley_isd").released["opportunity_scorecard"]
    frame = frame[(frame["school_year"] == 2026) & (frame["school_id"] == "_all") & (frame["collection_window"] == "_all")
                  & (frame["dimension"] == "all_students")].set_index("resource")  # fmt: skip
    tiles = see("cedar_valley_isd", "scorecard").locator(".tiles li")
    for place, (resource, name) in enumerate(RESOURCES.items()):
        row = frame.loc[resource]
        told = tiles.nth(place)
        assert told.locator("h3").inner_text() == name
        assert told.locator(".figure b").inner_text() == said(row["share_low"], row["share_high"])
        assert f"Goal: {row['goal_rate']:.0%}" in told.inner_text()
        assert f"{row['classes']} classes rated" in told.inner_text()


def test_the_climate_tables_say_what_the_table_beside_them_says(built, see):
    harborview = built("harborview_ps")
    frame = harborview.released["climate"]
    frame = frame[
        (frame["school_year"] == 2026) & (frame["school_id"] == "_all") & (frame["subgroup"] != "unknown")
    ]
    tab, labels = see("harborview_ps", "climate"), harborview.context.labels
    for metric, of in frame[frame["n"].notna()].groupby("metric_id"):
        rows = tab.locator(f"section:has(h2#{metric}) tbody tr:has(td)")
        read = {}
        for cells in rows.evaluate_all(
            "all => all.map(r => [...r.cells].map(c => c.innerText.split('\\n')[0].trim()))"
        ):
            read.setdefault(cells[0], []).append((cells[2], cells[3]))
        for row in of.to_dict("records"):
            group = labels.subgroup(row["dimension"], row["subgroup"])
            other = "" if row["subgroup"] == "all" or row["reference_rate_low"] != row["reference_rate_low"] else said(
                row["reference_rate_low"], row["reference_rate_high"])  # fmt: skip
            assert (said(row["rate_low"], row["rate_high"]), other or read[group][0][1]) in read[group], (
                metric,
                group,
            )
