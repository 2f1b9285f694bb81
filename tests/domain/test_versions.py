"""File names: versions of one file share a logical name, and the later one is told by its dates."""

import pytest

from equity_pipeline.domain.versions import FileVersion, version


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("students_2022-23.csv", "students_2023-24.csv"),
        ("students_2022-09-30.csv", "Students_2022-10-01.csv"),
        ("students_20220930.csv", "students_20221001.csv"),
        ("students_20220930_0900.csv", "students_20220930_1700.csv"),
        ("stu 09-30-2022.csv", "stu 10-01-2022.csv"),
        ("2022-23/students.csv", "2023-24/students.csv"),
        ("students.csv", "students_2023.csv"),
        ("students_2022.csv", "students_2022-10-01.csv"),
    ],
)
def test_dates_order_the_versions_of_one_file(older, newer):
    assert version(older).logical == version(newer).logical
    assert version(older).dated < version(newer).dated


@pytest.mark.parametrize(
    "name", ["stu (1).csv", "stu_v2.csv", "stu_corrected.csv", "STU-final.csv", "stu_revised_2022-23.csv"]
)
def test_version_marks_are_no_part_of_the_name(name):
    assert version(name).logical == version("stu.csv").logical
    assert version(name).marked
    assert not version("stu.csv").marked


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("students.csv", "schools.csv"),
        ("north/students.csv", "south/students.csv"),
        ("school12.csv", "school13.csv"),
        ("finalists.csv", "sts.csv"),
        ("students_0042.csv", "students_0043.csv"),
    ],
)
def test_different_files_stay_different(one, other):
    assert version(one).logical != version(other).logical


def test_as_of_is_the_latest_whole_date():
    assert version("stu_2022-23_2022-09-30_20221001.csv").as_of == "2022-10-01"
    assert version("stu_2022-23.csv").as_of is None
    assert version("stu_20221399.csv").as_of is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("North High/Grades_2023-24_2023-10-01_0930 (2).csv",
         FileVersion("north_high/grades_csv", "2023-10-010930", "2023-10-01", marked=True, school_year=2024)),
        ("2022-2023/stu-final.csv", FileVersion("/stu_csv", "2022", None, marked=True, school_year=2023)),
        ("North - (2)/stu.csv", FileVersion("north/stu_csv", "", None, marked=True)),
        ("stu 2022.09.30.csv", FileVersion("stu_csv", "2022-09-30", "2022-09-30", marked=False)),
        ("XX students X.csv", FileVersion("xx_students_x_csv", "", None, marked=False)),
        # A day that is written twice is once a day, and then a year like any other.
        ("a_2022-10-01_2022-10-01.csv", FileVersion("a_10_01_csv", "2022-10-012022", "2022-10-01", marked=False)),
    ],
)  # fmt: skip
def test_all_that_a_name_says(name, said):
    assert version(name) == said


@pytest.mark.parametrize("day", ["2022-01-01", "2022-12-31", "2022-01-31", "2022-12-01"])
def test_the_first_and_the_last_days_are_days(day):
    assert version(f"stu_{day}.csv").as_of == day


@pytest.mark.parametrize("no_day", ["2022-13-05", "2022-12-32", "2022-00-05", "2022-01-00"])
def test_a_day_that_is_not_in_the_calendar_is_none(no_day):
    assert version(f"stu_{no_day}.csv").as_of is None


@pytest.mark.parametrize(
    ("name", "school_year"),
    [("a_2022-23", 2023), ("a_2099-00", 2100), ("a_2022_2023", 2023), ("a_2022-24", None), ("a_2022-21", None),
     ("a_2022", None), ("2022-23/a_2022-23", 2023), ("2021-22/a_2022-23", None)],
)  # fmt: skip
def test_a_school_year_is_known_where_a_name_writes_both_its_years_and_no_other(name, school_year):
    assert version(f"{name}.csv").school_year == school_year
