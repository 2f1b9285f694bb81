"""Reading delimited text and zips: every cell as delivered, every broken record set aside with its line."""

import zipfile

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.adapters import readers, records
from equity_pipeline.adapters.readers import members, read_delimited, read_fixed, read_parquet
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError


def rows(table):
    return table.frame.rows()


def test_cells_keep_their_text_and_lines_are_where_records_start():
    table = read_delimited(b'id,note\r\n007," a\r\nb "\r\n\r\n8,\r\n', "f.csv")
    assert table.frame.columns == ["id", "note", "_line"]
    assert rows(table) == [("007", " a\r\nb ", 2), ("8", "", 5)]


def test_a_record_of_another_width_is_bad_and_the_rest_goes_on():
    table = read_delimited(b"a,b\n1,2\n3\n4,5,6\n7,8\n", "f.csv")
    assert rows(table) == [("1", "2", 2), ("7", "8", 5)]
    assert [(b.line, b.text) for b in table.bad] == [(3, "3"), (4, "4,5,6")]
    assert table.bad[1].reason == "3 fields where the header has 2"


def test_a_stray_quote_costs_one_record_only():
    table = read_delimited(b'a,b\n1,"x\n2,y\n3,z\n', "f.csv")
    assert rows(table) == [("2", "y", 3), ("3", "z", 4)]
    assert [(b.line, b.reason) for b in table.bad] == [(2, "broken quotes")]


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("cp1252", "cp1252"),
    ],
)
def test_encodings_are_found(encoding, found):
    table = read_delimited("name;city\nZoë;Español\n".encode(encoding), "f.csv")
    assert rows(table) == [("Zoë", "Español", 2)]
    assert table.inferred == {"encoding": found, "delimiter": ";"}


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_delimiters_are_found(delimiter):
    table = read_delimited(f"a{delimiter}b\n1{delimiter}2\n".encode(), "f.txt")
    assert rows(table) == [("1", "2", 2)]


def test_a_header_inside_the_body_is_passed_over_and_counted():
    table = read_delimited(b"a,b\n1,2\na,b\n3,4\na,b\n", "f.csv")
    assert rows(table) == [("1", "2", 2), ("3", "4", 4)]
    assert table.inferred["repeated_headers"] == "2"


def test_repeated_and_empty_header_names_become_unique():
    table = read_delimited(b"Filler,,Filler,_line\n1,2,3,4\n", "f.csv")
    assert table.frame.columns == ["Filler", "column 2", "Filler (2)", "_line (2)", "_line"]


@pytest.mark.parametrize("quote", ["", '"'])
def test_more_records_than_one_chunk(monkeypatch, quote):
    monkeypatch.setattr("equity_pipeline.adapters.records._HEAD", 3)
    monkeypatch.setattr("equity_pipeline.adapters.readers._BLOCK", 5)
    content = "a\r\n" + "".join(f"{quote}{i}{quote}\r\n" for i in range(20))
    table = read_delimited(content.encode(), "f.csv")
    assert table.frame["a"].to_list() == [str(i) for i in range(20)]
    assert table.frame["_line"].to_list() == list(range(2, 22))


@settings(max_examples=300)
@given(
    # Of a cell of more than twelve bytes only the first stand in its view.
    text=st.lists(
        st.sampled_from([*'ab1,; \t\n\r|é"""', "twelve bytes", "thirteen byte", "with é and a ,"]),
        max_size=60,
    ).map("".join),
    ends=st.sampled_from(["\n", "\r\n"]),
    block=st.one_of(st.integers(1, 9), st.just(10_000)),
)
def test_reading_in_columns_finds_what_csv_finds(text, ends, block):
    content = ("a,b\n" + text).replace("\n", ends).encode()

    def found(**forced):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(readers, "_BLOCK", block)
            patch.setattr(records, "_HEAD", 4)
            for name, value in forced.items():
                patch.setattr(records.Records, name, value)
            try:
                table = read_delimited(content, "f.csv", encoding="utf-8", delimiter=",")
            except DeliveryError as refusal:
                return str(refusal)
            return table.frame.columns, table.frame.rows(), table.bad, table.inferred

    assert found() == found(_proved=lambda records, buffer, final: None)


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"", None, "empty"),
        (b"\n\n", None, "empty"),
        (b"PK\x03\x04junk", None, "not a text file"),
        (b"a,b\0c", None, "not a text file"),
        (b"Report of October\na,b,c\n1,2,3\n", 2, "no record fits the header"),
        (b'"a,b\n1,2\n', 1, "broken quotes"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_line(content, line, problem):
    with pytest.raises(DeliveryError, match=problem) as refusal:
        read_delimited(content, "f.csv")
    assert refusal.value.line == line
    assert str(refusal.value).startswith("f.csv")


def test_a_stated_encoding_is_kept_to():
    with pytest.raises(DeliveryError, match="not utf-8"):
        read_delimited("a\né\n".encode("cp1252"), "f.csv", encoding="utf-8")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [2, 7, 10_000])
@pytest.mark.parametrize(
    ("encoding", "foreign"), [("utf-8", b"\xff"), ("ascii", b"\xe9"), ("utf-16-le", b"\x00\xdc")]
)
def test_bytes_that_are_no_text_are_refused_with_their_line(monkeypatch, encoding, foreign, block, end):
    monkeypatch.setattr(readers, "_BLOCK", block)
    content = f"a,b{end}1,2{end}3,".encode(encoding) + foreign + f"4{end}5,6{end}".encode(encoding)
    with pytest.raises(DeliveryError, match=f"f.csv, line 3: the text is not {encoding}"):
        read_delimited(content, "f.csv", encoding=encoding)


