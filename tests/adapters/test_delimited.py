"""The mapping of a partner file: headers, codes, constants and dates of any delimited export."""

import zipfile

import pytest

from equity_pipeline.adapters import delimited
from equity_pipeline.domain.errors import DeliveryError, PartnerFileError
from equity_pipeline.partners.registry import Partner, Source


def source(**parts):
    return Source(**{"name": "sis", "format": "delimited", "files": ["*"], "extract": "students"} | parts)


def partner(one):
    return Partner(
        partner_id="test_sd",
        name="Test",
        state="CA",
        timezone="America/Los_Angeles",
        first_school_year="2020-21",
        sources=[one],
    )


def mapped(tmp_path, text, name="f.csv", **parts):
    one = source(**parts)
    (tmp_path / name).write_bytes(text.encode())
    [result] = delimited.map(delimited.read(tmp_path / name, name, one), one, partner(one))
    return result


STUDENTS = {"student_id": ["Student Number", "StudentID"], "grade_level": "Grade"}


def test_headers_by_alias_in_any_case_with_constants_and_lines(tmp_path):
    result = mapped(
        tmp_path,
        " studentid ;GRADE;Password\n 7 ;9;hunter2\n8;10;x\n",
        columns=STUDENTS,
        constants={"school_year": "2021"},
    )
    assert result.extract == "students"
    assert result.rows.to_dicts() == [
        {"student_id": " 7 ", "grade_level": "9", "school_year": "2021", "_file": "f.csv", "_line": 2},
        {"student_id": "8", "grade_level": "10", "school_year": "2021", "_file": "f.csv", "_line": 3},
    ]
    assert result.unused == {"f.csv": ("Password",)}


def test_the_first_alias_that_the_file_has_is_taken(tmp_path):
    result = mapped(tmp_path, "StudentID,Student Number,Grade\na,b,9\n", columns=STUDENTS)
    assert result.rows["student_id"].to_list() == ["b"]


def test_value_maps_exact_case_first_then_any_case_then_as_it_stands(tmp_path):
    result = mapped(
        tmp_path,
        "StudentID,Grade,Lunch\n1,9,f\n2,9,F\n3,9, P \n4,9,p\n5,9,\n6,9,Q\n",
        columns=STUDENTS | {"economically_disadvantaged": "Lunch"},
        values={"economically_disadvantaged": {"F": "yes", "f": "no", " P": "no", "": "unknown"}},
    )
    assert result.rows["economically_disadvantaged"].to_list() == ["no", "yes", "no", "no", "unknown", "Q"]


def test_one_header_may_feed_two_columns(tmp_path):
    result = mapped(
        tmp_path,
        "StudentID,Grade,Race\n1,9,Hispanic\n2,9,Black\n",
        columns=STUDENTS | {"races": "Race", "hispanic_latino": "Race"},
        values={
            "races": {"Hispanic": "", "Black": "BlackOrAfricanAmerican"},
            "hispanic_latino": {"Hispanic": "yes", "Black": "no"},
        },
    )
    assert result.rows["races"].to_list() == ["", "BlackOrAfricanAmerican"]
    assert result.rows["hispanic_latino"].to_list() == ["yes", "no"]


ENROLLMENTS = {
    "school_year": "Year", "student_id": "ID", "school_id": "School", "entry_date": "In", "exit_date": "Out"
}  # fmt: skip


@pytest.mark.parametrize(
    ("meaning", "last_day"), [("last_day", "2021-03-01"), ("first_day_after", "2021-02-28")]
)
def test_exit_dates_become_the_last_day(tmp_path, meaning, last_day):
    result = mapped(
        tmp_path,
        "Year,ID,School,In,Out\n2021,1,A,8/5/2020,3/1/2021\n2021,2,A,08/05/2020,\n2021,3,A,soon,2021\n",
        extract="school_enrollments",
        columns=ENROLLMENTS,
        options={"date_format": "%m/%d/%Y", "exit_date": meaning},
    )
    assert result.rows["entry_date"].to_list() == ["2020-08-05", "2020-08-05", "soon"]
    assert result.rows["exit_date"].to_list() == [last_day, "", "2021"]


def test_an_exclusive_exit_on_the_entry_date_is_no_enrollment(tmp_path):
    result = mapped(
        tmp_path,
        "Year,ID,School,In,Out\n2021,1,A,2020-08-05,2020-08-05\n2021,2,A,2020-08-05,2020-08-06\n",
        extract="school_enrollments",
        columns=ENROLLMENTS,
        options={"exit_date": "first_day_after"},
    )
    assert result.rows["exit_date"].to_list() == ["2020-08-05"]
    assert result.skipped == {"enrollment of no days (exit on the entry date)": 1}


def test_a_missing_required_header_lists_what_was_found_and_sought(tmp_path):
    with pytest.raises(DeliveryError) as refusal:
        mapped(tmp_path, "Pupil,Grade\n1,9\n", columns=STUDENTS)
    assert str(refusal.value).startswith(
        "f.csv, line 1: no header for student_id as Student Number or StudentID"
    )
    assert "headers found: Pupil, Grade" in str(refusal.value)


def test_a_missing_optional_header_is_not_known(tmp_path):
    result = mapped(tmp_path, "StudentID,Grade\n1,9\n", columns=STUDENTS | {"gpa": ["GPA"]})
    assert "gpa" not in result.rows.columns
    assert result.warnings == ("f.csv: no header for gpa; taken as not known",)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"extract": None}, "needs `extract`"),
        ({"extract": "pupils"}, "no extract 'pupils'"),
        ({"columns": STUDENTS | {"grades": "G"}}, "columns of students has no grades"),
        ({"values": {"race": {"W": "White"}}}, "values of students has no race"),
        ({"constants": {"year": "2021"}}, "constants of students has no year"),
        ({"options": {"dateformat": "%Y"}}, "no option dateformat"),
        ({"options": {"exit_date": "after"}}, "exit_date is"),
        ({"columns": {"grade_level": "Grade"}}, "no column is mapped to student_id"),
    ],
)
def test_a_wrong_mapping_is_told_by_its_source(tmp_path, wrong, told):
    with pytest.raises(PartnerFileError, match=told) as refusal:
        mapped(tmp_path, "StudentID,Grade\n1,9\n", **{"columns": STUDENTS} | wrong)
    assert "'sis'" in str(refusal.value)


def test_every_member_of_a_zip_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("a.csv", "StudentID,Grade\n1,9\n")
        archive.writestr("b.csv", "Grade,Student Number\n10,2\n")
    one = source(columns=STUDENTS)
    [result] = delimited.map(delimited.read(tmp_path / "f.zip", "f.zip", one), one, partner(one))
    assert result.rows.select("student_id", "grade_level", "_file", "_line").rows() == [
        ("1", "9", "f.zip!a.csv", 2),
        ("2", "10", "f.zip!b.csv", 2),
    ]
