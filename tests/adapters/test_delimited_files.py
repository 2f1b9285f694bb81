"""Files of other shapes than a plain CSV, and records that are computed, left out, or dated in an order to be found."""

import io

import polars as pl
import pytest
import xlsxwriter

from equity_pipeline.adapters import delimited
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Partner, Source

COLUMNS = {"student_id": "ID", "grade_level": "Grade", "birth_date": "Born"}


def mapped(folder, content, name="f.csv", **keys):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = Source(
        **{"name": "s", "format": "delimited", "files": ["*"], "extract": "students", "columns": COLUMNS}
        | keys
    )
    partner = Partner(
        partner_id="test_sd",
        name="T",
        state="CA",
        timezone="UTC",
        first_school_year="2020-21",
        sources=[source],
    )
    tables = delimited.read(path, name, source)
    [result] = delimited.map(tables, source, partner)
    return result, tables[0]


def cells(result, *columns):
    return result.rows.select(columns).rows()


def test_title_lines_and_a_row_of_group_names_before_the_header_are_passed_over(tmp_path):
    text = 'Students,"as of\nOctober"\n\n,Who,,\nID,Grade,Born,Note\n1,9,2010-01-02,x\n'
    result, table = mapped(tmp_path, text)
    assert cells(result, "student_id", "_line") == [("1", 6)]
    assert table.inferred["lines_before_header"] == "3"
    with pytest.raises(DeliveryError, match="line 5: no header for student_id"):
        mapped(tmp_path, text.replace("ID,", "Id no,"))


def test_a_totals_row_is_no_student_and_is_accounted_for(tmp_path):
    _, table = mapped(tmp_path, "ID,Grade,Born\n1,9,\nTotal: 1 student\n")
    assert [(bad.line, bad.reason) for bad in table.bad] == [(3, "1 fields where the header has 3")]


def test_excel_guards_keep_leading_zeros(tmp_path):
    result, _ = mapped(tmp_path, 'ID,Grade,Born\n="0042",9,\n"=""0043""",10,\n')
    assert cells(result, "student_id") == [("0042",), ("0043",)]


def test_backslash_escapes_are_read_where_they_are_stated(tmp_path):
    text = 'ID,Grade,Born\n"4 \\"b\\", c",9,\n'
    result, _ = mapped(tmp_path, text, options={"escape": "backslash"})
    assert cells(result, "student_id") == [('4 "b", c',)]


@pytest.mark.parametrize(
    ("dates", "iso", "format"),
    [
        (["1/2/2010", "3/14/2010"], ["2010-01-02", "2010-03-14"], "%m/%d/%Y"),
        (["1.2.2010", "14.3.2010"], ["2010-02-01", "2010-03-14"], "%d/%m/%Y"),
        (["٣/٢/٢٠١٠", "3/14/2010"], ["٣/٢/٢٠١٠", "2010-03-14"], "%m/%d/%Y"),  # for the contract to refuse
    ],
)
def test_days_after_the_twelfth_decide_the_order_of_month_and_day(tmp_path, dates, iso, format):
    result, table = mapped(tmp_path, "ID,Grade,Born\n" + "".join(f"{n},9,{d}\n" for n, d in enumerate(dates)))
    assert [date for (date,) in cells(result, "birth_date")] == iso
    assert table.inferred["birth_date as"] == format


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (["1/2/2010", "3/14/2010", "14/3/2010"], "month first by line 3, and the day first by line 4"),
        (["1/2/2010"], "line 2: birth_date may have the month or the day first"),
    ],
)
def test_dates_that_can_be_read_both_ways_are_refused_with_the_lines_that_decide(tmp_path, dates, said):
    with pytest.raises(DeliveryError, match=said):
        mapped(tmp_path, "ID,Grade,Born\n" + "".join(f"{n},9,{d}\n" for n, d in enumerate(dates)))


def test_the_order_of_dates_holds_for_all_blocks_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("equity_pipeline.adapters.readers._BLOCK", 20)
    monkeypatch.setattr("equity_pipeline.adapters.records._HEAD", 20)
    path = tmp_path / "f.csv"
    path.write_text("ID,Grade,Born\n1,9,3/14/2010\n2,9,1/2/2010\n3,9,1/2/2010\n4,9,14/2/2010\n")
    source = Source(name="s", format="delimited", files=["*"], extract="students", columns=COLUMNS)
    with pytest.raises(DeliveryError, match="month first by earlier lines, and the day first by line 5"):
        for table in delimited.blocks(path, "f.csv", source):
            delimited.map([table], source, None)


def test_thousands_separators_are_read_where_they_are_stated(tmp_path):
    columns = {"student_id": "ID", "school_id": "S", "days_enrolled": "E", "days_absent": "A"}
    text = 'ID,S,E,A\n"1,000",1,"1,180.5",12\n'
    result, _ = mapped(tmp_path, text, extract="attendance", columns=columns, options={"thousands": ","})
    assert cells(result, "student_id", "days_enrolled", "days_absent") == [("1,000", "1180.5", "12")]


def test_columns_are_computed_and_records_left_out_by_sql(tmp_path):
    result, _ = mapped(
        tmp_path, "ID,Site,Grade,Status\n7,1,9,A\n8,1,10,W\n9,2,11,A\n",
        columns={"grade_level": "Grade"}, computed={"student_id": "Site || '-' || ID"}, where="Status <> 'W'",
    )  # fmt: skip
    assert cells(result, "student_id", "_line") == [("1-7", 2), ("2-9", 4)]
    assert result.skipped == {"left out by `where`": 1}
    assert result.warnings == ()


