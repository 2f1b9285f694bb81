"""OneRoster as systems really send it: deltas, slips in headers, list cells, years that quarrel, School Data Sync."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from equity_pipeline.adapters import oneroster
from equity_pipeline.adapters.base import Mapped
from equity_pipeline.domain.errors import DeliveryError
from tests.adapters.test_oneroster import PARTNER, SET, source, take

USERS = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,identifier,grades,password\n"
)
ENROLLMENTS = "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
DELTA = {
    "manifest": "propertyName,value\noneroster.version,1.1\nfile.users,delta\nfile.enrollments,delta\n",
    "users": USERS
    + "a,tobedeleted,2025-10-10T00:00:00Z,true,H,student,u1,S-1,10,x\n"
    + "c,active,2025-10-10T00:00:00Z,true,N,student,u3,S-3,11,x\n"
    + "f,active,2025-10-10T00:00:00Z,true,H,student,u8,S-8,9,x\n",
    "enrollments": ENROLLMENTS
    + "2,active,2025-10-10T00:00:00Z,K1,H,b,student,,2025-08-20,2025-10-20\n"
    + "12,active,2025-10-10T00:00:00Z,K1,H,f,student,,2025-10-08,\n",
}


def take_sets(folder: Path, sets: dict[str, dict[str, str]]) -> dict[str, Mapped]:
    path = folder / "roster.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for prefix, tables in sets.items():
            for name, text in tables.items():
                archive.writestr(f"{prefix}/{name}.csv", text)
    raw = oneroster.read(path, path.name, source())
    return {mapped.extract: mapped for mapped in oneroster.map(raw, source(), PARTNER)}


@pytest.mark.parametrize(
    "names", [("2025-10-01", "2025-10-10"), ("z/2025-10-01", "a/2025-10-10"), ("bulk", "delta")]
)
def test_a_delta_changes_the_bulk_set_before_it(tmp_path, names):
    mapped = take_sets(tmp_path, dict(zip(names, (SET, DELTA), strict=True)))
    students = mapped["students"]
    assert sorted(students.rows.select("student_id", "grade_level").rows()) == [
        ("b", "11"), ("c", "11"), ("d", "9"), ("f", "9"),
    ]  # fmt: skip
    assert students.skipped == {
        "replaced by a later set": 2, "role is administrator": 1, "role is teacher": 1, "status is tobedeleted": 2,
    }  # fmt: skip
    seats = mapped["course_enrollments"]
    ended = {
        (row[0], row[1]): row[2] for row in seats.rows.select("student_id", "section_id", "exit_date").rows()
    }
    assert ended[("b", "K1")] == "2025-10-20" and ("f", "K1") in ended
    assert seats.skipped["replaced by a later set"] == 1
    records = sum(one["enrollments"].count("\n") - 1 for one in (SET, DELTA))
    assert seats.rows.height + sum(seats.skipped.values()) == records


def test_a_later_bulk_set_replaces_all(tmp_path):
    less = SET | {"users": USERS + "c,active,,true,N,student,u3,S-3,12,x\n"}
    mapped = take_sets(tmp_path, {"2025-10-01": SET, "2025-10-10": less})
    assert mapped["students"].rows["student_id"].to_list() == ["c"]
    assert mapped["students"].skipped == {"replaced by a later set": 7}


def test_a_delta_alone_is_refused(tmp_path):
    with pytest.raises(
        DeliveryError, match="2025-10-10/manifest.csv, line 3: 2 of its files hold only changes"
    ):
        take_sets(tmp_path, {"2025-10-10": SET | DELTA, "2025-10-11": SET})


@pytest.mark.parametrize("header", ["SourcedId,sourcedId", "sourcedId,SOURCEDID", "SOURCEDID,SourcedId"])
def test_of_two_headers_that_mean_one_column_the_standards_own_or_the_first_is_read(tmp_path, header):
    read, other = sorted(header.split(","), key=lambda name: name != "sourcedId")
    lines = SET["orgs"].splitlines()
    twice = [header + lines[0].removeprefix("sourcedId")]
    first = header.split(",")[0] == read
    for line in lines[1:]:
        cell, rest = line.split(",", 1)
        twice.append(f"{cell},x,{rest}" if first else f"x,{cell},{rest}")
    mapped, whole = take(tmp_path, SET | {"orgs": "\n".join(twice) + "\n"}), take(tmp_path)
    assert mapped["schools"].rows.equals(whole["schools"].rows)
    assert mapped["schools"].warnings == (
        f"roster.zip!orgs.csv: header {other} is not read: there is sourcedId besides",
    )


@pytest.mark.parametrize("slip", ["dateLastModifed", "sourceId", "soucredId", "sourcedIdd", "surcedId"])
def test_a_slip_in_a_header_is_told(tmp_path, slip):
    name = "dateLastModified" if slip.startswith("date") else "sourcedId"
    tables = SET | {"orgs": SET["orgs"].replace(name, slip, 1)}
    mapped = take(tmp_path, tables)
    whole = take(tmp_path)
    assert mapped["schools"].rows.equals(whole["schools"].rows)
    if name == "sourcedId":
        assert mapped["schools"].warnings == (f"roster.zip!orgs.csv: header {slip} is taken for sourcedId",)


def test_two_slips_or_a_short_name_are_not_guessed(tmp_path):
    with pytest.raises(DeliveryError, match="orgs.csv, line 1: column sourcedId not found"):
        take(tmp_path, SET | {"orgs": SET["orgs"].replace("sourcedId", "sorcedID2", 1)})
    with pytest.raises(DeliveryError, match="orgs.csv, line 1: column type not found"):
        take(tmp_path, SET | {"orgs": SET["orgs"].replace("type", "typ", 1)})


@pytest.mark.parametrize("cell", ['"S1,S2"', '"S1, S2"', '"[S1,S2]"', '"{S1,S2}"', '"[""S1"", ""S2""]"'])
def test_list_cells(tmp_path, cell):
    mapped = take(tmp_path, SET | {"classes": SET["classes"].replace('"S1,S2"', cell)})
    whole = take(tmp_path)
    assert mapped["course_enrollments"].rows.equals(whole["course_enrollments"].rows)


def test_a_school_year_that_its_days_contradict_is_told(tmp_path):
    sessions = SET["academicSessions"].replace(",,2026\n", ",,2025\n").replace("Y,2026\n", "Y,2025\n")
    mapped = take(tmp_path, SET | {"academicSessions": sessions})
    assert mapped["schools"].warnings == (
        "schoolYear of 3 records of academicSessions.csv is not the school year of their days; the days count",
    )
    assert mapped["schools"].rows["school_year"].unique().to_list() == ["2026"]


def test_the_grade_of_a_past_year_is_that_of_its_classes(tmp_path):
    tables = SET | {
        "academicSessions": SET["academicSessions"]
        + "P,active,,2024-25,schoolYear,2024-08-11,2025-06-05,,2025\n",
        "classes": SET["classes"]
        + "P1,active,,Bio,9,C1,,scheduled,,H,P,,,\nP2,active,,Art,\"09,10\",C2,,scheduled,,H,P,,,\n"
        + "P3,active,,Gym,10,C2,,scheduled,,H,P,,,\n",
        "enrollments": SET["enrollments"]
        + "P1,active,,P1,H,a,student,,,\nP2,active,,P2,H,a,student,,,\n"
        + "P3,active,,P1,H,b,student,,,\nP4,active,,P3,H,b,student,,,\n",
    }  # fmt: skip
    students = take(tmp_path, tables)["students"].rows
    assert students.filter(school_year="2025").select("student_id", "grade_level").rows() == [
        ("a", "09"),
        ("b", None),
    ]
    assert students.filter(school_year="2026", student_id="a")["grade_level"].to_list() == ["10"]


SDS = {
    "academicSessions": "sourcedId,title,type,schoolYear,startDate,endDate\nY,2021,schoolYear,2021,2021-08-24,2022-06-11\n",
    "orgs": "sourcedId,name,type,parentSourcedId\nH,High,school,D\nC,College,college,D\n",
    "users": "sourcedId,username,givenName,familyName,password\na,x,A,B,p\nb,x,A,B,p\nt,x,A,B,p\n",
    "courses": "sourcedId,orgSourcedId,title,code,schoolYearSourcedId,subject,grade\nB,H,Biology,B10,Y,14,10\n",
    "classes": "sourcedId,orgSourcedId,title,sessionSourcedIds,courseSourcedId\nK,H,Biology 10,Y,B\n",
    "enrollments": "classSourcedId,userSourcedId,role\nK,a,student\nK,b,student\nK,t,teacher\n",
    "roles": (
        "userSourcedId,orgSourcedId,role,sessionSourcedId,grade,isPrimary,roleStartDate,roleEndDate\n"
        "a,H,student,Y,10,TRUE,2021-08-24,2022-06-11\nb,C,student,Y,10,FALSE,,\nb,H,student,Y,11,TRUE,,\nt,H,teacher,Y,,TRUE,,\n"
    ),
    "demographics": "userSourcedId,sex,birthDate,ethnicityCodes,raceCodes\na,male,2005-07-02,hispanicOrLatinoEthnicity,\nb,female,2005-07-02,,\"asian,white\"\n",
    "userFlags": "userSourcedId,flag\na,iep\nb,freeLunch\n",
}  # fmt: skip


def test_school_data_sync(tmp_path):
    mapped = take(tmp_path, SDS)
    columns = (
        "school_year", "student_id", "grade_level", "sex", "hispanic_latino", "races", "disability_idea", "section_504",
        "economically_disadvantaged",
    )  # fmt: skip
    assert mapped["students"].rows.select(columns).rows() == [
        ("2022", "a", "10", "male", "yes", None, "yes", None, None),
        ("2022", "b", "11", "female", None, "Asian;White", "no", None, "yes"),
    ]
    assert mapped["school_enrollments"].rows.select("student_id", "school_id", "entry_date", "is_primary").rows() == [
        ("a", "H", "2021-08-24", "yes"), ("b", "H", "2021-08-24", "yes"),
    ]  # fmt: skip
    assert mapped["course_enrollments"].rows.select("student_id", "course_id", "section_id", "school_id").rows() == [
        ("a", "B10", "K", "H"), ("b", "B10", "K", "H"),
    ]  # fmt: skip
    assert len(mapped["schools"].warnings) == 1  # schoolYear 2021 of a year that ends in 2022


def test_a_file_that_is_there_twice_is_refused_and_one_that_is_none_of_the_standard_is_passed_over(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("users", "Users"):
        (folder / f"{name}.csv").write_text(SET["users"])
    with pytest.raises(DeliveryError, match="users.csv is there twice"):
        oneroster.read(folder, "set", source())
    with_more = take_sets(tmp_path, {"a": SET | {"notes": "read,me\n1,2\n"}})
    without = take_sets(tmp_path, {"a": SET})
    assert with_more.keys() == without.keys()
    assert all(with_more[extract].rows.equals(without[extract].rows) for extract in without)


def test_results_of_no_final_line_item_leave_grades_unknown_and_say_so(tmp_path):
    items = "sourcedId,status,dateLastModified,title,assignDate,dueDate,classSourcedId,categorySourcedId\n"
    marks = (
        "sourcedId,status,dateLastModified,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate\n"
    )
    taken = take_sets(
        tmp_path,
        {
            "a": SET | {
                "lineItems": f"{items}L1,active,2025-10-01T00:00:00Z,Quiz 3,2025-09-01,2025-09-01,K1,\n",
                "results": f"{marks}R1,active,2025-10-01T00:00:00Z,L1,a,fully graded,90,2025-09-01\n",
            }
        },
    )  # fmt: skip
    seats = taken["course_enrollments"]
    assert seats.rows["final_grade"].null_count() == seats.rows.height
    assert any("results.csv has 1 records, none of a line item called" in one for one in seats.warnings)
