"""A scaffolded partner file must be one that the registry accepts, with a mapping that fits the files."""

from equity_pipeline.partners import registry
from equity_pipeline.stewardship import scaffold

DELIMITED = "Student Number;Grade;SY;Gender;LunchStatus;Favourite Colour\n1;09;2025-26;F;F;blue\n"


def _scaffolded(home, files):
    text, questions = scaffold.new_partner("north", files, 2026)
    path = home.partner_file("north")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return registry.load(path), questions


def test_headers_are_guessed_and_what_is_not_used_is_said(home, tmp_path):
    file = tmp_path / "stu_demo_2025.csv"
    file.write_text(DELIMITED)
    partner, questions = _scaffolded(home, [file])
    [source] = partner.sources
    assert (source.format, source.extract, source.files) == ("delimited", "students", ["stu_demo_*.csv"])
    assert source.columns == {
        "school_year": "SY",
        "student_id": "Student Number",
        "grade_level": "Grade",
        "sex": "Gender",
        "economically_disadvantaged": "LunchStatus",
    }
    assert "stu_demo_2025.csv: not used: Favourite Colour" in questions


def test_a_missing_required_column_is_asked_for(home, tmp_path):
    file = tmp_path / "enrollment.csv"
    file.write_text("student_id,school_id,exit_date\n1,2,2025-10-01\n")
    _, questions = _scaffolded(home, [file])
    assert any(
        "which column, or which constant, is school_year, entry_date" in question for question in questions
    )


def test_a_one_roster_folder_and_canonical_files_are_known(home, tmp_path):
    roster = tmp_path / "roster2026"
    roster.mkdir()
    for name in ("manifest.csv", "orgs.csv", "users.csv"):
        (roster / name).write_text("sourcedId\n")
    students = tmp_path / "students.csv"
    students.write_text("school_year,student_id,grade_level\n")
    partner, _ = _scaffolded(home, [roster, students])
    assert [(source.name, source.format) for source in partner.sources] == [
        ("roster", "oneroster"),
        ("canonical", "canonical"),
    ]
    assert partner.sources[0].files == ["roster*"]


def test_no_value_of_a_file_gets_into_the_partner_file(home, tmp_path):
    file = tmp_path / "stu.csv"
    file.write_text(DELIMITED)
    text, questions = scaffold.new_partner("north", [file], 2026)
    assert "blue" not in text + " ".join(questions)


def test_a_file_is_canonical_by_its_headers_not_by_its_name(home, tmp_path):
    file = tmp_path / "students.csv"
    file.write_text(DELIMITED)
    partner, _ = _scaffolded(home, [file])
    assert [(source.format, source.extract) for source in partner.sources] == [("delimited", "students")]
