"""What a reader sees, in headless Chromium, against the Parquet beside the page."""

import functools
import http.server
import re
import shutil
import threading

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from equity_pipeline.domain import school_years
from equity_pipeline.publishing import words
from equity_pipeline.publishing.page import slug
from equity_pipeline.publishing.release import write_release
from equity_pipeline.storage.home import Home

from .conftest import holds
from .frames import LABELS, context, frames, partner

PAGE_TYPES = ["index.html", "tables/ap_ib_enrollment.html", "tables/ap_ib_enrollment.es.html", "tables/tools_package.html",
              "schools/0011.html", "schools/index.html", "methods.html", "quality.html", "changes.html"]  # fmt: skip

READ_TABLE = """table => {
  const heads = [...table.querySelectorAll('thead th')].filter(th => !th.classList.contains('gt_column_spanner_outer'))
    .sort((a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left)
    .map(th => th.innerText.replace(/\\s+/g, ' ').trim());
  let dimension = null; const lines = [];
  for (const tr of table.querySelectorAll('tbody tr')) {
    const group = tr.querySelector('.gt_group_heading');
    if (group) { dimension = group.innerText.trim(); continue; }
    const cells = {};
    for (const td of tr.querySelectorAll('td')) {
      cells[heads[td.cellIndex]] = td.innerText.trim().split('\\n').map(t => t.trim());
    }
    lines.push([dimension, tr.querySelector('th').innerText.trim().split('\\n')[0], cells]);
  }
  return lines;
}"""


def unfolded(tab):
    """The page with all that is folded open: what is hidden can't be read or looked at."""
    tab.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = true)")
    return tab


def published(release, school, metric):
    """(dimension label, group label, school year) → the headline row of the Parquet, chosen here by the rule in words."""
    gaps = pd.read_parquet(release.path / "data/gap_metrics.parquet")
    gaps = gaps[(gaps["school_id"] == school) & (gaps["metric_id"] == metric)]
    named = dict(zip(LABELS.dimensions["dimension"], LABELS.dimensions["reference_subgroup"], strict=True))
    rows = {}
    for row in gaps.to_dict("records"):
        if row["reference"] == ("designated" if isinstance(named[row["dimension"]], str) else "overall"):
            dimension = (
                "Everyone" if row["dimension"] == "all_students" else LABELS.dimension(row["dimension"])
            )
            rows[dimension, LABELS.subgroup(row["dimension"], row["subgroup"]), row["school_year"]] = row
    return rows, named


def said_rate(row):
    """What a reader is to read: a whole percent, or the band without its first percent sign."""
    if pd.isna(row["rate_band"]):
        return f"{100 * row['rate']:.0f}%"
    return row["rate_band"].replace("% to", " to")


def check_cell(cell, row, named):
    """One cell of the tracker says exactly what the row says. Returns which kind of cell it was."""
    if row["suppression_reason"] == "privacy":
        assert cell[0] == "—" and "not shown: privacy" in cell[-1]
        return "hidden"
    if row["suppression_reason"] == "not_measured":
        assert cell == ["not measured"]
        return "not measured"
    if row["dimension"] == "all_students" or row["subgroup"] == named[row["dimension"]]:
        assert cell[0].removeprefix("rate ") == said_rate(row)
        assert cell[1] == f"n ~{row['n']:,}"
        return "reference"
    assert float(cell[0].replace("−", "-")) == pytest.approx(100 * row["gap"], abs=0.5 + 1e-9)
    assert cell[1].endswith(f"~{row['n']:,}")
    if "%" in cell[1]:
        assert cell[1].split(" of ~")[0] == said_rate(row)
    return "gap"