@pytest.mark.parametrize(
    "expression",
    [
        "nobody || ID", "ID ||", "MAX(ID)", "1", "(SELECT ID)", "read_csv('/etc/passwd')",
        "ID IN (SELECT * FROM read_csv('/etc/passwd'))", "ID; DROP TABLE x",
    ],
)  # fmt: skip
def test_an_expression_reaches_nothing_but_the_cells_of_its_row(tmp_path, expression):
    with pytest.raises(
        PartnerFileError, match="is not an SQL expression over the delivered columns ID, Grade, Born"
    ):
        mapped(tmp_path, "ID,Grade,Born\n1,9,\n2,9,\n", computed={"gpa": expression})


def test_fixed_widths(tmp_path):
    text = "0042  Zoë 09\r\n\r\n0043  Li  10\r\n0044\r\n"
    result, table = mapped(
        tmp_path, text, "f.txt", columns={"student_id": "id", "grade_level": "grade"},
        options={"fixed_widths": {"id": "1-6", "grade": "11-12"}},
    )  # fmt: skip
    assert cells(result, "student_id", "grade_level", "_line") == [("0042", "09", 1), ("0043", "10", 3)]
    assert [(bad.line, bad.reason) for bad in table.bad] == [(4, "4 characters where at least 11 are needed")]


def workbook(sheets):
    data = io.BytesIO()
    with xlsxwriter.Workbook(data) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for column, value in enumerate(row):
                    if hasattr(value, "year"):
                        sheet.write_datetime(number, column, value, day)
                    else:
                        sheet.write(number, column, value)
    return data.getvalue()


def test_a_sheet_of_a_workbook(tmp_path):
    import datetime as dt

    rows = [
        ["Students of October"], ["ID", "Grade", "Born"], ["0042", 9, dt.datetime(2010, 1, 2)], [],
        ["line\nend", 10, dt.datetime(2010, 1, 3)], [77, "11", ""],
    ]  # fmt: skip
    content = workbook({"About": [["x"]], "Data": rows})
    result, _ = mapped(tmp_path, content, "f.xlsx", options={"sheet": "Data"})
    assert cells(result, "student_id", "grade_level", "birth_date", "_line") == [
        ("0042", "9", "2010-01-02", 3), ("line\nend", "10", "2010-01-03", 5), ("77", "11", "", 6),
    ]  # fmt: skip
    with pytest.raises(DeliveryError, match="the workbook has the sheets About, Data"):
        mapped(tmp_path, content, "f.xlsx")


def test_what_is_no_workbook_is_refused(tmp_path):
    with pytest.raises(DeliveryError, match="f.xlsx: not a readable workbook"):
        mapped(tmp_path, b"PK\x03\x04 broken", "f.xlsx")


def test_the_code_NA_is_a_value_where_the_map_says_so(tmp_path):
    result, _ = mapped(
        tmp_path, "ID,Grade,Race\n1,9,NA\n2,9,\n", columns={"student_id": "ID", "grade_level": "Grade", "races": "Race"},
        values={"races": {"NA": "AmericanIndianOrAlaskaNative"}},
    )  # fmt: skip
    assert cells(result, "races") == [("AmericanIndianOrAlaskaNative",), ("",)]


DAYS = {"student_id": "ID", "school_id": "Site", "days_absent": "Mark"}


def by_day(tmp_path, text, **keys):
    keys = {"extract": "attendance", "columns": DAYS, "values": {"days_absent": {"A": "1", "P": "0"}},
            "constants": {"school_year": "2026"}, "options": {"day": "Date"}} | keys  # fmt: skip
    return mapped(tmp_path, text, **keys)[0]


def test_attendance_by_day_is_added_up_and_a_day_that_is_there_twice_counts_once(tmp_path):
    result = by_day(
        tmp_path,
        "ID,Site,Date,Mark\na,1,9/1,A\nb,1,9/1,P\na,1,9/2,P\na,1,9/1,P\na,2,9/3,P\na,1,,A\nb,1,9/2,T\n",
    )
    columns = ("student_id", "school_id", "days_enrolled", "days_absent", "_line")
    assert cells(result, *columns) == [
        ("a", "1", "2", "1", 2), ("b", "1", "1", "0", 3), ("a", "2", "1", "0", 6), ("a", "1", None, "1", 7), ("b", "1", None, "T", 8),
    ]  # fmt: skip
    assert sum(result.skipped.values()) == 2
    with pytest.raises(DeliveryError, match="line 1: no header 'Date' for the day"):
        by_day(tmp_path, "ID,Site,Day,Mark\na,1,9/1,A\n")
    with pytest.raises(PartnerFileError, match="`day` is for attendance"):
        by_day(tmp_path, "ID,Site,Date,Mark\na,1,9/1,A\n", columns={"student_id": "ID", "school_id": "Site"})


def test_latin_1_is_found_by_bytes_that_windows_does_not_know(tmp_path):
    result, table = mapped(tmp_path, "ID,Grade,Born\nZo\xeb\x81,9,\n".encode("latin-1"))
    assert table.inferred["encoding"] == "latin-1"
    assert result.rows["student_id"].to_list() == ["Zo\xeb\x81"]
    assert isinstance(result.rows, pl.DataFrame)
