"""A coach opens a page from disk: what the browser shows is what the Parquet beside it says."""

import csv
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from equity_pipeline.disclosure.audit import audit
from equity_pipeline.disclosure.derive import Derivation

POLICY = Path(__file__).parents[2] / "dbt_project" / "seeds" / "policy"
ROWS = """() => {
  const rows = [];
  let heading = '';
  for (const row of document.querySelectorAll('tbody.gt_table_body tr')) {
    if (row.classList.contains('gt_group_heading_row')) { heading = row.innerText.trim(); continue; }
    const name = row.querySelector('th').innerText.trim().split('\\n')[0];  // without "comparison group"
    for (const cell of row.querySelectorAll('td')) {
      const heads = [...cell.closest('table').querySelectorAll('thead th:not(.gt_column_spanner_outer)')]
        .sort((a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left);
      const column = heads[cell.cellIndex].id.split('-').pop();
      const gap = cell.querySelector('b.gap');
      rows.push({heading, name, column, gap: gap && gap.innerText, hidden: !!cell.querySelector('.void'),
                 text: cell.innerText});
    }
  }
  return rows;
}"""


def _seed(name: str) -> list[dict[str, str]]:
    with (POLICY / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("partner_id", ["riverside_usd", "lakeview_sd"])
def test_the_gap_tracker_shows_the_gaps_of_the_parquet_beside_it(demo, browser, partner_id):
    release = demo.home.releases(partner_id) / "latest"
    page = browser.new_page()
    page.goto((release / "tables" / "ap_ib_enrollment.html").as_uri())
    shown = page.evaluate(ROWS)

    data = pd.read_parquet(release / "data" / "gap_metrics.parquet")
    data = data[
        (data["metric_id"] == "ap_ib_enrollment")
        & (data["school_id"] == "_all")
        & (data["reference"] == "designated")
    ]
    newest = data["school_year"].max()
    # The page compares with the designated reference wherever the dimension has one.
    dimensions = {row["dimension"]: row["label"] for row in _seed("dimensions") if row["reference_subgroup"]}
    subgroups = {(row["dimension"], row["subgroup"]): row["label"] for row in _seed("subgroups")}
    told = {
        (dimensions[row.dimension], subgroups[row.dimension, row.subgroup], row.school_year): row
        for row in data.itertuples()
        if row.dimension in dimensions and (row.dimension, row.subgroup) in subgroups
    }
    gaps = hidden = 0
    for cell in (SimpleNamespace(**cell) for cell in shown):
        if cell.column != "now" and not re.fullmatch(r"\d{4}", cell.column):
            continue
        row = told.get((cell.heading, cell.name, newest if cell.column == "now" else int(cell.column)))
        if row is None:
            continue
        if cell.gap:
            assert float(cell.gap.replace("−", "-")) == pytest.approx(100 * row.gap, abs=0.5 + 1e-9)
            students = re.search(r"(?:of|n) ~([\d,]+)", cell.text)
            assert int(students[1].replace(",", "")) == row.n
            gaps += 1
        elif cell.hidden and row.suppression_reason == "privacy":
            assert pd.isna(row.gap) and pd.isna(row.n)
            hidden += 1
    private = sum(row.suppression_reason == "privacy" for row in told.values())
    assert gaps >= 10 and hidden == private


def test_every_page_opens_without_an_error_and_reaches_nothing_outside(demo, browser):
    page = browser.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda asked: problems.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None,
    )
    for folder in [demo.home.releases(partner_id) / "latest" for partner_id in demo.districts] + [
        demo.home.network_releases / "latest"
    ]:
        for path in sorted(folder.rglob("*.html")):
            page.goto(path.as_uri())
            assert page.title(), path.name
    assert problems == []


def test_a_count_of_closed_gaps_is_held_against_the_data_files(demo, tmp_path):
    """Of the gaps that were closed only those count of which this year is known."""
    home, partner_id = demo.home, "lakeview_sd"
    rules = Derivation(home.warehouse(partner_id)).rules()
    release = shutil.copytree((home.releases(partner_id) / "latest").resolve(), tmp_path / "release")
    page = release / "tables" / "tools_package.html"
    assert audit(release, rules, 10).findings == ()
    planted, times = re.subn(
        r"\d+ of (\d+) (gaps?) closed",
        lambda of: f"{of[1]}0 of {of[1]}0 {of[2]} closed",
        page.read_text(),
        count=1,
    )
    assert times
    page.write_text(planted)
    assert [found.mart for found in audit(release, rules, 10).findings] == ["tables/tools_package.html"]
