"""Reading delimited text and zips: every cell as delivered, every broken record set aside with its line."""

import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.adapters import readers, records
from equity_pipeline.adapters.readers import members, read_delimited
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


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(st.sampled_from('ab1,; \t\n\r|é"""'), max_size=60),
    ends=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(1, 9),
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
