import io
import shutil
import subprocess

import openpyxl
import pandas as pd
import pytest

from equity_pipeline.domain import school_years
from equity_pipeline.publishing import contracts, tracker
from equity_pipeline.publishing.workbook import workbook

from .frames import context, frames, partner


@pytest.fixture(scope="module")
def rows():
    return tracker.view(
        {m: contracts.check(m, f) for m, f in frames(years=[2025, 2026], size=400).items()}, context()
    )


@pytest.fixture(scope="module")
def book(rows):
    return openpyxl.load_workbook(io.BytesIO(workbook(tracker.plain(rows), context(), partner().name)))


def test_one_sheet_a_metric_with_frozen_header_and_filter(rows, book):
    assert book.sheetnames == ["Read me", *rows.sort_values("metric_order")["metric_id"].unique()]
    for name in book.sheetnames[1:]:
        assert book[name].freeze_panes == "E2"
        assert book[name].auto_filter.ref
        assert book[name].max_row == 1 + (rows["metric_id"] == name).sum()


def test_every_number_is_the_published_one(rows, book):
    heads = [cell.value for cell in book["ap_ib_enrollment"][1]]
    labels = context().schools | {"_all": "District"}
    expected = {
        (
            school_years.label(int(r["school_year"])),
            labels[r["school_id"]],
            context().labels.dimension(r["dimension"]),
            r["group"],
        ): r
        for r in rows[rows["metric_id"] == "ap_ib_enrollment"].to_dict("records")
    }
    seen = 0
    for line in book["ap_ib_enrollment"].iter_rows(min_row=2, values_only=True):
        cells = dict(zip(heads, line, strict=True))
        row = expected.pop((cells["School year"], cells["Where"], cells["Dimension"], cells["Group"]))
        if row["suppressed"]:
            numbers = ["Students (n)", "Rate", "Gap (points)", "Low (95%)", "Students needed", "Status"]
            assert [cells[c] for c in numbers] == [None] * 6, "a hidden number has no cell"
            assert cells["Note"] == "not shown: privacy"
            continue
        assert cells["Students (n)"] == row["n"]
        assert cells["Rate"] == pytest.approx(row["rate"], abs=1e-12)
        if row["state"] == "gap":
            assert cells["Gap (points)"] == round(cells["Gap (points)"])
            assert cells["Gap (points)"] == pytest.approx(100 * row["gap"], abs=0.5 + 1e-9)
            seen += 1
    assert expected == {} and seen > 20


def test_number_formats(book):
    sheet = book["ap_ib_enrollment"]
    at = {cell.value: cell.column for cell in sheet[1]}
    line = next(r for r in range(2, sheet.max_row) if sheet.cell(r, at["Gap (points)"]).value is not None)
    assert sheet.cell(line, at["Rate"]).number_format == "0%"
    assert sheet.cell(line, at["Students (n)"]).number_format == '"~"#,##0'
    assert sheet.cell(line, at["Gap (points)"]).number_format.startswith("+0")
    assert sheet.cell(1, at["Gap (points)"]).comment is not None


def test_same_rows_same_bytes(rows):
    assert workbook(tracker.plain(rows), context(), "P") == workbook(
        tracker.plain(rows.sample(frac=1, random_state=2)), context(), "P"
    )


def test_hostile_text_is_text(rows):
    names = {
        school: name
        for school, name in zip(
            context().schools, ['=HYPERLINK("http://x")', "+1", "-1", "@x", "http://x"], strict=True
        )
    }
    opened = openpyxl.load_workbook(io.BytesIO(workbook(tracker.plain(rows), context(schools=names), "=1+1")))
    values = [
        cell for sheet in opened for line in sheet.iter_rows() for cell in line if isinstance(cell.value, str)
    ]
    assert {cell.data_type for cell in values} == {"s"}
    assert all(cell.hyperlink is None for cell in values)
    assert set(names.values()) <= {cell.value for cell in values}


def test_everything_hidden_still_makes_a_workbook():
    hidden = tracker.view(
        {m: contracts.check(m, f) for m, f in frames(years=[2026], size=60, hide_all=True).items()}, context()
    )
    opened = openpyxl.load_workbook(io.BytesIO(workbook(tracker.plain(hidden), context(), "P")))
    numbers = [c.value for name in opened.sheetnames[1:] for line in opened[name].iter_rows(min_row=2) for c in line
               if isinstance(c.value, int | float)]  # fmt: skip
    goals = pd.Series(numbers, dtype=float)
    assert set(goals) <= {-2.0, -10.0}, "only the partner's own goals are numbers"


def test_libreoffice_opens_it_without_a_word(rows, tmp_path):
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if not office:
        pytest.skip("LibreOffice is not on this machine: the workbook is only read by openpyxl here")
    file = tmp_path / "gap_tracker.xlsx"
    file.write_bytes(workbook(tracker.plain(rows), context(), "P"))
    made = subprocess.run(
        [office, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "ods", "--outdir", tmp_path, file],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    assert (tmp_path / "gap_tracker.ods").is_file()
    said = [line for line in made.stderr.splitlines() if "warn" in line.lower() or "error" in line.lower()]
    assert not [line for line in said if "javaldx" not in line], "that one is about a machine without Java"