@pytest.mark.parametrize(
    ("school", "metric"),
    [
        ("_all", "ap_ib_enrollment"),
        ("_all", "exam_passed_of_takers"),
        ("0043", "ap_ib_enrollment"),
        ("0090", "exam_taken"),
    ],
)
def test_the_tracker_says_what_the_parquet_says(release, visit, school, metric):
    page = f"tables/{metric}.html" if school == "_all" else f"schools/{school}.html"
    tab = unfolded(visit(release.path / page))
    rows, named = published(release, school, metric)
    tables = tab.query_selector_all(f"#{metric} table, #{metric}-crossings table")
    seen, kinds = set(), set()
    for table in tables:
        for dimension, group, cells in table.evaluate(READ_TABLE):
            for heading, cell in cells.items():
                year = (
                    2026
                    if heading == "Gap (points)"
                    else school_years.parse(heading)
                    if heading[:2] == "20"
                    else None
                )
                if year and (dimension, group, year) not in rows:
                    assert cell == ["no data"]
                elif year:
                    kinds.add(check_cell(cell, rows[dimension, group, year], named))
                    seen.add((dimension, group, year))
            now = rows.get((dimension, group, 2026))
            if (
                now
                and now["suppression_reason"] is None
                and now["subgroup"] != named[now["dimension"]]
                and dimension != "Everyone"
            ):
                assert cells["Students needed"] == [f"{now['students_needed']:,}"]
                assert cells["Status"][0].split(" ", 1)[1] in {s.words for s in words.STATUSES.values()}
    assert seen == set(rows), "every group and year of the Parquet stands in the table, and nothing else"
    assert {"hidden"} <= kinds
    assert school == "0090" or "gap" in kinds
    assert metric == "ap_ib_enrollment" or "not measured" in kinds


def test_status_words_equal_the_closure_mart(release, visit):
    closure = pd.read_parquet(release.path / "data/gap_closure.parquet")
    closure = closure[(closure["school_year"] == 2026) & (closure["school_id"] == "_all") & (closure["reference"] == "designated")
                      & (closure["metric_id"] == "ap_ib_enrollment") & (closure["dimension"] == "race_ethnicity")]  # fmt: skip
    said = dict(zip(closure["subgroup"], closure["status"], strict=True))
    lines = (
        visit(release.path / "tables/ap_ib_enrollment.html")
        .query_selector("#ap_ib_enrollment table")
        .evaluate(READ_TABLE)
    )
    read = {
        group: cells["Status"][0].split(" ", 1)[-1]
        for dimension, group, cells in lines
        if dimension == "Race/ethnicity"
    }
    for subgroup, status in said.items():
        if subgroup != "white":
            assert read[LABELS.subgroup("race_ethnicity", subgroup)] == (
                words.STATUSES[status].words if isinstance(status, str) else ""
            )


def test_the_start_page_names_the_widest_gap_and_counts_the_ladder(release, visit):
    tab = visit(release.path / "index.html")
    gaps = pd.read_parquet(release.path / "data/gap_metrics.parquet")
    closure = pd.read_parquet(release.path / "data/gap_closure.parquet")
    keys = ["school_year", "school_id", "metric_id", "dimension", "subgroup", "reference"]
    now = gaps.merge(closure[[*keys, "status"]], on=keys)
    now = now[
        (now["school_year"] == 2026)
        & (now["school_id"] == "_all")
        & (now["reference"] == "designated")
        & now["gap"].notna()
    ]
    now = now[
        ~now["dimension"].str.contains("*", regex=False) & (now["subgroup"] != now["reference_subgroup"])
    ]
    counts = now["status"].value_counts()
    tally = tab.eval_on_selector_all("main > .wrap > .big li", "items => items.map(i => i.innerText.trim())")
    assert {re.split(r"\s+", t)[0] + " " + t.split(" ", 2)[2] for t in tally} == {
        f"{counts[status]} {words.STATUSES[status].words}"
        for status in counts.index
        if status != "not_measurable"
    }
    clear = (now["gap_low"] > 0) | (now["gap_high"] < 0)
    worst = now[clear & ~now["status"].isin(words.CLOSED)].sort_values("gap").iloc[0]
    lede = tab.inner_text(".lede")
    assert f"clear gap is about {-100 * worst['gap']:.0f} percentage points" in lede
    assert (
        LABELS.subgroup(worst["dimension"], worst["subgroup"]) in lede
        and f"{words.percent(worst['rate'])}, " in lede
    )


