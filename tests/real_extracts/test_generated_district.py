"""A whole OneRoster 1.1 district by somebody else's generator: every record is accounted for."""

from __future__ import annotations

import shutil
from collections import Counter

import polars as pl
import pytest

from equity_pipeline.adapters import oneroster
from equity_pipeline.adapters.base import REJECT
from equity_pipeline.contracts import EXTRACTS
from equity_pipeline.contracts.contract import Typing
from equity_pipeline.extracts.intake import load_extracts, take_delivery
from equity_pipeline.partners import registry
from equity_pipeline.storage.home import Home

DISTRICT = "oneroster/generated_district"


@pytest.fixture(scope="module", params=["folder", "zip"])
def mapped(request, extract, partner_file):
    path = extract(DISTRICT if request.param == "folder" else f"{DISTRICT}/oneroster-district-medium.zip")
    partner = registry.load(partner_file("generated_district"))
    (source,) = partner.sources
    tables = oneroster.read(path, path.name, source)
    assert {table.inferred["as_of"] for table in tables if "manifest" not in table.name} == {"2025-10-01"}
    return {one.extract: one for one in oneroster.map(tables, source, partner)}


def test_every_record_is_a_row_or_counted(mapped):
    counts = {name: (one.rows.height, sum(one.skipped.values())) for name, one in mapped.items()}
    assert counts == {
        "schools": (8, 1),
        "students": (778, 59),
        "school_enrollments": (778, 59),
        "courses": (91, 0),
        "course_enrollments": (5_446, 364),
    }
    assert not any(one.warnings for one in mapped.values())
    rejects = pl.concat(one.rows[REJECT] for one in mapped.values() if REJECT in one.rows.columns)
    assert rejects.null_count() == len(rejects)


def test_every_row_fulfills_its_contract(mapped):
    for name, one in mapped.items():
        contract = EXTRACTS[name]
        typed = Typing(contract, contract.required).of(one.rows)
        assert typed["_fault"].null_count() == typed.height, name
        assert typed.select(contract.key).is_duplicated().sum() == 0, name
        assert one.rows["school_year"].unique().to_list() == ["2026"], name


def test_what_the_district_says_of_race_and_what_it_does_not(mapped):
    students = mapped["students"].rows
    assert Counter(students["hispanic_latino"]) == {"no": 589, "yes": 189}
    assert students.filter(races="DemographicRaceTwoOrMoreRaces").height == 66
    assert students["races"].null_count() == 0
    assert Counter(students["sex"]) == {"male": 391, "female": 387}
    # No column of the set says these: not known, in no case "no".
    assert not {"english_learner", "economically_disadvantaged", "disability_idea"} & set(students.columns)


def test_local_course_numbers_are_not_taken_for_sced(mapped):
    courses = mapped["courses"].rows
    assert "0191100" in courses["course_id"].to_list()
    assert courses["sced_code"].null_count() == courses.height


def test_enrollments_run_through_the_year(mapped):
    for name in ("school_enrollments", "course_enrollments"):
        rows = mapped[name].rows
        assert rows["entry_date"].unique().to_list() == ["2025-08-15"]
        assert rows["exit_date"].null_count() == rows.height
    assert mapped["course_enrollments"].rows["term"].unique().to_list() == ["Full Year"]
    assert mapped["school_enrollments"].rows["is_primary"].unique().to_list() == ["yes"]


def test_taken_in_and_loaded_whole(tmp_path, extract, partner_file):
    home, partner = Home(tmp_path), registry.load(partner_file("generated_district"))
    landing = home.landing(partner.partner_id)
    landing.mkdir(parents=True)
    shutil.copy(extract(f"{DISTRICT}/oneroster-district-medium.zip"), landing)
    (result,) = take_delivery(home, partner)
    assert result.status == "accepted" and result.warnings == ()
    loads = {load.extract: load for load in load_extracts(home, partner, 2026)}
    assert {
        name: (load.rows_in, load.loaded, load.rejected, load.duplicates) for name, load in loads.items()
    } == {
        "schools": (8, 8, 0, 0),
        "students": (778, 778, 0, 0),
        "school_enrollments": (778, 778, 0, 0),
        "courses": (91, 91, 0, 0),
        "course_enrollments": (5_446, 5_446, 0, 0),
    }
