"""What a scaffold guesses from the cells: code lists and date formats, and nothing about persons."""

import pytest
import yaml

from equity_pipeline.stewardship import scaffold


def guessed(tmp_path, text):
    path = tmp_path / "stu.csv"
    path.write_text(text)
    text, questions = scaffold.new_partner("north", [path], 2026)
    [source] = yaml.load(text, Loader=yaml.BaseLoader)["sources"]
    return source, questions


def test_codes_of_closed_lists_are_mapped_where_their_meaning_is_common(tmp_path):
    source, questions = guessed(
        tmp_path,
        "Student Number,Grade,SY,Gender,LunchStatus,Race,ELL\n"
        "1,9,2026,F,F,Black,ELL\n2,10,2026,M,P,White,\n3,11,2026,F,,Asian,RFEP\n",
    )
    assert source["values"] == {
        "economically_disadvantaged": {"": "unknown", "F": "yes", "P": "no"},
        "races": {"Black": "BlackOrAfricanAmerican"},
        "english_learner": {"": "unknown", "ELL": "current", "RFEP": "former"},
    }
    assert not any("codes" in question for question in questions)


def test_a_code_that_is_not_known_is_never_no(tmp_path):
    source, questions = guessed(tmp_path, "Student Number,Grade,SY,LunchStatus\n1,9,2026,1\n2,9,2026,2\n")
    assert source["values"] == {"economically_disadvantaged": {"1": "unknown", "2": "unknown"}}
    assert any("what do the codes of LunchStatus mean" in question for question in questions)


@pytest.mark.parametrize(
    ("days", "options", "asked"),
    [
        (("1/31/2010", "2/1/2010"), {"date_format": "%m/%d/%Y"}, False),
        (("31/1/2010", ""), {"date_format": "%d/%m/%Y"}, False),
        (("1/2/2010", "3/4/2010"), {"date_format": "%m/%d/%Y"}, True),
        (("2010-01-31", ""), None, False),
        (("", ""), None, False),
        (("20100131", "20100201"), {"date_format": "%Y%m%d"}, False),
    ],
)
def test_date_formats_are_those_that_fit_every_date(tmp_path, days, options, asked):
    source, questions = guessed(
        tmp_path, f"Student Number,Grade,SY,DOB\n1,9,2026,{days[0]}\n2,9,2026,{days[1]}\n"
    )
    assert source.get("options") == options
    assert any("are its dates" in question for question in questions) == asked


def test_texts_of_persons_stay_out(tmp_path):
    rows = "".join(f"{i},9,2026,Secret{i}\n" for i in range(30))
    source, questions = guessed(tmp_path, f"Student Number,Grade,SY,Gender\n{rows}")
    assert "Secret" not in str(source) + str(questions)


def test_files_of_one_name_are_told_apart_by_their_folder(tmp_path):
    for folder, header in [
        ("students", "SIS ID,Grade,SY,Gender"),
        ("marks", "student_id,section_id,term_id,final_grade,course_id"),
    ]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "part1.csv").write_text(
            header + "\n" + ",".join("1" * (header.count(",") + 1)) + "\n"
        )
    text, _ = scaffold.new_partner("north", [tmp_path / f / "part1.csv" for f in ("students", "marks")], 2026)
    sources = yaml.load(text, Loader=yaml.BaseLoader)["sources"]
    assert [(s["name"], s["extract"], s["files"]) for s in sources] == [
        ("students", "students", ["students/part*.csv"]),
        ("marks", "course_enrollments", ["marks/part*.csv"]),
    ]


def test_a_student_export_with_a_school_also_gives_schools_and_enrollments(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text("Student Number,Grade,Gender,School Code\n1,9,F,55\n")
    text, questions = scaffold.new_partner("north", [path], 2026)
    sources = yaml.load(text, Loader=yaml.BaseLoader)["sources"]
    assert [(one["name"], one["extract"], one["constants"]) for one in sources] == [
        ("roster", "students", {"school_year": ""}),
        ("roster_school_enrollments", "school_enrollments", {"school_year": "", "entry_date": ""}),
        ("roster_schools", "schools", {"school_name": ""}),
    ]
    assert "roster.csv: which column, or which constant, is school_name of schools?" in questions
    assert not any("not used" in question for question in questions)


def test_a_single_federal_race_category_says_who_is_hispanic(tmp_path):
    source, questions = guessed(
        tmp_path, "Student Number,Grade,SY,FedRace\n1,9,2026,Black\n2,9,2026,Hispanic\n3,9,2026,Q\n"
    )
    assert source["columns"]["hispanic_latino"] == source["columns"]["races"] == "FedRace"
    assert source["values"]["hispanic_latino"] == {"Black": "no", "Hispanic": "yes", "Q": "unknown"}
    assert source["values"]["races"] == {"Black": "BlackOrAfricanAmerican", "Hispanic": "", "Q": ""}
    assert any("what do the codes of FedRace mean" in question for question in questions)