def test_the_start_page_answers_first_what_a_reader_asks(release, visit):
    """Above the fold of a laptop: how the gaps stand, the widest, whether they close, what changed, what is not known, program and goals; each
    answer leads to the section that says more."""
    tab = visit(release.path / "index.html")
    closure = pd.read_parquet(release.path / "data/gap_closure.parquet")
    answers = tab.locator(".answers li")
    assert answers.count() == 4
    for place in range(4):
        answer = answers.nth(place)
        assert answer.bounding_box()["y"] + answer.bounding_box()["height"] < 900
        assert tab.locator(answer.locator("a").get_attribute("href")).count() == 1
    said = [answer.split("\n") for answer in answers.all_inner_texts()]
    assert [line[0] for line in said] == [
        "Are they closing?",
        "What changed?",
        "What is not known?",
        "Program and goals",
    ]
    assert (
        said[1][1] == "First release"
        and said[3][1] == "Tools Package"
        and said[3][2].endswith("of 2 goals on track")
    )
    hidden, of = map(int, re.fullmatch(r"(\d+) of (\d+) gaps", said[2][1]).groups())
    now = closure[(closure["school_year"] == 2026) & (closure["school_id"] == "_all") & (closure["reference"] == "designated")
                  & ~closure["dimension"].str.contains("*", regex=False) & closure["status"].notna()]  # fmt: skip
    named = dict(zip(LABELS.dimensions["dimension"], LABELS.dimensions["reference_subgroup"], strict=True))
    now = now[(now["subgroup"] != now["dimension"].map(named)) & (now["status"] != "not_measurable")]
    assert of - hidden == len(now)


def test_nothing_may_be_fetched_and_no_other_script_may_run(release, network_page):
    """The pages' own policy forbids what the tests find absent: any request, any script but the page's own."""
    for page in [*(release.path / name for name in PAGE_TYPES), network_page]:
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page.read_text())[1]
        assert "default-src &#39;none&#39;" in policy and "script-src &#39;sha256-" in policy


def test_a_phone_shows_each_gap_with_its_status_beside_it(release, visit):
    tab = visit(release.path / "tables/ap_ib_enrollment.html", 375)
    ends = tab.locator("#ap_ib_enrollment td .status").evaluate_all(
        "all => all.map(status => status.getBoundingClientRect().right)"
    )
    assert len(ends) > 5 and max(ends) <= 375


def test_the_head_of_a_long_table_stays_in_sight(release, visit):
    """On a laptop at the top of the window, on a phone at the top of the table's own region."""
    for width in (375, 1280):
        tab = visit(release.path / "tables/ap_ib_enrollment.html", width)
        tab.locator("#ap_ib_enrollment tbody tr").last.scroll_into_view_if_needed()
        head, region = (
            tab.locator(f"#ap_ib_enrollment{part}").bounding_box()["y"] for part in (" thead", "")
        )
        assert head == pytest.approx(0 if width == 1280 else region, abs=2)


