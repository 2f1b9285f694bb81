"""Two districts by other people's software, from their files to a release: what they do not say is unknown, not zero."""

from __future__ import annotations

import csv
import shutil

import pandas as pd
import pytest
from click.testing import CliRunner

from equity_pipeline.cli import main
from equity_pipeline.stewardship.status import latest_release
from equity_pipeline.storage.home import Home
from tests.end_to_end.conftest import mart, run

DELIVERED = {"contoso": "contoso_sis/full/day1", "generated_district": "oneroster/generated_district"}


@pytest.fixture(scope="module")
def released(tmp_path_factory, extract, partner_file):
    home = Home(tmp_path_factory.mktemp("real") / "home")
    home.partners.mkdir(parents=True)
    for partner_id, folder in DELIVERED.items():
        shutil.copy(partner_file(partner_id), home.partners)
        shutil.copytree(extract(folder), home.landing(partner_id) / partner_id)
    result = run(home)
    assert result.exit_code == 0, result.output
    return home


@pytest.mark.parametrize("partner_id", DELIVERED)
def test_it_is_released_and_an_outsider_learns_no_count(released, partner_id):
    release = released.releases(partner_id) / latest_release(released, partner_id)
    assert (release / "index.html").exists()
    result = CliRunner().invoke(main, ["audit", str(release)])
    assert result.exit_code == 0, result.output


def test_the_students_counted_are_those_of_the_files(released, extract):
    with (extract(DELIVERED["contoso"]) / "students/part1.csv").open(
        encoding="utf-8-sig", newline=""
    ) as file:
        rows = list(csv.DictReader(file))
    counted = mart(released, "contoso", "data_quality")
    of_students = counted[(counted["extract"] == "students") & (counted["school_year"] == 2021)]
    by_measure = of_students.set_index("measure")["n"]
    assert by_measure["rows"] == len(rows)
    assert by_measure["in_population"] == sum(int(row["Grade"]) in range(9, 13) for row in rows) > 0


@pytest.mark.parametrize("partner_id", DELIVERED)
def test_without_a_decided_course_no_rate_of_advanced_courses_is_stated(released, partner_id):
    """Neither district says which of its courses are AP or IB, or sends exams."""
    gaps = mart(released, partner_id, "gap_metrics")
    about = gaps["metric_id"].isin(
        ["ap_ib_enrollment", "course_grade_c_or_better", "exam_taken", "exam_passed_of_takers"]
    )
    assert about.any()
    unsaid = gaps[about]
    assert unsaid[["rate", "successes", "gap"]].isna().all(axis=None)
    assert unsaid["reason"].str.startswith("not_measured").all()
    published = pd.read_parquet(released.releases(partner_id) / "latest" / "data" / "gap_metrics.parquet")
    assert published["rate"].isna().all()


def test_what_the_files_do_not_hold_of_a_student_is_unknown(released):
    """The rosters say nothing of English learners: nobody is one, and nobody is none."""
    gaps = mart(released, "generated_district", "gap_metrics")
    assert set(gaps[gaps["dimension"] == "english_learner"]["subgroup"]) == {"unknown"}
    assert {"female", "male"} <= set(gaps[gaps["dimension"] == "sex"]["subgroup"])


def test_nobody_is_named_in_a_release(released, extract):
    with (extract(DELIVERED["generated_district"]) / "users.csv").open(
        encoding="utf-8-sig", newline=""
    ) as file:
        people = list(csv.DictReader(file))
    secrets = {person[column] for person in people for column in ("sourcedId", "email", "username")} - {""}
    assert len(secrets) > 1_000
    release = released.releases("generated_district") / "latest"
    for path in release.rglob("*"):
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            assert not {secret for secret in secrets if len(secret) > 5 and secret in text}, path.name
