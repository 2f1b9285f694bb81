"""A group that all but vanishes in a school is blocked until a person accepts it."""

import polars as pl
import pytest

from equity_pipeline.extracts import drift
from equity_pipeline.extracts.intake import load_extracts, pending_files, take_delivery
from equity_pipeline.extracts.ledger import Ledger
from equity_pipeline.partners.registry import Partner
from tests.extracts.test_intake import deliver


def partner(**more):
    return Partner(
        partner_id="test_sd", name="Test", state="CA", timezone="America/Los_Angeles", first_school_year="2020-21",
        sources=[{"name": "own", "format": "canonical", "files": ["*.csv"]}], **more,
    )  # fmt: skip


def year_of(home, year, *schools):
    """`schools`: (school, learners, low income, of unknown income, students)."""
    students = ["school_year,student_id,grade_level,english_learner,economically_disadvantaged"]
    stays = ["school_year,student_id,school_id,entry_date"]
    for school, learners, poor, unknown, size in schools:
        for n in range(size):
            income = "yes" if n < poor else "unknown" if n < poor + unknown else "no"
            students.append(f"{year},{school}{n},9,{'current' if n < learners else 'never'},{income}")
            stays.append(f"{year},{school}{n},{school},{year - 1}-08-20")
    deliver(home, f"students_{year - 1}-{year % 100}.csv", "\n".join(students) + "\n")
    deliver(home, f"school_enrollments_{year - 1}-{year % 100}.csv", "\n".join(stays) + "\n")


def load(home, one):
    take_delivery(home, one)
    for year in sorted(Ledger(home).pending("test_sd"), reverse=True):  # in any order
        load_extracts(home, one, year)


def blocks(home, year):
    path = home.extract(drift.TABLE, "test_sd", year) / "part-0.parquet"
    return pl.read_parquet(path, hive_partitioning=False).to_dicts() if path.exists() else []


def test_a_collapse_blocks_the_school_and_dimension_until_a_person_accepts_it(home):
    year_of(home, 2022, ("A", 40, 50, 0, 100), ("B", 40, 50, 0, 100), ("C", 19, 50, 0, 100))
    year_of(home, 2023, ("A", 5, 50, 0, 100), ("B", 20, 20, 60, 100), ("C", 0, 13, 0, 100))
    load(home, partner())
    assert blocks(home, 2022) == []
    assert blocks(home, 2023) == [
        {
            "school_id": "A", "dimension": "english_learner", "prior_n": 40, "n": 5, "accepted_because": None,
            "reason": "the share of english_learner fell to under 25 % of that of 2021-22",
        },
        {
            "school_id": "B", "dimension": "economically_disadvantaged", "prior_n": 50, "n": 20, "accepted_because": None,
            "reason": "economically_disadvantaged is not known for far more students than in 2021-22",
        },
    ]  # fmt: skip

    word = {
        "school_year": "2022-23",
        "dimension": "english_learner",
        "school_id": "A",
        "because": "centre moved",
    }
    sure = partner(accepted_drift=[word])
    assert pending_files(home, partner()) == []
    assert pending_files(home, sure) == ["test_sd.yml"]
    load(home, sure)
    assert [(b["school_id"], b["accepted_because"]) for b in blocks(home, 2023)] == [
        ("A", "centre moved"),
        ("B", None),
    ]
    assert pending_files(home, sure) == []


def test_a_correction_of_either_year_is_compared_anew(home):
    year_of(home, 2022, ("A", 40, 50, 0, 100))
    year_of(home, 2023, ("A", 5, 50, 0, 100))
    load(home, partner())
    assert len(blocks(home, 2023)) == 1
    year_of(home, 2022, ("A", 10, 50, 0, 100))
    load(home, partner())
    assert blocks(home, 2023) == []


@pytest.mark.parametrize("dimension", ["sex", ""])
def test_only_a_dimension_that_can_be_blocked_can_be_accepted(dimension):
    with pytest.raises(ValueError, match="dimension"):
        partner(accepted_drift=[{"school_year": "2022-23", "dimension": dimension, "because": "moved"}])
