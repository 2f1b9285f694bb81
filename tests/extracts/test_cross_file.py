"""Rows that don't agree with another file are counted and kept."""

import polars as pl

from equity_pipeline.extracts import cross_file
from tests.extracts.test_drift import load, partner
from tests.extracts.test_intake import deliver, stored


def checks(home, year):
    path = home.extract(cross_file.TABLE, "test_sd", year) / "part-0.parquet"
    frame = pl.read_parquet(path, hive_partitioning=False)
    return {(rule, extract): (rows, of) for rule, extract, rows, of in frame.iter_rows()}


def test_what_does_not_agree_with_another_file_is_counted_and_stays(home):
    deliver(
        home, "students.csv",
        "school_year,student_id,grade_level,birth_date\n"
        "2021,a,9,2006-01-01\n2021,b,9,2006-01-01\n2021,c,9,\n"
        "2022,a,10,2006-01-01\n2022,b,10,2005-01-01\n2022,c,10,2006-01-01\n",
    )  # fmt: skip
    deliver(
        home, "school_enrollments.csv",
        "school_year,student_id,school_id,entry_date,exit_date\n"
        "2022,a,1,2021-08-20,2021-12-17\n2022,a,2,2021-12-17,\n2022,b,1,2021-08-20,2021-12-17\n"
        "2022,b,2,2021-12-18,\n2022,x,1,2021-08-20,\n",
    )  # fmt: skip
    deliver(home, "courses.csv", "school_year,course_id,course_title\n2022,AP1,AP Biology\n")
    deliver(
        home,
        "course_enrollments.csv",
        "school_year,student_id,school_id,course_id\n2022,a,1,AP1\n2022,a,1,AP2\n",
    )
    deliver(
        home,
        "exam_results.csv",
        "exam_year,student_id,program,exam_code,score\n2022,y,ap,20,3\n2022,a,ap,20,4\n",
    )
    load(home, partner())
    assert checks(home, 2022) == {
        ("student_unknown", "school_enrollments"): (1, 5),
        ("student_unknown", "course_enrollments"): (0, 2),
        ("student_unknown", "exam_results"): (1, 2),
        ("student_matched_later", "exam_results"): (0, 2),
        ("id_with_another_birth_date_than_last_year", "students"): (1, 2),
        ("course_not_in_catalog", "course_enrollments"): (1, 2),
        ("overlaps_an_earlier_stay", "school_enrollments"): (1, 5),
    }
    assert stored(home, "exam_results", 2022)["student_id"].to_list() == ["a", "y"]
    assert not home.extract(cross_file.TABLE, "test_sd", 2021).exists()
