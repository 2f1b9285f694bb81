"""File names: versions of one file share a logical name, and the later one is told by its dates."""

import pytest

from equity_pipeline.domain.versions import version


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
