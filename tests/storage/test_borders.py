"""A run of one partner can't reach another's data: tried from files, zips, partner files, SQL and the command line."""

from __future__ import annotations

import io
import stat
import zipfile

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner

from equity_pipeline.cli import main
from equity_pipeline.domain.errors import EquityError, PartnerFileError
from equity_pipeline.extracts.intake import take_delivery
from equity_pipeline.partners import registry
from equity_pipeline.storage.confined import confined
from equity_pipeline.warehouse import models
from tests.extracts.test_intake import deliver, load_all, partner, rejected, stored

SECRET = "S7777777"
THEIRS = f"school_year,student_id,grade_level\n2026,{SECRET},9\n"
ANY = {"name": "own", "format": "canonical", "extract": "students", "files": ["*"]}


@pytest.fixture
def south(home):
    """Another partner with data in every layer, and our own empty landing."""
    deliver(home, "students.csv", THEIRS, partner_id="south")
    take_delivery(home, partner(ANY, partner_id="south"))
    load_all(home, partner(ANY, partner_id="south"))
    home.landing("test_sd").mkdir(parents=True)
    duckdb.connect(str(home.root / "south.duckdb")).execute("create table t as select 1").close()
    return home


def nothing_came(home):
    taken = take_delivery(home, partner(ANY))
    assert not [one for one in taken if one.status == "accepted"]
    ours = [path for top in home.folders_of("test_sd") for path in top.rglob("*") if not path.is_symlink()]
    assert not [path for path in ours if path.is_file() and SECRET.encode() in path.read_bytes()]


def zipped(name, content, attributes=0):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = attributes << 16
        archive.writestr(entry, content)
    return out.getvalue()


def link_to_a_file(home):
    (home.landing("test_sd") / "students.csv").symlink_to(home.landing("south") / "students.csv")


def link_to_a_folder(home):
    (home.landing("test_sd") / "more").symlink_to(home.landing("south"))


def zip_with_a_way_up(home):
    deliver(home, "students.zip", zipped("../south/students.csv", "student_id"))


def zip_with_a_link(home):
    deliver(home, "students.zip", zipped("students.csv", "../south/students.csv", stat.S_IFLNK | 0o777))


def zip_with_an_absolute_path(home):
    deliver(home, "students.zip", zipped(str(home.landing("south") / "students.csv"), "student_id"))


@pytest.mark.parametrize(
    "attack",
    [link_to_a_file, link_to_a_folder, zip_with_a_way_up, zip_with_a_link, zip_with_an_absolute_path],
)
def test_what_lies_in_landing_leads_nowhere_else(south, attack):
    attack(south)
    nothing_came(south)


@pytest.mark.parametrize("pattern", ["../south/*", "*/../../south/students.csv", "/**/students.csv"])
def test_a_pattern_of_files_matches_only_what_landed(south, pattern):
    assert take_delivery(south, partner(ANY | {"files": [pattern]})) == []