def test_every_page_is_sound_and_every_link_leads_somewhere(release, visit):
    for page in sorted(release.path.rglob("*.html")):
        tab = unfolded(visit(page))
        assert tab.get_attribute("html", "lang") == ("es" if page.name.endswith(".es.html") else "en")
        assert tab.title() and tab.locator("h1").count() == 1 and tab.locator("main").count() == 1
        broken = tab.evaluate("""() => [...document.querySelectorAll('table')].filter(t => !t.caption || !t.caption.innerText.trim()
            || [...t.querySelectorAll('th')].some(th => !th.scope)).length""")
        assert broken == 0, f"{page.name}: a table without caption or a header without scope"
        ids = tab.evaluate("() => [...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids)), f"{page.name}: an id stands twice"
        for href in tab.evaluate(
            "() => [...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))"
        ):
            assert not href.startswith(("/", "http")), href
            path, _, fragment = href.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.is_file(), f"{page.name} → {href}"
            assert not fragment or f'id="{fragment}"' in target.read_text(), f"{page.name} → {href}"


@pytest.mark.parametrize("page", PAGE_TYPES)
def test_no_page_is_wider_than_its_screen(release, visit, page):
    for width in (375, 768, 1280):
        tab = unfolded(visit(release.path / page, width))
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_text_has_contrast_of_at_least_four_and_a_half(release, visit):
    """WCAG 2.2 1.4.3, computed from the colours that Chromium renders."""
    for page in ("index.html", "tables/ap_ib_enrollment.html", "tables/tools_package.html"):
        faint = visit(release.path / page).evaluate("""() => {
          const rgb = c => c.match(/[\\d.]+/g).map(Number);
          const light = c => { const [r, g, b] = rgb(c).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
            return .2126 * r + .7152 * g + .0722 * b; };
          const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
            if (rgb(c)[3] !== 0 && c !== 'transparent') return c; } return 'rgb(255, 255, 255)'; };
          const found = [];
          for (const e of document.querySelectorAll('body *')) {
            if (e.closest('svg') && e.tagName !== 'text') continue;
            if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
            const style = getComputedStyle(e), [a, b] = [light(e.tagName === 'text' ? style.fill : style.color), light(ground(e))].sort((x, y) => y - x);
            if ((a + .05) / (b + .05) < 4.5) found.push(e.className + ': ' + e.textContent.slice(0, 30));
          }
          return found; }""")
        assert faint == []


@pytest.mark.parametrize("page", PAGE_TYPES)
def test_pages_are_whole_without_script(release, browser, visit, page):
    text = (release.path / page).read_text()
    assert "http://" not in text and "https://" not in text and " src=" not in text
    plain = browser.new_page(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    plain.goto((release.path / page).as_uri())
    without = plain.text_content("main").split()
    plain.close()
    tab = visit(release.path / page)
    tab.evaluate("document.querySelectorAll('.filters').forEach(e => e.remove())")
    assert tab.text_content("main").split() == without, "the script adds controls and takes nothing away"


@pytest.mark.parametrize(
    ("page", "media"),
    [*((page, "screen") for page in [*PAGE_TYPES, "network"]), ("tables/ap_ib_enrollment.html", "print")],
)
def test_axe_finds_nothing(release, network_page, visit, page, media):
    """axe-core with the rules of WCAG 2.2 A and AA and its best practices."""
    tab = unfolded(visit(network_page if page == "network" else release.path / page))
    tab.emulate_media(media=media)
    found = Axe().run(
        tab, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    tab.emulate_media(media="screen")
    assert [(v["id"], v["help"], v["nodes"][0]["html"][:120]) for v in found.response["violations"]] == []


def shown(tab, table):
    return tab.eval_on_selector_all(
        f"{table} tbody tr:not(.gt_group_heading_row)",
        "rows => rows.filter(r => !r.hidden).map(r => r.cells[0].innerText.split('\\n')[0].trim())",
    )


def test_filters_show_what_is_asked_for(release, visit):
    tab = visit(release.path / "tables/ap_ib_enrollment.html")
    table = "#ap_ib_enrollment"
    everything = shown(tab, table)
    tab.get_by_label("Find").first.fill("islander")
    assert shown(tab, table) == ["Native Hawaiian or Pacific Islander"]
    assert tab.locator("output").first.inner_text() == f"1 of {len(everything)} rows shown"
    assert tab.locator(f"{table} .gt_group_heading_row:visible").count() == 1, (
        "a heading without rows goes as well"
    )
    tab.get_by_label("Find").first.fill("")
    tab.get_by_label("Show").first.select_option("Sex")
    assert shown(tab, table) == ["Female", "Male"]
    tab.get_by_label("Show").first.select_option("")
    assert shown(tab, table) == everything
    label = tab.locator(f"{table} .status").first.inner_text()
    tab.get_by_label("Status").first.select_option(label)
    rows = tab.locator(f"{table} tbody tr:visible:not(.gt_group_heading_row)")
    assert 0 < rows.count() < len(everything)
    assert all(label in row for row in rows.all_inner_texts())


def test_sorting_orders_numbers_within_their_dimension(release, visit):
    tab = visit(release.path / "tables/ap_ib_enrollment.html")
    gaps = """() => { const out = []; let group = [];
      for (const row of document.querySelectorAll('#ap_ib_enrollment tbody tr')) {
        if (row.matches('.gt_group_heading_row')) { out.push(group); group = []; continue; }
        const gap = row.cells[1].querySelector('.gap');
        group.push(gap ? Number(gap.innerText.replace('−', '-')) : null);
      } return [...out, group]; }"""
    before = tab.evaluate(gaps)
    button = tab.get_by_role("button", name="Gap (points)").first
    for order in ("ascending", "descending"):
        button.focus()
        tab.keyboard.press("Enter")
        head = tab.locator("#ap_ib_enrollment th[aria-sort]")
        assert head.count() == 1 and head.get_attribute("aria-sort") == order
        for group, was in zip(tab.evaluate(gaps), before, strict=True):
            told = [gap for gap in group if gap is not None]
            assert told == sorted(told, reverse=order == "descending")
            assert sorted(told) == sorted(gap for gap in was if gap is not None), "no row is lost"


def test_a_school_shows_one_measure_until_more_is_asked_for(release, visit):
    """The others stand folded under their widest gap; a table that was folded sorts by the column asked for; paper shows all."""
    tab = visit(release.path / "schools/0043.html")
    opened = "all => all.map(folded => folded.open)"
    folded = tab.locator("details")
    assert folded.evaluate_all(opened) == [True] + [False] * (folded.count() - 1) and folded.count() > 2
    assert all(text.endswith(".") for text in tab.locator("summary .note").all_inner_texts())
    tab.evaluate("location.hash = 'm-exam_taken'")
    tab.locator("#exam_taken table").wait_for(state="visible")
    assert sum(folded.evaluate_all(opened)) == 2
    tab.locator("#exam_taken").get_by_role("button", name="Students needed").click()
    assert tab.locator("#exam_taken th[aria-sort]").get_attribute("id") == "exam_taken-needed"
    needed = tab.locator("#exam_taken tbody tr").evaluate_all(
        """rows => rows.map(row => row.matches('.gt_group_heading_row') ? '|' : row.cells[3].innerText)"""
    )
    groups = [[int(text.replace(",", "")) for text in of.split()] for of in " ".join(needed).split("|")]
    assert all(numbers == sorted(numbers) for numbers in groups) and any(len(set(of)) > 1 for of in groups)
    tab.emulate_media(media="print")
    assert (
        min(tab.locator("main table").evaluate_all("all => all.map(t => t.getBoundingClientRect().height)"))
        > 40
    )
    tab.emulate_media(media="screen")


def test_the_spanish_tracker_says_the_same_numbers(release, visit):
    read = []
    for ending in ("", ".es"):
        tab = visit(release.path / f"tables/ap_ib_enrollment{ending}.html")
        read.append(
            [
                re.findall(r"[−+]?\d[\d.,%]*", text)
                for text in tab.locator("#ap_ib_enrollment tbody tr td").all_inner_texts()
            ]
        )
    assert read[0] == read[1] and sum(map(len, read[0])) > 50
    text = tab.inner_text("main")
    assert not re.search(r"\b(the|students|school|status|group|not shown|comparison)\b", text, re.IGNORECASE)
    tab.click("text=English")
    assert tab.inner_text("h1") == "Enrolled in an AP or IB course"


def test_the_keyboard_reaches_everything_that_does_something(release, visit):
    tab = visit(release.path / "tables/ap_ib_enrollment.html")
    reached = set()
    wanted = tab.evaluate("""() => [...document.querySelectorAll('a[href], button, input, select, [tabindex="0"]')]
        .map((e, i) => { e.dataset.place = i; return i; }).length""")
    for _ in range(wanted + 2):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.dataset.place"))
    assert {str(place) for place in range(wanted)} <= reached


def test_printed_pages_fit_the_paper(release, visit):
    """At the width of A4 and Letter less their margins nothing is cut off, and what only works on a screen is gone."""
    for page in PAGE_TYPES:
        tab = visit(release.path / page)
        tab.emulate_media(media="print")
        for width in (688, 710):
            tab.set_viewport_size({"width": width, "height": 1000})
            cut = tab.evaluate(
                "[...document.querySelectorAll('.table')].filter(t => t.scrollWidth > t.clientWidth + 1).map(t => t.ariaLabel)"
            )
            assert cut == [], f"{page} at {width} px"
        assert tab.locator(".filters:visible, nav:visible").count() == 0
        tab.emulate_media(media="screen")


HOSTILE = {
    "a": "<script>alert(1)</script>",
    "B/../x": '=HYPERLINK("http://example.com","x")',
    "b": "\u202eמזרח ᴛᴇꜱᴛ",
    "c": "Very long name " * 20,
    "d": '"><img src=x onerror=alert(1)> 🎓',
}


def test_hostile_names_do_no_harm_and_break_no_layout(tmp_path, visit):
    who = partner(name="<b>Bold</b> & =1+1 " + "x" * 300)
    small = {"years": [2025, 2026], "schools": HOSTILE, "size": 300, "metrics": ["ap_ib_enrollment"]}
    said = context(schools=HOSTILE, years=[2025, 2026])
    said.deliveries.append(
        {"delivery_id": "e" * 16, "file": "<img src=x>.csv", "extract": "students", "school_year": 2026}
    )
    release = write_release(Home(tmp_path), who, frames(who=who, **small), said, holds)
    for page in sorted(release.path.rglob("*.html")):
        for width in (375, 1280):
            tab = visit(page, width)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, page.name
            assert (
                tab.evaluate("document.querySelectorAll('img, h1 b').length + document.scripts.length") == 2
            )
    assert visit(release.path / "schools/a.html").inner_text("h1") == HOSTILE["a"]
    assert len(list((release.path / "schools").glob("*.html"))) == len(HOSTILE) + 1


def test_two_identifiers_never_share_a_page():
    names = ["a", "A", "a b", "a-b", "../x", "x", "", "index", "ä" * 60]
    assert len({slug(n) for n in names}) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_-]+", slug(n)) for n in names)
    assert "index" not in {slug(n) for n in names}, "schools/index.html is the list of schools"


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"years": [2026]}, id="a single year"),
        pytest.param({"schools": {"1": "Only School"}, "years": [2025, 2026]}, id="one school"),
        pytest.param(
            {"schools": {"1": "Tiny School"}, "years": [2026], "size": 3}, id="one school and three students"
        ),
        pytest.param({"years": [2025, 2026], "hide_all": True}, id="everything suppressed"),
    ],
)
def test_odd_partners_still_make_sense(tmp_path, visit, asked):
    asked = {
        "schools": {"1": "One", "2": "Two"},
        "size": 300,
        "metrics": ["ap_ib_enrollment", "exam_taken"],
    } | asked
    marts = frames(**asked)
    release = write_release(
        Home(tmp_path), partner(), marts, context(schools=asked["schools"], years=asked["years"]), holds
    )
    for page in sorted(release.path.rglob("*.html")):
        text = visit(page).inner_text("main")
        assert len(text) > 40 and not re.search(r"\b(nan|None|NaT|<NA>)\b", text), page.name


def test_a_release_works_where_it_is_moved_to(release, visit, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "release"), "zip", release.path)
    moved = tmp_path / "somewhere else"
    shutil.unpack_archive(archive, moved)
    walk(visit(moved / "index.html"))


def test_a_release_works_under_a_sub_path_of_a_server(release, browser, tmp_path):
    (tmp_path / "equity").mkdir()
    shutil.copytree(release.path, tmp_path / "equity/riverside")
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}/equity/riverside/"
        tab, asked = browser.new_page(), []
        tab.on("response", lambda response: asked.append((response.status, response.url)))
        tab.goto(place)
        walk(tab)
        tab.close()
        server.shutdown()
    assert len(asked) >= 3
    assert all(status == 200 and url.startswith((place, "data:")) for status, url in asked), asked


def walk(tab):
    tab.click("text=Arroyo Vista High School")
    tab.click("text=Methods")
    assert tab.inner_text("h1") == "Methods"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Tests print nothing."""
