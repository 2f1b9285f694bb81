"""School years, intervals, identifiers and errors: worked by hand, or by another library."""

from __future__ import annotations

import datetime as dt

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportion_effectsize

from equity_pipeline.domain import errors, identifiers, intervals, school_years


@pytest.mark.parametrize("text", ["2025-26", " 2025-2026 ", "2025/26", "2025–26", "2026", "2026.0", 2026])
def test_a_school_year_is_read_however_it_is_written(text):
    assert school_years.parse(text) == 2026


def test_a_century_ends_within_a_school_year():
    assert school_years.label(2100) == "2099-00" and school_years.parse("2099-00") == 2100
    assert school_years.label(2026) == "2025-26" and school_years.label(2005) == "2004-05"


@pytest.mark.parametrize("text", ["2025-27", "2025-25", "2025-2027", "2025-2025"])
def test_years_that_do_not_follow_each_other_are_no_school_year(text):
    with pytest.raises(
        ValueError, match=f"^'{text}' is not a school year: the years do not follow each other$"
    ):
        school_years.parse(text)


@pytest.mark.parametrize("text", ["25-26", "the year 2026", "2026x", "2025-26 b", "a 2025-26", "2026.5", ""])
def test_other_words_are_no_school_year(text):
    with pytest.raises(ValueError, match=f"^'{text}' is not a school year such as 2025-26$"):
        school_years.parse(text)


def test_a_school_year_begins_on_the_first_of_july():
    assert school_years.of_date(dt.date(2025, 6, 30)) == 2025
    assert school_years.of_date(dt.date(2025, 7, 1)) == 2026
    assert school_years.of_date(dt.date(2026, 1, 1)) == 2026
    days = {"10-15": dt.date(2025, 10, 15), "07-01": dt.date(2025, 7, 1), "06-30": dt.date(2026, 6, 30)}
    assert {day: school_years.due_date(2026, day) for day in days} == days


@pytest.mark.parametrize(("successes", "n"), [(0, 12), (3, 17), (45, 300), (80, 100), (40, 40)])
def test_the_interval_of_a_rate_is_that_of_another_library(successes, n):
    assert intervals.wilson(successes / n, n) == pytest.approx(
        proportion_confint(successes, n, method="wilson"), abs=1e-12
    )


def test_the_interval_of_a_gap_is_that_of_another_library():
    ours = intervals.newcombe(45 / 300, 300, 360 / 900, 900)
    theirs = confint_proportions_2indep(45, 300, 360, 900, method="newcomb")
    assert ours == pytest.approx(theirs, abs=1e-12)
    assert intervals.cohens_h(0.15, 0.4) == pytest.approx(proportion_effectsize(0.15, 0.4), abs=1e-12)


@pytest.mark.parametrize("slug", ["ab", "riverside_usd", "a2345678901234567890123456789_1"])
def test_a_partner_id_is_a_slug(slug):
    assert identifiers.check_partner_id(slug) == slug


@pytest.mark.parametrize(
    "name", ["a", "", "Riverside", "1st", "_a", "a-b", "a b", "a/b", "../a", "ab\n", "a" * 32]
)
def test_nothing_else_may_become_a_folder(name):
    with pytest.raises(ValueError, match="^partner_id .* must match"):
        identifiers.check_partner_id(name)


def test_an_error_of_a_delivery_says_file_line_problem_and_remedy():
    whole = errors.DeliveryError("no header", file="students.csv", line=1, remedy="send it again")
    assert str(whole) == "students.csv, line 1: no header; send it again"
    assert (whole.file, whole.line, whole.problem, whole.remedy) == (
        "students.csv", 1, "no header", "send it again",
    )  # fmt: skip
    assert str(errors.DeliveryError("can't be read", file="a.zip")) == "a.zip: can't be read"


class _XWrong(Exception):
    pass


def test_of_a_foreign_error_only_its_type_is_told_or_that_the_disk_is_full():
    assert errors.without_value(KeyError("Ana Alvarez")) == "KeyError"
    assert errors.without_value(_XWrong("Ana Alvarez")) == "XWrong"
    for said in (
        "[Errno 28] No space left on device: '/x'",
        "database or disk is full",
        "Disk quota exceeded",
    ):
        assert errors.without_value(OSError(said)) == "the disk is full"
