"""With a key set nothing of a delivery can be read from archive, extracts or quarantine, and everything else is the same."""

from __future__ import annotations

import secrets
import shutil

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts import intake
from equity_pipeline.extracts.intake import pending_files, take_delivery
from equity_pipeline.stewardship.erasure import erase_student
from equity_pipeline.storage import sealed
from equity_pipeline.storage.home import Home
from equity_pipeline.warehouse import raw
from tests.extracts.test_intake import deliver, load_all, partner
from tests.stewardship.test_erasing_a_student import HEADER, HER, ROSTER, SOURCES, XML, zipped

KEY, OTHER = "1f" * 32, "2e" * 32
ZIPS = {"roster.zip": zipped(ROSTER), "edfi.zip": zipped({"Students.xml": XML})}
LAYERS = ("archive", "extracts", "quarantine")
ONE = partner(*SOURCES, {"name": "set", "format": "oneroster", "files": ["set_2026"]})


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv(sealed.KEY, KEY)
    return bytes.fromhex(KEY)


def taken_in(home):
    """Plain text, a zip of CSVs, one of XML, and a folder, with rows that are rejected."""
    deliver(home, "students.csv", f"{HEADER}2025,{HER},8,F\n2025,S9000418,9,M\n2025,{HER},97,F\n2025,oops\n")
    for name, content in ZIPS.items():
        deliver(home, name, content)
    for name, text in ROSTER.items():
        deliver(home, f"set_2026/{name}", text.replace("Canary", "Kanarie"))
    intake._readings.clear()
    take_delivery(home, ONE)
    load_all(home, ONE)
    return home


def files(home, *layers):
    return {
        path.relative_to(home.root).as_posix(): path
        for layer in layers
        for path in sorted((home.root / layer).rglob("*"))
        if path.is_file()
    }