@pytest.mark.parametrize(
    "text",
    [
        "read_csv('../south/students.csv')", "(select student_id from read_csv('x.csv'))", "pragma_table_info('x')",
        "getenv('HOME')", "student_id; attach 'x'", "(SELECT 1 FROM self)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["computed", "where"])
def test_an_expression_of_a_partner_file_reads_no_file(south, text, where):
    deliver(south, "students.csv", "school_year,student_id,grade_level\n2026,x,9\n")
    said = {"computed": {"sex": text}} if where == "computed" else {"where": text}
    source = ANY | {
        "format": "delimited",
        "columns": {"student_id": "student_id"},
        "constants": {"grade_level": "9"},
    }
    [result] = take_delivery(south, partner(source | said))
    assert (result.status, "is not an SQL expression" in result.message) == ("refused", True)


@pytest.mark.parametrize(
    "partner_id", ["../south", "south/..", "South", "a;b", "a b", "{{ x }}", "x" * 40, "", "."]
)
def test_an_id_is_no_path(south, partner_id):
    path = south.partners / "north.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"partner_id: {partner_id!r}\nname: N\nstate: CA\ntimezone: UTC\nfirst_school_year: 2024-25\n"
    path.write_text(text + "sources: [{name: a, format: canonical, files: ['*']}]\n")
    with pytest.raises(PartnerFileError):
        registry.load(path)
    path.unlink()
    with pytest.raises(ValueError, match="must match"):
        south.landing(partner_id)
    assert (
        CliRunner().invoke(main, ["run", "--home", str(south.root), "--partner", partner_id]).exit_code == 2
    )


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system ['true']", "a: &a [*a]\nb: {<<: *a}", "&a [" * 300]
)
def test_a_partner_file_is_data(south, text):
    path = south.partners / "north.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises(EquityError):
        registry.load(path)


def reaching_out(south):
    """Statements of a run of our own that read, write or open something else, or the door to it."""
    scratch = south.warehouse("test_sd").parent
    scratch.mkdir(parents=True)
    (scratch / "link.parquet").symlink_to(next((south.root / "extracts").rglob("*.parquet")))
    theirs = next((south.root / "extracts").rglob("*.parquet"))
    return [
        f"from read_parquet('{theirs}')",
        f"from read_parquet('{scratch}/../../extracts/**/*.parquet')",
        f"from read_parquet('{scratch}/link.parquet')",
        f"from read_csv('{south.landing('south')}/students.csv')",
        f"from read_text('{south.landing('south')}/students.csv')",
        f"from glob('{south.landing('south')}/*')",
        f"attach '{south.root}/south.duckdb' as south",
        f"copy (select 1) to '{south.root}/out.csv'",
        f"export database '{south.root}/out'",
        "install httpfs", "load httpfs", "set enable_external_access = true", "set allowed_directories = ['/']",
        "reset lock_configuration", "pragma enable_external_access = true", "from '/etc/passwd'",
        f"from parquet_metadata('{theirs}')", f"from read_blob('{south.ledger}')", "select getenv('HOME')",
    ]  # fmt: skip


def test_the_database_reaches_the_partners_folders_only(south):
    tried = reaching_out(south)
    scratch = south.warehouse("test_sd").parent
    with confined(scratch / "warehouse.duckdb", south.folders_of("test_sd")) as connection:
        for statement in tried:
            with pytest.raises(duckdb.Error):
                found = connection.execute(statement).fetchall()
                assert not found, statement
                raise duckdb.Error("nothing found")
    assert not (south.root / "out.csv").exists()


def test_no_model_reaches_out_of_the_partners_folders(south):
    """The same statements as models: what builds a warehouse is confined from its first statement to its last."""
    ours = south.landing("test_sd") / "ours.csv"
    ours.write_text("a\n1\n")
    tried = [*reaching_out(south), f"select * from read_csv('{ours}')"]
    ended = []
    for number, statement in enumerate(tried):
        node = {
            "unique_id": f"model.m{number}", "name": f"m{number}", "database": f"of_{number}", "schema": "main",
            "resource_type": "model", "language": "sql",
            "compiled_code": statement if statement.startswith(("from", "select")) else f"select 1; {statement}",
            "config": {"materialized": "table", "contract": {"enforced": False}},
        }  # fmt: skip
        file = south.warehouse("test_sd").with_name(f"of_{number}.duckdb")
        with confined(file, south.folders_of("test_sd"), {"TimeZone": "UTC"}) as connection:
            ended += [one.status for one in models.run(connection, [node])]
    assert ended == ["error"] * (len(tried) - 1) + ["success"]
    assert not (south.root / "out.csv").exists()


def parquet(frame):
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


HOSTILE = {
    "a million columns": ("students.csv", ",".join(map(str, range(1_000_000))) + "\n1\n", "columns, more than 5,000"),
    "two names that differ in case": (
        "students.zip", [("students.csv", "a"), ("STUDENTS.csv", "b")], "two files of one name",
    ),
    "ten thousand files": (
        "students.zip", [(f"{n}.csv", "") for n in range(10_001)], "10,001 files, more than 10,000",
    ),
    "a bomb": ("students.zip", [("students.csv", "0" * 30_000_000)], "the zip unpacks to 30,000,000 bytes"),
    "a zip in a zip": ("students.zip", [("more.zip", b"PK\x03\x04")], "an archive inside the archive"),
    "a Parquet bomb": ("students.parquet", parquet(pl.select(student_id=pl.repeat("x", 50_000_000))), "50,000,000 cells from"),
    "no zip": ("students.zip", b"PK\x03\x04 and no more", "damaged or was cut short"),
    "zeros": ("students.csv", b"\0" * 5_000, "not a text file"),
    "no record that fits": ("students.csv", "a,b\n" + "1\n" * 10, "no record fits the header"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_made_to_harm_is_refused_with_a_reason(home, name, content, reason):
    if isinstance(content, list):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, text in content:
                archive.writestr(member, text)
        content = out.getvalue()
    deliver(home, name, content)
    [result] = take_delivery(home, partner(ANY))
    assert result.status == "refused"
    assert reason in result.message


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_huge_cell_is_a_rejected_record(home, quote):
    huge = f"{quote}{'x' * 20_000_000}{quote}"
    deliver(home, "students.csv", f"school_year,student_id,grade_level\n2026,a,9\n2026,{huge},9\n2026,b,9\n")
    [result] = take_delivery(home, partner(ANY))
    load_all(home, partner(ANY))
    assert result.status == "accepted"
    assert stored(home, "students", 2026)["student_id"].to_list() == ["a", "b"]
    [row] = rejected(home, "students", 0).to_dicts()
    assert (row["_line"], row["_reason"]) == (3, "a cell of more than 131,072 characters")
