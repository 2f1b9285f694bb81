"""Damaged files: every failure is a `DeliveryError` that names the file and the line, and no record is lost.

Real-looking deliveries of each format are damaged at random (bytes flipped, cut, doubled, put in) and read and mapped.
"""

from __future__ import annotations

import csv
import io
import json
import random
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from equity_pipeline.adapters import ADAPTERS
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.extracts.pseudonyms import Pseudonyms
from equity_pipeline.extracts.reading import read_parts
from equity_pipeline.partners.registry import Partner, Source
from tests.adapters import test_fuzz as fuzz
from tests.adapters.test_college_board_ap import datafile
from tests.adapters.test_college_board_sat import SAT
from tests.adapters.test_edfi import DELIVERY
from tests.adapters.test_edfi_xml import interchange
from tests.adapters.test_oneroster import SET
from tests.adapters.test_survey_platforms import HEADER, IMPORTS, RECORDS, TEXTS
from tests.adapters.test_survey_platforms import csv as survey_csv

IB = (
    "YEAR,MONTH,SUBJECT,LEVEL,SUBJECT_GRADE,student_unique_id\n2024,MAY,SPANISH B,SL,6,a\n2024,NOV,TOK,TK,B,b\n"
    "2024,MAY,MATHS,HL,N,c\n"
)
COUNTS = "Year,School,Girls,Girls in AP\n2025-26,11,120,30\n2025-26,12,40,*\n"
SURVEY = survey_csv(HEADER, TEXTS, IMPORTS, *RECORDS)
CASES: dict[str, tuple[str, dict[str, str | bytes], dict]] = {
    "oneroster": ("oneroster", {f"{name}.csv": text for name, text in SET.items()}, {}),
    "edfi json": ("edfi", {f"{n}.jsonl": "".join(json.dumps(r) + "\n" for r in rs) for n, rs in DELIVERY.items()}, {}),
    "edfi arrays": ("edfi", {f"{n}.json": json.dumps(rs, indent=1) for n, rs in DELIVERY.items()}, {}),
    "edfi xml": ("edfi", {"All.xml": interchange(DELIVERY)}, {}),
    "ap": ("college_board_ap", {"ap.csv": datafile()}, {}),
    "sat": ("college_board_ap", {"sat.csv": SAT}, {"extract": "readiness_scores"}),
    "ib": ("ib", {"ib.csv": IB}, {}),
    "survey": (
        "survey", {"survey.csv": SURVEY},
        {
            "columns": {"respondent_id": "ResponseId", "submitted_at": "EndDate"},
            "constants": {"survey_id": "fall", "respondent_type": "student", "school_id": "_enrolled"},
            "options": {"layout": "wide", "items": {"Q1": "q1", "Q2_1": "q2"}},
        },
    ),
    "aggregate": (
        "aggregate", {"counts.csv": COUNTS},
        {
            "columns": {"school_year": "Year", "school_id": "School"}, "constants": {"metric_id": "ap_ib_enrollment"},
            "options": {"layout": "wide", "groups": [{"dimension": "sex", "subgroup": "female", "n": "Girls", "successes": "Girls in AP"}]},
        },
    ),
}  # fmt: skip
PIECES = (
    b"", b"\0", b'"', b",", b"\n", b"\r", b"<", b"&x;", b"]]>", b"{", b"}", b"[", b"\xff", b"\xef\xbb\xbf", b"\xe9", b"99999999999",
    b"0000-00-00", b"9999-12-31", b"null", b"true", b"<!DOCTYPE x>", b"[" * 2000, b'{"a":' * 2000, b"<a>" * 2000, b"1e999", b"\\u0000",
)  # fmt: skip


# Of a whole delivery: what it has no lines for, or what is in none of them.
WITHOUT_LINES = (*fuzz.WITHOUT_LINES, "not a whole OneRoster set", "no file is named after an Ed-Fi resource")