def contents(home, *layers):
    return {name: sealed.read(path) for name, path in files(home, *layers).items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sealed")
    taken_in(Home(folder / "plain"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(sealed.KEY, KEY)
        taken_in(Home(folder / "sealed"))
    return folder


@pytest.fixture
def both(made, tmp_path, key):
    """The same deliveries taken in without and with a key."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Home(tmp_path / "plain"), Home(tmp_path / "sealed")


def test_nothing_can_be_read_and_the_content_is_the_same(both):
    plain, home = both
    assert contents(home, *LAYERS) == contents(plain, *LAYERS)
    assert {name.split("/")[0] for name in contents(home, *LAYERS)} == set(LAYERS)
    assert all(sealed.is_sealed(path) for path in files(home, *LAYERS).values())
    there = b"".join(path.read_bytes() for path in files(home, *LAYERS).values())
    for told in (HER.encode(), b"Canary", b"Kanarie", b"student_id", b"PAR1", b"PK\x03\x04", b"sourcedId"):
        assert told not in there
        assert told in b"".join(path.read_bytes() for path in files(plain, "archive", "extracts").values())
    assert pending_files(home, ONE) == []


def test_the_same_deliveries_give_the_same_bytes(both, tmp_path):
    again = taken_in(Home(tmp_path / "again"))
    first, second = ([p.read_bytes() for p in files(home, *LAYERS).values()] for home in (both[1], again))
    assert first == second


def test_the_warehouse_gets_the_same_rows(both):
    rows = []
    for home in both:
        with duckdb.connect() as connection:
            raw.load(connection, home, ONE, [])
            tables = {name: connection.execute(f"from raw.{name}").fetchall() for name in raw.EXTRACTS}
            rows.append({name: sorted(found, key=repr) for name, found in tables.items()})
            raw.let_go(connection)
            assert connection.execute("select count(*) from raw.students").fetchall() == [(0,)]
    assert rows[0] == rows[1]
    assert rows[0]["students"]


def test_a_student_is_erased_from_sealed_files(both):
    plain, home = both
    for one in (plain, home):
        erase_student(one, ONE, HER)
    assert contents(home, *LAYERS) == contents(plain, *LAYERS)
    assert HER.encode() not in b"".join(contents(home, *LAYERS, "landing").values())
    assert all(sealed.is_sealed(path) for path in files(home, *LAYERS).values())


def test_landing_may_be_emptied_once_a_file_is_in_the_archive(both):
    _, home = both
    before = contents(home, *LAYERS)
    for path in files(home, "landing").values():
        path.unlink()
    assert pending_files(home, ONE) == []
    take_delivery(home, ONE)
    assert contents(home, *LAYERS) == before


def test_without_the_key_nothing_is_read_and_nothing_is_lost(both, monkeypatch):
    _, home = both
    before = {name: path.read_bytes() for name, path in files(home, *LAYERS).items()}
    for wrong in ("", OTHER):
        monkeypatch.setenv(sealed.KEY, wrong)
        with pytest.raises(sealed.SealError, match="has no key for it") as told:
            take_delivery(home, ONE)
        assert HER not in str(told.value)
    monkeypatch.setenv(sealed.KEY, KEY)
    take_delivery(home, ONE)
    assert {name: path.read_bytes() for name, path in files(home, *LAYERS).items()} == before


def test_a_new_key_seals_what_the_old_one_had_and_what_was_plain(both, monkeypatch):
    for home in both:
        before = contents(home, *LAYERS)
        monkeypatch.setenv(sealed.KEY, f"{OTHER} {KEY}")
        assert sealed.renew(home.root / layer for layer in LAYERS) == len(before)
        assert sealed.renew(home.root / layer for layer in LAYERS) == 0
        monkeypatch.setenv(sealed.KEY, OTHER)
        assert contents(home, *LAYERS) == before
        monkeypatch.setenv(sealed.KEY, KEY)


def test_a_delivery_made_to_look_sealed_is_not_taken_for_one(home):
    deliver(home, "students.csv", sealed.MARK + b"0" * 100)
    [result] = take_delivery(home, ONE)
    assert result.status == "refused"
    assert not any(path.is_file() for path in home.archive("test_sd").rglob("*"))


@pytest.mark.parametrize("length", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20 + 5])
def test_any_length_comes_back(tmp_path, key, length):
    content = secrets.token_bytes(length)
    sealed.write(tmp_path / "file", content)
    assert sealed.read(tmp_path / "file") == content
    assert sealed.source(tmp_path / "file") == content


BLOCK = 2**20 + 16


def swapped(data):
    return data[:48] + data[48 + BLOCK : 48 + 2 * BLOCK] + data[48 : 48 + BLOCK] + data[48 + 2 * BLOCK :]


@pytest.mark.parametrize(
    "tampered",
    [
        lambda data: data[:-1],
        lambda data: data[: 48 + BLOCK],
        lambda data: data[: 48 + 2 * BLOCK],
        lambda data: data[:48],
        lambda data: data + b"\0",
        lambda data: data + data[48 : 48 + BLOCK],
        swapped,
        lambda data: data[: 48 + BLOCK] + data[48 + 2 * BLOCK :],
    ],
)
def test_what_was_cut_moved_or_added_is_seen(tmp_path, key, tampered):
    path = tmp_path / "file"
    sealed.write(path, bytes(2 * 2**20 + 100))
    path.write_bytes(tampered(path.read_bytes()))
    with pytest.raises(sealed.SealError, match="not as it was written"):
        sealed.read(path)


@settings(max_examples=200)
@given(content=st.binary(max_size=200), place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_changed_bit_is_seen(tmp_path_factory, content, place, bit):
    path = tmp_path_factory.getbasetemp() / "flipped"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(sealed.KEY, KEY)
        sealed.write(path, content)
        data = bytearray(path.read_bytes())
        data[len(sealed.MARK) + place % (len(data) - len(sealed.MARK))] ^= 1 << bit
        path.write_bytes(data)
        with pytest.raises(sealed.SealError):
            sealed.read(path)


def test_no_file_can_take_the_place_of_another(both):
    """Each sealed file of two partners, who sent the same bytes among others, in the place of each other one."""
    _, home = both
    deliver(home, "roster.zip", ZIPS["roster.zip"], partner_id="south")
    south = partner(*SOURCES, partner_id="south")
    take_delivery(home, south)
    load_all(home, south)
    there = {path: path.read_bytes() for path in files(home, *LAYERS).values()}
    tried = 0
    for path, own in there.items():
        for other in there.values():
            path.write_bytes(other)
            if other is own:
                assert sealed.read(path)
                continue
            with pytest.raises(sealed.SealError, match="or not where"):
                sealed.read(path)
            tried += 1
        path.write_bytes(own)
    assert tried == len(there) * (len(there) - 1) > 600


def test_a_swapped_file_stops_whoever_reads_it(both):
    _, home = both
    archived = [path for path in files(home, "archive").values() if path.name.endswith(".zip")]
    stored = list((home.root / "extracts").rglob("part-0.parquet"))
    for first, second in (archived[:2], stored[:2]):
        first.write_bytes(second.read_bytes())
    with duckdb.connect() as connection, pytest.raises(sealed.SealError):
        raw.load(connection, home, ONE, [])
    intake._readings.clear()
    with pytest.raises(sealed.SealError) as told:  # what another mapping makes read again
        take_delivery(home, ONE.model_copy(update={"first_school_year": 2023}))
    assert HER not in str(told.value)


def test_a_home_may_be_moved(both, tmp_path):
    _, home = both
    before = contents(home, *LAYERS)
    home.root.rename(tmp_path / "elsewhere")
    assert contents(Home(tmp_path / "elsewhere"), *LAYERS) == before


def test_a_sealed_frame_is_a_frame(tmp_path, key):
    frame = pl.DataFrame({"student_id": ["a", None], "n": [1, 2]})
    sealed.write_parquet(frame, tmp_path / "part-0.parquet")
    assert sealed.is_sealed(tmp_path / "part-0.parquet")
    assert pl.read_parquet(sealed.parquet_of(tmp_path)).equals(frame)
    assert pl.scan_parquet(sealed.parquet_of(tmp_path)).collect().equals(frame)


def test_the_key_comes_from_a_file_for_its_owner_only(tmp_path, monkeypatch):
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    monkeypatch.setenv(sealed.KEY_FILE, str(path))
    sealed.write(tmp_path / "file", b"x")
    assert sealed.is_sealed(tmp_path / "file")
    path.chmod(0o640)
    with pytest.raises(EquityError, match="others may read this key"):
        sealed.read(tmp_path / "file")
    path.unlink()
    with pytest.raises(EquityError, match="the key is not there"):
        sealed.write(tmp_path / "file", b"x")


@pytest.mark.parametrize("bad", ["abc", "zz" * 32, "1f" * 31, f"{KEY} abc"])
def test_a_bad_key_is_no_key(tmp_path, monkeypatch, bad):
    monkeypatch.setenv(sealed.KEY, bad)
    with pytest.raises(EquityError, match="no key of 64 hexadecimal digits") as told:
        sealed.write(tmp_path / "file", b"x")
    assert bad not in str(told.value)
