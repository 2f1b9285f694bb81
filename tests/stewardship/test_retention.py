"""What is older than a partner's retention goes from every layer, and what is younger stays."""

from __future__ import annotations

import datetime as dt
import json

from equity_pipeline.domain import school_years
from equity_pipeline.extracts.intake import pending_files, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners.registry import Partner, Retention
from equity_pipeline.stewardship.erasure import retain
from equity_pipeline.storage import trail
from tests.extracts.test_intake import deliver, load_all, partner, students

NOW = school_years.of_date(dt.date.today())


def test_only_the_school_years_that_a_partner_keeps_stay(home):
    old, mixed, new = (
        students(*(f"{year},s{year},9,F" for year in years), f"{years[0]},x,97,F")
        for years in ([NOW - 3], [NOW - 2, NOW], [NOW - 1])
    )
    files = {"old_students.csv": old, "mixed_students.csv": mixed, "new_students.csv": new}
    for name, text in files.items():
        deliver(home, name, text)
    everything = partner()
    take_delivery(home, everything)
    load_all(home, everything)
    assert retain(home, everything, dt.date.today()) is None

    two = everything.model_copy(update={"retention": Retention(school_years=2)})
    receipt = json.loads(retain(home, two, dt.date.today()).read_text())
    assert receipt["files_removed"] == 1
    assert receipt["quarantine_removed"] == 2
    assert sorted(path.name for path in home.landing("test_sd").iterdir()) == [
        "mixed_students.csv",
        "new_students.csv",
    ]
    archived = b"".join(path.read_bytes() for path in home.archive("test_sd").rglob("*.csv"))
    assert f"s{NOW - 3}".encode() not in archived
    assert f"s{NOW - 1}".encode() in archived
    years = {int(path.name[-4:]) for path in (home.root / "extracts").glob("students/*/*")}
    assert years == {NOW - 1, NOW}
    assert {load["school_year"] for load in Ledger(home).loads("test_sd")} == {NOW - 1, NOW}
    assert trail.entries(home)[-1]["action"] == "erased"

    take_delivery(home, two)
    load_all(home, two)
    assert pending_files(home, two) == []
    assert {int(path.name[-4:]) for path in (home.root / "extracts").glob("students/*/*")} == {NOW - 1, NOW}
    assert retain(home, two, dt.date.today()) is None


def test_all_is_kept_where_nothing_is_said():
    assert Partner.model_fields["retention"].default.first_kept(dt.date(2026, 11, 1)) == 0
    assert Retention(school_years=3).first_kept(dt.date(2026, 11, 1)) == 2025