def test_an_encoding_that_does_not_exist_is_a_fault_of_the_partner_file():
    with pytest.raises(PartnerFileError, match="no encoding 'utf-9'"):
        read_delimited(b"a\n1\n", "f.csv", encoding="utf-9")


def zipped(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def test_members_of_a_zip_in_order_without_clutter(tmp_path):
    path = zipped(
        tmp_path / "a.zip", [("b.csv", "2"), ("a.csv", "1"), ("__MACOSX/._a.csv", "x"), ("d/.hidden", "x")]
    )
    assert list(members(path)) == [("a.csv", b"1"), ("b.csv", b"2")]


def test_members_of_a_folder_and_of_a_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".DS_Store").write_text("x")
    (tmp_path / "sub" / "y.csv").symlink_to("/etc/passwd")
    (tmp_path / "sub" / "x.csv").write_text("1")
    assert list(members(tmp_path)) == [("sub/x.csv", tmp_path / "sub" / "x.csv")]
    assert list(members(tmp_path / "sub" / "x.csv")) == [("x.csv", tmp_path / "sub" / "x.csv")]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("../x.csv", "leads out"),
        ("/x.csv", "leads out"),
        ("C:/x.csv", "leads out"),
        ("x.zip", "archive inside"),
    ],
)
def test_a_harmful_zip_is_refused(tmp_path, entry, problem):
    with pytest.raises(DeliveryError, match=problem):
        list(members(zipped(tmp_path / "a.zip", [(entry, "1")])))


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("x.csv")
    link.external_attr = 0o120777 << 16
    with pytest.raises(DeliveryError, match="a link"):
        list(members(zipped(tmp_path / "a.zip", [(link, "/etc/passwd")])))


def test_an_encrypted_zip_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", [("x.csv", "1")])
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DeliveryError, match="encrypted"):
        list(members(path))


def test_a_zip_with_one_name_in_two_cases_or_of_too_many_files_is_refused(tmp_path, monkeypatch):
    with pytest.raises(DeliveryError, match="two files of one name"):
        list(members(zipped(tmp_path / "a.zip", [("x.csv", "1"), ("X.csv", "2")])))
    monkeypatch.setattr(readers, "MAX_FILES", 1)
    with pytest.raises(DeliveryError, match="2 files, more than 1"):
        list(members(zipped(tmp_path / "b.zip", [("x.csv", "1"), ("y.csv", "2")])))


def test_a_zip_bomb_is_refused(tmp_path):
    with pytest.raises(DeliveryError, match="unpacks to"):
        list(members(zipped(tmp_path / "a.zip", [("x.csv", b"0" * 5_000_000)])))


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_zip_is_refused(tmp_path, keep):
    path = zipped(tmp_path / "a.zip", [("x.csv", "a,b\n" + "1,2\n" * 100)])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(DeliveryError, match="cut short"):
        list(members(path))


def test_a_header_that_reads_like_a_pattern_is_a_name():
    table = read_delimited(b"a,*,^.*$\n1,2,3\n", "f.csv")
    assert table.frame.select("a", "column 2", "column 3").rows() == [("1", "2", "3")]


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"escape": "slash"}, "no escape 'slash'"),
        ({"delimiter": "::"}, "'::' is no delimiter"),
        ({"delimiter": '"'}, "is no delimiter"),
    ],
)
def test_options_that_can_not_be_are_faults_of_the_partner_file(stated, told):
    with pytest.raises(PartnerFileError, match=told):
        read_delimited(b"a,b\n1,2\n", "f.csv", **stated)


@pytest.mark.parametrize("place", ["1", "3-2", "0-4", "a-b", None])
def test_a_place_in_a_fixed_layout_that_is_none_is_named(place):
    with pytest.raises(PartnerFileError, match="grade is .* no place such as 1-10"):
        list(read_fixed(b"1234\n", "f.txt", {"id": "1-3", "grade": place}))


def test_fixed_widths_over_blocks_with_a_short_line(monkeypatch):
    monkeypatch.setattr(readers, "_BLOCK", 7)
    content = "007 Ana 09\r\n\r\n8\r\n009 Zoë 10".encode()
    layout = {"id": "1-3", "name": "5-7", "grade": "9-10"}
    found = list(read_fixed(content, "f.txt", layout))
    assert [row for table in found for row in table.frame.rows()] == [
        ("007", "Ana", "09", 1),
        ("009", "Zoë", "10", 4),
    ]
    assert [(bad.line, bad.text) for table in found for bad in table.bad] == [(3, "8")]
    assert found[0].inferred == {"encoding": "utf-8"}
    assert next(read_fixed(content, "f.txt", layout, "utf-8")).inferred == {}


def test_a_parquet_that_claims_more_cells_than_its_bytes_or_holds_lists_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": pl.repeat("x", 2_000_000, eager=True)}).write_parquet(path)
    with pytest.raises(DeliveryError, match="2,000,000 cells from"):
        read_parquet(path, "x.parquet")
    pl.DataFrame({"ok": ["1"], "marks": [["A", "B"]]}).write_parquet(path)
    with pytest.raises(DeliveryError, match="lists or structures: marks"):
        read_parquet(path, "x.parquet")