def damaged(content: bytes, luck: random.Random) -> bytes:
    for _ in range(luck.randint(1, 4)):
        at = luck.randint(0, len(content))
        match luck.randrange(5):
            case 0:
                content = content[:at]
            case 1:
                content = content[:at] + luck.choice(PIECES) + content[at:]
            case 2:
                content = content[:at] + bytes([luck.randrange(256)]) + content[at + 1 :]
            case 3:
                to = luck.randint(at, min(len(content), at + 300))
                content = content[:at] + content[at:to] * luck.randint(0, 3) + content[to:]
            case 4:
                lines = content.splitlines(keepends=True)
                luck.shuffle(lines)
                content = b"".join(lines)
    return content


def partner_of(format: str, more: dict) -> Partner:
    source = Source(name="sent", format=format, files=["*"], **more)
    return Partner(
        partner_id="test_sd", name="T", state="CA", timezone="UTC", first_school_year=2024, sources=[source]
    )


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=60, phases=(Phase.reuse, Phase.generate))  # a smaller seed is no smaller damage
@given(seed=st.integers(0, 2**32 - 1))
def test_damage_is_refused_by_name_and_line_or_read(case, seed):
    luck = random.Random(seed)
    format, files, more = CASES[case]
    partner = partner_of(format, more)
    contents = {n: c if isinstance(c, bytes) else c.encode() for n, c in files.items()}
    for name in luck.sample(sorted(contents), luck.randint(1, min(3, len(contents)))):
        contents[name] = damaged(contents[name], luck)
    with tempfile.TemporaryDirectory() as folder:
        if len(contents) == 1:
            ((name, content),) = contents.items()
            path = Path(folder) / name
            path.write_bytes(content)
        else:
            path = Path(folder) / "sent.zip"
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in contents.items():
                    archive.writestr(name, content)
        try:
            parts = read_parts(partner, path, path.name, list(partner.sources), Pseudonyms(b""))
        except DeliveryError as error:
            assert path.name in error.file
            assert error.line or error.problem.startswith(WITHOUT_LINES), error.problem
            return
        except PartnerFileError as error:
            assert "source 'sent'" in str(error)
            return
        for part in parts:
            assert part.rows["_file"].null_count() == part.rows["_line"].null_count() == 0


def counted(text: str) -> int:
    return sum(1 for record in csv.reader(io.StringIO(text)) if record) - 1


ONE_ROW_A_RECORD: dict[str, Callable[[str], int]] = {"ib": counted, "survey": counted, "aggregate": counted}


@pytest.mark.parametrize("case", ONE_ROW_A_RECORD)
@settings(max_examples=60, phases=(Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32 - 1))
def test_no_record_is_lost(case, seed):
    """Records of any width and value: each is a row, counted as skipped, or a bad record."""
    luck = random.Random(seed)
    format, files, more = CASES[case]
    ((name, text),) = files.items()
    header, *records = csv.reader(io.StringIO(text))
    for _ in range(luck.randint(1, 10)):
        record = list(luck.choice(records))
        record[luck.randrange(len(record))] = luck.choice(
            ("", "x", "N", "2024", "-99", "*", "1/2/2026", '"', "R_9")
        )
        records.append(record[: luck.choice((len(record), len(record), 2))])
    out = io.StringIO()
    csv.writer(out).writerows([header, *records])
    partner = partner_of(format, more)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(out.getvalue(), encoding="utf-8", newline="")
        try:
            tables = ADAPTERS[format].read(path, name, partner.sources[0])
            (mapped,) = ADAPTERS[format].map(tables, partner.sources[0], partner)
        except DeliveryError as error:
            assert "submitted_at" in str(error)  # two readings of a date: refused whole
            return
    items = 2 if case == "survey" else 1
    skipped = {
        reason: count * (items if reason in ("heading", "preview of the survey") else 1)
        for reason, count in mapped.skipped.items()
    }
    bad = sum(len(table.bad) for table in tables)
    assert mapped.rows.height + sum(skipped.values()) + bad * items == len(records) * items
