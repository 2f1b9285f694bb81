"""Only pseudonyms leave the archive: attacked with names in every column, keys that are not secret, and new keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.contracts.persons import PERSONS
from equity_pipeline.domain.errors import EquityError
from equity_pipeline.extracts import pseudonyms
from equity_pipeline.extracts.intake import pending_files, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.extracts.pseudonyms import WITHHELD, Pseudonyms
from equity_pipeline.storage import keys
from tests.extracts.test_intake import deliver, load_all, partner, rejected

DELIMITED = {
    "name": "sis", "format": "delimited", "extract": "students", "files": ["*.csv"],
    "columns": {"student_id": "ID", "grade_level": "Grade", "birth_date": "Born", "gender_identity": "Gender"},
    "constants": {"school_year": "2026"},
}  # fmt: skip


def bytes_of(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def texts_of(folder):
    """Every cell of every Parquet file as text: pages are compressed, so that bytes alone prove nothing."""
    frames = [pl.read_parquet(path, hive_partitioning=False) for path in folder.rglob("*.parquet")]
    return "\n".join(str(cell) for frame in frames for row in frame.rows() for cell in row)


@given(key=st.binary(min_size=32, max_size=100), text=st.text())
def test_a_pseudonym_is_the_hmac_of_the_id(key, text):
    whole = hmac.new(
        key, b"person\0" + text.strip().encode("utf-8", "surrogatepass"), hashlib.sha256
    ).digest()
    assert Pseudonyms(key).person(text) == base64.urlsafe_b64encode(whole[:9]).decode()


def test_names_addresses_and_mail_never_leave_the_archive_and_ids_only_as_pseudonyms(home):
    deliver(
        home, "stu.csv",
        "ID,Name,Mail,Grade,Born,Gender,Note\n"
        "S000001,Canary One,one@canary.example,09,2010-05-17,female,Canary note\n"
        "S000002,Canary Two,two@canary.example,97,2010-05-17,female,Canary note\n"
        "S000003,Canary Three,three@canary.example\n"
        f"S000004,Canary Four,four@canary.example,10,17-Mai-2010,{'Canary prose ' * 9},Canary note\n"
        "S000005,Canary Five,five@canary.example,11,2010-06-30,female,Canary note\n",
    )  # fmt: skip
    one = partner(DELIMITED)
    take_delivery(home, one)
    load_all(home, one)
    people = Pseudonyms(keys.key(home, "test_sd"))
    stored = pl.read_parquet(home.extract("students", "test_sd", 2026) / "*.parquet", hive_partitioning=False)
    assert set(stored["student_id"]) == {people.person(f"S00000{number}") for number in (1, 5)}
    assert set(stored["birth_date"].cast(pl.String)) == {"2010-05-01", "2010-06-01"}
    told = {row["_line"]: row for row in rejected(home, "students", 2026).to_dicts()}
    assert (told[3]["_column"], told[3]["_value"], told[3]["Grade"]) == ("grade_level", "97", "97")
    assert told[5]["_value"] == "00-Mai-0000"
    assert (told[3]["Name"], told[3]["Mail"], told[3]["Note"], told[5]["Gender"]) == (
        None,
        None,
        None,
        WITHHELD,
    )
    for layer in ("extracts", "quarantine"):
        left = texts_of(home.root / layer)
        assert not [mark for mark in ("Canary", "canary", "S0000", "-17", "17-Mai") if mark in left]
    archived = bytes_of(home.root / "archive")
    assert b"Canary One" in archived
    others = b"".join(path.read_bytes() for path in home.root.glob("*") if path.is_file())
    assert b"anary" not in others
    assert b"S00000" not in others


@pytest.mark.parametrize("extract", EXTRACTS.values(), ids=EXTRACTS)
def test_every_column_of_a_persons_id_is_known_as_one(extract):
    ids = {c.name for c in extract.columns if c.name.endswith("_id") and c.name.split("_")[0] in {"student", "respondent", "staff", "teacher", "observer"}}  # fmt: skip
    assert ids <= PERSONS


def test_the_same_person_has_one_pseudonym_in_all_files_of_a_partner_and_another_at_another_partner(home):
    ours, theirs = (Pseudonyms(keys.key(home, partner_id)) for partner_id in ("north", "south"))
    assert ours.person(" 0042 ") == ours.person("0042") != ours.person("42")
    assert ours.person("0042") != theirs.person("0042")
    assert ours.persons(pl.Series(["a", None, "", "a"])).to_list() == [
        ours.person("a"),
        None,
        "",
        ours.person("a"),
    ]


def test_a_pseudonym_is_the_same_whatever_was_remembered_before_it(monkeypatch):
    """Block after block, with few places for them and after all were forgotten."""
    monkeypatch.setattr(pseudonyms, "_SLOTS", 4)
    monkeypatch.setattr(pseudonyms, "_REMEMBERED", 5)
    people = Pseudonyms(b"k" * 32)
    for start in (0, 3, 0, 9, 2):
        block = pl.Series([f"s{n}" for n in range(start, start + 4)] * 2)
        assert people.persons(block).to_list() == [Pseudonyms(b"k" * 32).person(text) for text in block]


def test_a_key_is_secret_and_made_once(home, monkeypatch):
    monkeypatch.delenv("EQUITY_KEYS")
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: keys.key(home, "north"), range(16)))
    assert len(made) == 1
    path = home.keys / "north.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in home.keys.iterdir()] == ["north.key"]
    path.chmod(0o640)
    with pytest.raises(EquityError, match="others may read this key"):
        keys.key(home, "north")
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(EquityError, match="no key of 64 hexadecimal digits") as told:
        keys.key(home, "north")
    assert "short" not in str(told.value)


def test_a_key_may_lie_outside_the_home(home, tmp_path, monkeypatch):
    monkeypatch.setenv("EQUITY_KEYS", str(tmp_path / "secrets"))
    keys.key(home, "north")
    assert os.listdir(tmp_path / "secrets") == ["north.key"]
    assert not home.keys.exists()


def test_a_new_key_makes_everything_anew(home, monkeypatch, tmp_path):
    monkeypatch.setenv("EQUITY_KEYS", str(tmp_path / "keys"))
    deliver(home, "students.csv", "school_year,student_id,grade_level\n2026,a,9\n2026,b,99\n")
    take_delivery(home, partner())
    load_all(home, partner())
    assert pending_files(home, partner()) == []
    before = Pseudonyms(keys.key(home, "test_sd")).person("a")
    assert before in texts_of(home.root / "extracts")

    keys.rotate(home, "test_sd")
    assert pending_files(home, partner()) == ["students.csv"]
    take_delivery(home, partner())
    load_all(home, partner())
    after = Pseudonyms(keys.key(home, "test_sd")).person("a")
    assert after != before
    assert after in texts_of(home.root / "extracts")
    assert before not in texts_of(home.root)
    assert Ledger(home).counts("test_sd")["loaded"] == 1


def answered(*said: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(said, ["respondent_id", "item_id", "response"], orient="row")


PEOPLE = Pseudonyms(b"k" * 32)


@pytest.mark.parametrize(
    "own",
    [
        "Ms Lopez", "Ana", "call 555-0142", "x", "my dad drinks", "ana@example.org", "I hate it here", "Agree with Ana",
        "Often;Ms Lopez", "4 Ms Lopez", "a" * 500, "1.2.3", "Ӓna", "=cmd()", "yes no", "A", "Zoë;Always",
    ],
)  # fmt: skip
def test_one_persons_own_words_are_withheld_however_short(own):
    rows = answered(
        *((str(n), "q1", "Often") for n in range(5)), ("9", "q1", own), ("9", "q2", own), ("9", "q2", own)
    )
    told = PEOPLE.hidden(rows)["response"].to_list()
    assert told == ["Often"] * 5 + [WITHHELD] * 3
    assert PEOPLE.hidden(rows.drop("respondent_id", "item_id").head(6))["response"].to_list()[-1] == WITHHELD


@pytest.mark.parametrize(
    "kept",
    [
        "4",
        "4.5",
        "-99",
        "Strongly agree",
        " YES ",
        "Always;Never",
        "_skipped",
        "",
        ";",
        "Nonbinary",
        "never;3",
    ],
)
def test_a_number_and_a_choice_of_a_scale_stay_even_if_one_person_gives_them(kept):
    assert PEOPLE.hidden(answered(("1", "q1", kept)))["response"].to_list() == [kept]


def test_what_three_people_answer_alike_to_the_same_question_stays():
    long = "I take responsibility for what I do, and I ask for help with what I can't do by myself"
    rows = answered(*((str(n), "q1", long) for n in range(3)), *((str(n), "q2", long) for n in range(2)))
    assert PEOPLE.hidden(rows)["response"].to_list() == [long] * 3 + [WITHHELD] * 2
    several = answered(
        ("1", "q", "Bus;Walk"), ("2", "q", "walk; Bus"), ("3", "q", "bus"), ("4", "q", "WALK;Ana")
    )
    assert PEOPLE.hidden(several)["response"].to_list() == ["Bus;Walk", "walk; Bus", "bus", WITHHELD]


def test_a_choice_that_the_partner_file_names_stays_and_what_is_withheld_is_told(home):
    source = {
        "name": "voice", "format": "survey", "files": ["voice.csv"], "constants": {"survey_id": "v"},
        "columns": {"respondent_id": "who", "item_id": "item", "response": "answer", "school_year": "year",
                    "school_id": "school", "respondent_type": "type"},
        "values": {"response": {"Kinda": "Somewhat"}},
    }  # fmt: skip
    text = "who,item,answer,year,school,type\n1,q,Kinda,2026,s,student\n2,q,Canary,2026,s,student\n"
    deliver(home, "voice.csv", text)
    [taken] = take_delivery(home, partner(source))
    load_all(home, partner(source))
    path = home.extract("survey_responses", "test_sd", 2026) / "*.parquet"
    assert sorted(pl.read_parquet(path, hive_partitioning=False)["response"]) == ["Somewhat", WITHHELD]
    assert any("response: what no 3 people say" in warning for warning in taken.warnings)
